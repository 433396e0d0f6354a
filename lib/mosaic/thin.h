#pragma once
/*
 * The parts of the driver dm-thin.
 *
 * A pool lies on one device or file: a header of text, the metadata of the thin-pool target, its
 * data. The header's file descriptor is the pool's lock, held only around a few requests to device
 * mapper:
 *
 *	mosaic-ID-tmeta, mosaic-ID-tdata	linear, two parts of the device
 *	mosaic-ID-pool				thin-pool, above both
 *	mosaic-ID-0				thin, ext4: LOCATION's volumes, staging, metadata
 *	mosaic-ID-N				thin, volume N
 *
 * Each is made, opened and marked to be removed with its last user, so that all of them go when
 * nobody uses the mosaic any more. Who holds the pool's lock and finds one without a table, or
 * suspended, finishes what a dead process has begun.
 *
 * A volume's "tree" or "data" is a record: which thin volume, its size, its file system. It is on
 * disk before the thin volume is made. Numbers are never used again while the counter lasts.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"
#include "kernel/kernel.h"
#include "mosaic/driver.h"

enum {
	SECTOR = 512,
	THIN_HEADER_BYTES = 4096,
	THIN_ID_MAX = (1 << 24) - 1, /* of a thin volume */
	THIN_METADATA_ID = 0,
};

/* Of a volume: as much as ext4 can have. */
#define THIN_SIZE_MAX ((16ULL << 40) - (4ULL << 20))

/* ---- thin_header.c: what the pool's device begins with, pure --------------------------------- */

struct thin_header {
	char id[33];                              /* the pool's, 32 hex digits */
	bool made;                                /* or its making was begun, and not finished */
	uint64_t block;                           /* sectors */
	uint64_t metadata_start, metadata_length; /* sectors */
	uint64_t data_start, data_length;
	uint64_t own; /* bytes of the mosaic's own volume */
};

/* Where everything is on a device of so many bytes; block_size and own may be 0. -ENOSPC: too
 * small. -EINVAL: no block size. */
int thin_header_plan(uint64_t bytes, uint32_t block_size, uint64_t own, struct thin_header *ret,
		     struct error *err) _must_check_;
void thin_header_format(const struct thin_header *h, char dst[THIN_HEADER_BYTES]);

/* -ENODATA: this is none. -EBADMSG: it is damaged. */
int thin_header_parse(const char *src, size_t size, struct thin_header *ret) _must_check_;

/* The name of what a device or file holds, by its first bytes (SIGNATURE_BYTES are enough), or NULL
 * when all of them are zero. */
enum { SIGNATURE_BYTES = 256 << 10 };
const char *signature_find(const char *src, size_t size);

/* ---- thin_record.c: what "tree" and "data" say, pure but for the file ------------------------ */

struct thin_record {
	uint32_t id;
	uint64_t bytes;
	char fs[MOSAIC_FS_MAX]; /* "": raw */
};

/* -ENOENT: there is no such file. -EBADMSG. */
int thin_record_read(int dirfd, const char *name, struct thin_record *ret) _must_check_;
int thin_record_write(int dirfd, const char *name, const struct thin_record *r) _must_check_;
int thin_record_parse(const char *text, struct thin_record *ret) _must_check_;

/* That of a volume that was looked up; says what is wrong. */
int thin_record_of(const struct volume *v, struct thin_record *ret, struct error *err) _must_check_;

/* ---- thin_pool.c: bringing up and down ------------------------------------------------------- */

struct thin {
	int control;   /* device mapper's */
	int device;    /* the pool's device or file: its lock */
	char *path;    /* of it */
	bool is_block; /* a device, no file */
	struct thin_header header;
	int pool; /* the pool's device, held open; -1: not up */
	dev_t pool_device;
};

struct thin *thin_new(void);
void thin_free(struct thin *t); /* NULL is allowed */
static inline void thin_freep(struct thin **t)
{
	thin_free(*t);
}
#define _thin_ _cleanup_(thin_freep)

/* Opens the device and device mapper. */
int thin_open_device(struct thin *t, const char *path, struct error *err) _must_check_;

/* The same, and its header, which has to be that of a finished pool. */
int thin_open(struct thin *t, const char *path, struct error *err) _must_check_;
int thin_read_header(int fd, struct thin_header *ret) _must_check_;

/* The pool's lock; released by the end of the scope of _thin_lock_. */
int thin_lock(struct thin *t, struct thin **ret, struct error *err) _must_check_;
void thin_unlockp(struct thin **t);
#define _thin_lock_ _cleanup_(thin_unlockp)

/* Brings the pool up, and holds it in t->pool. With the lock. */
int thin_pool_up(struct thin *t, struct error *err) _must_check_;
int thin_pool_status(struct thin *t, struct dm_pool_status *ret, struct error *err) _must_check_;

/* The name of a thin volume's device. */
void thin_device_name(const struct thin *t, uint32_t id, char dst[DM_NAME_MAX + 1]);

