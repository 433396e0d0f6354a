/*
 * The floor under `carob run IMAGE /bin/true`: the same kernel work, and nothing else. What a start
 * costs beyond this program is ours.
 *
 *	bench-floor IMAGE STATE LOG FILTER KIND=HIERARCHY...
 *
 * IMAGE is a rendered tree (an overlay's lower layer), STATE a directory for upper and work layers,
 * LOG the file that gets the app's output, FILTER a compiled seccomp filter, KIND one of v1, pids,
 * devices (v1 hierarchies with that controller) and v2. On a pure v2 host the device rules, a BPF
 * program there, are left out.
 *
 * One process and one child: no PID 1 of the pod's own, no pod directory, no lock, no manifest. The
 * child borrows our memory until its execve (kernel/clone.h), so nothing is copied. It is no model
 * of how to do it: paths are walked in a tree that is trusted, and after a failure things are left
 * behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/kernel.h"
#include "kernel/clone.h"

enum { MAX_GROUPS = 12, MAX_FILTER = 4096, PATH_BYTES = 256 };

enum kind { KIND_V1, KIND_PIDS, KIND_DEVICES, KIND_V2 };

struct group {
	enum kind kind;
	char path[PATH_BYTES];
	int fd; /* v1: tasks; v2: the directory */
};

struct floor {
	const char *image;
	int volume, root, log, output[2];
	struct sock_filter filter[MAX_FILTER];
	struct sock_fprog program;
	struct group groups[MAX_GROUPS];
	int n_groups, v2;
};

/* Ends the program (or the child, which has nowhere to return to) at the first failure. */
static long must(const char *what, long result)
{
	if (result >= 0)
		return result;
	dprintf(STDERR_FILENO, "bench-floor: %s: %s\n", what, strerror(errno));
	_exit(125);
}

static int new_mount(const char *fstype, const char *const *options, uint64_t attributes)
{
	int fs = (int)must(fstype, syscall(SYS_fsopen, fstype, FSOPEN_CLOEXEC));

	for (; options && *options; options += 2)
		must(options[0],
		     syscall(SYS_fsconfig, fs, options[1] ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG,
			     options[0], options[1], 0));
	must(fstype, syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	return (int)must(fstype, syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes));
}

static void attach(int mount, const char *path)
{
	must(path, syscall(SYS_move_mount, mount, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH));
}

static int clone_tree(const char *path, unsigned flags)
{
	return (int)must(path, syscall(SYS_open_tree, AT_FDCWD, path,
				       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags));
}

/* ---- before the child ------------------------------------------------------------------ */

static void load_filter(struct floor *f, const char *path)
{
	int fd = (int)must(path, openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC));
	size_t n = (size_t)must(path, read(fd, f->filter, sizeof(f->filter)));

	close(fd);
	f->program = (struct sock_fprog){ .len = (unsigned short)(n / sizeof(f->filter[0])),
					  .filter = f->filter };
}

/* The overlay of a foreground pod: contents that need not survive. */
static void make_volume(struct floor *f, const char *state, const char *name)
{
	const char *options[] = { "index",    "off",        "metacopy", "off",      "redirect_dir",
				  "nofollow", "nfs_export", "off",      "upperdir", "upper",
				  "workdir",  "work",       "volatile", NULL,       "lowerdir",
				  f->image,   NULL };

	must(state, chdir(state));
	must(name, mkdir(name, 0700));
	must(name, chdir(name));
	must("upper", mkdir("upper", 0755));
	must("work", mkdir("work", 0700));
	f->root = new_mount("overlay", options, MOUNT_ATTR_NODEV);
}

static void put(const char *directory, const char *file, const char *const *values, size_t n)
{
	char path[PATH_BYTES + 32];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, file);
	fd = (int)must(path, openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC));
	for (size_t i = 0; i < n; i++)
		must(path, write(fd, values[i], strlen(values[i])));
	close(fd);
}

static void limit_group(const struct group *g)
{
	static const char *const pids[] = { "4096" }, *const all[] = { "a" };
	static const char *const devices[] = { "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm",
					       "c 1:9 rwm", "c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm",
					       "c *:* m",   "b *:* m" };

	if (g->kind == KIND_PIDS)
		put(g->path, "pids.max", pids, ARRAY_SIZE(pids));
	if (g->kind == KIND_DEVICES) {
		put(g->path, "devices.deny", all, ARRAY_SIZE(all));
		put(g->path, "devices.allow", devices, ARRAY_SIZE(devices));
	}
}

