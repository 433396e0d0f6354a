#include "images/forked.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BROKEN = 127 };

static bool keep_only(const int fds[FORKED_FDS])
{
	int high[FORKED_FDS];

	/* out of each other's way first */
	for (int i = 0; i < FORKED_FDS; i++) {
		high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FORKED_FDS);
		if (high[i] < 0)
			return false;
	}
	for (int i = 0; i < FORKED_FDS; i++)
		if (dup2(high[i], i) < 0)
			return false;
	return close_range(FORKED_FDS, ~0U, 0) == 0;
}

static void reset_signals(void)
{
	sigset_t none;

	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void become_copy(const int fds[FORKED_FDS], pid_t parent)
{
	reset_signals();
	/* gone already: nobody will wait for what this does */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || !keep_only(fds))
		_exit(BROKEN);
}

int forked_start(const int fds[FORKED_FDS], int (*run)(void *arg), void *arg)
{
	pid_t parent = getpid(), pid = fork();
	int pidfd, code;

	if (pid == 0) {
		become_copy(fds, parent);
		_exit(run(arg));
	}
	if (pid < 0)
		return -errno;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd >= 0)
		return pidfd;
	code = -errno;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return code;
}
