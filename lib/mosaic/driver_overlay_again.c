/*
 * A stack that is mounted to be written to already. The kernel would make a second overlay of the
 * same layers without a word, and both would damage each other; so it is asked, and who comes
 * second gets another mount of the overlay that is there, wherever it is mounted.
 */
#include <fcntl.h>
#include <linux/stat.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/base.h"
#include "kernel/kernel.h"
#include "mosaic/mounts.h"
#include "mosaic/overlay.h"

/* MOUNT_ATTR__ATIME: one of several values, changed as a whole. */
#define ANY_ATIME 0x00000070

/* With an index the kernel refuses an upper directory that has an overlay (EBUSY); the work
 * directory, which it looks at next, is wrong (EINVAL), so that nothing comes of it otherwise. */
bool overlay_is_written(const struct layers *l)
{
	char upper[32], lower[32];
	const struct mount_option options[] = { { "index", "on" },
						{ "upperdir", upper },
						{ "workdir", upper },
						{ "lowerdir", lower } };
	_close_ int fd = -1;

	/* made by the first mount of all */
	if (faccessat(l->volume, "work/work", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	snprintf(upper, sizeof(upper), "/proc/self/fd/%d", l->upper);
	snprintf(lower, sizeof(lower), "/proc/self/fd/%d", l->lower[0]);
	fd = mount_new("overlay", options, ARRAY_SIZE(options), 0, NULL, 0);
	return fd == -EBUSY;
}

/* A child, with the same descriptors, goes into the mount namespace and makes the copy there. */
static int clone_in_namespace(pid_t pid, int fd)
{
	char path[48];
	int result = -EIO, ends[2], status;
	_close_ int ns = -1, in = -1, out = -1;
	long child;

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	in = ends[0];
	out = ends[1];
	child = syscall(SYS_clone, (unsigned long)CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (child < 0)
		return -errno;
	if (child == 0) {
		result = setns(ns, CLONE_NEWNS) < 0 ? -errno : mount_clone(fd, "", false);
		/* lint: banned ok: the child has nowhere to return to */
		_exit(write_all(out, &result, sizeof(result)) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	while (waitpid((pid_t)child, &status, __WALL) < 0)
		if (errno != EINTR)
			return -errno;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 ||
	    read_all(in, &result, sizeof(result)) != sizeof(result))
		return -EIO;
	return result;
}

struct again {
	const char *source;
	int fd;
};

/* The place, unless something else is mounted on it. */
static int open_place(pid_t pid, const struct mountinfo *m)
{
	char path[LIMIT_PATH_BYTES];
	_close_ int fd = -1;
	struct statx stx;

	if (snprintf(path, sizeof(path), "/proc/%d/root%s", pid, m->point) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0 || syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0)
		return -errno;
	return stx.stx_mnt_id == (uint64_t)m->id ? take_fd(&fd) : -ENOENT;
}

static int clone_point(const struct mosaic_mount_point *p, void *arg)
{
	struct again *a = arg;
	_free_ char *text = NULL;
	struct mountinfo m;
	char path[48], *cursor;

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", p->pid);
	if (file_read(AT_FDCWD, path, MOUNTINFO_MAX, &text, NULL) < 0)
		return 0;
	for (cursor = text; mountinfo_next(&cursor, &m) > 0;) {
		_close_ int fd = -1;

		if (!str_eq(m.fstype, "overlay") || !str_eq(m.source, a->source) ||
		    !str_eq(m.root, "/") || str_starts(m.options, "ro"))
			continue;
		fd = open_place(p->pid, &m);
		if (fd < 0)
			continue;
		a->fd = p->here ? mount_clone(fd, "", false) : clone_in_namespace(p->pid, fd);
		if (a->fd >= 0)
			return 1;
	}
	return 0;
}

static int clone_own(struct mosaic *m, const char *name)
{
	for (struct volume_use *u = m->uses; u; u = u->next) {
		int fd;

		if (u->mount < 0 || !str_eq(u->name, name))
			continue;
		fd = mount_clone(u->mount, "", false);
		if (fd >= 0)
			return fd;
		cleanup_close(&u->mount); /* it was unmounted since, and is held by us alone */
	}
	return -ENOENT;
}

static int adjust(int fd, const struct volume *v, const struct mosaic_mount *how, struct error *err)
{
	const uint64_t all = MOUNT_READONLY | MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC |
			     MOUNT_NOSYMFOLLOW;
	int r = mount_change(fd, how->attributes, (all & ~how->attributes) | ANY_ATIME, false);

	return r < 0 ? error_set(err, r, "cannot set the mount attributes of volume %s", v->name)
		     : 0;
}

int overlay_mount_again(struct mosaic *m, const struct volume *v, const struct mosaic_mount *how,
			const char *source, int *ret_fd, struct error *err)
{
	struct again a = { source, -1 };
	_close_ int fd = -1;
	int r;

	if (how->userns > 0)
		return error_set(err, -EBUSY,
				 "volume %s is mounted already: it cannot get an id map now.",
				 v->name);
	fd = clone_own(m, v->name);
	if (fd < 0) {
		r = volume_each_mount(m, v, clone_point, &a, err);
		if (r < 0)
			return r;
		fd = a.fd;
	}
	if (fd < 0)
		return OVERLAY_NOWHERE;
	r = adjust(fd, v, how, err);
	if (r < 0)
		return r;
	*ret_fd = take_fd(&fd);
	return 0;
}
