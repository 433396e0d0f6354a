/*
 * From a process with the caller's rights to one that can only read a page and say what is in it,
 * in steps that each must succeed. What is left of the world at the end: standard input and output;
 * a mount namespace with one empty read-only directory; empty network, IPC and host name
 * namespaces; no capability; and the system calls of the list at the end.
 *
 * A caller that is not root cannot make namespaces but in a user namespace of its own, so there is
 * one then.
 */
#include "images/meta/confine.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "kernel/kernel.h"

static int close_others(struct error *err)
{
	if (close_range(STDERR_FILENO, ~0U, 0) < 0)
		return error_set(err, -errno, "cannot close what was inherited");
	return 0;
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

static int leave_files(struct error *err)
{
	static const uint64_t attributes = MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC |
					   MOUNT_NOSYMFOLLOW | MOUNT_READONLY;
	_close_ int root = mount_new("tmpfs", NULL, 0, attributes, NULL, 0), slash = -1;
	int r = root < 0 ? root : mount_all_private();

	if (r == 0) {
		slash = path_open(AT_FDCWD, "/", PATH_IN_ROOT, O_PATH | O_DIRECTORY, 0);
		r = slash < 0 ? slash : mount_attach(root, slash);
	}
	if (r == 0)
		r = mount_pivot(root);
	return r < 0 ? error_set(err, r, "cannot leave the file tree") : 0;
}

static int drop_capabilities(struct error *err)
{
	int r = caps_bound(0);

	if (r == 0)
		r = caps_set(0);
	return r < 0 ? error_set(err, r, "cannot give up capabilities") : 0;
}

static int limit_resources(struct error *err)
{
	static const struct {
		int resource;
		rlim_t max;
	} limits[] = {
		{ RLIMIT_AS, META_MEMORY_BYTES },
		{ RLIMIT_CPU, LIMIT_PAGE_SECONDS },
		{ RLIMIT_FSIZE, 0 }, /* a pipe is no file */
		{ RLIMIT_NOFILE, 0 },
		{ RLIMIT_NPROC, 0 },
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

/* Losing the parent ends us at once. */
static int bind_to_parent(struct error *err)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(err, -errno, "cannot give up privileges");
	return 0;
}

/* Memory, but none that could be executed. */
#define NOT_EXECUTABLE               \
	{                            \
		{ 2, PROT_EXEC, 0 }, \
	}

static int filter_calls(struct error *err)
{
	static const struct seccomp_rule rules[] = {
		{ "read", SECCOMP_ACTION_ALLOW },
		{ "write", SECCOMP_ACTION_ALLOW },
		{ "brk", SECCOMP_ACTION_ALLOW },
		{ "mmap", SECCOMP_ACTION_ALLOW, .compare = NOT_EXECUTABLE, .n_compare = 1 },
		{ "mprotect", SECCOMP_ACTION_ALLOW, .compare = NOT_EXECUTABLE, .n_compare = 1 },
		{ "mremap", SECCOMP_ACTION_ALLOW },
		{ "munmap", SECCOMP_ACTION_ALLOW },
		{ "madvise", SECCOMP_ACTION_ALLOW },
		{ "getrandom", SECCOMP_ACTION_ALLOW }, /* malloc() seeds itself */
		{ "futex", SECCOMP_ACTION_ALLOW },
		{ "sched_yield", SECCOMP_ACTION_ALLOW },
		{ "sigaltstack", SECCOMP_ACTION_ALLOW }, /* AddressSanitizer at a longjmp() */
		{ "rt_sigreturn", SECCOMP_ACTION_ALLOW },
		{ "restart_syscall", SECCOMP_ACTION_ALLOW },
		{ "exit_group", SECCOMP_ACTION_ALLOW },
	};
	static const struct seccomp_spec spec = {
		.default_action = SECCOMP_ACTION_KILL,
		.rules = rules,
		.n_rules = ARRAY_SIZE(rules),
	};
	_free_ void *filter = NULL;
	struct sock_fprog program;
	size_t n;
	int r = seccomp_compile(&spec, &filter, &n, err);

	if (r < 0)
		return r;
	program = (struct sock_fprog){ .len = (unsigned short)n, .filter = filter };
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
		return error_set(err, -errno, "cannot load the system call filter");
	return 0;
}

int confine(struct error *err)
{
	static int (*const steps[])(struct error *) = {
		close_others,    leave_namespaces, leave_files,  drop_capabilities,
		limit_resources, bind_to_parent,   filter_calls,
	};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int r = steps[i](err);

		if (r < 0)
			return error_context(err, r, "confine", NULL);
	}
	return 0;
}