/* Brings a thin volume up, or takes the device that is: a descriptor that keeps it, and its path.
 * With the lock. */
struct thin_up {
	uint32_t id;
	uint64_t bytes;
	bool read_only; /* -EBUSY when it is up and not as this */
	bool either;    /* but take it as it is: read_only then says how that is */
	bool kept;      /* it is to stay without users: leave it so */
};
int thin_up(struct thin *t, struct thin_up *how, char path[DM_PATH_MAX], struct error *err)
	_must_check_;

int thin_make(struct thin *t, uint32_t id, struct error *err) _must_check_;

/* id becomes a snapshot of from, whose device, if it is up, is suspended or not in use. With the
 * lock. */
int thin_make_snapshot(struct thin *t, uint32_t id, uint32_t from, struct error *err) _must_check_;

/* Takes its device down, which is nobody's, but for those who are just closing it. -EBUSY. Takes
 * the lock. */
int thin_down(struct thin *t, uint32_t id, struct error *err) _must_check_;

/* Takes its device down, and removes it from the pool; a missing one is success. -EBUSY while it is
 * in use. Takes the lock. */
int thin_delete(struct thin *t, uint32_t id, struct error *err) _must_check_;

/* -ENOSPC with numbers when the pool has no room for so many more bytes, or for what it has to note
 * down itself. */
int thin_need_room(struct thin *t, uint64_t bytes, struct error *err) _must_check_;

/* ---- thin_metadata.c: what thin volumes there are, from the pool's own metadata -------------- */

typedef int (*thin_id_fn)(uint32_t id, uint64_t mapped_blocks, void *arg);

/* Reads a block of 4096 bytes. */
struct thin_metadata {
	int (*read)(uint64_t block, void *dst, void *arg);
	void *arg;
};

/* Walks the tree of devices below the superblock at block held (a metadata snapshot). Pure but for
 * read. -EBADMSG. */
int thin_metadata_each(const struct thin_metadata *t, uint64_t held, thin_id_fn fn, void *arg)
	_must_check_;

/* All thin volumes of the pool. With the lock. */
int thin_each(struct thin *t, thin_id_fn fn, void *arg, struct error *err) _must_check_;

/* ---- thin_ids.c: numbers --------------------------------------------------------------------- */

/* A number that no thin volume has. With the lock. */
int thin_new_id(struct mosaic *m, uint32_t *ret, struct error *err) _must_check_;

/* The numbers that volumes have, and those being made or dropped: a set of bits. */
struct thin_ids {
	uint8_t *bits;
};
int thin_ids_read(struct mosaic *m, struct thin_ids *ret, struct error *err) _must_check_;
bool thin_ids_have(const struct thin_ids *ids, uint32_t id);
void thin_ids_free(struct thin_ids *ids);
#define _thin_ids_ _cleanup_(thin_ids_free)

/* ---- thin_volume.c --------------------------------------------------------------------------- */

int thin_create(struct mosaic *m, int dirfd, const struct mosaic_create *how, struct error *err);
int thin_stage(struct mosaic *m, int dirfd, int *ret_fd, struct error *err);
int thin_copy(struct mosaic *m, const struct volume_copy *c, struct error *err);
int thin_snapshot_set(struct mosaic *m, const struct volume_copy *list, size_t n,
		      struct error *err);
int thin_drop(struct mosaic *m, int dirfd, struct error *err);

/* The files of a volume directory that may be records: "gone" is what the core makes of a dropped
 * one's; "next" is a thin volume that is to take the place of the other. NULL at the end. */
extern const char *const thin_record_names[];

/* ---- thin_use.c ------------------------------------------------------------------------------ */

int thin_mount(struct mosaic *m, const struct volume *v, const struct mosaic_mount *how,
	       int *ret_fd, struct error *err);
int thin_identify(struct mosaic *m, const struct volume *v, struct mount_identity *ret,
		  struct error *err);
int thin_attach(struct mosaic *m, const struct volume *v, unsigned flags,
		char device[MOSAIC_DEVICE_MAX], int *ret_hold, struct error *err);
int thin_keep(struct mosaic *m, const struct volume *v, bool on, struct error *err);
int thin_device(struct mosaic *m, const struct volume *v, char device[MOSAIC_DEVICE_MAX],
		struct error *err);
int thin_usage(struct mosaic *m, const struct volume *v, struct mosaic_usage *ret,
	       struct error *err);

/* Whether the volume was attached to stay, since the machine was started. */
bool thin_is_kept(int dirfd);

/* ---- thin_resize.c, thin_check.c, thin_create_pool.c ----------------------------------------- */

int thin_resize(struct mosaic *m, const struct volume *v, uint64_t bytes, struct error *err);

/* Removes what a killed resize has left. With volume_serialise(). */
int thin_resize_mend(struct mosaic *m, const struct volume *v, struct error *err) _must_check_;

int thin_check(struct mosaic *m, const struct volume *v, struct check *c, struct error *err);
int thin_create_pool(const struct mosaic_config *config, const struct mosaic_pool *pool,
		     struct error *err);
