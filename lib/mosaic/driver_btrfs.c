/*
 * Volumes are subvolumes: "tree" (read-only) or "data" in the volume's directory. Clones and
 * snapshots are subvolume snapshots, of one instant however the volume is in use. A user may have
 * made subvolumes inside of a volume; they are copied and dropped with it, each at an instant of
 * its own.
 *
 * The kernel gives a snapshot the limit of what it was taken of, so a size goes with the content,
 * through snapshots and back by a rollback.
 */
#include <btrfsutil.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/base.h"
#include "kernel/kernel.h"
#include "mosaic/btrfs.h"

/* Less than the first blocks of an empty subvolume take. */
#define SIZE_MIN (1ULL << 20)

/* libbtrfsutil sets errno whatever it returns. */
static int result(enum btrfs_util_error r)
{
	return r == BTRFS_UTIL_OK ? 0 : errno ? -errno : -EIO;
}

static int open_subvolume(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int btrfs_open_content(const struct volume *v, struct error *err)
{
	int fd = open_subvolume(v->dirfd, volume_content(v->kind));

	return fd < 0 ? error_set(err, fd, "cannot open volume %s", v->name) : fd;
}

int btrfs_each_nested(int fd, int (*fn)(const char *path, uint64_t id, void *arg), void *arg,
		      struct error *err)
{
	struct btrfs_util_subvolume_iterator *it;
	enum btrfs_util_error e;
	int r = result(btrfs_util_create_subvolume_iterator_fd(fd, 0, 0, &it));

	if (r < 0)
		return error_set(err, r, "cannot look for subvolumes");
	while (r == 0) {
		_free_ char *path = NULL;
		uint64_t id;

		e = btrfs_util_subvolume_iterator_next(it, &path, &id);
		if (e == BTRFS_UTIL_ERROR_STOP_ITERATION)
			break;
		r = result(e);
		if (r < 0)
			error_set(err, r, "cannot look for subvolumes");
		else
			r = fn(path, id, arg);
	}
	btrfs_util_destroy_subvolume_iterator(it);
	return r;
}

static int stop(const char *path, uint64_t id, void *arg)
{
	(void)path;
	(void)id;
	(void)arg;
	return 1;
}

static int set_read_only(int dirfd, const char *name, bool on)
{
	_close_ int fd = open_subvolume(dirfd, name);

	return fd < 0 ? fd : result(btrfs_util_set_subvolume_read_only_fd(fd, on));
}

int btrfs_snapshot(int src, int dirfd, const char *name, bool read_only, struct error *err)
{
	int nested = btrfs_each_nested(src, stop, NULL, err), flags, r;

	if (nested < 0)
		return nested;
	flags = nested      ? BTRFS_UTIL_CREATE_SNAPSHOT_RECURSIVE
		: read_only ? BTRFS_UTIL_CREATE_SNAPSHOT_READ_ONLY
			    : 0;
	r = result(btrfs_util_create_snapshot_fd2(src, dirfd, name, flags, NULL, NULL));
	if (r == 0 && nested && read_only)
		r = set_read_only(dirfd, name, true);
	return r < 0 ? error_set(err, r, "cannot make a btrfs snapshot") : 0;
}

/* An empty subvolume; its root is 0755 root:root whatever the umask. */
static int make(int dirfd, const char *name, struct error *err)
{
	_close_ int fd = -1;
	int r = result(btrfs_util_create_subvolume_fd(dirfd, name, 0, NULL, NULL));

	if (r < 0)
		return error_set(err, r, "cannot make a btrfs subvolume");
	fd = open_subvolume(dirfd, name);
	if (fd < 0)
		return error_set(err, fd, "cannot open a new subvolume");
	if (fchown(fd, 0, 0) < 0 || fchmod(fd, 0755) < 0)
		return error_set(err, -errno, "cannot set the mode of a new subvolume");
	return take_fd(&fd);
}

/* ---- the driver ------------------------------------------------------------------------------ */

static int stage(struct mosaic *m, int dirfd, int *ret_fd, struct error *err)
{
	int fd = make(dirfd, "tree", err);

	if (fd < 0)
		return directory_room(m, fd, err);
	*ret_fd = fd;
	return 0;
}

static int commit(struct mosaic *m, int dirfd, struct error *err)
{
	int r = set_read_only(dirfd, "tree", true);

	return r < 0 ? directory_room(m, error_set(err, r, "cannot make a subvolume read-only"),
				      err)
		     : 0;
}

static int create(struct mosaic *m, int dirfd, const struct mosaic_create *how, struct error *err)
{
	_close_ int fd = make(dirfd, "data", err);
	int r = fd;

	if (fd >= 0)
		r = how->size ? btrfs_set_limit(fd, how->size, err) : 0;
	return directory_room(m, r, err);
}

static uint64_t id_of(int fd)
{
	uint64_t id = 0;

	return btrfs_util_subvolume_id_fd(fd, &id) == BTRFS_UTIL_OK ? id : 0;
}

/* A copy of a volume that has spent its quota may be refused: it has the same one. */
static int explain(struct mosaic *m, int fd, int r, struct error *err)
{
	struct btrfs_group group;

	if (r != -EDQUOT || btrfs_read_group(fd, id_of(fd), &group, NULL) < 0 || !group.limit)
		return directory_room(m, r, err);
	return error_prefix(err, r, "the quota of %llu bytes, of which %llu are used, is spent",
			    (unsigned long long)group.limit, (unsigned long long)group.referenced);
}

static int copy(struct mosaic *m, const struct volume_copy *c, struct error *err)
{
	_close_ int src = btrfs_open_content(c->from, err);
	int r;

	if (src < 0)
		return src;
	r = btrfs_snapshot(src, c->dirfd, c->read_only ? "tree" : "data", c->read_only, err);
	return explain(m, src, error_context(err, r, "copy", c->from->name), err);
}

static int resize(struct mosaic *m, const struct volume *v, uint64_t bytes, struct error *err)
{
	_close_ int fd = btrfs_open_content(v, err);
	struct btrfs_group group = { 0 };
	int r;

	if (fd < 0)
		return fd;
	if (bytes && bytes < SIZE_MIN)
		return error_set(err, -EINVAL, "a volume has at least %llu bytes.", SIZE_MIN);
	/* Before the limit is there, so that it is never below what the volume holds. */
	r = bytes ? btrfs_quota_on(fd, err) : 0;
	if (r == 0 && result(btrfs_util_sync_fd(fd)) < 0)
		r = error_set(err, -errno, "cannot sync %s", m->location);
	if (r == 0)
		r = btrfs_read_group(fd, id_of(fd), &group, err);
	if (r == 0 && bytes && group.referenced > bytes)
		r = error_set(err, -ENOSPC, "volume %s holds %llu bytes, more than %llu.", v->name,
			      (unsigned long long)group.referenced, (unsigned long long)bytes);
	if (r == 0)
		r = btrfs_set_limit(fd, bytes, err);
	if (r == 0 && result(btrfs_util_sync_fd(fd)) < 0)
		r = error_set(err, -errno, "cannot sync %s", m->location);
	return directory_room(m, r, err);
}

static int info(struct mosaic *m, const struct volume *v, struct mosaic_volume *ret,
		struct error *err)
{
	_close_ int fd = btrfs_open_content(v, err);
	struct btrfs_group group;
	int r;

	(void)m;
	if (fd < 0)
		return fd;
	r = btrfs_read_group(fd, id_of(fd), &group, err);
	if (r == 0)
		ret->size = group.limit;
	return r;
}

static int limits(struct mosaic *m, struct mosaic_limits *ret, struct error *err)
{
	(void)m;
	(void)err;
	ret->size_min = SIZE_MIN;
	ret->size_max = INT64_MAX; /* a quota may be more than there is */
	return 0;
}

/* ---- drop ------------------------------------------------------------------------------------ */

struct nested {
	int fd; /* the subvolume that they are in */
	struct error *err;
};

/* Neither a quota that is spent nor being read-only is to be in the way of dropping. */
static int release(int fd, struct error *err)
{
	int r = result(btrfs_util_set_subvolume_read_only_fd(fd, false));

	if (r == 0 && btrfs_quota_state(fd, NULL) > BTRFS_QUOTA_OFF)
		r = btrfs_set_limit(fd, 0, err);
	return r;
}

static int release_nested(const char *path, uint64_t id, void *arg)
{
	const struct nested *n = arg;
	_close_ int fd = path_open(n->fd, path, PATH_NO_MOUNTS, O_RDONLY | O_DIRECTORY, 0);
	int r = fd < 0 ? fd : release(fd, n->err);

	(void)id;
	return r < 0 ? error_set(n->err, r, "cannot make the subvolume %s writable", path) : 0;
}

static int drop_nested(int dirfd, const char *name, struct error *err)
{
	_close_ int fd = open_subvolume(dirfd, name);
	struct nested n = { fd, err };
	int r = fd < 0 ? fd : release(fd, err);

	if (r < 0)
		return error_set(err, r, "cannot make a subvolume writable");
	r = btrfs_each_nested(fd, release_nested, &n, err);
	if (r < 0)
		return r;
	cleanup_close(&fd);
	r = result(
		btrfs_util_delete_subvolume_fd(dirfd, name, BTRFS_UTIL_DELETE_SUBVOLUME_RECURSIVE));
	return r < 0 ? error_set(err, r, "cannot delete a subvolume and those in it") : 0;
}

/* Whatever name it has: remove.c may have changed it. */
static int drop_entry(int dirfd, const char *name, void *arg)
{
	struct error *err = arg;
	_close_ int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (fd < 0 || btrfs_util_is_subvolume_fd(fd) != BTRFS_UTIL_OK)
		return 0;
	cleanup_close(&fd);
	r = result(btrfs_util_delete_subvolume_fd(dirfd, name, 0));
	if (r == -ENOTEMPTY)
		return drop_nested(dirfd, name, err);
	return r < 0 && r != -ENOENT ? error_set(err, r, "cannot delete the subvolume %s", name)
				     : 0;
}

static int drop(struct mosaic *m, int dirfd, struct error *err)
{
	struct error own = { 0 }, *e = err ? err : &own;
	int r = dir_each(dirfd, drop_entry, e);

	(void)m;
	return r < 0 && e->code != r ? error_set(e, r, "cannot list a volume") : r;
}

/* ---- probe, check ---------------------------------------------------------------------------- */

static int probe_subvolumes(int dirfd, struct error *err)
{
	_close_ int fd = make(dirfd, "tree", err);
	int r;

	if (fd < 0)
		return fd;
	r = btrfs_snapshot(fd, dirfd, "data", true, err);
	if (r == 0)
		r = btrfs_quota_state(fd, err);
	return r < 0 ? r : 0;
}

static int probe(struct mosaic *m, struct error *err)
{
	struct mosaic_staged s = MOSAIC_STAGED_NONE;
	struct statfs fs;
	int r;

	if (fstatfs(m->dirfd, &fs) < 0)
		return error_set(err, -errno, "cannot ask for the file system");
	if (fs.f_type != BTRFS_SUPER_MAGIC)
		return error_set(err, -EOPNOTSUPP, "it is on no btrfs.");
	r = volume_begin(m, &s, err);
	if (r < 0)
		return r;
	r = probe_subvolumes(s.lock_fd, err);
	mosaic_discard(m, &s);
	return r;
}

static int check(struct mosaic *m, const struct volume *v, struct check *c, struct error *err)
{
	char where[VOLUME_PATH];
	bool read_only = false, mended;
	_close_ int fd = -1;

	(void)m;
	if (!v)
		return 0;
	volume_path(where, v->name, NULL);
	fd = btrfs_open_content(v, err);
	if (fd < 0)
		return fd;
	if (btrfs_util_is_subvolume_fd(fd) != BTRFS_UTIL_OK)
		return volume_problem(c, where, false, "it is a directory, not a subvolume");
	if (v->kind != VOLUME_TREE)
		return 0;
	if (result(btrfs_util_get_subvolume_read_only_fd(fd, &read_only)) < 0)
		return error_set(err, -errno, "cannot ask whether volume %s is read-only", v->name);
	if (read_only)
		return 0;
	mended = c->repair && result(btrfs_util_set_subvolume_read_only_fd(fd, true)) == 0;
	return volume_problem(c, where, mended, "its subvolume is not read-only");
}

const struct mosaic_driver mosaic_driver_btrfs = {
	.name = "btrfs",
	.features = MOSAIC_CLONE | MOSAIC_SNAPSHOT | MOSAIC_RESIZE_UP | MOSAIC_RESIZE_DOWN |
		    MOSAIC_QUOTA | MOSAIC_SEND | MOSAIC_SNAPSHOT_LIVE | MOSAIC_EXCLUSIVE,
	.stream = "btrfs",
	.probe = probe,
	.limits = limits,
	.stage = stage,
	.commit = commit,
	.create = create,
	.copy = copy,
	.mount = directory_mount,
	.identify = directory_identify,
	.resize = resize,
	.info = info,
	.usage = btrfs_usage,
	.drop = drop,
	.send = btrfs_send,
	.receive = btrfs_receive,
	.check = check,
};
