#pragma once
/*
 * Loop devices: files as block devices.
 *
 * Nobody counts the users of one. It is configured with autoclear in one call (LOOP_CONFIGURE), so
 * it is never seen half made, and the kernel takes it down when its last user is gone: a descriptor
 * here, a mount, whoever has opened it. A process that dies in between leaves nothing.
 *
 * What a device is of is known by the file's device and inode, or by the label that it was given,
 * never by a path: those of sysfs are of another mount namespace, or of a name that has changed.
 *
 * Needs CAP_SYS_ADMIN. Functions return 0 or a negative errno unless they say more.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/base.h"

enum {
	LOOPDEV_PATH = 32,  /* "/dev/loopN" */
	LOOPDEV_LABEL = 64, /* with its end */
};

/* An open device: it stays as long as fd is open. */
struct loopdev {
	int fd;
	dev_t device; /* the block device's number */
	char path[LOOPDEV_PATH];
};
#define LOOPDEV_NONE_OPEN \
	{                 \
		.fd = -1  \
	}

struct loopdev_config {
	bool read_only;
	bool direct_io;      /* not through the page cache a second time, where the file can */
	bool autoclear;      /* ends with its last user */
	uint32_t block_size; /* logical sectors; 0: 512; direct I/O only where it can do these */
	const char *label;   /* NULL: none */
};

struct loopdev_status {
	dev_t file_device; /* st_dev and st_ino of the file */
	ino_t file_inode;
	char label[LOOPDEV_LABEL];
	bool read_only, autoclear, direct_io;
};

/* Makes a device of the open file. */
int loopdev_attach(int file, const struct loopdev_config *c, struct loopdev *ret) _must_check_;

/* Calls fn for every device that is of a file; d is closed afterwards unless fn takes its fd. A
 * return other than 0 ends the walk and is returned. */
typedef int (*loopdev_fn)(struct loopdev *d, const struct loopdev_status *s, void *arg);
int loopdev_each(loopdev_fn fn, void *arg) _must_check_;

/* The device of that file, or (label not NULL) with that label. LOOPDEV_NONE (1): there is none. */
enum { LOOPDEV_NONE = 1 };
int loopdev_find(dev_t file_device, ino_t file_inode, struct loopdev *ret) _must_check_;
int loopdev_find_label(const char *label, struct loopdev *ret) _must_check_;

int loopdev_status(const struct loopdev *d, struct loopdev_status *ret) _must_check_;

/* On: it ends with its last user. Off: it stays. */
int loopdev_set_autoclear(const struct loopdev *d, bool on) _must_check_;

/* Takes over the file's new size. */
int loopdev_set_capacity(const struct loopdev *d) _must_check_;

void loopdev_close(struct loopdev *d);
#define _loopdev_ _cleanup_(loopdev_close)
