/* What occurs in several places of the documents: lists of strings, pairs, unique names. */
#include <stdint.h>

#include "appc/document.h"

#define AT(member) offsetof(struct appc_pair, member)

const struct json_list appc_string_list = {
	JSON_KIND_STRING, json_read_string, NULL, sizeof(char *), APPC_MAX_ENTRIES,
};

static const struct json_field label_fields[] = {
	{ "name", JSON_KIND_STRING, appc_read_text, AT(name), JSON_REQUIRED,
	  &appc_rule_identifier },
	{ "value", JSON_KIND_STRING, json_read_string, AT(value), JSON_REQUIRED },
	{ NULL },
};

static const struct json_list label_list = {
	JSON_KIND_OBJECT,         json_read_struct, label_fields,
	sizeof(struct appc_pair), APPC_MAX_ENTRIES,
};

static const struct appc_rule env_rule = {
	appc_is_env_name,
	"the name of a variable: letters, digits and any of _.-, not beginning with "
	"one of 0-9.-",
};

static const struct json_field env_fields[] = {
	{ "name", JSON_KIND_STRING, appc_read_text, AT(name), JSON_REQUIRED, &env_rule },
	{ "value", JSON_KIND_STRING, json_read_string, AT(value), JSON_REQUIRED },
	{ NULL },
};

static const struct json_list env_list = {
	JSON_KIND_OBJECT, json_read_struct, env_fields, sizeof(struct appc_pair), APPC_MAX_ENTRIES,
};

/* ---- unique names ---------------------------------------------------------------------------- */

struct named {
	const char *name;
	size_t index;
};

