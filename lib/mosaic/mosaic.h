#pragma once
/*
 * libmosaic: one API over every kind of storage that can hold root file systems and volumes.
 *
 * A mosaic is a place on disk run by one driver. It holds volumes, named by plain components of at
 * most 200 bytes (no "/", not starting with "."). A volume comes into being in one of three ways:
 *
 *	mosaic_stage() .. fill the directory .. mosaic_commit()	   a tree, all or nothing
 *	mosaic_create()						   an empty volume
 *	mosaic_clone()						   a writable copy of another
 *
 * and is used by mosaic_mount(): a detached mount, given as a descriptor, that exists in no mount
 * table until somebody attaches it and that vanishes with its last user. So a killed user leaves
 * no mount behind.
 *
 * On disk:  LOCATION/type            the driver's name
 *           LOCATION/volumes/NAME/   whatever the driver keeps
 *           LOCATION/staging/        volumes being made; leftovers of the dead are removed by
 *                                    mosaic_collect()
 *
 * Locks: mosaic_open() takes none. A staged volume is locked (flock on its directory) while its
 * maker lives; mosaic_collect() takes what is not locked.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/base.h"

enum { MOSAIC_NAME_MAX = 200 };

/* What a driver can do. */
enum mosaic_features {
	MOSAIC_CLONE = 1 << 0, /* clones share data with what they come from */
	MOSAIC_SNAPSHOT = 1 << 1,
	MOSAIC_RAW = 1 << 2,    /* volumes without a file system, as block devices */
	MOSAIC_DEVICE = 1 << 3, /* volumes are block devices */
	MOSAIC_RESIZE_UP = 1 << 4,
	MOSAIC_RESIZE_DOWN = 1 << 5,
	MOSAIC_QUOTA = 1 << 6,
	MOSAIC_SEND = 1 << 7, /* native send and receive */
};

struct mosaic;

struct mosaic_volume {
	char name[MOSAIC_NAME_MAX + 1];
	char parent[MOSAIC_NAME_MAX + 1]; /* "" when none */
	int64_t created_ns;               /* CLOCK_REALTIME */
	bool read_only;                   /* committed trees: never written again */
};

enum mosaic_open_flags { MOSAIC_OPEN_CREATE = 1 };

/* Opens the mosaic at location. With MOSAIC_OPEN_CREATE a missing one is made with the driver named
 * type, or when type is NULL the best that works there (overlay; plain where overlay cannot). */
int mosaic_open(struct mosaic **ret, const char *location, const char *type, unsigned flags,
		struct error *err) _must_check_;
void mosaic_close(struct mosaic *m);

const char *mosaic_type(const struct mosaic *m);
const char *mosaic_location(const struct mosaic *m);
uint32_t mosaic_features(const struct mosaic *m);

/* Begins a tree volume: *ret_fd is its empty root directory (0755 root:root), to be filled. staged
 * names it until commit. The caller closes the fd. */
struct mosaic_staged {
	char name[40]; /* below LOCATION/staging */
	int lock_fd;   /* -1: nothing staged */
};
int mosaic_stage(struct mosaic *m, struct mosaic_staged *ret, int *ret_fd, struct error *err)
	_must_check_;

/* Makes the staged tree the read-only volume name, durably (syncfs before the rename).
 * MOSAIC_EXISTS (1) when the name is taken already: the staged tree is then discarded. After an
 * error it is still staged. */
enum { MOSAIC_EXISTS = 1 };
int mosaic_commit(struct mosaic *m, struct mosaic_staged *s, const char *name, struct error *err)
	_must_check_;
void mosaic_discard(struct mosaic *m, struct mosaic_staged *s); /* nothing staged: no-op */

/* An empty writable volume, durable on return. -EEXIST. */
int mosaic_create(struct mosaic *m, const char *name, struct error *err) _must_check_;

/* A writable copy of from, which nobody may be writing to. A power cut may take it back until
 * mosaic_sync(). -ENOENT, -EEXIST. */
int mosaic_clone(struct mosaic *m, const char *name, const char *from, struct error *err)
	_must_check_;

/* Everything done before survives a power cut. */
int mosaic_sync(struct mosaic *m, struct error *err) _must_check_;

enum mosaic_mount_flags {
	MOSAIC_MOUNT_READONLY = 1,
	MOSAIC_MOUNT_VOLATILE = 2, /* contents need not survive a crash of the machine */
};

/* A detached mount of the volume with the given MOUNT_* attributes of kernel/mount.h added.
 * -ESTALE for a writable mount of a volume that was last mounted MOSAIC_MOUNT_VOLATILE by one
 * that is not. */
int mosaic_mount(struct mosaic *m, const char *name, unsigned flags, uint64_t attributes,
		 int *ret_fd, struct error *err) _must_check_;

/* Removes a volume; missing is success; -EBUSY while others are cloned from it (overlay). */
int mosaic_drop(struct mosaic *m, const char *name, struct error *err) _must_check_;

bool mosaic_have(struct mosaic *m, const char *name);
int mosaic_info(struct mosaic *m, const char *name, struct mosaic_volume *ret, struct error *err)
	_must_check_;

/* Calls fn for every volume, in no order. */
int mosaic_each(struct mosaic *m, int (*fn)(const struct mosaic_volume *v, void *arg), void *arg,
		struct error *err) _must_check_;

/* Removes what dead makers left in staging. *ret_n: how many. */
int mosaic_collect(struct mosaic *m, unsigned *ret_n, struct error *err) _must_check_;

/* Calls fn for each of these instead: where it is below the location, "staging/NAME". */
int mosaic_each_leftover(struct mosaic *m, int (*fn)(const char *where, void *arg), void *arg,
			 struct error *err) _must_check_;

/* ---- What only some drivers can do: -EOPNOTSUPP with a sentence from the others -------------- */

/* A read-only copy of from. */
int mosaic_snapshot(struct mosaic *m, const char *name, const char *from, struct error *err)
	_must_check_;

/* The volume as a block device: its path goes to device (PATH_MAX bytes). Each attach wants its
 * detach. */
int mosaic_attach(struct mosaic *m, const char *name, char *device, struct error *err) _must_check_;
int mosaic_detach(struct mosaic *m, const char *name, struct error *err) _must_check_;

/* The volume's size, or its quota. */
int mosaic_resize(struct mosaic *m, const char *name, uint64_t bytes, struct error *err)
	_must_check_;

/* The volume, or what changed in it since the volume since (NULL: all), as the driver's own
 * stream. */
int mosaic_send(struct mosaic *m, const char *name, const char *since, int fd, struct error *err)
	_must_check_;
int mosaic_receive(struct mosaic *m, const char *name, int fd, struct error *err) _must_check_;

static inline void mosaic_closep(struct mosaic **m)
{
	mosaic_close(*m);
}
#define _mosaic_ _cleanup_(mosaic_closep)