static void make_group(struct floor *f, const char *argument, const char *name)
{
	static const char *const kinds[] = { "v1=", "pids=", "devices=", "v2=" };
	struct group *g = &f->groups[f->n_groups];
	char path[PATH_BYTES + 8];

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!str_starts(argument, kinds[i]))
			continue;
		g->kind = (enum kind)i;
		argument += strlen(kinds[i]);
		break;
	}
	snprintf(g->path, sizeof(g->path), "%s/bench-floor/%s", argument, name);
	if (mkdir(g->path, 0755) < 0) {
		snprintf(path, sizeof(path), "%s/bench-floor", argument);
		must(path, errno == ENOENT ? mkdir(path, 0755) : -1);
		must(g->path, mkdir(g->path, 0755));
	}
	limit_group(g);
	if (g->kind == KIND_V2) {
		f->v2 = g->fd = (int)must(g->path, openat(AT_FDCWD, g->path,
							  O_PATH | O_DIRECTORY | O_CLOEXEC));
	} else {
		snprintf(path, sizeof(path), "%s/tasks", g->path);
		g->fd = (int)must(path, openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC));
	}
	f->n_groups++;
}

/* ---- the child ------------------------------------------------------------------------- */

static void enter_groups(const struct floor *f)
{
	for (int i = 0; i < f->n_groups; i++)
		if (f->groups[i].kind != KIND_V2)
			must(f->groups[i].path, write(f->groups[i].fd, "0", 1));
	must("cgroup namespace", unshare(CLONE_NEWCGROUP));
}

static void set_up_network(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = (int)must("socket", socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));

	must("lo", ioctl(fd, SIOCSIFFLAGS, &request));
	must("hostname", sethostname("floor", strlen("floor")));
}

/* The root is put upon its own lower layer, the one directory that is surely there; the host's tree
 * goes away at once. */
static void enter_root(const struct floor *f)
{
	const struct mount_attr private = { .propagation = MS_PRIVATE };

	must("propagation",
	     syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &private, sizeof(private)));
	attach(f->root, f->image);
	must("root", fchdir(f->root));
	must("pivot_root", syscall(SYS_pivot_root, ".", "."));
	must("umount", syscall(SYS_umount2, ".", 2 /* MNT_DETACH */));
}

static void mount_system(void)
{
	static const char *const dev[] = { "mode",      "755",  "size", "65536k",
					   "nr_inodes", "8192", NULL };
	static const char *const pts[] = { "newinstance", NULL,  "ptmxmode", "0666", "mode",
					   "0620",        "gid", "5",        NULL };
	static const char *const shm[] = { "mode", "1777", "size", "65536k", NULL };
	const uint64_t plain = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

	umask(0);
	attach(new_mount("proc", NULL, plain), "/proc");
	attach(new_mount("sysfs", NULL, plain | MOUNT_ATTR_RDONLY), "/sys");
	attach(new_mount("tmpfs", dev, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC), "/dev");
	must("/dev/pts", mkdir("/dev/pts", 0755));
	attach(new_mount("devpts", pts, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC), "/dev/pts");
	must("/dev/shm", mkdir("/dev/shm", 0755));
	attach(new_mount("tmpfs", shm, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV), "/dev/shm");
	must("/dev/mqueue", mkdir("/dev/mqueue", 0755));
	attach(new_mount("mqueue", NULL, plain), "/dev/mqueue");
}

static void make_devices(void)
{
	static const struct {
		const char *path;
		mode_t mode;
		unsigned major, minor;
		gid_t gid;
	} devices[] = {
		{ "/dev/null", 0666, 1, 3, 0 },    { "/dev/zero", 0666, 1, 5, 0 },
		{ "/dev/full", 0666, 1, 7, 0 },    { "/dev/random", 0666, 1, 8, 0 },
		{ "/dev/urandom", 0666, 1, 9, 0 }, { "/dev/tty", 0666, 5, 0, 5 },
		{ "/dev/console", 0620, 1, 3, 5 },
	};
	static const char *const links[][2] = {
		{ "pts/ptmx", "/dev/ptmx" },          { "/proc/self/fd", "/dev/fd" },
		{ "/proc/self/fd/0", "/dev/stdin" },  { "/proc/self/fd/1", "/dev/stdout" },
		{ "/proc/self/fd/2", "/dev/stderr" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		must(devices[i].path, mknod(devices[i].path, S_IFCHR | devices[i].mode,
					    makedev(devices[i].major, devices[i].minor)));
		if (devices[i].gid)
			must(devices[i].path, chown(devices[i].path, 0, devices[i].gid));
	}
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		must(links[i][1], symlink(links[i][0], links[i][1]));
}

static void hide_paths(void)
{
	static const char *const masks[] = {
		"/proc/asound",     "/proc/acpi",        "/proc/interrupts",
		"/proc/kcore",      "/proc/keys",        "/proc/latency_stats",
		"/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
		"/proc/scsi",       "/sys/firmware",     "/sys/devices/virtual/powercap",
	};
	static const char *const readonly[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
						"/proc/sysrq-trigger" };
	const struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY };
	struct stat st;
	int empty = -1, mount;

	for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
		if (stat(masks[i], &st) < 0)
			continue;
		if (!S_ISDIR(st.st_mode)) {
			attach(clone_tree("/dev/null", 0), masks[i]);
		} else if (empty < 0) {
			empty = new_mount("tmpfs", NULL, MOUNT_ATTR_RDONLY);
			attach(empty, masks[i]);
		} else {
			mount = (int)must(masks[i], syscall(SYS_open_tree, empty, "",
							    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
								    AT_EMPTY_PATH));
			attach(mount, masks[i]);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(readonly); i++) {
		if (access(readonly[i], F_OK) < 0)
			continue;
		mount = clone_tree(readonly[i], AT_RECURSIVE);
		must(readonly[i], syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH, &attributes,
					  sizeof(attributes)));
		attach(mount, readonly[i]);
	}
}

