/* Making, copying and dropping volumes of a thin pool. */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

#include "mosaic/blockfs.h"
#include "mosaic/thin.h"

enum {
	MIB = 1 << 20,
	NEW_BYTES = 4 * MIB, /* what a new file system writes, generously */
	SIZE_DEFAULT_GIB = 10,
};

/* Writes down the number before there is a thin volume of it. */
static int take_number(struct mosaic *m, int dirfd, const char *name, struct thin_record *record,
		       struct error *err)
{
	int r = thin_new_id(m, &record->id, err);

	if (r < 0)
		return r;
	r = thin_record_write(dirfd, name, record);
	return r < 0 ? error_set(err, r, "cannot write the record of a volume in %s", m->location)
		     : 0;
}

/* A number that the pool has, though no record did: a volume of it is left from a time before the
 * records were lost. check() removes it; here the next one is taken. */
static int make_thin(struct mosaic *m, int dirfd, const char *name, struct thin_record *record,
		     const struct thin_record *from, struct error *err)
{
	int r;

	do {
		r = take_number(m, dirfd, name, record, err);
		if (r < 0)
			return r;
		r = from ? thin_make_snapshot(m->priv, record->id, from->id, err)
			 : thin_make(m->priv, record->id, err);
	} while (r == -EEXIST);
	return r;
}

static uint64_t round_up(uint64_t bytes, uint64_t unit)
{
	return (bytes + unit - 1) / unit * unit;
}

static int choose_size(struct mosaic *m, const char *fs, uint64_t bytes, uint64_t *ret,
		       struct error *err)
{
	uint64_t least = fs ? blockfs_size_min(fs) : BLOCKFS_BLOCK;
	int r = 0;

	if (bytes == 0)
		r = mosaic_option_size(m, "size", (uint64_t)SIZE_DEFAULT_GIB << 30, &bytes, err);
	if (r < 0)
		return r;
	if (bytes < least)
		return error_set(err, -EINVAL,
				 "a volume with %s has at least %" PRIu64 " bytes, not %" PRIu64
				 ".",
				 fs ? fs : "no file system", least, bytes);
	if (bytes > THIN_SIZE_MAX)
		return error_set(err, -EFBIG, "a volume has at most %llu bytes, not %" PRIu64 ".",
				 THIN_SIZE_MAX, bytes);
	*ret = round_up(bytes, BLOCKFS_BLOCK);
	return 0;
}

/* Its device for whoever makes it: not locked any longer than it takes. */
static int bring_up(struct mosaic *m, const struct thin_record *record, char path[DM_PATH_MAX],
		    struct error *err)
{
	struct thin_up how = { .id = record->id, .bytes = record->bytes };
	_thin_lock_ struct thin *locked = NULL;
	int r = thin_lock(m->priv, &locked, err);

	return r < 0 ? r : thin_up(m->priv, &how, path, err);
}

/* Makes the file system; what is returned is its mount. */
static int make_fs(struct mosaic *m, const struct thin_record *record, struct error *err)
{
	_close_ int device = -1, file = -1, mount = -1;
	char path[DM_PATH_MAX];
	int r;

	device = bring_up(m, record, path, err);
	if (device < 0)
		return device;
	file = open(path, O_RDWR | O_CLOEXEC);
	if (file < 0)
		return error_set(err, -errno, "cannot open the new volume's device");
	r = blockfs_make(record->fs, file, err);
	if (r == 0 && fsync(file) < 0)
		r = error_set(err, -errno, "cannot write the new volume");
	cleanup_close(&file);
	if (r == 0)
		r = blockfs_mount(record->fs, path, false, &mount, err);
	if (r == 0)
		r = blockfs_tidy(mount, err);
	return r < 0 ? r : take_fd(&mount);
}

