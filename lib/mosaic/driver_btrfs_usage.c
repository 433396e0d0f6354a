/*
 * What a volume takes. With full quotas the kernel has counted it. Without, every file is asked
 * for its extents, and which of them somebody else has too; an extent that two files of the same
 * volume share counts as shared then, so exclusive may be too small, never too large. Metadata is
 * only counted by quotas.
 */
#include <btrfsutil.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <search.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/base.h"
#include "mosaic/btrfs.h"

enum { EXTENTS = 256 }; /* asked for at once */

struct extents {
	struct fiemap map;
	struct fiemap_extent list[EXTENTS];
};

/* The bytes of the file that are in extents which others have too. */
static int add_shared(int fd, struct extents *x, uint64_t *shared)
{
	uint64_t at = 0;

	for (;;) {
		const struct fiemap_extent *e = x->list;

		x->map = (struct fiemap){ .fm_start = at,
					  .fm_length = FIEMAP_MAX_OFFSET - at,
					  .fm_extent_count = EXTENTS };
		if (ioctl(fd, FS_IOC_FIEMAP, &x->map) < 0)
			return -errno;
		for (unsigned i = 0; i < x->map.fm_mapped_extents; i++, e++) {
			if (e->fe_flags & FIEMAP_EXTENT_SHARED)
				*shared += e->fe_length;
			if (e->fe_flags & FIEMAP_EXTENT_LAST)
				return 0;
			at = e->fe_logical + e->fe_length;
		}
		if (x->map.fm_mapped_extents == 0)
			return 0;
	}
}

/* ---- the walk -------------------------------------------------------------------------------- */

struct pending {
	struct pending *next;
	char path[];
};

struct file_id {
	dev_t dev;
	ino_t ino;
};

struct walk {
	struct extents *extents;
	struct pending *stack;
	void *links; /* tsearch() tree of struct file_id: with more than one name */
	const char *path;
	uint64_t used, shared;
};

static int compare(const void *a, const void *b)
{
	const struct file_id *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

#pragma GCC diagnostic push
/* What is allocated here is in the stack or in the tree afterwards. */
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
static int push(struct walk *w, const char *dir, const char *name)
{
	size_t size = strlen(dir) + strlen(name) + 2;
	struct pending *p = malloc(sizeof(*p) + size);

	if (!p)
		return -ENOMEM;
	snprintf(p->path, size, "%s%s%s", dir, *dir ? "/" : "", name);
	p->next = w->stack;
	w->stack = p;
	return 0;
}

/* 1 when it was counted under another name. */
static int is_counted(struct walk *w, const struct stat *st)
{
	struct file_id key = { st->st_dev, st->st_ino }, *id;

	if (st->st_nlink < 2)
		return 0;
	if (tfind(&key, &w->links, compare))
		return 1;
	id = malloc(sizeof(*id));
	if (!id)
		return -ENOMEM;
	*id = key;
	if (tsearch(id, &w->links, compare))
		return 0;
	free(id);
	return -ENOMEM;
}
#pragma GCC diagnostic pop

static int look_at(int dirfd, const char *name, void *arg)
{
	struct walk *w = arg;
	_close_ int fd = -1;
	struct stat st;
	int r;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st.st_mode))
		return push(w, w->path, name);
	r = is_counted(w, &st);
	if (r != 0)
		return r < 0 ? r : 0;
	w->used += (uint64_t)st.st_blocks * 512;
	if (!S_ISREG(st.st_mode) || st.st_blocks == 0)
		return 0;
	fd = path_open(dirfd, name, PATH_NO_LINKS, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return fd == -ENOENT || fd == -ELOOP ? 0 : fd;
	return add_shared(fd, w->extents, &w->shared);
}

static int look_into(struct walk *w, int root, const char *path)
{
	_close_ int fd = path_open(root, path, PATH_NO_MOUNTS, O_RDONLY | O_DIRECTORY, 0);

	w->path = path;
	if (fd == -ENOENT && *path)
		return 0; /* removed since it was listed */
	return fd < 0 ? fd : dir_each(fd, look_at, w);
}

static int usage_by_walk(int root, struct mosaic_usage *ret, struct error *err)
{
	_free_ struct extents *extents = malloc(sizeof(*extents));
	struct walk w = { .extents = extents };
	int r = extents ? push(&w, "", "") : -ENOMEM;

	while (w.stack) {
		struct pending *p = w.stack;

		w.stack = p->next;
		if (r == 0)
			r = look_into(&w, root, p->path);
		if (r < 0 && err && !err->code)
			error_set(err, r, "cannot look at %s", *p->path ? p->path : "the volume");
		free(p);
	}
	tdestroy(w.links, free);
	if (r < 0)
		return err && err->code ? r : error_set(err, r, "cannot walk through the volume");
	ret->used = w.used;
	ret->shared = w.shared < w.used ? w.shared : w.used;
	ret->exclusive = ret->used - ret->shared;
	return 0;
}

/* ---- by quotas ------------------------------------------------------------------------------- */

struct sum {
	int fd;
	struct btrfs_group total;
	struct error *err;
};

static int add_group(const char *path, uint64_t id, void *arg)
{
	struct sum *s = arg;
	struct btrfs_group g;
	int r = btrfs_read_group(s->fd, id, &g, s->err);

	(void)path;
	if (r < 0)
		return r;
	s->total.referenced += g.referenced;
	s->total.exclusive += g.exclusive;
	return 0;
}

static int usage_by_quota(int fd, struct mosaic_usage *ret, struct error *err)
{
	struct sum s = { .fd = fd, .err = err };
	uint64_t id;
	int r;

	if (btrfs_util_subvolume_id_fd(fd, &id) != BTRFS_UTIL_OK)
		return error_set(err, -errno, "cannot ask for the ID of a subvolume");
	r = add_group("", id, &s);
	if (r == 0)
		r = btrfs_each_nested(fd, add_group, &s, err);
	if (r < 0)
		return r;
	ret->used = s.total.referenced;
	ret->exclusive = s.total.exclusive;
	ret->shared = ret->used - ret->exclusive;
	return 0;
}

int btrfs_usage(struct mosaic *m, const struct volume *v, struct mosaic_usage *ret,
		struct error *err)
{
	_close_ int fd = btrfs_open_content(v, err);
	int r;

	if (fd < 0)
		return fd;
	if (btrfs_util_sync_fd(fd) != BTRFS_UTIL_OK) /* numbers and extents are made by that */
		return error_set(err, -errno, "cannot sync %s", m->location);
	r = btrfs_quota_state(fd, err);
	if (r < 0)
		return r;
	return r == BTRFS_QUOTA_EXACT ? usage_by_quota(fd, ret, err) : usage_by_walk(fd, ret, err);
}
