#include "base/json.h"

#include <assert.h>
#include <jansson.h>
#include <limits.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/str.h"

enum {
	PATH_TEXT = 512,  /* a longer path is cut */
	FAULT_TEXT = 512, /* and so is a longer sentence */
	MAX_WRITTEN = 64 << 20,
};

static const char *const kind_names[] = {
	[JSON_KIND_ANY] = "a value",           [JSON_KIND_OBJECT] = "an object",
	[JSON_KIND_ARRAY] = "a list",          [JSON_KIND_STRING] = "a string",
	[JSON_KIND_INTEGER] = "an integer",    [JSON_KIND_NUMBER] = "a number",
	[JSON_KIND_BOOLEAN] = "true or false",
};

void json_seed(void)
{
	const void *random = (const void *)getauxval(AT_RANDOM);
	size_t seed = 0;

	if (random)
		memcpy(&seed, random, sizeof(seed));
	if (seed) /* zero lets jansson choose */
		json_object_seed(seed);
}

/* ---- places and faults ----------------------------------------------------------------------- */

void json_enter_key(struct json_reader *r, struct json_place *place, const char *key)
{
	*place = (struct json_place){ .up = r->place, .key = key };
	r->place = place;
}

void json_enter_index(struct json_reader *r, struct json_place *place, size_t index)
{
	*place = (struct json_place){ .up = r->place, .index = index };
	r->place = place;
}

void json_leave(struct json_reader *r)
{
	r->place = r->place->up;
}

