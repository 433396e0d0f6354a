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
#include "images/discover.h"
#include "images/origin.h"
#include "images/trust.h"
#include "mosaic/mosaic.h"
#include "store/store.h"

struct pod_dirs;

struct images {
	struct store *store;
	struct mosaic *mosaic;
	const char *libexec;         /* directory of carob-unpack and its like */
	const struct pod_dirs *pods; /* whose manifests hold images too; NULL: nobody's */
};

/* What the caller wants of the network, and gives up. Strings stay the caller's. */
enum images_pull { IMAGES_PULL_MISSING, IMAGES_PULL_ALWAYS, IMAGES_PULL_NEVER };
struct images_policy {
	enum images_pull pull;
	const char *config; /* carob.yaml */
	bool config_given;  /* it must be there */
	const char *trust;  /* the directory of trusted keys; NULL: what the configuration says */
	bool insecure_signature;
	bool insecure_http;                /* for the host of the reference itself */
	const char *const *insecure_hosts; /* "HOST[:PORT]" for which http is allowed */
	size_t n_insecure_hosts;
	/* what the store has of an OCI image may be damaged: a layer is taken from there only when
	 * it has its digest, and laid again */
	bool check_layers;
};

/* Where the trusted keys are, by the policy or its configuration. */
int images_trust_dir(const struct images_policy *policy, char ret[LIMIT_PATH_BYTES],
		     struct error *err) _must_check_;

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
 *	NAME[:VERSION][,LABEL=VALUE]...	in the store, or discovered; os and arch are the host's
 *					where nothing else is said
 *	https://..., http://...		an archive
 *	docker://HOST[:PORT]/REPO[:TAG|@DIGEST], oci:DIR[:TAG], docker-archive:FILE[:TAG]
 *
 * What the store has wins, unless policy->pull says otherwise. policy NULL: nothing but the store
 * and files.
 */
int images_resolve(const struct images *im, const struct images_policy *policy,
		   const char *reference, char ret_id[STORE_ID_TEXT],
		   const struct images_progress *progress, struct error *err) _must_check_;

/* Fetches the references with all that they depend on, several at once. */
struct images_fetched {
	const char *reference;
	char id[STORE_ID_TEXT]; /* filled; "" for one that did not come */
	bool was_there;
};
struct images_fetching {
	struct images_fetched *list;
	size_t n;
	/* called as each ends, err NULL when it came; or NULL. A value below 0 ends it all. */
	int (*each)(const struct images_fetched *f, const struct error *err, void *arg);
	void *arg;
};
/* The first failure is returned when all have ended. */
int images_fetch(const struct images *im, const struct images_policy *policy,
		 const struct images_fetching *f, const struct images_progress *progress,
		 struct error *err) _must_check_;

/* Where the image NAME[:VERSION][,LABEL=VALUE]... and the keys of its name could be had (what:
 * DISCOVER_ENDPOINTS, DISCOVER_KEYS, or both). Asks for pages and nothing else. 0 also when there
 * is nothing. */
int images_discover(const struct images *im, const struct images_policy *policy,
		    const char *reference, unsigned what, struct discovery *ret, struct error *err)
	_must_check_;

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
	const char *manifest; /* the file, JSON or YAML; JSON goes in byte for byte, unless there
			       * is something to be added */
	const char *out;
	const char *compression; /* "none", "gzip", "bzip2", "xz" */
	bool overwrite;
	const char *const *from; /* IDs of images of the store that become dependencies, in order,
				  * behind those of the manifest */
	size_t n_from;
	/* Reads a manifest that is YAML; NULL: only JSON is taken. */
	int (*read_yaml)(const char *text, size_t len, struct json_t **ret, struct error *err);
};
int images_build(const struct images *im, const struct images_recipe *recipe,
		 char ret_id[STORE_ID_TEXT], const struct images_progress *progress,
		 struct error *err) _must_check_;

/* Writes an archive of the image to out: as it came, or, of one that did not come as an archive
 * (an OCI image), packed from its manifest and its tree and compressed so; that has an ID of its
 * own. */
int images_export(const struct images *im, const char *id, int out, const char *compression,
		  const struct images_progress *progress, struct error *err) _must_check_;

/* Copies an image out of the store, with everything that its files have: to the directory out,
 * which must not exist, or be empty, unless overwrite is asked for; then it takes the place of
 * what is there. It appears when it is complete; nothing remains of what fails. */
struct images_extraction {
	const char *out;
	bool rendered;    /* with its dependencies and white lists, as an app sees it */
	bool rootfs_only; /* out is the root file system; else it has manifest and rootfs/ */
	bool overwrite;
	/* asked again and again; a value other than 0 ends it and is returned. May be NULL */
	int (*interrupted)(struct error *err);
};
int images_extract(const struct images *im, const char *id, const struct images_extraction *x,
		   const struct images_progress *progress, struct error *err) _must_check_;

