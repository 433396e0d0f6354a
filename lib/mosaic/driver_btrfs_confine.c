/*
 * Receiving runs a program on a stream that somebody else wrote: a list of operations with paths in
 * them. It runs in a child that is shut in before. All files that there are, are those of the
 * system's programs and libraries and the file system of the mosaic, read-only, but for the
 * directory that is received into; there are the capabilities to make any file there; and no system
 * call that changes mounts or namespaces or reaches another process.
 */
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/stat.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/base.h"
#include "kernel/kernel.h"
#include "mosaic/btrfs.h"
#include "mosaic/program.h"

#define FS_PLACE "fs" /* where the mosaic's file system is, right below the child's root */

/* SYS_ADMIN: to look for the subvolume that a stream is based on, and to say what was received. */
#define CAPS_RECEIVE                                                                            \
	(CAP_BIT(0) /* CHOWN */ | CAP_BIT(1) /* DAC_OVERRIDE */ |                               \
	 CAP_BIT(2) /* DAC_READ_SEARCH */ | CAP_BIT(3) /* FOWNER */ | CAP_BIT(4) /* FSETID */ | \
	 CAP_BIT(9) /* LINUX_IMMUTABLE */ | CAPS_SYS_ADMIN | CAP_BIT(27) /* MKNOD */ |          \
	 CAP_BIT(31) /* SETFCAP */)

static const uint64_t closed = MOUNT_NOSUID | MOUNT_NODEV;

/* Where the system's programs and libraries are; of these, most are links into the first. */
static const char *const system_names[] = {
	"usr", "lib", "lib32", "lib64", "libx32", "bin", "sbin"
};

struct cell {
	int system[ARRAY_SIZE(system_names)]; /* -1: a link, or not there */
	char links[ARRAY_SIZE(system_names)][64];
	int fs, here; /* the mosaic's file system; the directory that is received into */
	char path[LIMIT_PATH_BYTES]; /* of that directory, below FS_PLACE */
};

/* ---- what it will see, taken while we are in the namespace that has it ----------------------- */

static int mount_id(int dirfd, const char *path, int flags, uint64_t *ret, bool *ret_is_root)
{
	struct statx stx;

	if (syscall(SYS_statx, dirfd, path, flags, STATX_MNT_ID, &stx) < 0)
		return -errno;
	*ret = stx.stx_mnt_id;
	*ret_is_root = stx.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	return 0;
}

/* The mount that the directory is in, by going up its path; *rest is what is left of that. */
static int clone_mount_of(int dirfd, char path[LIMIT_PATH_BYTES], const char **rest)
{
	char link[32], top[LIMIT_PATH_BYTES];
	uint64_t wanted = 0, id = 0;
	bool is_root = false;
	ssize_t n;
	int r;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
	n = readlink(link, path, LIMIT_PATH_BYTES - 1);
	if (n <= 0)
		return n < 0 ? -errno : -ENOENT;
	path[n] = '\0';
	memcpy(top, path, (size_t)n + 1);
	r = mount_id(dirfd, "", AT_EMPTY_PATH, &wanted, &is_root);
	while (r == 0 && n > 0) {
		while (n > 0 && top[--n] != '/')
			;
		top[n ? n : 1] = '\0';
		r = mount_id(AT_FDCWD, top, AT_SYMLINK_NOFOLLOW, &id, &is_root);
		if (r < 0 || !is_root || id != wanted)
			continue;
		*rest = path + n + 1;
		return mount_clone(AT_FDCWD, top, false);
	}
	return r < 0 ? r : -ENOENT;
}

static int take_system(struct cell *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(system_names); i++) {
		char path[16];
		ssize_t n;
		int r;

		snprintf(path, sizeof(path), "/%s", system_names[i]);
		n = readlink(path, c->links[i], sizeof(c->links[i]) - 1);
		c->links[i][n > 0 ? n : 0] = '\0';
		if (n > 0 || (n < 0 && errno == ENOENT))
			continue;
		r = c->system[i] = mount_clone(AT_FDCWD, path, true);
		if (r >= 0)
			r = mount_change(c->system[i], closed | MOUNT_READONLY, 0, true);
		if (r < 0)
			return r;
	}
	return 0;
}

static int take_files(struct cell *c, int dirfd)
{
	const char *rest = NULL;
	char path[LIMIT_PATH_BYTES];
	int r;

	memset(c->system, 0xff, sizeof(c->system));
	r = c->here = mount_clone(dirfd, "", false);
	if (r >= 0)
		r = mount_change(c->here, closed | MOUNT_NOEXEC, 0, false);
	if (r >= 0)
		r = c->fs = clone_mount_of(dirfd, path, &rest);
	if (r >= 0)
		r = mount_change(c->fs, closed | MOUNT_NOEXEC | MOUNT_READONLY, 0, false);
	if (r < 0)
		return r;
	if (snprintf(c->path, sizeof(c->path), "/" FS_PLACE "/%s", rest) >= (int)sizeof(c->path))
		return -ENAMETOOLONG;
	return take_system(c);
}

/* ---- the cell -------------------------------------------------------------------------------- */

