#include "kernel/guard.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/process.h"

/* In the child. A session of its own, and no signal: an interrupt at the terminal is for its
 * parent, whose end it then sees. */
static _noreturn_ void wait_and_undo(guard_undo_fn undo, void *arg, int pipe)
{
	sigset_t all;
	char c;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	while (read(pipe, &c, 1) < 0 && errno == EINTR)
		;
	undo(arg);
	_exit(0); /* lint: banned ok: the child has nowhere to return to */
}

int guard_start(struct guard *ret, guard_undo_fn undo, void *arg)
{
	_close_ int ours = -1, theirs = -1;
	int ends[2];
	pid_t pid;

	*ret = (struct guard)GUARD_NONE;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	theirs = ends[0];
	ours = ends[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		close(ours);
		wait_and_undo(undo, arg, theirs);
	}
	ret->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (ret->pidfd < 0) { /* it ends when the pipe does */
		int r = -errno;

		cleanup_close(&ours);
		waitpid(pid, NULL, 0);
		return r;
	}
	ret->pipe = take_fd(&ours);
	ret->undo = undo;
	ret->arg = arg;
	return 0;
}

void guard_end(struct guard *g)
{
	int status = -1;

	if (g->pipe < 0)
		return;
	cleanup_close(&g->pipe);
	if (process_wait(g->pidfd, &status) < 0 || status != 0)
		g->undo(g->arg);
	cleanup_close(&g->pidfd);
}

void guard_cancel(struct guard *g)
{
	int status;

	if (g->pipe < 0)
		return;
	(void)!process_signal(g->pidfd, SIGKILL);
	(void)!process_wait(g->pidfd, &status);
	cleanup_close(&g->pipe);
	cleanup_close(&g->pidfd);
}
