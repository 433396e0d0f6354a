/*
 * From a process with the caller's rights to one that can do little but compute, in steps that
 * each must succeed. What is left of the world at the end: the descriptors of unpack.h; a mount
 * namespace whose only mount is the directory to fill (or nothing, read-only); empty network, IPC
 * and host name namespaces; six capabilities over files when there is a tree to make, none when
 * not; and the system calls of the list at the end, without sockets, processes, programs or
 * executable memory.
 *
 * A caller that is not root cannot make namespaces but in a user namespace of its own, so there is
 * one then.
 */
#include "images/unpack/confine.h"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "kernel/kernel.h"
#include "images/unpack/unpack.h"

enum { LAST_FD = UNPACK_REPORT_FD };

static int close_others(const struct confinement *c, struct error *err)
{
	for (int fd = 0; fd <= LAST_FD; fd++)
		if (!(c->keep_fds & 1U << fd))
			close(fd);
	if (close_range(LAST_FD + 1, ~0U, 0) < 0)
		return error_set(err, -errno, "cannot close what was inherited");
	return 0;
}

static int limit_resources(_unused_ const struct confinement *c, struct error *err)
{
	static const struct {
		int resource;
		rlim_t max;
	} limits[] = {
		{ RLIMIT_AS, UNPACK_MEMORY_BYTES },
		{ RLIMIT_DATA, UNPACK_DATA_BYTES },
		{ RLIMIT_FSIZE, LIMIT_ARCHIVE_BYTES },
		{ RLIMIT_NOFILE, LIMIT_ARCHIVE_DEPTH + 64 },
		{ RLIMIT_CORE, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct rlimit limit;

		if (getrlimit(limits[i].resource, &limit) < 0)
			return error_set(err, -errno, "cannot read a resource limit");
		if (limits[i].max < limit.rlim_max)
			limit.rlim_max = limits[i].max;
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(limits[i].resource, &limit) < 0)
			return error_set(err, -errno, "cannot set a resource limit");
	}
	return 0;
}

/* The mount that will be everything, not yet attached. An open directory of the old namespace would
 * be a way back to it, so a copy of the mount is taken and the descriptor closed. */
static int make_root(const struct confinement *c, struct error *err)
{
	const uint64_t attributes = MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC |
				    (c->change ? 0 : MOUNT_NOSYMFOLLOW);
	int fd, r;

	if (!c->tree) {
		fd = mount_new("tmpfs", NULL, 0, attributes | MOUNT_READONLY, NULL, 0);
		return fd < 0 ? error_set(err, fd, "cannot make an empty place") : fd;
	}
	fd = mount_clone(UNPACK_TREE_FD, "", false);
	close(UNPACK_TREE_FD);
	if (fd < 0)
		return error_set(err, fd, "cannot take the directory to unpack into");
	r = mount_change(fd, attributes, 0, false);
	if (r < 0) {
		close(fd);
		return error_set(err, r, "cannot restrict the directory to unpack into");
	}
	return fd;
}

static int leave_namespaces(struct error *err)
{
	int flags = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;

	if (geteuid() != 0)
		flags |= CLONE_NEWUSER;
	if (unshare(flags) < 0)
		return error_set(err, -errno, "cannot make namespaces");
	return 0;
}

static int enter_root(const struct confinement *c, int root, struct error *err)
{
	_close_ int slash = -1;
	int r = mount_all_private();

	if (r == 0) {
		slash = path_open(AT_FDCWD, "/", PATH_IN_ROOT, O_PATH | O_DIRECTORY, 0);
		r = slash < 0 ? slash : mount_attach(root, slash);
	}
	if (r == 0)
		r = mount_pivot(root);
	if (r < 0)
		return error_set(err, r, "cannot leave the file tree");
	if (!c->tree)
		return 0;
	cleanup_close(&slash);
	slash = path_open(AT_FDCWD, "/", PATH_IN_ROOT, O_RDONLY | O_DIRECTORY, 0);
	if (slash < 0 || dup3(slash, UNPACK_TREE_FD, O_CLOEXEC) < 0)
		return error_set(err, slash < 0 ? slash : -errno,
				 "cannot open the directory to unpack into");
	return 0;
}

