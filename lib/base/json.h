#pragma once
/*
 * JSON documents read into structs, by tables (over jansson).
 *
 * A table says of each member of an object its key, the kind of its value, the function that reads
 * it, and where in the struct the result goes:
 *
 *	static const struct json_field mount_fields[] = {
 *		{ "volume", JSON_KIND_STRING, json_read_string, offsetof(struct mount, volume), JSON_REQUIRED },
 *		{ "readOnly", JSON_KIND_BOOLEAN, json_read_boolean, offsetof(struct mount, read_only) },
 *		{ NULL },
 *	};
 *
 * A reader carries the place in the document. A fault does not end the reading: it is reported with
 * its path ("apps[1].app.user") and what was expected, the member keeps the value it had, and the
 * next one is read, so that a person sees everything that is wrong at once. Reading functions
 * therefore return nothing; whoever started asks json_status() at the end and must not use the
 * result unless that is 0, but can free it: what was read is whole at any moment.
 *
 *	struct json_reader r = { .report = json_report_error, .arg = err };
 *	_json_ struct json_t *root = NULL;
 *
 *	if (json_read_text(&r, text, len, LIMIT_X_BYTES, &root) == 0)
 *		json_read_object(&r, root, mount_fields, &mount);
 *	return json_status(&r);
 *
 * `null` is an absent value. Writing is done with jansson itself.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct json_t; /* jansson's json_t; what only passes one on needs no <jansson.h> */

/* Seeds jansson's hash tables with the randomness that the kernel gave this process (AT_RANDOM): by
 * itself jansson opens /dev/urandom at the first object. To be called first in main(). */
void json_seed(void);

/* ---- the reader ------------------------------------------------------------------------------ */

/* One step from the document's root to a value: a key, or an index when key is NULL. Lives on the
 * stack of whoever reads the value. */
struct json_place {
	const struct json_place *up;
	const char *key;
	size_t index;
};

/* Takes one fault. path is "" for the document itself. 0 or -ENOMEM. */
typedef int (*json_report_fn)(void *arg, bool warning, const char *path, const char *text);

struct json_reader {
	json_report_fn report;
	void *arg;
	bool fold_case; /* keys match without regard to the case of ASCII letters */
	bool strict;    /* a key that the table does not have is a fault; else it is ignored */

	/* the reader's own, zero at the beginning */
	const struct json_place *place;
	size_t n_faults; /* warnings not counted */
	bool no_memory;
};

/* Parses text: UTF-8 without byte order mark, an object or array, at most max bytes and
 * LIMIT_JSON_DEPTH levels, every key once in its object, no NUL, nothing behind the value. Syntax
 * errors are faults too, with line and column. 0 or what json_status() says; the caller decrefs
 * *ret (_json_). */
int json_read_text(struct json_reader *r, const char *text, size_t len, size_t max,
		   struct json_t **ret) _must_check_;

/* 0 when there was no fault so far, -EBADMSG when there was, -ENOMEM. */
int json_status(const struct json_reader *r) _must_check_;

/* Reports a fault, or a warning, at the reader's place or at the member key of it. */
void json_fault(struct json_reader *r, const char *fmt, ...) _printf_(2, 3);
void json_fault_at(struct json_reader *r, const char *key, const char *fmt, ...) _printf_(3, 4);
void json_warning(struct json_reader *r, const char *fmt, ...) _printf_(2, 3);
void json_warning_at(struct json_reader *r, const char *key, const char *fmt, ...) _printf_(3, 4);

/* Says that memory is out: json_status() will return -ENOMEM. */
void json_no_memory(struct json_reader *r);

/* Puts a copy of text into *member, whose old value is freed. */
void json_set_text(struct json_reader *r, char **member, const char *text);

/* Steps into a value and out again, for code that reads without a table. place is the caller's. */
void json_enter_key(struct json_reader *r, struct json_place *place, const char *key);
void json_enter_index(struct json_reader *r, struct json_place *place, size_t index);
void json_leave(struct json_reader *r);

/* Is a member of this name written as it is in a path, and not as ["..."]? */
bool json_is_plain_key(const char *key);

/* A report function for callers that want one error: arg is a struct error, which gets the first
 * fault. Warnings are dropped. */
int json_report_error(void *arg, bool warning, const char *path, const char *text);

/* ---- tables ---------------------------------------------------------------------------------- */

enum json_kind {
	JSON_KIND_ANY,
	JSON_KIND_OBJECT,
	JSON_KIND_ARRAY,
	JSON_KIND_STRING,
	JSON_KIND_INTEGER, /* digits only: 1.0 and 1e2 are none */
	JSON_KIND_NUMBER,
	JSON_KIND_BOOLEAN,
};

/* Reads value, whose kind was checked, into *member. arg is the table's. */
typedef void (*json_parse_fn)(struct json_reader *r, struct json_t *value, void *member,
			      const void *arg);

enum json_field_flags { JSON_REQUIRED = 1 };

struct json_field {
	const char *key; /* NULL ends the table */
	enum json_kind kind;
	json_parse_fn parse;
	size_t offset;
	unsigned flags;
	const void *arg;
};

enum { JSON_MAX_FIELDS = 32 }; /* of one table */

/* Is value of that kind? Reports a fault when not. */
bool json_check_kind(struct json_reader *r, const struct json_t *value, enum json_kind kind);

/* Reads an object's members into the struct at base. What is no object is a fault. */
void json_read_object(struct json_reader *r, struct json_t *value, const struct json_field *fields,
		      void *base);

/* ---- functions for tables -------------------------------------------------------------------- */

/* char *: a copy. */
void json_read_string(struct json_reader *r, struct json_t *value, void *member, const void *arg);

/* bool. */
void json_read_boolean(struct json_reader *r, struct json_t *value, void *member, const void *arg);

/* int64_t, uint32_t, uint16_t. arg: a struct json_range, or NULL for all that the type holds. */
struct json_range {
	int64_t min, max;
};
void json_read_s64(struct json_reader *r, struct json_t *value, void *member, const void *arg);
void json_read_u32(struct json_reader *r, struct json_t *value, void *member, const void *arg);
void json_read_u16(struct json_reader *r, struct json_t *value, void *member, const void *arg);

/* A struct: arg is its table. */
void json_read_struct(struct json_reader *r, struct json_t *value, void *member, const void *arg);

/* A list: the member is a pointer with a size_t count right behind it, both zero before. The array
 * is allocated with one element of zeros behind the last. arg: a struct json_list. */
struct json_list {
	enum json_kind kind; /* of each element */
	json_parse_fn parse;
	const void *arg;
	size_t size; /* of one element */
	size_t max;  /* elements */
};
void json_read_list(struct json_reader *r, struct json_t *value, void *member, const void *arg);

/* A key of an older version that is not read any more: a warning. arg: the name it has now. */
void json_read_renamed(struct json_reader *r, struct json_t *value, void *member, const void *arg);

/* ---- writing --------------------------------------------------------------------------------- */

/* The value as compact text in the order in which its members were set; the caller frees *ret.
 * 0, -ENOMEM, -E2BIG past 64 MiB. */
int json_write_text(const struct json_t *value, char **ret) _must_check_;

void json_freep(struct json_t **value);
#define _json_ _cleanup_(json_freep)
