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
	bool insecure_signature;
	bool insecure_http;                /* for the host of the reference itself */
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

/* Where the image NAME[:VERSION][,LABEL=VALUE]... and the keys of its name could be had (what:
 * DISCOVER_ENDPOINTS, DISCOVER_KEYS, or both). Asks for pages and nothing else. 0 also when there
 * is nothing. */
int images_discover(const struct images *im, const struct images_policy *policy,
		    const char *reference, unsigned what, struct discovery *ret, struct error *err)
	_must_check_;

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