/* The mount of its file system; 0 for a raw one (fs NULL). */
static int make_volume(struct mosaic *m, int dirfd, const char *name, uint64_t bytes,
		       const char *fs, struct error *err)
{
	struct thin_record record = { 0 };
	struct thin *t = m->priv;
	int r = choose_size(m, fs, bytes, &record.bytes, err);

	if (fs)
		snprintf(record.fs, sizeof(record.fs), "%s", fs);
	if (r == 0) {
		_thin_lock_ struct thin *locked = NULL;

		r = thin_lock(t, &locked, err);
		if (r == 0)
			r = thin_need_room(t, fs ? NEW_BYTES : 0, err);
		if (r == 0)
			r = make_thin(m, dirfd, name, &record, NULL, err);
	}
	if (r < 0 || !fs)
		return r;
	r = make_fs(m, &record, err);
	if (r == -EIO || r == -ENOSPC) { /* full is what most failures of writing are */
		struct error why = { 0 };

		if (thin_need_room(t, NEW_BYTES, &why) == -ENOSPC) {
			if (err)
				*err = why;
			return -ENOSPC;
		}
	}
	return r;
}

int thin_create(struct mosaic *m, int dirfd, const struct mosaic_create *how, struct error *err)
{
	bool raw = how->flags & MOSAIC_CREATE_RAW;
	int r = make_volume(m, dirfd, "data", how->size, raw ? NULL : how->fs, err);

	if (r >= 0 && !raw)
		close(r); /* its mount */
	return r < 0 ? r : 0;
}

int thin_stage(struct mosaic *m, int dirfd, int *ret_fd, struct error *err)
{
	const char *fs = m->default_fs ? m->default_fs : blockfs_names[0];
	_close_ int mount = make_volume(m, dirfd, "tree", 0, fs, err);

	if (mount < 0)
		return mount;
	*ret_fd = take_fd(&mount);
	return 0;
}

/* ---- copies ---------------------------------------------------------------------------------- */

struct copying {
	const struct volume_copy *c;
	struct thin_record from;
	struct thin_record made;
	bool suspended;
};

/* Numbers are written down before anything stands still. */
static int prepare(struct mosaic *m, struct copying *y, struct error *err)
{
	int r = thin_record_of(y->c->from, &y->from, err);

	if (r < 0)
		return r;
	y->made = y->from;
	return take_number(m, y->c->dirfd, y->c->read_only ? "tree" : "data", &y->made, err);
}

/* A device that is up stands still, its file system whole; also when it is suspended already, which
 * happens when a set names it twice. One that is not up is nobody's. */
static int stop(struct thin *t, struct copying *y, struct error *err)
{
	char name[DM_NAME_MAX + 1];
	struct dm_state s;
	int r;

	thin_device_name(t, y->from.id, name);
	r = dm_get_state(t->control, name, &s);
	if (r == -ENXIO || (r == 0 && (!s.has_table || s.suspended || s.read_only)))
		return 0;
	if (r == 0)
		r = dm_suspend(t->control, name, 0);
	if (r < 0 && r != -ENXIO)
		return error_set(err, r, "cannot suspend volume %s", y->c->from->name);
	y->suspended = r == 0;
	return 0;
}

static void go_on(struct thin *t, struct copying *y)
{
	char name[DM_NAME_MAX + 1];
	int r;

	if (!y->suspended)
		return;
	thin_device_name(t, y->from.id, name);
	r = dm_resume(t->control, name, 0);
	if (r < 0)
		mosaic_log(MOSAIC_LOG_ERROR, "cannot resume volume %s: %s", y->c->from->name,
			   strerror(-r));
}

/* A number that is taken after all was not prepared for: see make_thin(). */
static int snap(struct mosaic *m, struct copying *y, struct error *err)
{
	int r = thin_make_snapshot(m->priv, y->made.id, y->from.id, err);

	if (r == -EEXIST)
		r = make_thin(m, y->c->dirfd, y->c->read_only ? "tree" : "data", &y->made, &y->from,
			      err);
	return r;
}

