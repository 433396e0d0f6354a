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

#include "appc/appc.h"
#include "base/base.h"

enum {
	OCI_DIGEST_TEXT = 7 + 128 + 1, /* "sha512:" and its digits */
	OCI_LAYERS = 256,
	OCI_DOCUMENT_BYTES = 4 << 20,
};

/* "sha256:" and 64, "sha512:" and 128 lower-case hexadecimal digits; nothing else is a digest. */
bool oci_is_digest(const char *s);

/* Does it match the bytes? */
bool oci_digest_matches(const char *digest, const void *data, size_t len);

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
};

struct oci_index {
	struct oci_choice *choices;
	size_t n;
};

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
 * unknown platforms never. NULL and err, which lists what there is. */
const struct oci_choice *oci_index_choose(const struct oci_index *i, const char *os,
					  const char *arch, struct error *err);

/* The configuration of an image (config.md). */
struct oci_config {
	char *os, *architecture, *variant;
	char *created;
	char **diff_ids; /* digests */
	size_t n_diff_ids;
	struct json_t *config; /* the member of that name: an object, never NULL */
};
int oci_config_read(struct oci_config *ret, const char *text, size_t len, struct error *err)
	_must_check_;
void oci_config_deinit(struct oci_config *c);

/*
 * The appc image manifest of an OCI image, as JSON text (sorted, stable: the same input gives the
 * same bytes). name must be an AC Identifier (oci_reference_name() makes one), version may be
 * NULL. Entrypoint and Cmd become exec, User user and group (numbers and names; "": root), Env,
 * WorkingDir, ExposedPorts (ports "8080-tcp"), Volumes (mountPoints), Labels and the manifest's
 * annotations and what has no field in appc (StopSignal, Healthcheck, Shell, OnBuild, author, ...)
 * annotations "opencontainers.org/..." or as docs/formats.md says. An image without a command has
 * an app all the same, with an empty exec. Warnings name what could not be kept. */
int oci_to_appc(const struct oci_config *config, const struct oci_manifest *manifest,
		const char *name, const char *version, char **ret, struct appc_faults *warnings,
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

/* The name under which the store has the image: an AC Identifier like "example.com/team/app" (a port
 * becomes "-5000", "_" and "__" "-"). */
int oci_reference_name(const struct oci_reference *r, char ret[LIMIT_NAME_BYTES + 1],
		       struct error *err) _must_check_;

#define _oci_manifest_ _cleanup_(oci_manifest_deinit)
#define _oci_index_    _cleanup_(oci_index_deinit)
#define _oci_config_   _cleanup_(oci_config_deinit)
