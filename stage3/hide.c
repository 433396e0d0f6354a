/*
 * Paths that the app may not see, or not change. A path that is not there needs nothing; any other
 * failure ends the launch.
 */
#include "stage3/stage3.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* What is laid over a masked path: /dev/null over a file, an empty file system over a directory. */
struct covers {
	int null, empty; /* -1: not needed so far */
};

/* A path to hide; -ENOENT when it is not there. */
static int open_path(const struct launch *l, const char *path)
{
	int fd = path_open(l->root, path, PATH_IN_ROOT, O_PATH, 0);

	return fd == -ENOTDIR ? -ENOENT : fd;
}

/* Our own /dev/null, and no other thing of that name (CVE-2025-31133). */
static int cover_file(const struct launch *l, struct covers *c)
{
	struct stat st;

	if (c->null < 0) {
		c->null = path_open(l->root, "/dev/null", PATH_NO_LINKS, O_PATH, 0);
		if (c->null < 0)
			return c->null;
		if (fstat(c->null, &st) < 0)
			return -errno;
		if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
			return -ENODEV;
	}
	return mount_clone(c->null, "", false);
}

/* The first one is a new mount; once it is attached, the others are clones of it. */
static int cover_directory(struct covers *c)
{
	if (c->empty >= 0)
		return mount_clone(c->empty, "", false);
	c->empty = mount_new("tmpfs", NULL, 0,
			     MOUNT_READONLY | MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC, NULL, 0);
	return c->empty;
}

static int mask(const struct launch *l, struct covers *c, const char *path)
{
	int target = open_path(l, path), cover;
	struct stat st;

	if (target < 0)
		return target == -ENOENT ? 0 : target;
	if (fstat(target, &st) < 0)
		return -errno;
	cover = S_ISDIR(st.st_mode) ? cover_directory(c) : cover_file(l, c);
	return cover < 0 ? cover : mount_attach(cover, target);
}

int step_mask(struct launch *l)
{
	struct covers covers = { -1, -1 };

	for (uint32_t i = 0; i < l->plan.n_masks; i++) {
		int r;

		l->report->index = i;
		r = mask(l, &covers, l->plan.masks[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Lays a read-only copy of the mounts from there on over it: masks below it are kept. */
static int make_readonly(const struct launch *l, const char *path)
{
	int target = open_path(l, path), copy, r;

	if (target < 0)
		return target == -ENOENT ? 0 : target;
	copy = mount_clone(target, "", true);
	if (copy < 0)
		return copy;
	r = mount_change(copy, MOUNT_READONLY, 0, true);
	return r < 0 ? r : mount_attach(copy, target);
}

int step_readonly(struct launch *l)
{
	const struct plan *p = &l->plan;

	for (uint32_t i = 0; i < p->n_readonly; i++) {
		int r;

		l->report->index = i;
		r = make_readonly(l, p->readonly[i]);
		if (r < 0)
			return r;
	}
	l->report->index = p->n_readonly;
	return p->flags & PLAN_READONLY_ROOT ? mount_change(l->root, MOUNT_READONLY, 0, false) : 0;
}
