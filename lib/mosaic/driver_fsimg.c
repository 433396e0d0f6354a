/*
 * Volumes are image files with ext4 or xfs. "tree" and "data" are sparse files; a copy is a reflink
 * where the file system of the mosaic can, else a copy of what is no hole. A volume that is in use
 * is frozen meanwhile, and so are all of a set. Two users share one loop device and with it one
 * file system.
 *
 * Options: size, of trees and of volumes made without one.
 */
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/base.h"
#include "mosaic/blockfs.h"
#include "mosaic/image.h"

enum { SECTOR = 512, EXTENTS = 256 };

static int open_image(int dirfd, const char *name, bool read_only)
{
	int fd = openat(dirfd, name, (read_only ? O_RDONLY : O_RDWR) | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int fsimg_make(struct mosaic *m, int dirfd, const char *name, uint64_t bytes,
		      struct error *err)
{
	_close_ int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
				0600);
	int r = fd < 0 || ftruncate(fd, (off_t)bytes) < 0 ? -errno : 0;

	return image_explain(m, r, "make an image file", err);
}

static int fsimg_size(int dirfd, const char *name, uint64_t *ret)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	*ret = (uint64_t)st.st_size;
	return 0;
}

static int fsimg_find(struct mosaic *m, int dirfd, const char *name, struct loopdev *ret)
{
	struct stat st;

	(void)m;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return loopdev_find(st.st_dev, st.st_ino, ret);
}

static int fsimg_up(struct mosaic *m, int dirfd, const char *name, bool read_only,
		    struct loopdev *ret, struct error *err)
{
	char label[LOOPDEV_LABEL];
	const struct loopdev_config config = {
		.read_only = read_only, .direct_io = true, .autoclear = true, .label = label
	};
	_close_ int fd = open_image(dirfd, name, read_only);
	int r = fd;

	if (r >= 0)
		r = image_label(m, dirfd, label);
	if (r >= 0)
		r = loopdev_attach(fd, &config, ret);
	return r < 0 ? error_set(err, r, "cannot make a loop device of the image") : 0;
}

