/*
 * A second mount of a volume that is mounted. Two overlays above one upper directory would not know
 * of each other: what one writes the other does not see, or spoils. So the second is a copy of the first
 * mount, of one super block, as with any other file system.
 *
 * Whoever mounts a volume for writing leaves the mark "mounted" in it, by one system call; who finds it looks for
 * the mount, in every mount namespace there is. A mark says only that it is worth looking: mounts end
 * without a word. A mount that is still detached in another process can be copied by nobody, but is
 * about to be attached; one of this process is the caller's, who can copy it himself.
 */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>

#include "base/base.h"
#include "kernel/kernel.h"
#include "mosaic/mounts.h"
#include "mosaic/overlay.h"

enum { TRIES = 30 };

/* In a child that is in the other namespace from now on. */
static _noreturn_ void copy_there(pid_t pid, const char *path, int sock)
{
	char ns[48];
	int fd;

	snprintf(ns, sizeof(ns), "/proc/%d/ns/mnt", pid);
	fd = open(ns, O_RDONLY | O_CLOEXEC); /* lint: path ok: the kernel's own */
	if (fd < 0 || setns(fd, CLONE_NEWNS) < 0)
		_exit(EXIT_FAILURE);
	fd = mount_clone(AT_FDCWD, path, false);
	if (fd < 0 || socket_send_fds(sock, "m", 1, &fd, 1) < 0)
		_exit(EXIT_FAILURE);
	_exit(EXIT_SUCCESS);
}

static int copy_from(pid_t pid, const char *path)
{
	_close_ int mine = -1;
	int ends[2], fd = -1;
	size_t n = 1;
	pid_t child;
	char byte;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	mine = ends[0];
	child = fork();
	if (child == 0)
		copy_there(pid, path, ends[1]);
	close(ends[1]);
	if (child < 0)
		return -errno;
	if (socket_receive_fds(mine, &byte, 1, &fd, &n) < 1 || n != 1)
		fd = -ENOENT;
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return fd;
}

/* The copy has what was asked for, and not what the first mount had. Is it a mount of the overlay that can be
 * written to? One that was made for reading alone is another. */
static bool is_writable(int fd)
{
	enum { ATIME = 0x70 }; /* MOUNT_ATTR__ATIME: the kernel clears it as a whole */
	static const uint64_t all = MOUNT_READONLY | MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC |
				    MOUNT_NOSYMFOLLOW | ATIME;
	struct statvfs st;

	return mount_change(fd, 0, all, false) == 0 && fstatvfs(fd, &st) == 0 &&
	       !(st.f_flag & ST_RDONLY);
}

static int try_point(const struct mosaic_mount_point *p, void *arg)
{
	int *ret = arg;
	int fd = p->here ? mount_clone(AT_FDCWD, p->path, false) : copy_from(p->pid, p->path);

	if (fd < 0)
		return 0; /* gone meanwhile */
	if (!is_writable(fd)) {
		close(fd);
		return 0;
	}
	*ret = fd;
	return 1;
}

static bool is_ours(const struct mosaic *m, const char *name)
{
	for (const struct volume_use *u = m->uses; u; u = u->next)
		if (!u->device && str_eq(u->name, name))
			return true;
	return false;
}

/* Does another process hold the lock of a user? Ours is shared, so it is turned into an exclusive one for a moment. */
static bool others_have_it(const struct volume *v)
{
	_close_ int fd = openat(v->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool alone;

	if (fd < 0)
		return true;
	if (flock(v->dirfd, LOCK_UN) < 0)
		return true;
	alone = flock(fd, LOCK_EX | LOCK_NB) == 0;
	flock(fd, LOCK_UN);
	while (flock(v->dirfd, LOCK_SH) < 0 && errno == EINTR)
		;
	return !alone;
}

int overlay_mark_mounted(const struct volume *v)
{
	if (symlinkat(".", v->dirfd, "mounted") == 0)
		return 0;
	return errno == EEXIST || errno == ENOSPC || errno == EDQUOT ? 1 : -errno;
}

int overlay_copy_mount(struct mosaic *m, const struct volume *v, const struct mosaic_mount *how,
		       int *ret_fd, struct error *err)
{
	static const struct timespec moment = { 0, 10000000 };
	_close_ int fd = -1;
	int r = 0;

	for (int i = 0; i < TRIES; i++) {
		r = volume_each_mount(m, v, try_point, &fd, err);
		if (r != 0 || is_ours(m, v->name) || !others_have_it(v))
			break;
		nanosleep(&moment, NULL);
	}
	if (r < 0)
		return r;
	if (r == 0) {
		if (!is_ours(m, v->name) && !others_have_it(v))
			return OVERLAY_NOT_MOUNTED;
		return error_set(
			err, -EBUSY,
			"volume %s is mounted, but nowhere: who mounted it has to attach that mount to a directory before there can be another.",
			v->name);
	}
	r = directory_adjust(fd, v, how, err);
	if (r < 0)
		return r;
	*ret_fd = take_fd(&fd);
	return 0;
}
