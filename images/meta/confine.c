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

#include <sys/mman.h>
#include <sys/resource.h>

#include "kernel/kernel.h"

static int close_others(struct error *err)
{
	if (close_range(STDERR_FILENO, ~0U, 0) < 0)
		return error_set(err, -errno, "cannot close what was inherited");
	return 0;
}

static int leave_files(struct error *err)
{
	static const uint64_t attributes = MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC |
					   MOUNT_NOSYMFOLLOW | MOUNT_READONLY;
	_close_ int root = mount_new("tmpfs", NULL, 0, attributes, NULL, 0);

	if (root < 0)
		return error_set(err, root, "cannot make an empty place");
	return confine_enter_root(root, err);
}

static int drop_capabilities(struct error *err)
{
	return confine_drop_capabilities(0, err);
}

static int limit_resources(struct error *err)
{
	static const struct process_limit limits[] = {
		{ RLIMIT_AS, META_MEMORY_BYTES },
		{ RLIMIT_CPU, LIMIT_PAGE_SECONDS },
		{ RLIMIT_FSIZE, 0 }, /* a pipe is no file */
		{ RLIMIT_NOFILE, 0 },
		{ RLIMIT_NPROC, 0 },
		{ RLIMIT_CORE, 0 },
	};

	return confine_limit_resources(limits, ARRAY_SIZE(limits), err);
}

static int filter_calls(struct error *err)
{
	static const char *const allowed[] = {
		"read",         "write",           "brk",         "mremap",
		"munmap",       "madvise",         "getrandom", /* malloc() seeds itself */
		"futex",        "sched_yield",     "sigaltstack", /* AddressSanitizer at a longjmp() */
		"rt_sigreturn", "restart_syscall", "exit_group",  NULL,
	};
	static const struct confine_filter filter = { .allowed = { allowed } };

	return confine_calls(&filter, err);
}

int confine(struct error *err)
{
	static int (*const steps[])(struct error *) = {
		close_others,    confine_leave_namespaces, leave_files,  drop_capabilities,
		limit_resources, confine_bind_to_parent,   filter_calls,
	};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int r = steps[i](err);

		if (r < 0)
			return error_context(err, r, "confine", NULL);
	}
	return 0;
}
