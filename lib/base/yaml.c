#include "base/yaml.h"

#include <assert.h>
#include <jansson.h>
#include <math.h>
#include <string.h>
#include <yaml.h>

#include "base/error.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/str.h"

/*
 * Positions are kept by a hash of the path: paths are as long as the document is deep, and there
 * are as many as values. Two paths of one hash would only name a wrong line.
 */
struct place {
	uint64_t hash;
	uint32_t line, column;
};

struct yaml_places {
	struct place *list; /* sorted by hash once all are in it */
	size_t n, room;
};

/* One document being read. */
struct reading {
	struct json_reader *reader;
	yaml_parser_t parser;
	struct yaml_places *places;
	unsigned depth;
};

/* What a value is in: its hash. */
static const uint64_t root_hash = 0xcbf29ce484222325;

enum scalar { SCALAR_TEXT, SCALAR_NULL, SCALAR_BOOLEAN, SCALAR_INTEGER, SCALAR_FLOAT };

/* ---- places ---------------------------------------------------------------------------------- */

/* FNV-1a: that of a longer path goes on from that of its beginning. */
static uint64_t hash_on(uint64_t hash, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)s[i]) * 0x100000001b3;
	return hash;
}

static uint64_t hash_text(uint64_t hash, const char *s)
{
	return hash_on(hash, s, strlen(s));
}

/* As json.c writes the step from a value to its member. */
static uint64_t hash_key(uint64_t hash, const char *key)
{
	if (json_is_plain_key(key))
		return hash_text(hash == root_hash ? hash : hash_text(hash, "."), key);
	return hash_text(hash_text(hash_text(hash, "[\""), key), "\"]");
}

static uint64_t hash_index(uint64_t hash, size_t index)
{
	char step[32];

	snprintf(step, sizeof(step), "[%zu]", index);
	return hash_text(hash, step);
}

