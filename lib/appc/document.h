#pragma once
/*
 * What the readers and writers of the documents share; private to lib/appc.
 *
 * A file a part of the specification: types.c and quantity.c know the lexical types, parts.c what
 * occurs in several places (pairs, labels, annotations), then app.c, port.c, volume.c, isolator.c
 * with isolator_values.c, image.c and pod.c. Each of these holds a table of its fields, what the
 * table cannot say, and how to free the result. write.c goes the other way.
 */
#include <jansson.h>

#include "appc/appc.h"

/* ---- text ------------------------------------------------------------------------------------ */

/* A lexical type: the argument of appc_read_text() in tables. */
struct appc_rule {
	bool (*holds)(const char *s);
	const char *what; /* "must be ..." */
};

extern const struct appc_rule appc_rule_name;
extern const struct appc_rule appc_rule_identifier;
extern const struct appc_rule appc_rule_absolute_path;
extern const struct appc_rule appc_rule_not_empty;

bool appc_is_absolute_path(const char *s); /* shorter than LIMIT_PATH_BYTES */
bool appc_is_not_empty(const char *s);
bool appc_is_url(const char *s); /* scheme http or https */

/* char *: a copy of a string for which the rule in arg holds; else a fault. */
void appc_read_text(struct json_reader *r, json_t *value, void *member, const void *arg);

/* char *: acVersion, with what is to be said of other versions. */
void appc_read_version(struct json_reader *r, json_t *value, void *member, const void *arg);

/* char *: an image ID in lower case. */
void appc_read_image_id(struct json_reader *r, json_t *value, void *member, const void *arg);

/* Nowhere: checks that the string is the one in arg. */
void appc_read_kind(struct json_reader *r, json_t *value, void *member, const void *arg);

/* ---- shared parts ---------------------------------------------------------------------------- */

enum {
	APPC_MAX_ENTRIES = 1 << 16, /* of any list that has no limit of its own */
	APPC_MAX_PORTS = 256,       /* of one app, and of a pod */
};

/* Lists for tables: strings, {name, value} pairs with the rules of each use, objects of strings. */
extern const struct json_list appc_string_list; /* for json_read_list: struct appc_strings */
void appc_read_labels(struct json_reader *r, json_t *value, void *member, const void *arg);
void appc_read_annotations(struct json_reader *r, json_t *value, void *member, const void *arg);
void appc_read_environment(struct json_reader *r, json_t *value, void *member, const void *arg);
void appc_read_map(struct json_reader *r, json_t *value, void *member, const void *arg);

/* A fault at each element of the list whose name (a char * at that offset of the element, NULL
 * when it had a fault) an earlier one has too. key: what the name is called in the document. */
struct appc_names {
	const void *list;
	size_t n;
	size_t size;   /* of one element */
	size_t offset; /* of its name */
	const char *key;
};
void appc_check_unique(struct json_reader *r, const struct appc_names *names);

void appc_strings_deinit(struct appc_strings *s);
void appc_pairs_deinit(struct appc_pairs *p);

/* ---- the documents' own parts ---------------------------------------------------------------- */

/* struct appc_app *: a new one. */
void appc_read_app(struct json_reader *r, json_t *value, void *member, const void *arg);
void appc_app_free(struct appc_app *app);

/* A whole list of ports; one port into a new struct appc_port *. */
void appc_read_ports(struct json_reader *r, json_t *value, void *member, const void *arg);
void appc_read_pod_port(struct json_reader *r, json_t *value, void *member, const void *arg);
void appc_port_deinit(struct appc_port *port);

/* A struct appc_volume in place; a new one. */
void appc_read_volume(struct json_reader *r, json_t *value, void *member, const void *arg);
void appc_read_app_volume(struct json_reader *r, json_t *value, void *member, const void *arg);
void appc_volume_deinit(struct appc_volume *volume);

/* A struct appc_isolators. arg: where the list is, one of the two below. */
enum appc_scope { APPC_SCOPE_APP = 1, APPC_SCOPE_POD = 2 };
extern const enum appc_scope appc_scope_app, appc_scope_pod;
void appc_read_isolators(struct json_reader *r, json_t *value, void *member, const void *arg);
void appc_isolators_deinit(struct appc_isolators *set);

/* Whole documents; the caller asks json_status(). NULL when memory is out. */
struct appc_image *appc_image_from_json(struct json_reader *r, json_t *root);
struct appc_pod *appc_pod_from_json(struct json_reader *r, json_t *root);

/* A reader of appc documents that adds to faults. */
struct json_reader appc_reader(struct appc_faults *faults);

/* ---- isolator values ------------------------------------------------------------------------- */

/* What values of one sort look like, and how they are read and written. */
struct appc_isolator_form {
	enum json_kind value;
	/* member: the struct appc_isolator; arg: the struct appc_isolator_type */
	json_parse_fn read;
	/* NULL when memory is out or a string is not UTF-8 */
	json_t *(*write)(const struct appc_isolator *iso);
	struct json_range range; /* of a number */
};

/* One for each isolator that is known. */
struct appc_isolator_type {
	const char *name;
	enum appc_isolator_kind kind;
	unsigned scope; /* where it has a meaning */
	bool once;      /* at most one in a list */
	const struct appc_isolator_form *form;
};

/* Of carob/rlimits. */
void appc_read_rlimits(struct json_reader *r, json_t *value, void *member, const void *arg);
json_t *appc_write_rlimits(const struct appc_isolator *iso);

/* The one of that name or kind; NULL when there is none. */
const struct appc_isolator_type *appc_isolator_type(const char *name);
const struct appc_isolator_type *appc_isolator_type_of(enum appc_isolator_kind kind);

/* ---- writing --------------------------------------------------------------------------------- */

/* object, or NULL (and object released) when one of the calls that filled it failed. */
json_t *appc_written(json_t *object, int failed);

/* {"name": "value", ...} */
json_t *appc_write_map(const struct appc_pairs *pairs);
