#include <assert.h>
#include <fcntl.h>

#include "images/internal.h"

enum { PIPE_BYTES = 1 << 20 };

int helper_start(const struct images *im, const struct helper *h, struct error *err)
{
	static const char *const no_environment[] = { NULL };
	const char *argv[] = { h->program,      h->arguments[0], h->arguments[1],
			       h->arguments[2], h->arguments[3], NULL };
	_free_ char *path = str_printf("%s/%s", im->libexec, h->program);
	_close_ int exe = -1;
	int more[1 + HELPER_MORE_FDS] = { h->fd4 };
	struct process_spec spec = {
		.argv = argv,
		.envp = no_environment,
		.cgroup_fd = -1,
		.stdio = { h->stdio[0], h->stdio[1], h->stdio[2] },
		.keep_fd = h->fd3,
		.more_fds = more,
		.n_more_fds = h->n_more_fds ? 1 + h->n_more_fds : h->fd4 >= 0,
	};
	int pidfd;

	assert(h->n_more_fds <= HELPER_MORE_FDS);
	for (size_t i = 0; i < h->n_more_fds; i++)
		more[1 + i] = h->more_fds[i];
	if (!path)
		return error_set(err, -ENOMEM, "out of memory");
	exe = open(path, O_PATH | O_CLOEXEC);
	if (exe < 0)
		return error_set(err, -errno, "cannot open %s", path);
	spec.exe_fd = exe;
	pidfd = process_spawn(&spec, NULL);
	return pidfd < 0 ? error_set(err, pidfd, "cannot start %s", path) : pidfd;
}

int helper_wait(int *pidfd, int *ret_status)
{
	int status = 0, r;

	if (*pidfd < 0)
		return 0;
	r = process_wait(*pidfd, &status);
	cleanup_close(pidfd);
	if (ret_status)
		*ret_status = status;
	return r;
}

int helper_pipe(int *ret_read, int *ret_write, struct error *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_set(err, -errno, "cannot make a pipe");
	*ret_read = fds[0];
	*ret_write = fds[1];
	/* a small one is slower and as good */
	(void)fcntl(fds[0], F_SETPIPE_SZ, PIPE_BYTES);
	return 0;
}

void helper_reap(int *pidfd)
{
	if (*pidfd < 0)
		return;
	if (process_signal(*pidfd, SIGKILL) == 0)
		helper_wait(pidfd, NULL);
	cleanup_close(pidfd);
}