static int compare_named(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* Sorts rather than compares each with each: a list may be long and comes from anybody. */
void appc_check_unique(struct json_reader *r, const struct appc_names *names)
{
	_free_ struct named *sorted = calloc(names->n + 1, sizeof(*sorted));
	struct json_place place;
	size_t n = 0;

	if (!sorted) {
		json_no_memory(r);
		return;
	}
	for (size_t i = 0; i < names->n; i++) {
		const char *element = (const char *)names->list + i * names->size;
		const char *name = *(char *const *)(element + names->offset);

		if (name)
			sorted[n++] = (struct named){ name, i };
	}
	qsort(sorted, n, sizeof(*sorted), compare_named);
	for (size_t i = 1; i < n; i++) {
		if (!str_eq(sorted[i - 1].name, sorted[i].name))
			continue;
		json_enter_index(r, &place, sorted[i].index);
		json_fault_at(r, names->key, "\"%.64s\" is there already", sorted[i].name);
		json_leave(r);
	}
}

/* Reads a list of pairs and holds their names against each other. */
static void read_pairs(struct json_reader *r, json_t *value, struct appc_pairs *pairs,
		       const struct json_list *list)
{
	json_read_list(r, value, pairs, list);
	appc_check_unique(r, &(struct appc_names){ pairs->list, pairs->n, sizeof(struct appc_pair),
						   AT(name), "name" });
}

/* The value of that name or NULL; its index too. Pairs that had a fault are passed over. */
static const char *find_pair(const struct appc_pairs *pairs, const char *name, size_t *ret_index)
{
	for (size_t i = 0; i < pairs->n; i++) {
		if (pairs->list[i].name && pairs->list[i].value &&
		    str_eq(pairs->list[i].name, name)) {
			*ret_index = i;
			return pairs->list[i].value;
		}
	}
	return NULL;
}

const char *appc_pairs_get(const struct appc_pairs *p, const char *name)
{
	size_t index;

	return find_pair(p, name, &index);
}

static void fault_at_value(struct json_reader *r, size_t index, const char *value, const char *what)
{
	struct json_place place;

	json_enter_index(r, &place, index);
	json_fault_at(r, "value", "\"%.64s\" must be %s", value, what);
	json_leave(r);
}

/* ---- labels ---------------------------------------------------------------------------------- */

/* The combinations of types.ValidOSArch, which the text refers to. */
static const struct {
	const char *os;
	const char *const arch[11];
	const char *what;
} platforms[] = {
	{ "linux",
	  { "amd64", "i386", "aarch64", "aarch64_be", "armv6l", "armv7l", "armv7b", "ppc64",
	    "ppc64le", "s390x" },
	  "one of amd64, i386, aarch64, aarch64_be, armv6l, armv7l, armv7b, ppc64, ppc64le, s390x" },
	{ "freebsd", { "amd64", "i386", "arm" }, "one of amd64, i386, arm" },
	{ "darwin", { "x86_64", "i386" }, "one of x86_64, i386" },
};

static void check_platform(struct json_reader *r, const struct appc_pairs *labels)
{
	size_t os_index, arch_index;
	const char *os = find_pair(labels, "os", &os_index);
	const char *arch = find_pair(labels, "arch", &arch_index);

	if (!os)
		return; /* arch has a meaning only beside os */
	for (size_t i = 0; i < ARRAY_SIZE(platforms); i++) {
		if (!str_eq(os, platforms[i].os))
			continue;
		for (size_t k = 0; arch && platforms[i].arch[k]; k++)
			if (str_eq(arch, platforms[i].arch[k]))
				return;
		if (arch)
			fault_at_value(r, arch_index, arch, platforms[i].what);
		return;
	}
	fault_at_value(r, os_index, os, "one of linux, freebsd, darwin");
}

void appc_read_labels(struct json_reader *r, json_t *value, void *member, const void *arg _unused_)
{
	struct appc_pairs *labels = member;
	struct json_place place;

	read_pairs(r, value, labels, &label_list);
	for (size_t i = 0; i < labels->n; i++) {
		if (!labels->list[i].name || !str_eq(labels->list[i].name, "name"))
			continue;
		json_enter_index(r, &place, i);
		json_fault_at(r, "name", "a label cannot be called \"name\"");
		json_leave(r);
	}
	check_platform(r, labels);
}

/* ---- annotations, environment, maps ---------------------------------------------------------- */

static bool is_timestamp(const char *s)
{
	int64_t ns;

	return time_parse(s, &ns) == 0;
}

void appc_read_annotations(struct json_reader *r, json_t *value, void *member,
			   const void *arg _unused_)
{
	static const struct {
		const char *name;
		struct appc_rule rule;
	} known[] = {
		{ "created", { is_timestamp, "a time of RFC 3339, such as 2014-10-27T19:32:27Z" } },
		{ "homepage", { appc_is_url, "an http or https URL" } },
		{ "documentation", { appc_is_url, "an http or https URL" } },
	};
	struct appc_pairs *annotations = member;

	read_pairs(r, value, annotations, &label_list);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		size_t index;
		const char *text = find_pair(annotations, known[i].name, &index);

		if (text && !known[i].rule.holds(text))
			fault_at_value(r, index, text, known[i].rule.what);
	}
}

void appc_read_environment(struct json_reader *r, json_t *value, void *member,
			   const void *arg _unused_)
{
	read_pairs(r, value, member, &env_list);
}

static void read_entry(struct json_reader *r, const char *key, json_t *value,
		       struct appc_pair *pair)
{
	struct json_place place;

	json_set_text(r, &pair->name, key);
	json_enter_key(r, &place, key);
	if (json_check_kind(r, value, JSON_KIND_STRING))
		json_read_string(r, value, &pair->value, NULL);
	json_leave(r);
}

void appc_read_map(struct json_reader *r, json_t *value, void *member, const void *arg _unused_)
{
	struct appc_pairs *pairs = member;
	const char *key;
	json_t *text;

	pairs->list = calloc(json_object_size(value) + 1, sizeof(*pairs->list));
	if (!pairs->list) {
		json_no_memory(r);
		return;
	}
	json_object_foreach(value, key, text) {
		read_entry(r, key, text, &pairs->list[pairs->n++]);
	}
}

/* ---- release --------------------------------------------------------------------------------- */

void appc_strings_deinit(struct appc_strings *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->list[i]);
	free(s->list);
}

void appc_pairs_deinit(struct appc_pairs *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->list[i].name);
		free(p->list[i].value);
	}
	free(p->list);
}
