#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "kernel/kernel.h"
#include "ploop/server.h"

/* An empty file tree. It also holds no mount of anybody. */
static int leave_files(struct error *err)
{
	static const uint64_t attributes = MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC |
					   MOUNT_NOSYMFOLLOW | MOUNT_READONLY;
	_close_ int root = -1, slash = -1;
	int r;

	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return error_set(err, -errno, "cannot make namespaces");
	root = mount_new("tmpfs", NULL, 0, attributes, NULL, 0);
	r = root < 0 ? root : mount_all_private();
	if (r == 0) {
		slash = path_open(AT_FDCWD, "/", PATH_IN_ROOT, O_PATH | O_DIRECTORY, 0);
		r = slash < 0 ? slash : mount_attach(root, slash);
	}
	if (r == 0)
		r = mount_pivot(root);
	return r < 0 ? error_set(err, r, "cannot leave the file tree") : 0;
}

/* Others write to our disk to get memory: what we need for that must not wait for them in turn.
 * Only some may say so; it then is as with any server of a file system. */
static void avoid_deadlocks(void)
{
	(void)!prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
}

int confine_rights(struct error *err)
{
	int r;

	avoid_deadlocks();
	r = leave_files(err);
	if (r < 0)
		return r;
	r = caps_bound(0);
	if (r == 0)
		r = caps_set(0);
	if (r < 0)
		return error_set(err, r, "cannot give up capabilities");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(err, -errno, "cannot give up privileges");
	return 0;
}

/* Memory, but none that could be executed. */
#define NOT_EXECUTABLE               \
	{                            \
		{ 2, PROT_EXEC, 0 }, \
	}

int limit_calls(struct error *err)
{
	static const struct seccomp_rule rules[] = {
		{ "read", SECCOMP_ACTION_ALLOW },
		{ "readv", SECCOMP_ACTION_ALLOW },
		{ "write", SECCOMP_ACTION_ALLOW },
		{ "writev", SECCOMP_ACTION_ALLOW },
		{ "pread64", SECCOMP_ACTION_ALLOW },
		{ "pwrite64", SECCOMP_ACTION_ALLOW },
		{ "fdatasync", SECCOMP_ACTION_ALLOW },
		{ "ftruncate", SECCOMP_ACTION_ALLOW },
		{ "fallocate", SECCOMP_ACTION_ALLOW },
		{ "fstat", SECCOMP_ACTION_ALLOW },
		/* fstat() of the C library; every path is in the empty tree */
		{ "newfstatat", SECCOMP_ACTION_ALLOW },
		{ "poll", SECCOMP_ACTION_ALLOW },
		{ "ppoll", SECCOMP_ACTION_ALLOW },
		{ "accept4", SECCOMP_ACTION_ALLOW },
		{ "recvmsg", SECCOMP_ACTION_ALLOW },
		{ "sendto", SECCOMP_ACTION_ALLOW },
		{ "close", SECCOMP_ACTION_ALLOW },
		{ "brk", SECCOMP_ACTION_ALLOW },
		{ "mmap", SECCOMP_ACTION_ALLOW, .compare = NOT_EXECUTABLE, .n_compare = 1 },
		{ "mprotect", SECCOMP_ACTION_ALLOW, .compare = NOT_EXECUTABLE, .n_compare = 1 },
		{ "mremap", SECCOMP_ACTION_ALLOW },
		{ "munmap", SECCOMP_ACTION_ALLOW },
		{ "madvise", SECCOMP_ACTION_ALLOW },
		{ "getrandom", SECCOMP_ACTION_ALLOW }, /* malloc() seeds itself */
		{ "futex", SECCOMP_ACTION_ALLOW },
		{ "sched_yield", SECCOMP_ACTION_ALLOW },
		{ "rt_sigprocmask", SECCOMP_ACTION_ALLOW },
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
