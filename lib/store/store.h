#pragma once
/*
 * The store: images by digest. Files are the truth; names/ is an index that can be made anew.
 *
 *	STORE/images/ID/manifest     the image manifest, byte for byte
 *	STORE/images/ID/info	     JSON: size, blob size, where it came from, when
 *	STORE/images/ID/aci	     the archive as it came (compressed)
 *	STORE/images/ID/...	     small files beside them that the importer staged
 *	STORE/names/ESCAPED	     one small file a name: "ID TIME LABEL=VALUE,..." a line
 *	STORE/staging/		     images being made
 *	STORE/lock		     flock: shared to read or add, exclusive to remove
 *
 * ID is "sha512-" and 128 hexadecimal digits: the digest of the whole uncompressed archive. The
 * tree of an image is not here but a read-only volume of the mosaic, "image.ID"
 * (store_volume_name). Adopting an image is one rename of a complete, synced directory, followed
 * by one replaced name file; the volume was committed before. A crash in between leaves nothing
 * that a reader takes for an image.
 *
 * Locks, in this order: STORE/lock, then a staging directory (held by its maker while that lives),
 * then names/ (held for the replacement of one file). Readers take none. Who commits the volume of
 * an image holds STORE/lock shared from before the commit until the image is adopted, so that who
 * holds it exclusively sees no volume without its image.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"

enum { STORE_ID_TEXT = 7 + 128 + 1 };

struct store;

int store_open(struct store **ret, const char *path, bool create, struct error *err) _must_check_;
void store_close(struct store *s);

/* "image." + ID: the volume of the unpacked tree. Needs 160 bytes. */
void store_volume_name(char dst[160], const char *id);

struct store_info {
	char id[STORE_ID_TEXT];
	char *name;            /* image name from the manifest */
	char *labels;          /* "version=1.2,os=linux,arch=amd64", in the manifest's order, values
				* as store_label_value() writes them */
	int64_t imported_ns;   /* CLOCK_REALTIME, of the last import */
	uint64_t size;         /* bytes of all regular files of the tree */
	uint64_t archive_size; /* bytes of the archive as it came */
	char *source;          /* where it came from, as the user wrote it */
};
void store_info_deinit(struct store_info *info);

/* Appends "name=value" to labels, with "," before it unless it is the first. In the value, "%", ","
 * and whatever is no printing ASCII become %XX. */
int store_label_add(struct buf *labels, const char *name, const char *value) _must_check_;

/* The lock of the whole store (see above); waits. May be taken again while it is held; only an
 * exclusive one serves for both. */
enum store_lock_mode { STORE_LOCK_SHARED, STORE_LOCK_EXCLUSIVE };
int store_lock(struct store *s, enum store_lock_mode mode, struct error *err) _must_check_;
void store_unlock(struct store *s);

/* An image on its way in: a directory that only its maker sees. Make the file "aci" in it, and any
 * other that is to be kept beside the manifest, then adopt. */
struct store_staged {
	char name[40];
	int fd; /* the staging directory, locked; -1: nothing */
};
#define STORE_STAGED_NONE \
	{                 \
		.fd = -1  \
	}
int store_stage(struct store *s, struct store_staged *ret, struct error *err) _must_check_;
/* Writes manifest and info beside it, syncs, renames to images/ID, replaces the name file.
 * STORE_EXISTS (1): the store had it; it becomes the newest of its name, the staged one is
 * discarded. One that was there and cannot be read is replaced. */
enum { STORE_EXISTS = 1, STORE_MISSING = 2, STORE_AMBIGUOUS = 3 };
int store_adopt(struct store *s, struct store_staged *staged, const struct store_info *info,
		const char *manifest, size_t manifest_len, struct error *err) _must_check_;
void store_discard(struct store *s, struct store_staged *staged);

/* By ID or unambiguous prefix ("sha512-" optional, 12 hexadecimal digits or more; anything else is
 * missing). 0, STORE_MISSING, STORE_AMBIGUOUS (err lists the candidates). */
int store_find_id(struct store *s, const char *prefix, char ret[STORE_ID_TEXT], struct error *err)
	_must_check_;

/* By name and labels: the newest import whose labels agree with every wanted one ("version" too).
 * labels is "k=v,k=v" or "", made with store_label_add(). "k?=v" (a name that ends in "?") is
 * wanted of images only that have a label k. One file is read. 0, STORE_MISSING. */
int store_find_name(struct store *s, const char *name, const char *labels, char ret[STORE_ID_TEXT],
		    struct error *err) _must_check_;

int store_manifest(struct store *s, const char *id, char **ret, size_t *ret_len, struct error *err)
	_must_check_;
int store_info(struct store *s, const char *id, struct store_info *ret, struct error *err)
	_must_check_;
int store_open_archive(struct store *s, const char *id, struct error *err) _must_check_; /* fd */

/* One of the small files that the importer staged. *ret is NULL when there is none of that name. */
enum { STORE_FILE_BYTES = 32 << 20 };
int store_read(struct store *s, const char *id, const char *name, char **ret, size_t *ret_len,
	       struct error *err) _must_check_;

/* Calls fn for every image, newest first. One whose info cannot be read comes last, with an ID
 * and empty strings, so that it can be seen and removed. A value of fn other than 0 ends the
 * walk and is returned. */
int store_each(struct store *s, int (*fn)(const struct store_info *info, void *arg), void *arg,
	       struct error *err) _must_check_;

/* Removes an image (not its volume: the caller drops it first). Works on a full disk.
 * STORE_MISSING. */
int store_remove(struct store *s, const char *id, struct error *err) _must_check_;

/* Removes what dead importers left in staging and makes names/ anew. *ret_n (may be NULL):
 * removed. */
int store_collect(struct store *s, unsigned *ret_n, struct error *err) _must_check_;

static inline void store_closep(struct store **s)
{
	store_close(*s);
}
#define _store_      _cleanup_(store_closep)
#define _store_info_ _cleanup_(store_info_deinit)