static int add_place(struct yaml_places *p, uint64_t hash, const yaml_mark_t *mark)
{
	if (p->n == p->room) {
		size_t room = p->room ? 2 * p->room : 64;
		struct place *more = reallocarray(p->list, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		p->list = more;
		p->room = room;
	}
	p->list[p->n++] = (struct place){ hash, (uint32_t)mark->line + 1,
					  (uint32_t)mark->column + 1 };
	return 0;
}

static int by_hash(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static const struct place *find_place(const struct yaml_places *p, const char *path, size_t len)
{
	const struct place wanted = { .hash = hash_on(root_hash, path, len) };

	return p->n ? bsearch(&wanted, p->list, p->n, sizeof(wanted), by_hash) : NULL;
}

void yaml_place(const struct yaml_places *places, const char *path, size_t *ret_line,
		size_t *ret_column)
{
	size_t len = strlen(path);
	const struct place *found = find_place(places, path, len);

	while (!found && len > 0) {
		len--;
		if (path[len] == '.' || path[len] == '[' || len == 0)
			found = find_place(places, path, len);
	}
	*ret_line = found ? found->line : 1;
	*ret_column = found ? found->column : 1;
}

void yaml_places_free(struct yaml_places *places)
{
	if (places)
		free(places->list);
	free(places);
}

static void places_freep(struct yaml_places **places)
{
	yaml_places_free(*places);
}

int yaml_report_error(void *arg, bool warning, const char *path, const char *text)
{
	struct yaml_report *report = arg;
	struct error *err = report->err;
	size_t line, column;

	if (warning || !err || err->code)
		return 0;
	if (!report->places)
		return json_report_error(err, warning, path, text);
	yaml_place(report->places, path, &line, &column);
	error_set(err, -EBADMSG, "line %zu, column %zu: %s%s%s.", line, column, path,
		  *path ? ": " : "", text);
	return 0;
}

/* ---- faults ---------------------------------------------------------------------------------- */

/* Each says where; the first ends the reading. */
#define fault(reading, mark, fmt, ...)                                                \
	json_fault((reading)->reader, "line %zu, column %zu: " fmt, (mark)->line + 1, \
		   (mark)->column + 1, ##__VA_ARGS__)

/* The mark of a byte of the text: where libyaml cannot read it, it counts bytes only. */
static yaml_mark_t mark_of(const char *text, size_t len, size_t offset)
{
	yaml_mark_t mark = { .index = offset };

	for (size_t i = 0; i < offset && i < len; i++) {
		mark.column++;
		if (text[i] == '\n') {
			mark.line++;
			mark.column = 0;
		}
	}
	return mark;
}

/* What libyaml found wrong. */
static void parser_fault(struct reading *y, const char *text, size_t len)
{
	const yaml_parser_t *p = &y->parser;
	yaml_mark_t mark = p->problem_mark;

	if (p->error == YAML_MEMORY_ERROR || !p->problem) {
		json_no_memory(y->reader);
		return;
	}
	if (p->error == YAML_READER_ERROR)
		mark = mark_of(text, len, p->problem_offset);
	fault(y, &mark, "%s%s%s", p->problem, p->context ? ", " : "", p->context ? p->context : "");
}

/* ---- scalars --------------------------------------------------------------------------------- */

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (str_eq(text, *words))
			return true;
	return false;
}

static bool is_null(const char *text)
{
	return is_one_of(text, (const char *const[]){ "", "~", "null", "Null", "NULL", NULL });
}

static bool is_true(const char *text)
{
	return is_one_of(text, (const char *const[]){ "true", "True", "TRUE", NULL });
}

static bool is_false(const char *text)
{
	return is_one_of(text, (const char *const[]){ "false", "False", "FALSE", NULL });
}

static const char *const digits = "0123456789";

/* [-+]?[0-9]+ | 0o[0-7]+ | 0x[0-9a-fA-F]+ */
static bool is_integer(const char *s)
{
	const char *set = digits;

	if (str_starts(s, "0o") || str_starts(s, "0x")) {
		set = s[1] == 'o' ? "01234567" : "0123456789abcdefABCDEF";
		s += 2;
	} else if (*s == '-' || *s == '+') {
		s++;
	}
	return *s && s[strspn(s, set)] == '\0';
}

/* [-+]?([.][0-9]+|[0-9]+([.][0-9]*)?)([eE][-+]?[0-9]+)? | [-+]?.inf | .nan */
static bool is_float(const char *s)
{
	static const char *const words[] = { ".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN", NULL };
	size_t whole, part = 0;

	s += *s == '-' || *s == '+';
	if (is_one_of(s, words))
		return true;
	whole = strspn(s, digits);
	s += whole;
	if (*s == '.') {
		part = strspn(s + 1, digits);
		s += 1 + part;
	}
	if (whole + part == 0)
		return false;
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '-' || *s == '+';
		if (!strspn(s, digits))
			return false;
		s += strspn(s, digits);
	}
	return *s == '\0';
}

static enum scalar kind_of(const char *text)
{
	if (is_null(text))
		return SCALAR_NULL;
	if (is_true(text) || is_false(text))
		return SCALAR_BOOLEAN;
	if (is_integer(text))
		return SCALAR_INTEGER;
	return is_float(text) ? SCALAR_FLOAT : SCALAR_TEXT;
}

static json_t *make_integer(struct reading *y, const char *text, const yaml_mark_t *mark)
{
	const char *number = text + (*text == '-' || *text == '+');
	int base = str_starts(text, "0o") ? 8 : str_starts(text, "0x") ? 16 : 10;
	long long value;

	if (base == 10 && number[0] == '0' && number[1]) {
		fault(y, mark,
		      "%.64s may be octal or decimal: write 0o... or leave the zeros out, or put it in quotes",
		      text);
		return NULL;
	}
	errno = 0;
	value = strtoll(base == 10 ? text : text + 2, NULL, base);
	if (errno) {
		fault(y, mark, "%.64s is too large for a number; text goes in quotes", text);
		return NULL;
	}
	return json_integer(value);
}

static json_t *make_float(struct reading *y, const char *text, const yaml_mark_t *mark)
{
	double value = strtod(text, NULL);

	if (strpbrk(text, "iInN") || !isfinite(value)) {
		fault(y, mark, "%.64s cannot be used as a number; text goes in quotes", text);
		return NULL;
	}
	return json_real(value);
}

/* The kind that a tag asks for; false and a fault for one that we do not know. */
static bool read_tag(struct reading *y, const yaml_event_t *e, enum scalar *kind)
{
	static const struct {
		const char *tag;
		enum scalar kind;
	} tags[] = {
		{ "!", SCALAR_TEXT },
		{ YAML_STR_TAG, SCALAR_TEXT },
		{ YAML_NULL_TAG, SCALAR_NULL },
		{ YAML_BOOL_TAG, SCALAR_BOOLEAN },
		{ YAML_INT_TAG, SCALAR_INTEGER },
		{ YAML_FLOAT_TAG, SCALAR_FLOAT },
	};
	const char *tag = (const char *)e->data.scalar.tag;

	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		if (!str_eq(tag, tags[i].tag))
			continue;
		if (tags[i].kind != SCALAR_TEXT && tags[i].kind != *kind &&
		    !(tags[i].kind == SCALAR_FLOAT && *kind == SCALAR_INTEGER)) {
			fault(y, &e->start_mark, "the value is not what its tag <%.128s> says",
			      tag);
			return false;
		}
		*kind = tags[i].kind;
		return true;
	}
	fault(y, &e->start_mark, "the tag <%.128s> is not taken: leave it out", tag);
	return false;
}

