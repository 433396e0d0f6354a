/* PID 1 lives next to code from images: it keeps no right that one of them could want. */
#include "initd/pod/pod.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define ALLOW(name)                                            \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* What is left to do: to answer, to wait, to end. */
static int load_filter(void)
{
	static struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PODINIT_AUDIT_ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(read),
		ALLOW(write),
		ALLOW(close),
		ALLOW(restart_syscall),
		ALLOW(exit),
		ALLOW(exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	static const struct sock_fprog program = { .len = ARRAY_SIZE(filter), .filter = filter };

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}

/* Keeps the lifeline and the socket; the host's files that came with us are closed. */
static int close_the_rest(const struct podinit *p)
{
	if (dup3(p->fds[PODINIT_FD_LIFELINE], PODINIT_LIFELINE, O_CLOEXEC) < 0 ||
	    syscall(SYS_close_range, PODINIT_LIFELINE + 1, PLAN_SOCKET_FD - 1, 0) < 0 ||
	    syscall(SYS_close_range, PLAN_SOCKET_FD + 1, ~0U, 0) < 0)
		return -errno;
	return 0;
}

int podinit_confine(struct podinit *p)
{
	int r;

	if (signal(SIGCHLD, SIG_IGN) == SIG_ERR)
		return -errno;
	r = close_the_rest(p);
	/* the bounding set may stay: it is for execve, which the filter does not have */
	if (r == 0)
		r = caps_set(0);
	if (r < 0)
		return r;
	/* the lifeline tells of stage1's end; the signal does too, should we be stopped then */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return load_filter();
}
