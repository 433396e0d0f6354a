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
#include <sys/resource.h>

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
	const struct process_limit limits[] = {
		{ RLIMIT_AS, UNPACK_MEMORY },
		{ RLIMIT_DATA, UNPACK_DATA(c->memory) },
		{ RLIMIT_FSIZE, LIMIT_ARCHIVE_BYTES },
		{ RLIMIT_NOFILE, LIMIT_ARCHIVE_DEPTH + 64 },
		{ RLIMIT_CORE, 0 },
	};

	return confine_limit_resources(limits, ARRAY_SIZE(limits), err);
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

static int enter_root(const struct confinement *c, int root, struct error *err)
{
	_close_ int slash = -1;
	int r = confine_enter_root(root, err);

	if (r < 0 || !c->tree)
		return r;
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
	r = confine_leave_namespaces(err);
	if (r == 0 && !c->tree)
		r = root = make_root(c, err);
	return r < 0 ? r : enter_root(c, root, err);
}

static int drop_capabilities(const struct confinement *c, struct error *err)
{
	static const uint64_t for_tree = CAP_BIT(0) /* CHOWN */ | CAP_BIT(1) /* DAC_OVERRIDE */ |
					 CAP_BIT(3) /* FOWNER */ | CAP_BIT(4) /* FSETID */ |
					 CAP_BIT(27) /* MKNOD */ | CAP_BIT(31) /* SETFCAP */;

	return confine_drop_capabilities(c->tree ? for_tree : 0, err);
}

/* Should the parent be gone already: the stream to or from it has ended then, and without an end of
 * the archive nothing is complete. */
static int bind_to_parent(_unused_ const struct confinement *c, struct error *err)
{
	return confine_bind_to_parent(err);
}

/* ---- system calls ---------------------------------------------------------------------------- */

static const char *const for_all[] = {
	"read",        "write",      "close",        "lseek",           "munmap",
	"mremap",      "brk",        "madvise",      "futex",           "getrandom",
	"exit",        "exit_group", "rt_sigreturn", "restart_syscall", "clock_gettime",
	"sched_yield", "fstat",      "newfstatat",   "statx",           NULL,
};

static const char *const for_tree[] = {
	"openat2", "mkdirat",  "mknodat",   "symlinkat", "linkat",   "fchown",    "fchownat",
	"fchmod",  "fchmodat", "utimensat", "fsetxattr", "pwrite64", "ftruncate", NULL,
};

static const char *const for_change[] = {
	"unlinkat", "getdents64", "renameat2", "flistxattr", "fremovexattr", NULL,
};

static int filter_calls(const struct confinement *c, struct error *err)
{
	const struct confine_filter filter = {
		.allowed = { for_all, c->tree ? for_tree : NULL, c->change ? for_change : NULL },
	};

	return confine_calls(&filter, err);
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
