/* Image volumes: clones and snapshots, also of what is in use. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "mosaic/blockfs.h"
#include "mosaic/image.h"

/* What one source needs while it is copied. */
struct source {
	const struct volume_copy *copy;
	int lock;
	struct loopdev device; /* fd -1: it is not up */
	int mount;             /* of our own; -1: not up */
};

struct sources {
	struct mosaic *m;
	struct source *list; /* in the order of their names, in which they are locked */
	int *roots;          /* of those that are frozen */
	size_t n, n_roots;
	struct blockfs_freezer freezer;
	struct error *err;
};

static void sources_free(struct sources *s)
{
	blockfs_thaw(&s->freezer);
	for (size_t i = 0; i < s->n_roots; i++)
		cleanup_close(&s->roots[i]);
	for (size_t i = 0; s->list && i < s->n; i++) {
		if (s->list[i].mount >= 0) /* thawed: nothing to be found by a check */
			(void)!unlinkat(s->list[i].copy->from->dirfd, "frozen", 0);
		cleanup_close(&s->list[i].mount);
		loopdev_close(&s->list[i].device);
		cleanup_close(&s->list[i].lock);
	}
	free(s->list);
	free(s->roots);
}

static int by_name(const void *a, const void *b)
{
	const struct source *x = a, *y = b;

	return strcmp(x->copy->from->name, y->copy->from->name);
}

static int wait_until_settled(struct mosaic *m, int dirfd, const char *name, struct error *err)
{
	return image_ops(m)->settled ? image_ops(m)->settled(dirfd, name, err) : 0;
}

/* Only what somebody can be writing to has to be frozen. */
static int look_up(struct sources *s, struct source *source)
{
	const struct volume *v = source->copy->from;
	const char *name = volume_content(v->kind);
	int r;

	if (image_ops(s->m)->prepare_copy) {
		r = image_ops(s->m)->prepare_copy(s->m, v, s->err);
		if (r < 0)
			return r;
	}
	if (v->kind == VOLUME_TREE)
		return 0;
	if (v->raw)
		r = image_find_lasting(s->m, v->dirfd, name, &source->device);
	else
		r = image_ops(s->m)->find(s->m, v->dirfd, name, &source->device);
	if (r < 0)
		return error_set(s->err, r, "cannot look for its loop device");
	if (r == LOOPDEV_NONE)
		return wait_until_settled(s->m, v->dirfd, name, s->err);
	if (v->raw)
		return error_set(s->err, -EBUSY,
				 "it is attached as %s, and being raw it has no file system that "
				 "could be made to stand still.",
				 source->device.path);
	return image_mount_device(v->dirfd, &source->device, false, &source->mount, s->err);
}

/* The mark tells a check what to thaw, should we and the child who thaws be killed together. The
 * lock is ours: who left one that is there already is dead. */
