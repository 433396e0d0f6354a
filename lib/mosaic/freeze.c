/* Freezing, with a child that thaws when we cannot: see blockfs.h. */
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/base.h"
#include "kernel/kernel.h"
#include "mosaic/blockfs.h"

static void thaw_all(const int *roots, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)!ioctl(roots[i], FITHAW, 0); /* EINVAL: was not frozen */
}

/* In the child. A session of its own, and no signal: an interrupt at the terminal is for its
 * parent, whose end it then sees. */
static _noreturn_ void guard(const int *roots, size_t n, int pipe)
{
	sigset_t all;
	char c;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	while (read(pipe, &c, 1) < 0 && errno == EINTR)
		;
	thaw_all(roots, n);
	_exit(0); /* lint: banned ok: the child has nowhere to return to */
}

static int start_guard(const int *roots, size_t n, struct blockfs_freezer *ret)
{
	_close_ int ours = -1, theirs = -1;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	theirs = ends[0];
	ours = ends[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		close(ours);
		guard(roots, n, theirs);
	}
	ret->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (ret->pidfd < 0) { /* it ends when the pipe does */
		int r = -errno;

		cleanup_close(&ours);
		waitpid(pid, NULL, 0);
		return r;
	}
	ret->pipe = take_fd(&ours);
	return 0;
}

int blockfs_freeze(const int *roots, size_t n, struct blockfs_freezer *ret, struct error *err)
{
	struct blockfs_freezer f = { .pipe = -1, .pidfd = -1, .roots = roots, .n = n };
	int r = start_guard(roots, n, &f);

	if (r < 0)
		return error_set(err, r, "cannot start who thaws");
	for (size_t i = 0; i < n; i++) {
		if (ioctl(roots[i], FIFREEZE, 0) == 0)
			continue;
		r = error_set(err, -errno, "cannot freeze the file system%s",
			      errno == EBUSY ? ", which somebody else has frozen" : "");
		f.n = i; /* not what somebody else has frozen */
		break;
	}
	if (r == 0) {
		*ret = f;
		return 0;
	}
	/* the child would thaw that one too */
	(void)!process_signal(f.pidfd, SIGKILL);
	blockfs_thaw(&f);
	return r;
}

/* By the child, whose end is waited for; by ourselves if somebody has killed it. */
void blockfs_thaw(struct blockfs_freezer *f)
{
	int status = -1;

	if (f->pipe < 0)
		return;
	cleanup_close(&f->pipe);
	if (process_wait(f->pidfd, &status) < 0 || status != 0)
		thaw_all(f->roots, f->n);
	cleanup_close(&f->pidfd);
}

int blockfs_thaw_lost(int root)
{
	if (ioctl(root, FITHAW, 0) == 0)
		return 1;
	return errno == EINVAL ? 0 : -errno;
}