static int fsimg_copy(struct mosaic *m, const struct volume_copy *c, bool live, struct error *err)
{
	_close_ int src = open_image(c->from->dirfd, volume_content(c->from->kind), true), dst = -1;
	struct stat st;
	int r = src;

	(void)live;
	if (src >= 0) {
		dst = openat(c->dirfd, c->read_only ? "tree" : "data",
			     O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		r = dst < 0 || fstat(src, &st) < 0 ? -errno : volume_copy_file(src, dst, &st);
	}
	return image_explain(m, r, "copy the image", err);
}

static int fsimg_enlarge(struct mosaic *m, const struct volume *v, const struct loopdev *up,
			 uint64_t bytes, struct error *err)
{
	_close_ int fd = open_image(v->dirfd, volume_content(v->kind), false);
	int r = fd < 0 ? fd : ftruncate(fd, (off_t)bytes) < 0 || fsync(fd) < 0 ? -errno : 0;

	(void)up;
	return image_explain(m, r, "enlarge the image", err);
}

/* A raw image may lose only what is a hole. */
static int check_raw_end(int fd, uint64_t bytes, struct error *err)
{
	off_t data = lseek(fd, (off_t)bytes, SEEK_DATA);

	if (data < 0)
		return errno == ENXIO ? 0 : error_set(err, -errno, "cannot look for data");
	return error_set(err, -ENOSPC, "it holds data at byte %lld, which is beyond %llu.",
			 (long long)data, (unsigned long long)bytes);
}

static int make_other(struct mosaic *m, const struct volume *v, int dst, const char *fs,
		      uint64_t bytes, struct error *err)
{
	_close_ int src = open_image(v->dirfd, volume_content(v->kind), true);
	struct stat st;
	int r = src < 0 ? src : fstat(src, &st) < 0 ? -errno : volume_copy_file(src, dst, &st);

	if (r == 0 && bytes > (uint64_t)st.st_size)
		r = ftruncate(dst, (off_t)bytes) < 0 ? -errno : 0;
	if (r < 0)
		return image_explain(m, r, "copy the image", err);
	r = fs ? blockfs_resize(fs, dst, bytes, err) : check_raw_end(src, bytes, err);
	if (r < 0)
		return r;
	r = ftruncate(dst, (off_t)bytes) < 0 || fsync(dst) < 0 ? -errno : 0;
	return image_explain(m, r, "change the size of the image", err);
}

/* A copy, which then takes the image's place. */
static int fsimg_remake(struct mosaic *m, const struct volume *v, const char *fs, uint64_t bytes,
			struct error *err)
{
	_close_ int dst = openat(v->dirfd, "other",
				 O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (dst < 0)
		return image_explain(m, -errno, "make another image", err);
	r = make_other(m, v, dst, fs, bytes, err);
	if (r == 0 && renameat(v->dirfd, "other", v->dirfd, volume_content(v->kind)) < 0)
		r = error_set(err, -errno, "cannot put the other image in its place");
	if (r < 0) {
		(void)!unlinkat(v->dirfd, "other", 0);
		return r;
	}
	r = sync_dir(v->dirfd);
	return r < 0 ? error_set(err, r, "cannot sync the volume's directory") : 0;
}

/* ---- usage ----------------------------------------------------------------------------------- */

/* Bytes of the extents that others have too. */
static int shared_bytes(int fd, uint64_t *ret)
{
	_free_ struct fiemap *map = calloc(1, sizeof(*map) + EXTENTS * sizeof(map->fm_extents[0]));
	uint64_t at = 0, shared = 0;
	bool more = true;

	if (!map)
		return -ENOMEM;
	while (more) {
		memset(map, 0, sizeof(*map));
		map->fm_start = at;
		map->fm_length = FIEMAP_MAX_OFFSET - at;
		map->fm_flags = FIEMAP_FLAG_SYNC;
		map->fm_extent_count = EXTENTS;
		if (ioctl(fd, FS_IOC_FIEMAP, map) < 0)
			return errno == EOPNOTSUPP || errno == ENOTTY ? 0 : -errno;
		more = map->fm_mapped_extents > 0;
		for (uint32_t i = 0; i < map->fm_mapped_extents; i++) {
			const struct fiemap_extent *e = &map->fm_extents[i];

			if (e->fe_flags & FIEMAP_EXTENT_SHARED)
				shared += e->fe_length;
			if (e->fe_flags & FIEMAP_EXTENT_LAST)
				more = false;
			at = e->fe_logical + e->fe_length;
		}
	}
	*ret = shared;
	return 0;
}

static int fsimg_usage(struct mosaic *m, const struct volume *v, struct mosaic_usage *ret,
		       struct error *err)
{
	_close_ int fd = open_image(v->dirfd, volume_content(v->kind), true);
	uint64_t shared = 0;
	struct stat st;
	int r = fd;

	if (r >= 0)
		r = fstat(fd, &st) < 0 ? -errno : 0;
	if (r == 0 && m->features & MOSAIC_EXCLUSIVE)
		r = shared_bytes(fd, &shared);
	if (r < 0)
		return error_set(err, r, "cannot measure the image of volume %s", v->name);
	ret->used = (uint64_t)st.st_blocks * SECTOR;
	ret->shared = shared < ret->used ? shared : ret->used;
	ret->exclusive = ret->used - ret->shared;
	return 0;
}

/* ---- check ----------------------------------------------------------------------------------- */

/* The image against what is said of it. Returns NULL, or what is wrong. */
static const char *fault_of(int fd, const char *fs, bool *ret_mendable)
{
	struct blockfs_status s = { 0 };
	struct stat st;
	int r;

	*ret_mendable = false;
	if (!fs[0])
		return NULL;
	r = blockfs_status(fd, &s);
	if (r < 0 || fstat(fd, &st) < 0)
		return "its image cannot be read.";
	if (r == BLOCKFS_UNKNOWN || !str_eq(s.fs, fs))
		return "its image does not have the file system that it should have.";
	if (s.bytes > (uint64_t)st.st_size)
		return "its image is shorter than the file system in it.";
	*ret_mendable = s.faulty;
	return s.faulty ? "its file system has found errors in itself." : NULL;
}

static int check_volume(struct mosaic *m, const struct volume *v, struct check *c,
			struct error *err)
{
	_close_ int lock = volume_serialise(v, err), fd = -1;
	_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN;
	char where[VOLUME_PATH], fs[MOSAIC_FS_MAX];
	const char *name = volume_content(v->kind), *fault;
	bool mendable, mended = false;
	int r = lock < 0 ? lock : image_fs(v->dirfd, fs, err);

	if (r < 0)
		return r;
	/* what a killed resize has left; who resizes holds the lock */
	if (c->repair && unlinkat(v->dirfd, "other", 0) < 0 && errno != ENOENT)
		return error_set(err, -errno, "cannot remove what a resize has left of %s",
				 v->name);
	fd = open_image(v->dirfd, name, true);
	if (fd < 0)
		return error_set(err, fd, "cannot open the image of volume %s", v->name);
	fault = fault_of(fd, fs, &mendable);
	if (!fault)
		return 0;
	if (c->repair && mendable && fsimg_find(m, v->dirfd, name, &d) == LOOPDEV_NONE) {
		_close_ int image = open_image(v->dirfd, name, false);

		mended = image >= 0 && blockfs_check(fs, image, true, NULL) >= 0 &&
			 blockfs_check(fs, image, false, NULL) == 0;
	}
	volume_path(where, v->name, NULL);
	return volume_problem(c, where, mended, "%s", fault);
}

static int fsimg_check(struct mosaic *m, const struct volume *v, struct check *c, struct error *err)
{
	int r;

	if (!v)
		return image_check_devices(m, c, err);
	r = image_check_frozen(m, v, c, err);
	return r < 0 ? r : check_volume(m, v, c, err);
}

/* ---- opening --------------------------------------------------------------------------------- */

static const struct image_ops fsimg_ops = {
	.granule = BLOCKFS_BLOCK,
	.make = fsimg_make,
	.size = fsimg_size,
	.find = fsimg_find,
	.up = fsimg_up,
	.copy = fsimg_copy,
	.enlarge = fsimg_enlarge,
	.remake = fsimg_remake,
};

static int fsimg_open(struct mosaic *m, struct error *err)
{
	if (!image_can_reflink(m))
		m->features &= ~(uint32_t)(MOSAIC_CLONE | MOSAIC_SNAPSHOT | MOSAIC_EXCLUSIVE);
	return image_open(m, &fsimg_ops, err);
}

static const char *const option_names[] = { "size", NULL };

const struct mosaic_driver mosaic_driver_fsimg = {
	.name = "fsimg",
	.features = MOSAIC_CLONE | MOSAIC_SNAPSHOT | MOSAIC_RAW | MOSAIC_DEVICE | MOSAIC_RESIZE_UP |
		    MOSAIC_RESIZE_DOWN | MOSAIC_QUOTA | MOSAIC_SNAPSHOT_SET | MOSAIC_SNAPSHOT_LIVE |
		    MOSAIC_EXCLUSIVE,
	.filesystems = blockfs_names,
	.options = option_names,
	.open = fsimg_open,
	.limits = image_limits,
	.stage = image_stage,
	.commit = image_commit,
	.create = image_create,
	.copy = image_copy,
	.snapshot_set = image_snapshot_set,
	.mount = image_mount,
	.identify = image_identify,
	.attach = image_attach,
	.keep = image_keep,
	.device = image_device,
	.resize = image_resize,
	.info = image_info,
	.usage = fsimg_usage,
	.drop = image_drop,
	.check = fsimg_check,
};
