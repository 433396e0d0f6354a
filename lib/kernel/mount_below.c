/* Copies of mounts that the kernel makes only for who is in another mount namespace: by a child
 * that goes there. See mount.h. */
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/base.h"
#include "kernel/mount.h"
#include "kernel/socket.h"

struct copy {
	int mountfd; /* or -1 */
	pid_t pid;   /* into whose namespace */
	const char *path;
};

/* In a namespace that ends with this process. */
static int clone_below(const struct copy *c)
{
	_close_ int root = -1, dir = -1;
	int r;

	if (unshare(CLONE_NEWNS) < 0)
		return -errno;
	r = mount_all_private();
	if (r < 0)
		return r;
	dir = openat(c->mountfd, c->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || root < 0)
		return -errno;
	r = mount_attach(c->mountfd, root);
	return r < 0 ? r : mount_clone(dir, "", false);
}

/* The path is as that process sees it: its root may be another than the namespace's. */
static int clone_in(const struct copy *c)
{
	_close_ int ns = -1, dir = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", c->pid);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/root", c->pid);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (ns < 0 || dir < 0 || setns(ns, CLONE_NEWNS) < 0)
		return -errno;
	if (fchdir(dir) < 0 || chroot(".") < 0)
		return -errno;
	cleanup_close(&dir);
	dir = open(c->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -errno : mount_clone(dir, "", false);
}

static _noreturn_ void child(const struct copy *c, int sock)
{
	int r = c->mountfd >= 0 ? clone_below(c) : clone_in(c);

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

static int in_child(const struct copy *c)
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
		child(c, theirs);
	cleanup_close(&theirs);
	r = receive(ours);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}

int mount_clone_below(int mountfd, const char *path)
{
	return in_child(&(struct copy){ .mountfd = mountfd, .path = path });
}

int mount_clone_in(pid_t pid, const char *path)
{
	return in_child(&(struct copy){ .mountfd = -1, .pid = pid, .path = path });
}
