/*
 * The size of a thin volume. Larger, while it is used or not: first the record, then the device,
 * then the file system; who is killed in between leaves a volume whose file system does not fill
 * it, and the same call finishes it. Smaller, while nobody uses it: on a snapshot that then takes
 * the volume's place.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

#include "mosaic/blockfs.h"
#include "mosaic/thin.h"

struct resizing {
	struct mosaic *m;
	struct thin *t;
	const struct volume *v;
	struct thin_record record; /* as it is */
	uint64_t bytes;            /* as it is to be */
};

static int bring_up(const struct resizing *z, const struct thin_record *record,
		    char path[DM_PATH_MAX], struct error *err)
{
	struct thin_up how = { .id = record->id,
			       .bytes = record->bytes,
			       .kept = thin_is_kept(z->v->dirfd) };
	_thin_lock_ struct thin *locked = NULL;
	int r = thin_lock(z->t, &locked, err);

	return r < 0 ? r : thin_up(z->t, &how, path, err);
}

static int write_record(const struct resizing *z, const struct thin_record *record,
			struct error *err)
{
	int r = thin_record_write(z->v->dirfd, volume_content(z->v->kind), record);

	return r < 0 ? error_set(err, r, "cannot write the record of volume %s", z->v->name) : 0;
}

static int grow(const struct resizing *z, struct error *err)
{
	_close_ int device = -1, mount = -1;
	struct thin_record larger = z->record;
	char path[DM_PATH_MAX];
	int r;

	larger.bytes = z->bytes;
	r = write_record(z, &larger, err);
	if (r < 0)
		return r;
	device = bring_up(z, &larger, path, err);
	if (device < 0)
		return device;
	if (!z->record.fs[0])
		return 0;
	r = blockfs_mount(z->record.fs, path, false, &mount, err);
	return r < 0 ? r : blockfs_grow(z->record.fs, mount, z->bytes, err);
}

/* What lies beyond the new end is given back to the pool: it would be seen again otherwise when the
 * volume grows. */
static int discard_end(int file, const struct resizing *z, struct error *err)
{
	uint64_t block = z->t->header.block * SECTOR;
	uint64_t range[2] = { (z->bytes + block - 1) / block * block };

	if (range[0] >= z->record.bytes)
		return 0;
	range[1] = z->record.bytes - range[0];
	return ioctl(file, BLKDISCARD, range) < 0 && errno != EOPNOTSUPP
		       ? error_set(err, -errno, "cannot discard the end of volume %s", z->v->name)
		       : 0;
}

/* The part of the new last block that is beyond the end reads as zeros. */
static int clear_last_block(int file, const struct resizing *z, struct error *err)
{
	uint64_t block = z->t->header.block * SECTOR;
	uint64_t range[2] = { z->bytes, block - z->bytes % block };

	if (z->bytes % block == 0)
		return 0;
	if (range[0] + range[1] > z->record.bytes)
		range[1] = z->record.bytes - range[0];
	return ioctl(file, BLKZEROOUT, range) < 0
		       ? error_set(err, -errno, "cannot clear the end of volume %s", z->v->name)
		       : 0;
}

static int shrink_snapshot(const struct resizing *z, const struct thin_record *next,
			   struct error *err)
{
	_close_ int device = -1, file = -1;
	char path[DM_PATH_MAX];
	int r;

	device = bring_up(z, next, path, err);
	if (device < 0)
		return device;
	file = open(path, O_RDWR | O_CLOEXEC);
	if (file < 0)
		return error_set(err, -errno, "cannot open the device of volume %s", z->v->name);
	r = blockfs_resize(z->record.fs, file, z->bytes, err);
	if (r == 0)
		r = discard_end(file, z, err);
	if (r == 0)
		r = clear_last_block(file, z, err);
	if (r == 0 && fsync(file) < 0)
		r = error_set(err, -errno, "cannot write volume %s", z->v->name);
	return r;
}

