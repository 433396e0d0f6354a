#pragma once
/*
 * Volumes that are image files: what the drivers fsimg and ploop have in common. The image becomes
 * a block device by a loop device that ends with its last user; the file system in it is
 * blockfs.h's. A driver says how its images are made, copied and brought up; it puts a struct
 * image_ops into m->priv when it is opened, and takes the functions below as its own.
 *
 * In the volume directory:  tree, data   the image, or images
 *                           fs           a symbolic link whose text is the file system's name
 *                           lock         volume_serialise()
 *                           frozen       there while the file system is frozen for a copy
 */
#include "kernel/kernel.h"
#include "mosaic/driver.h"

struct image_ops {
	uint32_t granule; /* sizes are multiples of it */

	/* Makes the empty image name ("tree", "data") in the volume directory dirfd. */
	int (*make)(struct mosaic *m, int dirfd, const char *name, uint64_t bytes,
		    struct error *err);

	/* The size of the device. */
	int (*size)(int dirfd, const char *name, uint64_t *ret);

	/* The device that the image is up as, or LOOPDEV_NONE. -ENOENT: there is no image. */
	int (*find)(struct mosaic *m, int dirfd, const char *name, struct loopdev *ret);

	/* Brings it up; it is not up yet. -EBUSY: it is just going down. */
	int (*up)(struct mosaic *m, int dirfd, const char *name, bool read_only,
		  struct loopdev *ret, struct error *err);

	/* Waits until nobody writes to the image any more, after its device is gone. NULL: no need
	 * to. */
	int (*settled)(int dirfd, const char *name, struct error *err);

	/* Copies the image, which nobody changes meanwhile; live: it is up, and frozen. */
	int (*copy)(struct mosaic *m, const struct volume_copy *c, bool live, struct error *err);

	/* What a copy does before the freeze, and may take its time. NULL: nothing. */
	int (*prepare_copy)(struct mosaic *m, const struct volume *from, struct error *err);

	/* The image's new size: larger. up: its device. -EFBIG: only remake can do that. */
	int (*enlarge)(struct mosaic *m, const struct volume *v, const struct loopdev *up,
		       uint64_t bytes, struct error *err);

	/* The new size, smaller or larger, of one that is not up, and the same for the file system
	 * in it (NULL: raw). Who fails or is killed leaves the volume as it was. */
	int (*remake)(struct mosaic *m, const struct volume *v, const char *fs, uint64_t bytes,
		      struct error *err);
};

enum { IMAGE_NAME = 8 }; /* "tree", "data" */

/* The largest volume: ext4's files end a block before 16 TiB. */
#define IMAGE_SIZE_MAX     ((16ULL << 40) - (4ULL << 20))
#define IMAGE_SIZE_DEFAULT (10ULL << 30)

/* What a loop device of the volume is labelled with: the mosaic, the file system, the inode of the
 * volume directory. */
int image_label(struct mosaic *m, int dirfd, char label[LOOPDEV_LABEL]) _must_check_;

/* The driver's open. -EINVAL for a default_fs that volumes cannot have. */
int image_open(struct mosaic *m, const struct image_ops *ops, struct error *err) _must_check_;

/* Can files of this mosaic share data? */
bool image_can_reflink(struct mosaic *m);

/* -ENOSPC and its like say how much there is; other codes go through. Returns r. */
int image_explain(struct mosaic *m, int r, const char *what, struct error *err);

/* The name of the file system, "" for raw volumes. */
int image_fs(int dirfd, char fs[MOSAIC_FS_MAX], struct error *err) _must_check_;

/* Members of a struct mosaic_driver. */
int image_limits(struct mosaic *m, struct mosaic_limits *ret, struct error *err);
int image_stage(struct mosaic *m, int dirfd, int *ret_fd, struct error *err);
int image_commit(struct mosaic *m, int dirfd, struct error *err);
int image_create(struct mosaic *m, int dirfd, const struct mosaic_create *how, struct error *err);
int image_copy(struct mosaic *m, const struct volume_copy *c, struct error *err);
int image_snapshot_set(struct mosaic *m, const struct volume_copy *list, size_t n,
		       struct error *err);
int image_mount(struct mosaic *m, const struct volume *v, const struct mosaic_mount *how,
		int *ret_fd, struct error *err);
int image_identify(struct mosaic *m, const struct volume *v, struct mount_identity *ret,
		   struct error *err);
int image_attach(struct mosaic *m, const struct volume *v, unsigned flags,
		 char device[MOSAIC_DEVICE_MAX], int *ret_hold, struct error *err);
int image_keep(struct mosaic *m, const struct volume *v, bool on, struct error *err);
int image_device(struct mosaic *m, const struct volume *v, char device[MOSAIC_DEVICE_MAX],
		 struct error *err);
int image_resize(struct mosaic *m, const struct volume *v, uint64_t bytes, struct error *err);
int image_info(struct mosaic *m, const struct volume *v, struct mosaic_volume *ret,
	       struct error *err);
int image_drop(struct mosaic *m, int dirfd, struct error *err);

/* Of one volume: what a killed freezer left frozen is thawed. Once: devices that were to stay and
 * whose volume is gone are let go. */
int image_check_frozen(struct mosaic *m, const struct volume *v, struct check *c,
		       struct error *err);
int image_check_devices(struct mosaic *m, struct check *c, struct error *err);

/* ---- image.c: for image_*.c ------------------------------------------------------------------ */

static inline const struct image_ops *image_ops(const struct mosaic *m)
{
	return m->priv;
}

/* The device of the image, found or brought up; the caller serialises. */
int image_up(struct mosaic *m, int dirfd, const char *name, bool read_only, struct loopdev *ret,
	     struct error *err) _must_check_;

/* The device that somebody uses, or LOOPDEV_NONE. Whoever looks for a device opens all there are
 * for a moment: one that goes away meanwhile is nobody's. */
int image_find_lasting(struct mosaic *m, int dirfd, const char *name, struct loopdev *ret)
	_must_check_;

/* The file system of a device, mounted: a detached mount. */
int image_mount_device(int dirfd, const struct loopdev *d, bool read_only, int *ret_fd,
		       struct error *err) _must_check_;