/* Removes an image, its volume and the rendered chains that hold it. -EBUSY naming who uses it, and
 * when it is pinned. */
int images_remove(const struct images *im, const char *id, struct error *err) _must_check_;
/* Also when it is pinned. */
int images_remove_pinned(const struct images *im, const char *id, struct error *err) _must_check_;

/* Who uses which image. */
enum images_use_kind { IMAGES_USE_POD, IMAGES_USE_VOLUME, IMAGES_USE_IMAGE };
struct images_use {
	char image[STORE_ID_TEXT]; /* is used by */
	enum images_use_kind kind;
	char *by; /* POD-UUID/APP, the name of a volume, an image's ID */
};
struct images_uses {
	struct images_use *list; /* by image */
	size_t n;
};
int images_uses_read(const struct images *im, struct images_uses *ret, struct error *err)
	_must_check_;
void images_uses_deinit(struct images_uses *u);
/* The uses of one image, or NULL. */
const struct images_use *images_uses_of(const struct images_uses *u, const char *id, size_t *ret_n);

/* Removes images that no pod and no volume uses, that nobody depends on who stays, that are not
 * pinned, and that were used last, or imported, longer ago than grace_ns. Then downloads that
 * nobody went on with for as long, and what images_collect() does. Works on a full disk. */
struct images_gone {
	const char *kind;               /* "image", "unfinished downloads", "leftovers" */
	const char *name;               /* an ID; how many there were */
	const struct store_info *image; /* NULL for what is none */
	uint64_t bytes;
	const struct error *failure; /* it could not be removed; or NULL */
};
struct images_gc {
	int64_t grace_ns;
	bool dry_run;                                        /* only tells; no leftovers then */
	int (*each)(const struct images_gone *g, void *arg); /* 0 or a negative errno */
	void *arg;
};
int images_gc(const struct images *im, const struct images_gc *gc, struct error *err) _must_check_;

/*
 * Looks for what is damaged and for what belongs to nothing.
 *
 * Of each image: info and manifest can be read; the archive, read to its end, has the image's ID
 * and its manifest (of an OCI image: every blob its digest, the documents each other's); the volume
 * is there, and its tree, attribute for attribute, is what the archive makes; so is the rendered
 * chain (it is rendered once more beside). Then, when no images were asked for: strays in the store
 * (store_each_stray), volumes "image.*" and "chain.*" without an image, unfinished volumes.
 *
 * repair makes anew what can be made from what is there. An image whose archive is damaged is
 * fetched again (refetch) or, when nobody uses it and it is not pinned, removed; so are strays.
 */
struct images_finding {
	const char *object;   /* "images/ID/aci", "volume image.ID" */
	const char *image;    /* the ID, or NULL */
	const char *name;     /* the image's name, or "" */
	const char *what;     /* is wrong */
	const char *repaired; /* "made anew", "removed", ...; NULL: it is as it was */
	const char *why_not;  /* it could not be repaired; or NULL */
};
struct images_check {
	const char *const *ids; /* of images; n_ids 0: everything */
	size_t n_ids;
	bool quick; /* no archive is read and no tree compared */
	bool repair;
	/* Brings an image that was just taken out of the store back to it, from where it came;
	 * origin is its file "origin", source that of its info. 0; STORE_MISSING: nobody knows where it
	 * came from; negative: it did not come. NULL: none can. */
	int (*refetch)(const struct images *im, const char *id, const char *origin,
		       const char *source, void *arg, struct error *err);
	/* Fills the empty directory tree from the blobs of an OCI image. NULL: not compared. */
	int (*unpack_oci)(const struct images *im, const char *id, int tree, void *arg,
			  struct error *err);
	int (*each)(const struct images_finding *f, void *arg); /* 0 or a negative errno */
	int (*interrupted)(struct error *err);                  /* as above */
	void *arg;                                              /* of all of them */
};
/* *ret_left: findings that were not repaired. 0 also then. */
int images_check(const struct images *im, const struct images_check *check, unsigned *ret_left,
		 const struct images_progress *progress, struct error *err) _must_check_;

/* Fills the empty directory tree from the blobs of an OCI image of the store: for unpack_oci. */
int oci_restore(const struct images *im, const char *id, int tree, struct error *err) _must_check_;

/* Removes rendered volumes and staged leftovers that no image and no pod needs. */
int images_collect(const struct images *im, unsigned *ret_n, struct error *err) _must_check_;