static int furnish(const struct cell *c, int root)
{
	int place, r = mount_attach_at(c->fs, root, FS_PLACE);

	for (size_t i = 0; i < ARRAY_SIZE(system_names) && r == 0; i++)
		if (c->system[i] >= 0)
			r = mount_attach_at(c->system[i], root, system_names[i]);
	if (r < 0)
		return r;
	place = path_open(root, c->path, PATH_NO_LINKS, O_PATH | O_DIRECTORY, 0);
	return place < 0 ? place : mount_attach(c->here, place);
}

static int make_places(const struct cell *c, int root)
{
	if (mkdirat(root, FS_PLACE, 0700) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(system_names); i++) {
		int r = 0;

		if (c->links[i][0])
			r = symlinkat(c->links[i], root, system_names[i]);
		else if (c->system[i] >= 0)
			r = mkdirat(root, system_names[i], 0755);
		if (r < 0)
			return -errno;
	}
	return 0;
}

static int enter(const struct cell *c)
{
	int root, r;

	/* no network namespace, which may take the kernel long: there will be no sockets at all */
	if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return -errno;
	r = mount_all_private();
	if (r < 0)
		return r;
	root = mount_new("tmpfs", NULL, 0, closed | MOUNT_NOEXEC, NULL, 0);
	r = root < 0 ? root : make_places(c, root);
	if (r == 0 && chdir("/") < 0)
		r = -errno;
	if (r == 0)
		r = mount_attach(root, AT_FDCWD);
	if (r == 0)
		r = furnish(c, root);
	if (r == 0)
		r = mount_pivot(root);
	if (r == 0)
		r = mount_change(root, MOUNT_READONLY, 0, false);
	if (r == 0 && (chdir("/") < 0 || close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC)))
		r = -errno;
	return r;
}

/* ---- rights ---------------------------------------------------------------------------------- */

#define DENY(name)                                             \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

/* SYS_ADMIN would be the key to all of these. What is not named are calls of the same kind that
 * want other capabilities, which are gone. */
static int load_filter(void)
{
	static struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MOSAIC_AUDIT_ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		/* x32, on x86_64; nobody has so many calls otherwise */
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		DENY(mount),
		DENY(umount2),
		DENY(pivot_root),
		DENY(chroot),
		DENY(open_tree),
		DENY(move_mount),
		DENY(fsopen),
		DENY(fspick),
		DENY(fsconfig),
		DENY(fsmount),
		DENY(mount_setattr),
		DENY(unshare),
		DENY(setns),
		DENY(open_by_handle_at),
		DENY(socket),
		DENY(ptrace),
		DENY(process_vm_readv),
		DENY(process_vm_writev),
		DENY(pidfd_open),
		DENY(pidfd_getfd),
		DENY(kill),
		DENY(bpf),
		DENY(perf_event_open),
		DENY(io_uring_setup),
		DENY(userfaultfd),
		DENY(keyctl),
		DENY(add_key),
		DENY(request_key),
		DENY(quotactl),
		DENY(swapon),
		DENY(swapoff),
		DENY(sethostname),
		DENY(setdomainname),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	static const struct sock_fprog program = { .len = ARRAY_SIZE(filter), .filter = filter };

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}

static int give_up_rights(void)
{
	int r = caps_bound(CAPS_RECEIVE);

	if (r == 0)
		r = caps_set(CAPS_RECEIVE);
	if (r == 0 && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		       prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0))
		r = -errno;
	return r == 0 ? load_filter() : r;
}

/* ---- the child ------------------------------------------------------------------------------- */

struct outcome {
	int result;
	struct error err;
};

static int receive(int dirfd, int stream, struct error *err)
{
	_free_ struct cell *c = calloc(1, sizeof(*c));
	int r = c ? take_files(c, dirfd) : -ENOMEM;

	if (r == 0)
		r = enter(c);
	if (r == 0)
		r = give_up_rights();
	if (r < 0)
		return error_set(err, r, "cannot shut in the program that reads the stream");
	const char *const argv[] = { "btrfs", "receive",    "-e",    "-q",
				     "-m",    "/" FS_PLACE, c->path, NULL };

	return program_run(&(struct program){ .name = "btrfs",
					      .argv = argv,
					      .input = stream,
					      .output = -1,
					      .keep_fd = -1 },
			   err);
}

static _noreturn_ void child(int dirfd, int stream, int said)
{
	struct outcome o = { 0 };

	o.result = receive(dirfd, stream, &o.err);
	(void)!write_all(said, &o, sizeof(o));
	_exit(0); /* lint: banned ok: the child has nowhere to return to */
}

int btrfs_receive_confined(int dirfd, int stream, struct error *err)
{
	struct outcome o = { 0 };
	_close_ int told = -1, said = -1;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(err, -errno, "cannot make a pipe");
	told = ends[0];
	said = ends[1];
	pid = fork();
	if (pid < 0)
		return error_set(err, -errno, "cannot start a process");
	if (pid == 0)
		child(dirfd, stream, said);
	cleanup_close(&said);
	if (read_all(told, &o, sizeof(o)) != (ssize_t)sizeof(o))
		o.result = error_set(&o.err, -EIO,
				     "the process that receives the volume has died.");
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (o.result < 0 && err)
		*err = o.err;
	return o.result;
}
