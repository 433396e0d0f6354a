#pragma once
/* The parts of oci_to_appc(). Each returns a new value, or NULL with a sentence in err or with
 * no_memory set. */
#include "oci/document.h"

struct oci_mapping {
	const struct oci_config *config;
	const struct oci_manifest *manifest;
	const struct oci_naming *naming;
	struct appc_faults *warnings;
	struct error *err;
	bool no_memory; /* of something that was added on the way */
};

json_t *oci_map_app(struct oci_mapping *m);         /* map_app.c */
json_t *oci_map_annotations(struct oci_mapping *m); /* map_annotations.c */

/* What the image asks for and is not kept. */
void oci_map_warn(struct oci_mapping *m, const char *path, const char *fmt, ...) _printf_(3, 4);

/* Appends {"name": name, "value": value} to the list. */
void oci_map_pair(struct oci_mapping *m, json_t *list, const char *name, const char *value);

/* Adds to an object or list; value is released. */
void oci_map_set(struct oci_mapping *m, json_t *object, const char *key, json_t *value);
void oci_map_append(struct oci_mapping *m, json_t *list, json_t *value);
