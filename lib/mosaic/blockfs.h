#pragma once
/*
 * File systems on block devices and in image files, ext4 and xfs: made, mounted, grown, shrunk,
 * frozen. Every driver whose volumes are block devices uses these.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"
#include "kernel/kernel.h"

enum { BLOCKFS_BLOCK = 4096 }; /* sizes are multiples of it */

/* "ext4", "xfs", NULL at the end: the default first. */
extern const char *const blockfs_names[];

/* The smallest that can be made. */
uint64_t blockfs_size_min(const char *fs);

/* Makes an empty one in the open file or device, which reads as zeros. (ext4's root then has a
 * lost+found, see blockfs_tidy().) */
int blockfs_make(const char *fs, int file, struct error *err) _must_check_;

/* Mounts the device, detached: *ret_fd is the mount. Where it is mounted already, it is the same
 * file system, which has to be read-only or not as this. Clones of one file system may be mounted
 * at once. */
int blockfs_mount(const char *fs, const char *device, bool read_only, int *ret_fd,
		  struct error *err) _must_check_;

/* The root directory of a mount, open for reading: a descriptor or a negative errno. */
int blockfs_root(int mountfd) _must_check_;

/* The root as an empty volume has it: 0755 root:root, and nothing in it. */
int blockfs_tidy(int mountfd, struct error *err) _must_check_;

/* Grows the mounted file system to what its device has; having that size already is success. */
int blockfs_grow(const char *fs, int mountfd, uint64_t bytes, struct error *err) _must_check_;

/* May this process do that? ext4 wants CAP_SYS_RESOURCE. */
bool blockfs_can_grow(const char *fs);

/* Makes the file system in the file or device, which is not mounted, larger or smaller. May leave
 * it broken when it is killed: work on a copy. -EOPNOTSUPP for xfs; -ENOSPC says how much it
 * holds. */
int blockfs_resize(const char *fs, int file, uint64_t bytes, struct error *err) _must_check_;

/* What the superblock says, in the file or device from its beginning. BLOCKFS_UNKNOWN (1): no file
 * system that we know. */
struct blockfs_status {
	const char *fs;
	uint64_t bytes; /* that it covers */
	bool dirty;     /* its journal has to be replayed; ext4 only */
	bool faulty;    /* it has found errors in itself; ext4 only */
};
enum { BLOCKFS_UNKNOWN = 1 };
int blockfs_status(int file, struct blockfs_status *ret) _must_check_;

/* Looks for errors in the file system of a file that is not mounted, and with repair mends them.
 * BLOCKFS_FAULTY (1): there were some, words has them. */
enum { BLOCKFS_FAULTY = 1 };
int blockfs_check(const char *fs, int file, bool repair, struct error *words) _must_check_;

/*
 * Freezing mounted file systems, so that their devices can be copied while they are in use.
 *
 * They stay so no longer than this process lives. The freezer stays where it is until it thaws.
 */
struct blockfs_freezer {
	struct guard guard; /* GUARD_NONE: nothing is frozen */
	const int *roots;   /* as given to blockfs_freeze() */
	size_t n;
};
#define BLOCKFS_FREEZER_NONE         \
	{                            \
		.guard = GUARD_NONE, \
	}

/* roots: directories of the file systems (blockfs_root()); they have to outlive the freezer.
 * -EBUSY: somebody else has frozen one. */
int blockfs_freeze(const int *roots, size_t n, struct blockfs_freezer *f, struct error *err)
	_must_check_;
void blockfs_thaw(struct blockfs_freezer *f);

/* Thaws what somebody who was killed together with his child has left frozen. 1, or 0 when it was
 * not frozen. */
int blockfs_thaw_lost(int root) _must_check_;