static int copy_all(struct mosaic *m, struct copying *list, size_t n, struct error *err)
{
	struct thin *t = m->priv;
	_thin_lock_ struct thin *locked = NULL;
	int r = thin_lock(t, &locked, err);

	/* once it is copied, whoever writes to it needs room, and be it for its superblock */
	if (r == 0)
		r = thin_need_room(t, n * (uint64_t)NEW_BYTES, err);
	for (size_t i = 0; i < n && r == 0; i++)
		r = prepare(m, &list[i], err);
	for (size_t i = 0; i < n && r == 0; i++)
		r = stop(t, &list[i], err);
	for (size_t i = 0; i < n && r == 0; i++)
		r = snap(m, &list[i], err);
	for (size_t i = n; i > 0; i--)
		go_on(t, &list[i - 1]);
	return r;
}

/* A read-only copy is to be mountable without a write: a journal is replayed now, while it is
 * nobody's. xfs is never clean when it was frozen, for its own reasons. */
static int settle(struct mosaic *m, const struct thin_record *record, struct error *err)
{
	_close_ int device = -1, mount = -1;
	struct blockfs_status s = { 0 };
	char path[DM_PATH_MAX];
	int r;

	if (!record->fs[0])
		return 0;
	device = bring_up(m, record, path, err);
	if (device < 0)
		return device;
	r = blockfs_status(device, &s);
	if (r < 0)
		return error_set(err, r, "cannot read the superblock of a new snapshot");
	if (r == BLOCKFS_UNKNOWN)
		return error_set(err, -EBADMSG, "the volume has no %s that could be copied.",
				 record->fs);
	if (str_eq(s.fs, "ext4") && !s.dirty)
		return 0;
	return blockfs_mount(record->fs, path, false, &mount, err);
}

int thin_snapshot_set(struct mosaic *m, const struct volume_copy *list, size_t n, struct error *err)
{
	_free_ struct copying *all = calloc(n, sizeof(*all));
	int r = all || n == 0 ? 0 : error_set(err, -ENOMEM, "copies of %zu volumes", n);

	for (size_t i = 0; i < n && r == 0; i++)
		all[i].c = &list[i];
	if (r == 0)
		r = copy_all(m, all, n, err);
	for (size_t i = 0; i < n && r == 0; i++)
		if (list[i].read_only)
			r = settle(m, &all[i].made, err);
	return r;
}

int thin_copy(struct mosaic *m, const struct volume_copy *c, struct error *err)
{
	return thin_snapshot_set(m, c, 1, err);
}

/* ---- drop ------------------------------------------------------------------------------------ */

/* A pool in a file gives back what nobody else has of the volume; that the kernel does not do when
 * it is deleted. Failing costs room, not more. */
static void discard(struct mosaic *m, const struct thin_record *record)
{
	const struct thin *t = m->priv;
	uint64_t range[2] = { 0, record->bytes };
	_close_ int device = -1, file = -1;
	char path[DM_PATH_MAX];

	if (t->is_block)
		return;
	device = bring_up(m, record, path, NULL);
	if (device >= 0)
		file = open(path, O_RDWR | O_EXCL | O_CLOEXEC);
	if (file >= 0 && ioctl(file, BLKDISCARD, range) < 0)
		mosaic_log(MOSAIC_LOG_INFO, "cannot discard thin volume %" PRIu32 ": %s",
			   record->id, strerror(errno));
}

int thin_drop(struct mosaic *m, int dirfd, struct error *err)
{
	struct thin_record record;

	for (const char *const *name = thin_record_names; *name; name++) {
		int r = thin_record_read(dirfd, *name, &record);

		if (r == 0) {
			discard(m, &record);
			r = thin_delete(m->priv, record.id, err);
		} else if (r == -ENOENT || r == -EBADMSG) /* what it said is check()'s to find */
			r = 0;
		else
			error_set(err, r, "cannot read the record %s of a volume", *name);
		if (r < 0)
			return r;
	}
	return 0;
}
