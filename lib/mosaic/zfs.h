#pragma once
/*
 * The parts of the driver zfs. A volume is a child of one dataset, named by 32 hex digits, whose
 * content is its directory "root". LOCATION is a directory of any file system that can exchange
 * names (ZFS can from 2.2 on, zfs-fuse cannot). What the child is called is in the volume's "tree"
 * or "data", written before there is a child:
 *
 *	dataset HEX
 *	bytes N		refquota; 0: none
 *
 * Everything is done by the program zfs, so it is the same with ZFS in the kernel and with
 * zfs-fuse, where only the daemon can mount, and a dataset only once. So a child is mounted by "zfs
 * mount" at LOCATION/mounts/HEX for as long as the mosaic is open, and mounts of the volume are
 * binds of "root" there: they are told apart from it by their root, and stay when it goes.
 */
#include "base/base.h"
#include "mosaic/driver.h"

enum { ZFS_HEX = 32, ZFS_NAME_MAX = 256 };

struct zfs_record {
	char hex[ZFS_HEX + 1];
	uint64_t bytes;
};

/* What this process brought up. */
struct zfs_mounted {
	struct zfs_mounted *next;
	char hex[ZFS_HEX + 1];
	int dirfd; /* of the volume: opened anew, for its lock */
};

struct zfs {
	char dataset[ZFS_NAME_MAX];
	char *location; /* absolute */
	struct zfs_mounted *mounted;
};

/* ---- zfs_program.c --------------------------------------------------------------------------- */

/* Runs zfs with these arguments, NULL at the end. -ENOENT: no such dataset, -EBUSY, -EEXIST,
 * -ENOSPC, -EAGAIN and -EIO, by what it says. */
int zfs_run(struct error *err, ...) _must_check_ __attribute__((sentinel));

/* The same; *ret is what it writes, which the caller frees. */
int zfs_read(char **ret, struct error *err, ...) _must_check_ __attribute__((sentinel));

/* What zfs means by its words, pure. */
int zfs_code(const char *words);

/* ---- zfs_record.c ---------------------------------------------------------------------------- */

int zfs_record_parse(const char *text, struct zfs_record *ret) _must_check_;
int zfs_record_read(int dirfd, const char *name, struct zfs_record *ret) _must_check_;
int zfs_record_write(int dirfd, const char *name, const struct zfs_record *r) _must_check_;
int zfs_record_of(const struct volume *v, struct zfs_record *ret, struct error *err) _must_check_;

/* The files of a volume directory that may be records. NULL at the end. */
extern const char *const zfs_record_names[];

/* ---- zfs_dataset.c: children and their mounts ------------------------------------------------ */

/* "DATASET/HEX" */
void zfs_child(const struct zfs *z, const char *hex, char dst[ZFS_NAME_MAX]);

/* Where it is mounted. */
void zfs_place(const struct zfs *z, const char *hex, char dst[LIMIT_PATH_BYTES]);

/* Brings the new volume up and makes its "root": a descriptor (O_PATH) of it. dirfd is the volume's
 * directory. */
int zfs_make_content(struct mosaic *m, int dirfd, const char *hex, struct error *err) _must_check_;

/* Brings the volume up: a detached mount of its "root". */
int zfs_mount_content(struct mosaic *m, int dirfd, const char *hex, struct error *err) _must_check_;

/* Ends the mount at LOCATION/mounts/HEX, if there is one; mounts of the volume stay. */
int zfs_hide(struct mosaic *m, const char *hex, struct error *err) _must_check_;

/* Is it mounted at LOCATION/mounts/HEX? */
int zfs_is_shown(struct mosaic *m, const char *hex, struct error *err) _must_check_;

/* Of each volume that nobody uses any more. */
void zfs_hide_all(struct mosaic *m);

/* Destroys the child; what was cloned from it does not need it any more. Missing is success. */
int zfs_destroy(struct mosaic *m, const char *hex, struct error *err) _must_check_;

/* Calls fn with the hex digits and the origin ("DATASET/HEX@NAME" or "-") of every child. */
typedef int (*zfs_child_fn)(const char *hex, const char *origin, void *arg);
int zfs_each(struct mosaic *m, zfs_child_fn fn, void *arg, struct error *err) _must_check_;

/* ---- zfs_check.c ----------------------------------------------------------------------------- */

int zfs_check(struct mosaic *m, const struct volume *v, struct check *c, struct error *err);
