#pragma once
/*
 * OCI images: their documents, and what they are in the words of appc. Bytes in, structs out;
 * nothing here reads a file or asks the network.
 *
 * Sources: OCI image specification 1.1 (manifest.md, image-index.md, config.md, descriptor.md),
 * distribution specification 1.1 (end-7 and names), Docker image manifest version 2 schema 2.
 *
 * All JSON is read strictly: no member twice, no trailing bytes, LIMIT_JSON_DEPTH; a document that
 * has both `manifests` and `layers` is refused (CVE-2021-41190), as is one whose mediaType is not
 * what it was sent as.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nettle/sha2.h>

#include "appc/appc.h"
#include "base/base.h"

enum {
	OCI_DIGEST_TEXT = 7 + 128 + 1, /* "sha512:" and its digits */
	OCI_LAYERS = 256,
	OCI_CHOICES = 1024, /* images of one index */
	OCI_DOCUMENT_BYTES = 4 << 20,
	OCI_VOLUMES = 128,      /* mount points: LIMIT_MOUNTS has room for ours */
	OCI_PORTS = 256,        /* of one image */
	OCI_ANNOTATIONS = 1024, /* labels and the like of one image */
	OCI_GROUPS = 1024,      /* supplementary groups of one user */
};

/* "sha256:" and 64, "sha512:" and 128 lower-case hexadecimal digits; nothing else is a digest. */
bool oci_is_digest(const char *s);

/* Does it match the bytes? */
bool oci_digest_matches(const char *digest, const void *data, size_t len);

/* The digest of bytes that come one after the other, by the algorithm of the digest `like`. */
struct oci_hash {
	bool is_sha512;
	union {
		struct sha256_ctx sha256;
		struct sha512_ctx sha512;
	};
};
void oci_hash_init(struct oci_hash *h, const char *like);
void oci_hash_add(struct oci_hash *h, const void *data, size_t len);
void oci_hash_end(struct oci_hash *h, char ret[OCI_DIGEST_TEXT]);

/* The SHA-256 of data. */
void oci_digest_of(const void *data, size_t len, char ret[OCI_DIGEST_TEXT]);

struct oci_descriptor {
	char digest[OCI_DIGEST_TEXT];
	uint64_t size;
	char *media_type;
};

enum oci_compression { OCI_PLAIN, OCI_GZIP, OCI_ZSTD };

struct oci_manifest {
	struct oci_descriptor config;
	struct oci_descriptor *layers;
	enum oci_compression *compressions;
	size_t n_layers;
	struct json_t *annotations; /* or NULL */
};

/* One image of an index. */
struct oci_choice {
	struct oci_descriptor descriptor;
	char *os, *architecture, *variant; /* "" when not said */
	char *ref_name;                    /* org.opencontainers.image.ref.name; "" */
	bool is_attestation;               /* about another entry */
};

struct oci_index {
	struct oci_choice *choices;
	size_t n;
};

/* The media types of documents that are read here, for the header Accept. */
#define OCI_MANIFEST_TYPES                                                                       \
	"application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json", \
		"application/vnd.docker.distribution.manifest.v2+json",                          \
		"application/vnd.docker.distribution.manifest.list.v2+json"

/* What kind of document it is by itself and by the media type it came with ("" when unknown):
 * OCI_MANIFEST, OCI_INDEX, or -EBADMSG. */
enum { OCI_MANIFEST, OCI_INDEX };
int oci_document_kind(const char *text, size_t len, const char *media_type, struct error *err)
	_must_check_;
int oci_manifest_read(struct oci_manifest *ret, const char *text, size_t len, struct error *err)
	_must_check_;
int oci_index_read(struct oci_index *ret, const char *text, size_t len, struct error *err)
	_must_check_;
void oci_manifest_deinit(struct oci_manifest *m);
void oci_index_deinit(struct oci_index *i);

/* The entry for a platform in appc's words ("linux", "amd64", "armv7l"); attestations and entries of
 * unknown platforms never, unless there is but one image, of which nothing is said. Of several the
 * best variant, then the first. NULL and err, which lists what there is. */