/* The text of a scalar, or NULL and a fault. */
static const char *scalar_text(struct reading *y, const yaml_event_t *e)
{
	const char *text = (const char *)e->data.scalar.value;

	if (strlen(text) != e->data.scalar.length) {
		fault(y, &e->start_mark, "text with a NUL byte is not taken");
		return NULL;
	}
	return text;
}

static json_t *read_scalar(struct reading *y, const yaml_event_t *e)
{
	bool plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	const char *text = scalar_text(y, e);
	enum scalar kind;
	json_t *value = NULL;
	size_t before = y->reader->n_faults;

	if (!text)
		return NULL;
	kind = plain || e->data.scalar.tag ? kind_of(text) : SCALAR_TEXT;
	if (e->data.scalar.tag && !read_tag(y, e, &kind))
		return NULL;
	switch (kind) {
	case SCALAR_TEXT:
		value = json_string(text);
		break;
	case SCALAR_NULL:
		value = json_null();
		break;
	case SCALAR_BOOLEAN:
		value = json_boolean(is_true(text));
		break;
	case SCALAR_INTEGER:
		value = make_integer(y, text, &e->start_mark);
		break;
	case SCALAR_FLOAT:
		value = make_float(y, text, &e->start_mark);
		break;
	}
	if (!value && y->reader->n_faults == before)
		json_no_memory(y->reader);
	return value;
}

/* ---- values ---------------------------------------------------------------------------------- */

static json_t *read_value(struct reading *y, yaml_event_t *e, uint64_t hash);

static bool next(struct reading *y, yaml_event_t *e)
{
	return yaml_parser_parse(&y->parser, e) == 1;
}

static bool note(struct reading *y, uint64_t hash, const yaml_mark_t *mark)
{
	if (y->places && add_place(y->places, hash, mark) < 0) {
		json_no_memory(y->reader);
		return false;
	}
	return true;
}

static bool check_key(struct reading *y, const yaml_event_t *e, const json_t *object)
{
	const char *text;

	if (e->type != YAML_SCALAR_EVENT) {
		fault(y, &e->start_mark, "a key must be text");
		return false;
	}
	text = scalar_text(y, e);
	if (!text)
		return false;
	if (e->data.scalar.anchor || e->data.scalar.tag) {
		fault(y, &e->start_mark, "anchors and tags of keys are not taken");
		return false;
	}
	if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	    (is_null(text) || str_eq(text, "<<"))) {
		fault(y, &e->start_mark, "%s",
		      *text == '<' ? "merge keys are not taken: write the members out"
				   : "a key must be text; put it in quotes");
		return false;
	}
	if (json_object_get(object, text)) {
		fault(y, &e->start_mark, "the key %.128s is there already", text);
		return false;
	}
	return true;
}

/* One key with its value; *more is false at the mapping's end. */
static bool read_member(struct reading *y, json_t *object, uint64_t hash, bool *more)
{
	_cleanup_(yaml_event_delete) yaml_event_t key = { 0 }, e = { 0 };
	const char *text;
	json_t *value;

	if (!next(y, &key))
		return false;
	*more = key.type != YAML_MAPPING_END_EVENT;
	if (!*more)
		return true;
	if (!check_key(y, &key, object))
		return false;
	text = (const char *)key.data.scalar.value;
	hash = hash_key(hash, text);
	if (!note(y, hash, &key.start_mark) || !next(y, &e))
		return false;
	value = read_value(y, &e, hash);
	if (!value)
		return false;
	if (json_object_set_new(object, text, value) < 0) {
		json_no_memory(y->reader);
		return false;
	}
	return true;
}

/* Likewise of a sequence. */
static bool read_element(struct reading *y, json_t *array, uint64_t hash, bool *more)
{
	_cleanup_(yaml_event_delete) yaml_event_t e = { 0 };
	json_t *value;

	if (!next(y, &e))
		return false;
	*more = e.type != YAML_SEQUENCE_END_EVENT;
	if (!*more)
		return true;
	hash = hash_index(hash, json_array_size(array));
	if (!note(y, hash, &e.start_mark))
		return false;
	value = read_value(y, &e, hash);
	if (!value)
		return false;
	if (json_array_append_new(array, value) < 0) {
		json_no_memory(y->reader);
		return false;
	}
	return true;
}

