#pragma once
/*
 * The store: images by digest. Files are the truth; names/ is an index that can be made anew.
 *
 *	STORE/images/ID/manifest     the image manifest, byte for byte
 *	STORE/images/ID/info	     JSON: size, blob size, where it came from, when
 *	STORE/images/ID/aci	     the archive as it came (compressed)
 *	STORE/images/ID/origin	     JSON: where it came from and under which key (docs/formats.md)
 *	STORE/images/ID/aci.asc	     its signature
 *	STORE/images/ID/pinned	     there: the image stays
 *	STORE/images/ID/blob.ALG-HEX a layer of an OCI image in place of aci; one file with several
 *				     names when several images have it
 *	STORE/images/ID/...	     small files beside them that the importer staged
 *	STORE/partial/KEY/	     a download that is not complete: data, state
 *	STORE/names/ESCAPED	     one small file a name: "ID TIME LABEL=VALUE,..." a line
 *	STORE/staging/		     images being made
 *	STORE/lock		     flock: shared to read or add, exclusive to remove
 *
 * ID is "sha512-" and 128 hexadecimal digits: the digest of the whole uncompressed archive. The
 * tree of an image is not here but a read-only volume of the mosaic, "image.ID"
 * (store_volume_name). Adopting an image is one rename of a complete, synced directory, followed
 * by one replaced name file; the volume was committed before. A crash before that rename
 * leaves nothing that a reader takes for an image; one behind it leaves a whole image that has its
 * ID and no name until it is imported again or the index is repaired.
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
 * STORE_EXISTS (1): the store had it; it becomes the newest of its name. The staged one is complete
 * and still the caller's then, to discard or for store_replace(). One that was there and cannot be
 * read is replaced. */
enum { STORE_EXISTS = 1, STORE_MISSING = 2, STORE_AMBIGUOUS = 3 };
int store_adopt(struct store *s, struct store_staged *staged, const struct store_info *info,
		const char *manifest, size_t manifest_len, struct error *err) _must_check_;
void store_discard(struct store *s, struct store_staged *staged);

/* After STORE_EXISTS: what is staged takes the place of what the store has under this ID, archive
 * and all, in one step; a pin stays. The caller holds the lock exclusively. STORE_MISSING: it is
 * gone by now. */
int store_replace(struct store *s, struct store_staged *staged, const char *id, struct error *err)
	_must_check_;

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

/* ---- downloads ------------------------------------------------------------------------------- */

/* A download that outlives its process. Who holds it is the only one; the others wait, and then
 * find what the first has made of it. Both locks are flocks: that of the directory goes with the
 * process; that of the data goes with everybody who was handed the descriptor, so that a helper
 * whose parent was killed never writes beside its successor. */
struct store_partial {
	char key[65]; /* SHA-256 of the name, hexadecimal */
	int dir;      /* STORE/partial/KEY, locked; -1: nothing */
	int data;     /* the file "data" in it, for reading and writing */
};
#define STORE_PARTIAL_NONE             \
	{                              \
		.dir = -1, .data = -1, \
	}
/* Opens or makes it, waits for whoever holds it (-EINTR when a signal comes). name is anything that
 * tells it from others: a URL. */
int store_partial_open(struct store *s, const char *name, struct store_partial *ret,
		       struct error *err) _must_check_;
/* The small file beside the data, replaced as a whole and synced (data first). *ret NULL: none. */
int store_partial_read(const struct store_partial *p, char **ret, size_t *ret_len,
		       struct error *err) _must_check_;
int store_partial_write(const struct store_partial *p, const char *state, size_t len,
			struct error *err) _must_check_;
/* Begins anew with a file of its own: what data was may be an image's archive by now, which nobody
 * may write to. */
int store_partial_fresh(struct store_partial *p, struct error *err) _must_check_;
/* Has an image taken data over, and whoever did that not come to removing the rest? */
bool store_partial_is_taken(const struct store_partial *p);
/* Gives data a name in the staging directory too (a hard link). */
int store_partial_link(const struct store_partial *p, const struct store_staged *staged,
		       const char *name, struct error *err) _must_check_;
void store_partial_remove(struct store *s, struct store_partial *p); /* it is of no more use */
void store_partial_close(struct store_partial *p);                   /* it stays for next time */
#define _store_partial_ _cleanup_(store_partial_close)

/* Removes downloads that nobody holds and nobody went on with for so long; those from the future
 * stay. Works on a full disk. *ret_n (may be NULL): removed. */
int store_partial_collect(struct store *s, int64_t older_than_ns, unsigned *ret_n,
			  struct error *err) _must_check_;

/* ---- keeping --------------------------------------------------------------------------------- */

/* A pinned image is not removed by gc, nor by `rm` without force. STORE_MISSING. */
int store_pin(struct store *s, const char *id, bool pinned, struct error *err) _must_check_;
bool store_is_pinned(struct store *s, const char *id);

/* The image is being used now. A store that cannot be written to does not hear of it. */
void store_touch(struct store *s, const char *id);

/* When it was used last, as far as known: else when it was imported. CLOCK_REALTIME. */
int64_t store_last_used(struct store *s, const struct store_info *info);

/* Bytes on the disk that removing the image would set free (its tree, a volume, is not counted). */
uint64_t store_disk_bytes(struct store *s, const char *id);

/* Makes a hard link "name" in the staging directory to the file of that name of any image that has
 * it. STORE_MISSING when none does. */
int store_link_blob(struct store *s, const char *name, const struct store_staged *staged,
		    struct error *err) _must_check_;

/* An open file of the image's directory (O_RDONLY), or -ENOENT. */
int store_open_file(struct store *s, const char *id, const char *name, struct error *err)
	_must_check_;

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

/* ---- checking -------------------------------------------------------------------------------- */

/* Is there anything of that image, whole or not? */
bool store_has(struct store *s, const char *id);

/* Something in the store that is not as it should be. */
struct store_stray {
	const char *object; /* its path below STORE */
	const char *id;     /* the image it lies with, or NULL */
	const char *why;
	bool is_index; /* of names/: store_index_repair(); else store_stray_remove() */
};

/* Calls fn for everything in the store's directories that no image accounts for: unknown files,
 * what dead importers left in staging/, downloads that nobody holds, files of names/ that do not
 * say what images/ says. The store is locked by the caller, exclusively, lest what is just being
 * adopted is taken for a stray. A value of fn other than 0 ends the walk and is returned. */
int store_each_stray(struct store *s, int (*fn)(const struct store_stray *stray, void *arg),
		     void *arg, struct error *err) _must_check_;

/* Makes names/ anew. The caller has the lock. */
int store_index_repair(struct store *s, struct error *err) _must_check_;

/* Removes what store_each_stray() found, by its path. */
int store_stray_remove(struct store *s, const char *object, struct error *err) _must_check_;

/* Writes the info of an image that is in the store anew, or another of its small files, durably. */
int store_repair_info(struct store *s, const struct store_info *info, struct error *err)
	_must_check_;
int store_repair_file(struct store *s, const char *id, const char *name, const char *data,
		      size_t len, struct error *err) _must_check_;

static inline void store_closep(struct store **s)
{
	store_close(*s);
}
#define _store_      _cleanup_(store_closep)
#define _store_info_ _cleanup_(store_info_deinit)