static int add_root(struct sources *s, const struct source *source)
{
	int dirfd = source->copy->from->dirfd;
	_close_ int root = blockfs_root(source->mount), mark = -1;
	int r = root;

	if (r >= 0 && faccessat(dirfd, "frozen", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		r = blockfs_thaw_lost(root);
	if (r >= 0) {
		mark = openat(dirfd, "frozen", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		r = mark < 0 ? -errno : 0;
	}
	if (r < 0)
		return error_set(s->err, r, "cannot prepare to freeze it");
	s->roots[s->n_roots++] = take_fd(&root);
	return 0;
}

static int sources_open(struct sources *s, const struct volume_copy *list)
{
	s->list = calloc(s->n, sizeof(*s->list));
	s->roots = calloc(s->n, sizeof(*s->roots));
	if (!s->list || !s->roots) {
		error_set(s->err, -ENOMEM, "copies of %zu volumes", s->n);
		return -ENOMEM;
	}
	for (size_t i = 0; i < s->n; i++)
		s->list[i] = (struct source){ &list[i], -1, LOOPDEV_NONE_OPEN, -1 };
	qsort(s->list, s->n, sizeof(*s->list), by_name);
	for (size_t i = 0; i < s->n; i++) {
		struct source *source = &s->list[i];
		const struct volume *v = source->copy->from;
		int r = 0;

		/* a volume that is there twice is locked and frozen once */
		if (i > 0 && str_eq(v->name, s->list[i - 1].copy->from->name))
			continue;
		source->lock = volume_serialise(v, s->err);
		r = source->lock < 0 ? source->lock : look_up(s, source);
		if (r == 0 && source->mount >= 0)
			r = add_root(s, source);
		if (r < 0)
			return error_context(s->err, r, NULL, v->name);
	}
	return s->n_roots ? blockfs_freeze(s->roots, s->n_roots, &s->freezer, s->err) : 0;
}

/* The copy has the same file system. */
static int copy_names(const struct volume_copy *c, struct error *err)
{
	char fs[MOSAIC_FS_MAX];
	int r = image_fs(c->from->dirfd, fs, err);

	if (r < 0 || !fs[0])
		return r;
	return symlinkat(fs, c->dirfd, "fs") < 0
		       ? error_set(err, -errno, "cannot note the file system")
		       : 0;
}

/* Does it mount as it is? ext4 says so; xfs has to be asked. */
static int is_settled(struct mosaic *m, int dirfd, const char *name, struct error *err)
{
	_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN;
	struct blockfs_status status = { 0 };
	_close_ int mount = -1;
	int r = image_up(m, dirfd, name, true, &d, err);

	if (r < 0)
		return r;
	if (blockfs_status(d.fd, &status) == 0 && str_eq(status.fs, "ext4"))
		return !status.dirty;
	return image_mount_device(dirfd, &d, true, &mount, NULL) == 0;
}

/* A read-only device cannot replay a journal. xfs has one to replay even after a freeze, and so has
 * what was in use when the machine went down: such a copy is mounted once for writing. */
static int settle(struct mosaic *m, const struct volume_copy *c, struct error *err)
{
	_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN;
	const char *name = "tree";
	_close_ int mount = -1;
	int r;

	if (!c->read_only || c->from->kind == VOLUME_TREE || c->from->raw)
		return 0;
	r = is_settled(m, c->dirfd, name, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = wait_until_settled(m, c->dirfd, name, err);
	if (r == 0)
		r = image_up(m, c->dirfd, name, false, &d, err);
	if (r == 0)
		r = image_mount_device(c->dirfd, &d, false, &mount, err);
	cleanup_close(&mount);
	loopdev_close(&d);
	return r == 0 ? wait_until_settled(m, c->dirfd, name, err) : r;
}

static bool is_live(const struct sources *s, const struct volume *v)
{
	for (size_t i = 0; s->list && i < s->n; i++)
		if (s->list[i].mount >= 0 && str_eq(s->list[i].copy->from->name, v->name))
			return true;
	return false;
}

static int copy_all(struct mosaic *m, const struct volume_copy *list, size_t n, struct error *err)
{
	_cleanup_(sources_free) struct sources s = {
		.m = m, .n = n, .freezer = BLOCKFS_FREEZER_NONE, .err = err
	};
	int r = sources_open(&s, list);

	for (size_t i = 0; i < n && r == 0; i++) {
		r = copy_names(&list[i], err);
		if (r == 0)
			r = image_ops(m)->copy(m, &list[i], is_live(&s, list[i].from), err);
		if (r < 0)
			error_context(err, r, "copy", list[i].from->name);
	}
	return r;
}

int image_snapshot_set(struct mosaic *m, const struct volume_copy *list, size_t n,
		       struct error *err)
{
	int r = copy_all(m, list, n, err);

	for (size_t i = 0; i < n && r == 0; i++)
		r = settle(m, &list[i], err);
	return r;
}

int image_copy(struct mosaic *m, const struct volume_copy *c, struct error *err)
{
	return image_snapshot_set(m, c, 1, err);
}