bool json_is_plain_key(const char *key)
{
	return *key && key[strspn(key, "abcdefghijklmnopqrstuvwxyz"
				       "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] == '\0';
}

/* Writes the steps from the root to place; returns how many bytes of dst are used. */
static size_t format_path(char *dst, size_t size, const struct json_place *place)
{
	size_t used;
	int n;

	if (!place)
		return 0;
	used = format_path(dst, size, place->up);
	if (!place->key)
		n = snprintf(dst + used, size - used, "[%zu]", place->index);
	else if (json_is_plain_key(place->key))
		n = snprintf(dst + used, size - used, "%s%s", used ? "." : "", place->key);
	else
		n = snprintf(dst + used, size - used, "[\"%s\"]", place->key);
	if (n < 0)
		return used;
	return used + (size_t)n < size ? used + (size_t)n : size - 1;
}

static void report(struct json_reader *r, bool warning, const char *key, const char *fmt,
		   va_list ap)
{
	char path[PATH_TEXT] = "", text[FAULT_TEXT];
	struct json_place place;

	if (key)
		json_enter_key(r, &place, key);
	format_path(path, sizeof(path), r->place);
	if (key)
		json_leave(r);
	vsnprintf(text, sizeof(text), fmt, ap);
	if (!warning)
		r->n_faults++;
	if (r->report(r->arg, warning, path, text) < 0)
		r->no_memory = true;
}

void json_fault(struct json_reader *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(r, false, NULL, fmt, ap);
	va_end(ap);
}

void json_fault_at(struct json_reader *r, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(r, false, key, fmt, ap);
	va_end(ap);
}

void json_warning(struct json_reader *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(r, true, NULL, fmt, ap);
	va_end(ap);
}

void json_warning_at(struct json_reader *r, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(r, true, key, fmt, ap);
	va_end(ap);
}

void json_no_memory(struct json_reader *r)
{
	r->no_memory = true;
}

void json_set_text(struct json_reader *r, char **member, const char *text)
{
	char *copy = strdup(text);

	if (!copy) {
		json_no_memory(r);
		return;
	}
	free(*member);
	*member = copy;
}

int json_status(const struct json_reader *r)
{
	if (r->no_memory)
		return -ENOMEM;
	return r->n_faults ? -EBADMSG : 0;
}

int json_report_error(void *arg, bool warning, const char *path, const char *text)
{
	struct error *err = arg;

	if (!warning && err && !err->code)
		error_set(err, -EBADMSG, "%s%s%s.", path, *path ? ": " : "", text);
	return 0;
}

/* ---- text -> jansson ------------------------------------------------------------------------- */

/* jansson's own depth limit is fixed at 2048, so nesting is counted before it sees the text. */
static bool is_too_deep(const char *text, size_t len)
{
	bool in_string = false;
	size_t depth = 0;

	for (size_t i = 0; i < len; i++) {
		if (in_string) {
			if (text[i] == '\\')
				i++;
			else if (text[i] == '"')
				in_string = false;
		} else if (text[i] == '"') {
			in_string = true;
		} else if (text[i] == '[' || text[i] == '{') {
			if (++depth > LIMIT_JSON_DEPTH)
				return true;
		} else if ((text[i] == ']' || text[i] == '}') && depth > 0) {
			depth--;
		}
	}
	return false;
}

int json_read_text(struct json_reader *r, const char *text, size_t len, size_t max,
		   struct json_t **ret)
{
	json_error_t error;
	json_t *root;

	if (len > max) {
		json_fault(r, "the document has %zu bytes, the limit is %zu", len, max);
	} else if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		json_fault(r,
			   "the document begins with a byte order mark, which JSON does not allow");
	} else if (is_too_deep(text, len)) {
		json_fault(r, "the document is nested deeper than %d levels", LIMIT_JSON_DEPTH);
	} else {
		root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
		if (root) {
			*ret = root;
			return 0;
		}
		if (json_error_code(&error) == json_error_out_of_memory || !*error.text)
			r->no_memory = true; /* it has not always the memory to say so */
		else
			json_fault(r, "line %d, column %d: %s", error.line, error.column,
				   error.text);
	}
	return json_status(r);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static enum json_kind kind_of(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return JSON_KIND_OBJECT;
	case JSON_ARRAY:
		return JSON_KIND_ARRAY;
	case JSON_STRING:
		return JSON_KIND_STRING;
	case JSON_INTEGER:
		return JSON_KIND_INTEGER;
	case JSON_REAL:
		return JSON_KIND_NUMBER;
	case JSON_TRUE:
	case JSON_FALSE:
		return JSON_KIND_BOOLEAN;
	case JSON_NULL:
	default:
		return JSON_KIND_ANY;
	}
}

bool json_check_kind(struct json_reader *r, const struct json_t *value, enum json_kind kind)
{
	enum json_kind is = kind_of(value);

	if (json_is_null(value)) {
		json_fault(r, "must be %s, not null", kind_names[kind]);
		return false;
	}
	if (kind == JSON_KIND_ANY || kind == is ||
	    (kind == JSON_KIND_NUMBER && is == JSON_KIND_INTEGER))
		return true;
	json_fault(r, "must be %s, not %s", kind_names[kind], kind_names[is]);
	return false;
}

static char fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Not strcasecmp(): that one depends on the locale. */
static bool equals_folded(const char *a, const char *b)
{
	while (*a && fold(*a) == fold(*b)) {
		a++;
		b++;
	}
	return fold(*a) == fold(*b);
}

/* The row for key, or -1. */
static int find_field(const struct json_reader *r, const struct json_field *fields, const char *key)
{
	for (int i = 0; fields[i].key; i++)
		if (r->fold_case ? equals_folded(fields[i].key, key) : str_eq(fields[i].key, key))
			return i;
	return -1;
}

static void read_field(struct json_reader *r, json_t *value, const struct json_field *field,
		       char *base)
{
	struct json_place place;

	if (!value) {
		if (field->flags & JSON_REQUIRED)
			json_fault_at(r, field->key, "is missing; it must be %s",
				      kind_names[field->kind]);
		return;
	}
	if (json_is_null(value) && !(field->flags & JSON_REQUIRED))
		return;
	json_enter_key(r, &place, field->key);
	if (json_check_kind(r, value, field->kind))
		field->parse(r, value, base + field->offset, field->arg);
	json_leave(r);
}

void json_read_object(struct json_reader *r, struct json_t *value, const struct json_field *fields,
		      void *base)
{
	json_t *values[JSON_MAX_FIELDS] = { NULL }, *member;
	const char *key;

	if (!json_check_kind(r, value, JSON_KIND_OBJECT))
		return;
	json_object_foreach(value, key, member) {
		int i = find_field(r, fields, key);

		assert(i < JSON_MAX_FIELDS);
		if (i < 0 && r->strict)
			json_fault_at(r, key, "is not a key that is known here");
		else if (i >= 0 && values[i])
			json_fault_at(r, fields[i].key, "is there twice, in different case");
		else if (i >= 0)
			values[i] = member;
	}
	for (int i = 0; fields[i].key; i++)
		read_field(r, values[i], &fields[i], base);
}

void json_read_struct(struct json_reader *r, struct json_t *value, void *member, const void *arg)
{
	json_read_object(r, value, arg, member);
}

void json_read_string(struct json_reader *r, struct json_t *value, void *member,
		      const void *arg _unused_)
{
	json_set_text(r, member, json_string_value(value));
}

void json_read_boolean(struct json_reader *r _unused_, struct json_t *value, void *member,
		       const void *arg _unused_)
{
	*(bool *)member = json_is_true(value);
}

/* The integer if it is in arg's range and in 0..max of its type; false and a fault if not. */
static bool read_integer(struct json_reader *r, const json_t *value, const struct json_range *range,
			 const struct json_range *type, int64_t *ret)
{
	int64_t n = json_integer_value(value);

	if (!range)
		range = type;
	if (n < range->min || n > range->max) {
		json_fault(r, "must be %lld to %lld, not %lld", (long long)range->min,
			   (long long)range->max, (long long)n);
		return false;
	}
	*ret = n;
	return true;
}

void json_read_s64(struct json_reader *r, struct json_t *value, void *member, const void *arg)
{
	static const struct json_range all = { INT64_MIN, INT64_MAX };

	(void)read_integer(r, value, arg, &all, member);
}

void json_read_u32(struct json_reader *r, struct json_t *value, void *member, const void *arg)
{
	static const struct json_range all = { 0, UINT32_MAX };
	int64_t n;

	if (read_integer(r, value, arg, &all, &n))
		*(uint32_t *)member = (uint32_t)n;
}

void json_read_u16(struct json_reader *r, struct json_t *value, void *member, const void *arg)
{
	static const struct json_range all = { 0, UINT16_MAX };
	int64_t n;

	if (read_integer(r, value, arg, &all, &n))
		*(uint16_t *)member = (uint16_t)n;
}

void json_read_list(struct json_reader *r, struct json_t *value, void *member, const void *arg)
{
	const struct json_list *list = arg;
	size_t n = json_array_size(value);
	char *elements;

	if (n > list->max) {
		json_fault(r, "has %zu entries, the limit is %zu", n, list->max);
		return;
	}
	elements = calloc(n + 1, list->size);
	if (!elements) {
		json_no_memory(r);
		return;
	}
	/* published before it is filled: whatever happens, the owner frees it */
	memcpy(member, &elements, sizeof(elements));
	memcpy((char *)member + sizeof(elements), &n, sizeof(n));
	for (size_t i = 0; i < n; i++) {
		json_t *element = json_array_get(value, i);
		struct json_place place;

		json_enter_index(r, &place, i);
		if (json_check_kind(r, element, list->kind))
			list->parse(r, element, elements + i * list->size, list->arg);
		json_leave(r);
	}
}

void json_read_renamed(struct json_reader *r, struct json_t *value _unused_, void *member _unused_,
		       const void *arg)
{
	json_warning(r, "is ignored: it is the old spelling of \"%s\"", (const char *)arg);
}

/* ---- writing --------------------------------------------------------------------------------- */

struct sink {
	struct buf buf;
	int result;
};

static int add_to_sink(const char *text, size_t len, void *data)
{
	struct sink *sink = data;

	if (sink->result == 0)
		sink->result = buf_add(&sink->buf, text, len);
	return sink->result;
}

int json_write_text(const struct json_t *value, char **ret)
{
	/* not json_dumps(): where that cannot get memory for a key, it leaves the key out */
	struct sink sink = { .buf = BUF_INIT(MAX_WRITTEN) };
	int r = json_dump_callback(value, add_to_sink, &sink, JSON_COMPACT | JSON_ENCODE_ANY);
	char *text = NULL;

	if (sink.result == 0)
		sink.result = r < 0 ? -ENOMEM : 0;
	if (sink.result == 0)
		text = buf_take(&sink.buf);
	buf_deinit(&sink.buf);
	if (!text)
		return sink.result < 0 ? sink.result : -ENOMEM;
	*ret = text;
	return 0;
}

void json_freep(struct json_t **value)
{
	json_decref(*value);
	*value = NULL;
}
