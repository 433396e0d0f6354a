#pragma once
/*
 * images/: from a reference that a person wrote to a root file system that a pod can start from.
 *
 *	resolve   a reference -> image ID (in the store, or by importing a file)
 *	import    archive or directory -> carob-unpack, hash, layout rules, store
 *	render    image ID -> name of the mosaic volume with its dependencies merged
 *	validate  what `carob validate` says
 *	build     directory and manifest -> archive (carob-pack)
 */
#include "appc/appc.h"
#include "base/base.h"
#include "mosaic/mosaic.h"
#include "store/store.h"

struct images {
	struct store *store;
	struct mosaic *mosaic;
	const char *libexec; /* directory of carob-unpack and carob-pack */
};

/* Progress of long work, called a few times a second; may be NULL. */
struct images_progress {
	void (*report)(void *arg, const char *what, uint64_t done,
		       uint64_t total); /* bytes; total 0 unknown */
	void *arg;
};

/*
 * References: a path (contains "/" and exists, or starts with "." or "/", or ends in .aci):
 * imported; an image ID or a prefix of one; NAME[:VERSION][,LABEL=VALUE]... looked up in the
 * store, with the host's os and arch where the reference does not say.
 */
int images_resolve(const struct images *im, const char *reference, char ret_id[STORE_ID_TEXT],
		   const struct images_progress *progress, struct error *err) _must_check_;

/* Imports an archive or an image directory (manifest + rootfs/). STORE_EXISTS when it was there.
 * Nothing remains of what is refused. faults (may be NULL) gets everything wrong with it. */
int images_import(const struct images *im, const char *path, char ret_id[STORE_ID_TEXT],
		  struct appc_faults *faults, const struct images_progress *progress,
		  struct error *err) _must_check_;

/* The rendered volume of the image: made now if it does not exist. volume needs MOSAIC_NAME_MAX
 * + 1. *ret_manifest (may be NULL) gets the image's manifest; the caller frees it. */
int images_render(const struct images *im, const char *id, char *volume,
		  struct appc_image **ret_manifest, struct error *err) _must_check_;

/* Archive, image directory or manifest: faults with paths or member names. 0 or -EBADMSG.
 * *ret_kind: "image", "pod manifest", "image manifest", "image layout". */
int images_validate(const struct images *im, const char *path, const char **ret_kind,
		    struct appc_faults *faults, struct error *err) _must_check_;

/* Makes an archive. Bit for bit the same for the same input, given SOURCE_DATE_EPOCH or the
 * same file times (images/pack/pack.h). ret_id: its image ID. -EEXIST when out is there and
 * overwrite not asked for. */
struct images_recipe {
	const char *rootfs;   /* the directory */
	const char *manifest; /* the file, JSON */
	const char *out;
	const char *compression; /* "none", "gzip", "bzip2", "xz" */
	bool overwrite;
};
int images_build(const struct images *im, const struct images_recipe *recipe,
		 char ret_id[STORE_ID_TEXT], const struct images_progress *progress,
		 struct error *err) _must_check_;

/* Removes an image, its volume and the rendered chains that hold it. -EBUSY naming who uses it. */
int images_remove(const struct images *im, const char *id, struct error *err) _must_check_;

/* Removes rendered volumes and staged leftovers that no image and no pod needs. */
int images_collect(const struct images *im, unsigned *ret_n, struct error *err) _must_check_;