const struct oci_choice *oci_index_choose(const struct oci_index *i, const char *os,
					  const char *arch, struct error *err);

/* The configuration of an image (config.md). */
struct oci_config {
	char *os, *architecture, *variant;
	char *created;
	char **diff_ids; /* digests */
	size_t n_diff_ids;
	struct json_t *config;  /* the member of that name: an object, never NULL */
	char *author;           /* or NULL */
	struct json_t *history; /* a list, or NULL */
};
int oci_config_read(struct oci_config *ret, const char *text, size_t len, struct error *err)
	_must_check_;
void oci_config_deinit(struct oci_config *c);

/* Are there as many diff IDs as layers, and is it an image for an os and arch that appc has a word
 * for? -EBADMSG. */
int oci_config_fits(const struct oci_config *config, const struct oci_manifest *manifest,
		    struct error *err) _must_check_;

/*
 * Who the app runs as. appc looks user and group up apart and takes no group from passwd; OCI runs
 * a user of whom no group is said with the group that passwd gives him and those supplementary ones
 * that have him as a member. So that an image means the same here, both are looked up once, when it
 * comes in, in the files of its own tree (user.c has the rules).
 */
struct oci_accounts { /* the texts of etc/passwd and etc/group; NULL: there is none */
	const char *passwd, *group;
	size_t passwd_len, group_len;
};
struct oci_user {
	char *user, *group; /* as appc wants them, never empty */
	uint32_t *gids;     /* supplementaryGIDs */
	size_t n_gids;
};
int oci_user_read(struct oci_user *ret, const struct oci_config *config,
		  const struct oci_accounts *accounts, struct error *err) _must_check_;
void oci_user_deinit(struct oci_user *u);

/*
 * The appc image manifest of an OCI image, as JSON text (sorted, stable: the same input gives the
 * same bytes), which appc_image_read() takes without a fault. Entrypoint and Cmd become exec, User
 * user and group, Env, WorkingDir, ExposedPorts (ports "8080-tcp"), Volumes (mountPoints), Labels,
 * the manifest's annotations and what has no field in appc (StopSignal, Healthcheck, Shell,
 * OnBuild, ...) annotations below "opencontainers.org/": docs/formats.md has the rules. An image
 * without a command has an app all the same, with an empty exec. Warnings name what could not be
 * kept.
 */
struct oci_naming {
	const char *name;            /* an AC Identifier: oci_reference_name() makes one */
	const char *version;         /* or NULL, "" */
	const struct oci_user *user; /* NULL: as if the tree had no etc/passwd and etc/group */
};
int oci_to_appc(const struct oci_config *config, const struct oci_manifest *manifest,
		const struct oci_naming *naming, char **ret, struct appc_faults *warnings,
		struct error *err) _must_check_;

/* docker://HOST[:PORT]/REPO[:TAG][@DIGEST], without "docker://". Docker's own short names mean
 * docker.io/library/. */
struct oci_reference {
	char host[256];   /* as the API's: "registry-1.docker.io" for docker.io */
	char domain[256]; /* as written: "docker.io" */
	char repository[256];
	char tag[129];                /* "latest" when neither tag nor digest was written; or "" */
	char digest[OCI_DIGEST_TEXT]; /* or "" */
};
int oci_reference_parse(struct oci_reference *ret, const char *text, struct error *err)
	_must_check_;

/* The name under which the store has the image: an AC Identifier like "example.com/team/app". No two
 * repositories have the same: ":5000" becomes "~5000", each "_" a "~", "[::1]" "ipv6~~~1.". */
int oci_reference_name(const struct oci_reference *r, char ret[LIMIT_NAME_BYTES + 1],
		       struct error *err) _must_check_;

/* From outside to an AC Identifier, in at most max bytes: capitals become small, what may not be in
 * one "-", which is left out at both ends. "" when nothing is left. */
void oci_identifier(char *dst, size_t max, const char *text);

#define _oci_user_     _cleanup_(oci_user_deinit)
#define _oci_manifest_ _cleanup_(oci_manifest_deinit)
#define _oci_index_    _cleanup_(oci_index_deinit)
#define _oci_config_   _cleanup_(oci_config_deinit)