static void give_up_rights(const struct floor *f)
{
	const uint64_t last = CAPS_APP_DEFAULT |
			      CAPS_SYS_ADMIN; /* the filter needs it; the execve drops it */
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)last, .permitted = (uint32_t)last },
		{ .effective = last >> 32, .permitted = last >> 32 },
	};
	const struct rlimit none = { 0 };

	must("rlimit", setrlimit(RLIMIT_CORE, &none));
	must("keyring", syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL));
	for (int i = 0; i <= CAP_LAST_CAP; i++)
		if (!(CAPS_APP_DEFAULT & CAP_BIT(i)))
			must("bounding set", prctl(PR_CAPBSET_DROP, i, 0, 0, 0));
	must("groups", syscall(SYS_setgroups, 0, NULL));
	must("gid", syscall(SYS_setresgid, 0, 0, 0));
	must("uid", syscall(SYS_setresuid, 0, 0, 0));
	must("capset", syscall(SYS_capset, &header, data));
	must("close_range", syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC));
	must("seccomp", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &f->program));
}

static int run_child(void *arg)
{
	static char name[] = "/bin/true",
		    path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *const argv[] = { name, NULL }, *const envp[] = { path, NULL };
	const struct floor *f = arg;

	must("session", setsid());
	enter_groups(f);
	set_up_network();
	enter_root(f);
	mount_system();
	make_devices();
	hide_paths();
	must("stdout", dup2(f->output[1], STDOUT_FILENO));
	must("stderr", dup2(f->output[1], STDERR_FILENO));
	umask(022);
	give_up_rights(f);
	must(name, execve(name, argv, envp));
	return -errno;
}

/* ---- after it -------------------------------------------------------------------------- */

static void keep_output(const struct floor *f)
{
	char data[4096];
	ssize_t n;

	close(f->output[1]);
	while ((n = must("output", read(f->output[0], data, sizeof(data)))) > 0)
		must("log", write(f->log, data, (size_t)n));
}

static void remove_all(const struct floor *f, const char *name)
{
	static const char *const made[] = { "work/work/incompat/volatile", "work/work/incompat",
					    "work/work", "work", "upper" };

	close(f->root);
	for (int i = 0; i < f->n_groups; i++)
		must(f->groups[i].path, rmdir(f->groups[i].path));
	must("dirty", unlink("work/work/incompat/volatile/dirty"));
	for (size_t i = 0; i < ARRAY_SIZE(made); i++)
		must(made[i], rmdir(made[i]));
	must("state", chdir(".."));
	must("state", rmdir(name));
}

int main(int argc, char **argv)
{
	static struct floor f;
	struct clone_args args = {
		.flags = CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWNS,
		.exit_signal = SIGCHLD,
	};
	int failure, status, pid;
	char name[16];

	if (argc < 5 || argc > 5 + MAX_GROUPS) {
		dprintf(STDERR_FILENO,
			"usage: bench-floor IMAGE STATE LOG FILTER KIND=HIERARCHY...\n");
		return 125;
	}
	f.v2 = -1;
	snprintf(name, sizeof(name), "%d", getpid());
	f.image = argv[1];
	f.log = (int)must(argv[3], openat(AT_FDCWD, argv[3],
					  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
	load_filter(&f, argv[4]);
	for (int i = 5; i < argc; i++)
		make_group(&f, argv[i], name);
	make_volume(&f, argv[2], name);
	must("pipe", pipe2(f.output, O_CLOEXEC));
	if (f.v2 >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)f.v2;
	}
	pid = clone_run(&args, run_child, &f, &failure);
	errno = -pid;
	must("clone3", pid);
	keep_output(&f);
	must("wait", waitpid(pid, &status, 0));
	remove_all(&f, name);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
