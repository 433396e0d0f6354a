#pragma once
/*
 * images/: from a reference that a person wrote to a root file system that a pod can start from.
 *
 *	resolve   a reference -> image ID (in the store, by importing a file, or by fetching it)
 *	fetch     discovery, transfer, signature, dependencies (net.h has the parts)
 *	oci	  images of registries, layouts and archives of OCI
 *	import    archive or directory -> carob-unpack, hash, layout rules, store
 *	render    image ID -> name of the mosaic volume with its dependencies merged
 *	validate  what `carob validate` says
 *	build     directory and manifest -> archive (carob-pack)
 */
#include "appc/appc.h"
#include "base/base.h"
#include "mosaic/mosaic.h"
#include "store/store.h"
#include "images/origin.h"
#include "images/trust.h"

struct images {
	struct store *store;
	struct mosaic *mosaic;
	const char *libexec; /* directory of carob-unpack and its like */
};

/* What the caller wants of the network, and gives up. Strings stay the caller's. */
enum images_pull { IMAGES_PULL_MISSING, IMAGES_PULL_ALWAYS, IMAGES_PULL_NEVER };
struct images_policy {
	enum images_pull pull;
	const char *config; /* carob.yaml */
	bool config_given;  /* it must be there */
	bool insecure_signature;
	bool insecure_http; /* for the host of the reference itself */
	const char *const *insecure_hosts; /* "HOST[:PORT]" for which http is allowed */
	size_t n_insecure_hosts;
};

/* Progress of long work, called a few times a second; may be NULL. */
struct images_progress {
	void (*report)(void *arg, const char *what, uint64_t done,
		       uint64_t total); /* bytes; total 0 unknown */
	void *arg;
};

/*
 * References, in all verbs:
 *	PATH				contains "/" and exists, or starts with "." or "/", or ends in
 *					.aci: imported
 *	ID				an image ID or 12 digits and more of its beginning
 *	NAME[:VERSION][,LABEL=VALUE]...	in the store, or discovered; os and arch are the host's where
 *					nothing else is said
 *	https://..., http://...		an archive
 *	docker://HOST[:PORT]/REPO[:TAG|@DIGEST], oci:DIR[:TAG], docker-archive:FILE[:TAG]
 *
 * What the store has wins, unless policy->pull says otherwise. policy NULL: nothing but the store
 * and files.
 */
int images_resolve(const struct images *im, const struct images_policy *policy,
		   const char *reference, char ret_id[STORE_ID_TEXT],
		   const struct images_progress *progress, struct error *err) _must_check_;

/* Fetches the references with all that they depend on, several at once; ret[i] is filled for each
 * that came (ids[i][0] is 0 for one that did not). each (may be NULL) is called as each ends. The
 * first failure is returned when all have ended. */
struct images_fetched {
	const char *reference;
	char id[STORE_ID_TEXT];
	bool was_there;
};
int images_fetch(const struct images *im, const struct images_policy *policy,
		 struct images_fetched *list, size_t n, int (*each)(const struct images_fetched *f, const struct error *err, void *arg), void *arg,
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

/* An image of the store, looked at once more: is its archive, to the last byte, what the ID says,
 * and is its signature (where it came with one) good by today's keys? What is wrong with it is in
 * the result; the function fails when it cannot tell. */
struct images_verified {
	char *name;
	struct error archive; /* code 0: it is what the ID says */
	bool has_signature;
	struct error signature; /* code 0: good; verdict says by whom */
	struct trust_verdict verdict;
};
void images_verified_deinit(struct images_verified *v);
int images_verify(const struct images *im, const char *trust_dir, const char *id,
		  struct images_verified *ret, const struct images_progress *progress,
		  struct error *err) _must_check_;

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
