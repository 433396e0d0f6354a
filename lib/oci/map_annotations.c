/*
 * What has no field in appc. Everything that the image chooses the name of is below a prefix of
 * ours, so that no label of it can be taken for an annotation that somebody acts upon.
 */
#include "oci/map.h"

#define PREFIX "opencontainers.org/"

/* Members of `config` that map_app.c knows, and Labels. */
static bool is_mapped(const char *key)
{
	static const char *const keys[] = {
		"User", "ExposedPorts", "Env",        "Entrypoint",
		"Cmd",  "Volumes",      "WorkingDir", "Labels",
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (str_eq(key, keys[i]))
			return true;
	return false;
}

/* "StopSignal" -> "stop-signal" */
static void dashed(char dst[LIMIT_NAME_BYTES + 1], const char *key)
{
	size_t len = 0;

	for (const char *p = key; *p && len + 2 <= LIMIT_NAME_BYTES; p++) {
		bool capital = *p >= 'A' && *p <= 'Z';

		if (capital && p > key && p[-1] >= 'a' && p[-1] <= 'z')
			dst[len++] = '-';
		dst[len++] = *p;
	}
	dst[len] = '\0';
}

/* ---- adding ---------------------------------------------------------------------------------- */

/* set: names and values. prefix + name made an identifier that no other has. */
static void add(struct oci_mapping *m, json_t *set, const char *prefix, const char *name,
		const char *value)
{
	enum { ROOM = 16 }; /* for what makes it the only one */
	char full[LIMIT_NAME_BYTES + 1];
	size_t len = strlen(prefix);

	memcpy(full, prefix, len);
	oci_identifier(full + len, LIMIT_NAME_BYTES - ROOM - len, name);
	if (!full[len])
		memcpy(full + len, "x", sizeof("x"));
	len = strlen(full);
	for (int i = 2; json_object_get(set, full); i++)
		snprintf(full + len, sizeof(full) - len, "-%d", i);
	oci_map_set(m, set, full, json_string(value));
}

/* Nothing, as programs write it that write every member. */
static bool is_empty(const json_t *value)
{
	return json_is_null(value) || json_is_false(value) ||
	       (json_is_string(value) && json_string_length(value) == 0) ||
	       (json_is_integer(value) && json_integer_value(value) == 0) ||
	       (json_is_array(value) && json_array_size(value) == 0) ||
	       (json_is_object(value) && json_object_size(value) == 0);
}

/* Strings as they are, all else as compact JSON. */
static void add_value(struct oci_mapping *m, json_t *set, const char *prefix, const char *name,
		      const json_t *value)
{
	_free_ char *text = NULL;

	if (json_is_string(value))
		add(m, set, prefix, name, json_string_value(value));
	else if (json_write_text(value, &text) < 0)
		m->no_memory = true;
	else
		add(m, set, prefix, name, text);
}

/* All members of an object that the image chooses the names of. */
static void add_all(struct oci_mapping *m, json_t *set, const char *prefix, const json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)object, key, value) {
		if (json_object_size(set) >= OCI_ANNOTATIONS) {
			oci_map_warn(m, "", "only the first %d labels are kept (OCI_ANNOTATIONS)",
				     OCI_ANNOTATIONS);
			return;
		}
		add_value(m, set, prefix, key, value);
	}
}

static void add_settings(struct oci_mapping *m, json_t *set)
{
	char name[LIMIT_NAME_BYTES + 1];
	const char *key;
	json_t *value;

	json_object_foreach(m->config->config, key, value) {
		if (is_mapped(key) || is_empty(value))
			continue;
		if (json_object_size(set) >= OCI_ANNOTATIONS)
			return;
		dashed(name, key);
		add_value(m, set, PREFIX "config/", name, value);
	}
}

static void add_created(struct oci_mapping *m, json_t *set)
{
	int64_t ns;

	if (!m->config->created || !*m->config->created)
		return;
	if (time_parse(m->config->created, &ns) == 0)
		oci_map_set(m, set, "created", json_string(m->config->created));
	else
		oci_map_warn(m, "created",
			     "\"%.64s\" is left out: it is no time of RFC 3339 "
			     "between 1678 and 2261",
			     m->config->created);
}

/* ---- together -------------------------------------------------------------------------------- */

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static json_t *sorted_pairs(struct oci_mapping *m, const json_t *set)
{
	_free_ const char **names = calloc(json_object_size(set) + 1, sizeof(*names));
	json_t *list, *value;
	const char *name;
	size_t n = 0;

	if (!names)
		return NULL;
	json_object_foreach((json_t *)set, name, value) {
		names[n++] = name;
	}
	qsort(names, n, sizeof(*names), compare_texts);
	list = json_array();
	for (size_t i = 0; i < n; i++)
		oci_map_pair(m, list, names[i], json_string_value(json_object_get(set, names[i])));
	return list;
}

json_t *oci_map_annotations(struct oci_mapping *m)
{
	const struct oci_config *c = m->config;
	const json_t *labels = json_object_get(c->config, "Labels");
	_json_ json_t *set = json_object();

	if (!set)
		return NULL;
	if (labels && !json_is_null(labels) && !json_is_object(labels)) {
		error_set(m->err, -EBADMSG, "config.Labels: must be an object.");
		return NULL;
	}
	add_created(m, set);
	if (c->author && *c->author)
		oci_map_set(m, set, "authors", json_string(c->author));
	if (*c->variant)
		oci_map_set(m, set, PREFIX "variant", json_string(c->variant));
	if (c->history && json_array_size(c->history))
		add_value(m, set, PREFIX, "history", c->history);
	add_settings(m, set);
	add_all(m, set, PREFIX "label/", labels);
	add_all(m, set, PREFIX "annotation/", m->manifest->annotations);
	return sorted_pairs(m, set);
}
