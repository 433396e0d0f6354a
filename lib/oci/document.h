#pragma once
/*
 * What the readers of OCI documents share; private to lib/oci.
 *
 * A file a document: manifest.c, index.c, config.c, each with the table of its fields; document.c
 * tells them apart. user.c and platform.c know what is looked up in tables, reference.c how people
 * write names. The way to appc is map.c with map_app.c and map_annotations.c.
 */
#include <jansson.h>

#include "oci/oci.h"

/* A reader whose first fault goes to err. */
struct json_reader oci_reader(struct error *err);

/* The end of every reading: 0, or what json_status() says, with a sentence in err. */
int oci_status(const struct json_reader *r, struct error *err) _must_check_;

/* The text of a manifest or index, with what holds for both: an object, schemaVersion 2, not both
 * `manifests` and `layers`, no member in another case than the specification's. */
int oci_document_parse(struct json_reader *r, const char *text, size_t len, json_t **ret)
	_must_check_;

/* ---- functions and tables for tables --------------------------------------------------------- */

/* char[OCI_DIGEST_TEXT] */
void oci_read_digest(struct json_reader *r, json_t *value, void *member, const void *arg);
/* json_t *: a reference of its own. */
void oci_read_value(struct json_reader *r, json_t *value, void *member, const void *arg);
/* char *, at most 255 bytes. */
void oci_read_word(struct json_reader *r, json_t *value, void *member, const void *arg);

extern const struct json_field oci_descriptor_fields[];
void oci_descriptor_deinit(struct oci_descriptor *d);

/* ---- platform.c ------------------------------------------------------------------------------ */

/* appc's word for a platform of OCI; NULL when it has none. */
const char *oci_arch_to_appc(const char *architecture, const char *variant);

/* How well a variant fits the host: 0 best, -1 not at all. */
int oci_platform_rank(const char *arch, const char *architecture, const char *variant);