static int isolate(const struct confinement *c, struct error *err)
{
	_close_ int root = -1;
	int r;

	/* a copy of a mount can only be taken in the namespace that has it; a tmpfs should
	 * belong to the new user namespace where there is one */
	if (c->tree) {
		root = make_root(c, err);
		if (root < 0)
			return root;
	}
	r = leave_namespaces(err);
	if (r == 0 && !c->tree)
		r = root = make_root(c, err);
	return r < 0 ? r : enter_root(c, root, err);
}

static int drop_capabilities(const struct confinement *c, struct error *err)
{
	static const uint64_t for_tree = CAP_BIT(0) /* CHOWN */ | CAP_BIT(1) /* DAC_OVERRIDE */ |
					 CAP_BIT(3) /* FOWNER */ | CAP_BIT(4) /* FSETID */ |
					 CAP_BIT(27) /* MKNOD */ | CAP_BIT(31) /* SETFCAP */;
	int r = caps_bound(0);

	if (r == 0)
		r = caps_set(c->tree ? for_tree : 0);
	return r < 0 ? error_set(err, r, "cannot give up capabilities") : 0;
}

/* Losing the parent ends us at once. Should it be gone already: the stream to or from it has
 * ended then, and without an end of the archive nothing is complete. */
static int bind_to_parent(_unused_ const struct confinement *c, struct error *err)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(err, -errno, "cannot give up privileges");
	return 0;
}

/* ---- system calls ---------------------------------------------------------------------------- */

static const int for_all[] = {
	SCMP_SYS(read),          SCMP_SYS(write),
	SCMP_SYS(close),         SCMP_SYS(lseek),
	SCMP_SYS(munmap),        SCMP_SYS(mremap),
	SCMP_SYS(brk),           SCMP_SYS(madvise),
	SCMP_SYS(futex),         SCMP_SYS(getrandom),
	SCMP_SYS(exit),          SCMP_SYS(exit_group),
	SCMP_SYS(rt_sigreturn),  SCMP_SYS(restart_syscall),
	SCMP_SYS(clock_gettime), SCMP_SYS(sched_yield),
	SCMP_SYS(fstat),         SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
};

static const int for_tree[] = {
	SCMP_SYS(openat2),   SCMP_SYS(mkdirat),   SCMP_SYS(mknodat),  SCMP_SYS(symlinkat),
	SCMP_SYS(linkat),    SCMP_SYS(fchown),    SCMP_SYS(fchownat), SCMP_SYS(fchmod),
	SCMP_SYS(utimensat), SCMP_SYS(fsetxattr), SCMP_SYS(pwrite64), SCMP_SYS(ftruncate),
	SCMP_SYS(fchmodat),
};

static const int for_change[] = {
	SCMP_SYS(unlinkat),   SCMP_SYS(getdents64),   SCMP_SYS(renameat2),
	SCMP_SYS(flistxattr), SCMP_SYS(fremovexattr),
};

static int allow(scmp_filter_ctx ctx, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Memory, but none that could be executed. */
static int allow_memory(scmp_filter_ctx ctx)
{
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				 SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	return r < 0 ? r
		     : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
					SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

static int filter_calls(const struct confinement *c, struct error *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r;

	if (!ctx)
		return error_set(err, -ENOMEM, "out of memory");
	r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = allow(ctx, for_all, ARRAY_SIZE(for_all));
	if (r == 0 && c->tree)
		r = allow(ctx, for_tree, ARRAY_SIZE(for_tree));
	if (r == 0 && c->change)
		r = allow(ctx, for_change, ARRAY_SIZE(for_change));
	if (r == 0)
		r = allow_memory(ctx);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r < 0 ? error_set(err, r, "cannot load the system call filter") : 0;
}

int confine(const struct confinement *c, struct error *err)
{
	static int (*const steps[])(const struct confinement *, struct error *) = {
		close_others,    isolate,        drop_capabilities,
		limit_resources, bind_to_parent, filter_calls,
	};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int r = steps[i](c, err);

		if (r < 0)
			return error_context(err, r, "confine", NULL);
	}
	return 0;
}