static json_t *read_collection(struct reading *y, const yaml_event_t *e, uint64_t hash)
{
	bool is_map = e->type == YAML_MAPPING_START_EVENT, more = true;
	const char *tag = (const char *)(is_map ? e->data.mapping_start.tag
						: e->data.sequence_start.tag);
	json_t *value;

	if (tag && !str_eq(tag, is_map ? YAML_MAP_TAG : YAML_SEQ_TAG)) {
		fault(y, &e->start_mark, "the tag <%.128s> is not taken: leave it out", tag);
		return NULL;
	}
	if (++y->depth > LIMIT_JSON_DEPTH) {
		fault(y, &e->start_mark,
		      "the document is nested deeper than %d levels (LIMIT_JSON_DEPTH)",
		      LIMIT_JSON_DEPTH);
		return NULL;
	}
	value = is_map ? json_object() : json_array();
	if (!value)
		json_no_memory(y->reader);
	while (value && more) {
		if (is_map ? read_member(y, value, hash, &more)
			   : read_element(y, value, hash, &more))
			continue;
		json_decref(value);
		value = NULL;
	}
	y->depth--;
	return value;
}

static bool has_anchor(const yaml_event_t *e)
{
	return (e->type == YAML_SCALAR_EVENT && e->data.scalar.anchor) ||
	       (e->type == YAML_MAPPING_START_EVENT && e->data.mapping_start.anchor) ||
	       (e->type == YAML_SEQUENCE_START_EVENT && e->data.sequence_start.anchor);
}

/* The value that begins with e, or NULL: with a fault, or because libyaml found one. */
static json_t *read_value(struct reading *y, yaml_event_t *e, uint64_t hash)
{
	if (e->type == YAML_ALIAS_EVENT || has_anchor(e)) {
		fault(y, &e->start_mark, "anchors and aliases are not taken: write the value out");
		return NULL;
	}
	return e->type == YAML_SCALAR_EVENT ? read_scalar(y, e) : read_collection(y, e, hash);
}

/* ---- the document ---------------------------------------------------------------------------- */

/* Everything up to the end of the text; nothing may come behind the first document. */
static json_t *read_stream(struct reading *y)
{
	json_t *root = NULL;

	for (;;) {
		_cleanup_(yaml_event_delete) yaml_event_t e = { 0 };
		bool ended = false;

		if (!next(y, &e))
			break;
		if (e.type == YAML_STREAM_END_EVENT)
			return root ? root : json_null();
		if (e.type == YAML_DOCUMENT_START_EVENT && root) {
			fault(y, &e.start_mark,
			      "a second document begins here: one is all that is read");
			break;
		}
		if (e.type == YAML_SCALAR_EVENT || e.type == YAML_MAPPING_START_EVENT ||
		    e.type == YAML_SEQUENCE_START_EVENT || e.type == YAML_ALIAS_EVENT) {
			if (note(y, root_hash, &e.start_mark))
				root = read_value(y, &e, root_hash);
			ended = !root;
		}
		if (ended)
			break;
	}
	json_decref(root);
	return NULL;
}

static json_t *parse(struct reading *y, const char *text, size_t len)
{
	size_t before = y->reader->n_faults;
	json_t *root;

	if (!yaml_parser_initialize(&y->parser)) {
		json_no_memory(y->reader);
		return NULL;
	}
	yaml_parser_set_encoding(&y->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&y->parser, (const unsigned char *)text, len);
	root = read_stream(y);
	if (!root && y->reader->n_faults == before && !y->reader->no_memory)
		parser_fault(y, text, len);
	yaml_parser_delete(&y->parser);
	return root;
}

int yaml_read_text(struct json_reader *r, const char *text, size_t len, size_t max,
		   struct json_t **ret, struct yaml_places **ret_places)
{
	_cleanup_(places_freep) struct yaml_places *places = NULL;
	struct reading y = { .reader = r };
	json_t *root;

	if (len > max) {
		json_fault(r, "the document has %zu bytes, the limit is %zu", len, max);
		return json_status(r);
	}
	if (ret_places) {
		places = calloc(1, sizeof(*places));
		if (!places) {
			json_no_memory(r);
			return json_status(r);
		}
		y.places = places;
	}
	root = parse(&y, text, len);
	if (!root)
		return json_status(r);
	if (places && places->n)
		qsort(places->list, places->n, sizeof(*places->list), by_hash);
	*ret = root;
	if (ret_places)
		*ret_places = take_ptr(&places);
	return 0;
}
