/* A part of a file system that is mounted nowhere, as a mount of its own: see mount.h. */
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/base.h"
#include "kernel/mount.h"
#include "kernel/socket.h"

/* In the child: the copy, made in a mount namespace that ends with it. */
static int clone_in_namespace(int mountfd, const char *path)
{
	_close_ int root = -1, dir = -1;
	int r;

	if (unshare(CLONE_NEWNS) < 0)
		return -errno;
	r = mount_all_private();
	if (r < 0)
		return r;
	dir = openat(mountfd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || root < 0)
		return -errno;
	r = mount_attach(mountfd, root);
	return r < 0 ? r : mount_clone(dir, "", false);
}

static _noreturn_ void child(int mountfd, const char *path, int sock)
{
	int r = clone_in_namespace(mountfd, path);

	if (socket_send_fds(sock, &r, sizeof(r), &r, r < 0 ? 0 : 1) < 0)
		_exit(EXIT_FAILURE); /* lint: banned ok: the child has nowhere to return to */
	_exit(EXIT_SUCCESS);         /* lint: banned ok: the child has nowhere to return to */
}

static int receive(int sock)
{
	size_t n = 1;
	int r, fd = -1;
	ssize_t len = socket_receive_fds(sock, &r, sizeof(r), &fd, &n);

	if (len < 0)
		return (int)len;
	if (len != sizeof(r))
		return -EIO;
	if (r < 0)
		return r;
	return n == 1 ? fd : -EIO;
}

int mount_clone_below(int mountfd, const char *path)
{
	_close_ int ours = -1, theirs = -1;
	int ends[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	ours = ends[0];
	theirs = ends[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		child(mountfd, path, theirs);
	cleanup_close(&theirs);
	r = receive(ours);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}