/* "next" is written before there is a thin volume of its number, and goes after it. */
static int make_next(const struct resizing *z, struct thin_record *next, struct error *err)
{
	_thin_lock_ struct thin *locked = NULL;
	int r = thin_lock(z->t, &locked, err);

	if (r == 0)
		r = thin_pool_up(z->t, err);
	if (r == 0)
		r = thin_need_room(z->t, 0, err);
	if (r == 0)
		r = thin_new_id(z->m, &next->id, err);
	if (r < 0)
		return r;
	r = thin_record_write(z->v->dirfd, "next", next);
	if (r < 0)
		return error_set(err, r, "cannot write a record of volume %s", z->v->name);
	return thin_make_snapshot(z->t, next->id, z->record.id, err);
}

static int forget_next(const struct resizing *z, uint32_t id, struct error *err)
{
	int r = thin_delete(z->t, id, err);

	if (r == 0 && unlinkat(z->v->dirfd, "next", 0) < 0 && errno != ENOENT)
		r = error_set(err, -errno, "cannot remove a record of volume %s", z->v->name);
	return r;
}

static int shrink(const struct resizing *z, struct error *err)
{
	struct thin_record next = z->record, swapped;
	int r;

	next.id = THIN_METADATA_ID; /* none yet: what fails before it has one takes nothing away */
	if (!z->record.fs[0])
		return error_set(err, -EOPNOTSUPP,
				 "volume %s is raw: who knows what its end holds.", z->v->name);
	if (str_eq(z->record.fs, "xfs"))
		return error_set(err, -EOPNOTSUPP, "xfs, of volume %s, cannot be made smaller.",
				 z->v->name);
	if (thin_is_kept(z->v->dirfd))
		return error_set(err, -EBUSY, "volume %s is attached.", z->v->name);
	r = volume_need_unused(z->m, z->v, "resize", err);
	if (r == 0)
		r = thin_down(z->t, z->record.id, err);
	if (r == 0)
		r = make_next(z, &next, err);
	if (r == 0)
		r = shrink_snapshot(z, &next, err);
	if (r == 0)
		r = thin_down(z->t, next.id, err);
	if (r < 0) {
		if (next.id != THIN_METADATA_ID)
			(void)!forget_next(z, next.id, NULL); /* what stays is for check() */
		return r;
	}
	swapped = next;
	swapped.bytes = z->bytes;
	r = write_record(z, &swapped, err);
	if (r < 0)
		return r;
	/* now the old one is what "next" stands for */
	r = thin_record_write(z->v->dirfd, "next", &z->record);
	if (r < 0)
		return error_set(err, r, "cannot write a record of volume %s", z->v->name);
	return forget_next(z, z->record.id, err);
}

/* A resize that was killed has left "next", which may be half of a file system or, when it was
 * killed late, the volume's own. */
int thin_resize_mend(struct mosaic *m, const struct volume *v, struct error *err)
{
	struct thin_record record, next;
	struct resizing z = { .m = m, .t = m->priv, .v = v };
	int r = thin_record_read(v->dirfd, "next", &next);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = thin_record_of(v, &record, err);
	if (r < 0 && r != -EBADMSG)
		return error_set(err, r, "cannot read the records of volume %s", v->name);
	if (r == 0 && next.id != record.id)
		return forget_next(&z, next.id, err);
	if (unlinkat(v->dirfd, "next", 0) < 0 && errno != ENOENT)
		return error_set(err, -errno, "cannot remove a record of volume %s", v->name);
	return 0;
}

int thin_resize(struct mosaic *m, const struct volume *v, uint64_t bytes, struct error *err)
{
	struct resizing z = { .m = m, .t = m->priv, .v = v };
	_close_ int lock = volume_serialise(v, err);
	uint64_t least;
	int r = lock < 0 ? lock : thin_resize_mend(m, v, err);

	if (r == 0)
		r = thin_record_of(v, &z.record, err);
	if (r < 0)
		return r;
	least = z.record.fs[0] ? blockfs_size_min(z.record.fs) : BLOCKFS_BLOCK;
	if (bytes < least)
		return error_set(err, -EINVAL, "volume %s has at least %" PRIu64 " bytes.", v->name,
				 least);
	if (bytes > THIN_SIZE_MAX)
		return error_set(err, -EFBIG, "volume %s has at most %llu bytes.", v->name,
				 THIN_SIZE_MAX);
	z.bytes = (bytes + BLOCKFS_BLOCK - 1) / BLOCKFS_BLOCK * BLOCKFS_BLOCK;
	return z.bytes >= z.record.bytes ? grow(&z, err) : shrink(&z, err);
}
