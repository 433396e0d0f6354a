/*
 * What every program of ours begins with. Nothing of the caller's surroundings is trusted to be
 * sane: closed standard descriptors, a strange umask, ignored or blocked signals all come from real
 * callers.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "cli/cli.h"

/* A closed 0, 1 or 2 would be taken by the next open() and then be written to like a terminal. */
static int open_standard_descriptors(void)
{
	struct pollfd fds[] = { { .fd = 0 }, { .fd = 1 }, { .fd = 2 } };

	if (poll(fds, 3, 0) <= 0)
		return 0;
	for (int i = 0; i < 3; i++) {
		int fd;

		if (!(fds[i].revents & POLLNVAL))
			continue;
		/* lint: fd ok: a standard descriptor is inherited */
		fd = open("/dev/null", O_RDWR);
		if (fd != i)
			return fd < 0 ? -errno : -EBADF;
	}
	return 0;
}

/* A start needs some dozens of descriptors. Where the caller has fewer but may have more, a pod
 * would fail half-way, and its undoing too. */
static int raise_descriptors(void)
{
	enum { ENOUGH = 1024 };
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	if (limit.rlim_cur >= ENOUGH || limit.rlim_cur == limit.rlim_max)
		return 0;
	limit.rlim_cur = limit.rlim_max < ENOUGH ? limit.rlim_max : ENOUGH;
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

int cli_set_up(void)
{
	int r = raise_descriptors();
	sigset_t none;

	if (r < 0)
		return r;
	umask(022);
	sigemptyset(&none);
	/* with SIGCHLD ignored the kernel would reap our helpers before we see how they ended */
	if (signal(SIGCHLD, SIG_DFL) == SIG_ERR || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		return -errno;
	return open_standard_descriptors();
}
