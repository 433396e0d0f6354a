#include <sys/prctl.h>

#include "kernel/kernel.h"
#include "ploop/server.h"

/* Others write to our disk to get memory: what we need for that must not wait for them in turn.
 * Only some may say so; it then is as with any server of a file system. */
static void avoid_deadlocks(void)
{
	(void)!prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
}

/* An empty file tree. It also holds no mount of anybody. */
static int leave_files(struct error *err)
{
	static const uint64_t attributes = MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC |
					   MOUNT_NOSYMFOLLOW | MOUNT_READONLY;
	_close_ int root = -1;
	int r = confine_leave_namespaces(err);

	if (r < 0)
		return r;
	root = mount_new("tmpfs", NULL, 0, attributes, NULL, 0);
	if (root < 0)
		return error_set(err, root, "cannot make an empty place");
	return confine_enter_root(root, err);
}

/* Not bound to the parent: it is to live longer. */
int server_confine(struct error *err)
{
	int r;

	avoid_deadlocks();
	r = leave_files(err);
	if (r == 0)
		r = confine_drop_capabilities(0, err);
	if (r < 0)
		return r;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(err, -errno, "cannot give up privileges");
	return 0;
}

int server_confine_calls(struct error *err)
{
	static const char
		*const files[] = {
			"read",     "readv",      "write",     "writev",    "pread64",
			"pwrite64", "fdatasync",  "ftruncate", "fallocate", "close",
			"fstat",    "newfstatat", /* fstat() of the C library; every path is in the empty tree */
			NULL,
		};
	static const char *const requests[] = { "poll",    "ppoll",  "accept4",
						"recvmsg", "sendto", NULL };
	static const char *const library[] = {
		"brk",          "mremap",          "munmap",
		"madvise",      "getrandom", /* malloc() seeds */
		"futex",        "sched_yield",     "rt_sigprocmask",
		"rt_sigreturn", "restart_syscall", "exit_group",
		NULL,
	};
	/* perror(), which libfuse calls when the end of the file system comes across a request;
	 * it does without */
	static const char *const refused[] = { "dup", NULL };
	static const struct confine_filter filter = { .allowed = { files, requests, library },
						      .refused = refused };

	return confine_calls(&filter, err);
}
