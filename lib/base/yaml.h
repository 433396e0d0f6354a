#pragma once
/*
 * YAML as people write it by hand, read into the same values as JSON: one document, and then the
 * tables of json.h. libyaml cuts the text up; what may stand in it is decided here, and is less
 * than YAML has:
 *
 *	- mappings with text as keys, each key once; sequences; scalars
 *	- plain scalars are typed by the core schema of YAML 1.2: null, true, false, integers (0o
 *	  and 0x too), floating point numbers, and text; so `yes` and `12:30` are text. What is
 *	  quoted is text. Numbers that other readers take for octal (010) are refused.
 *	- no anchors, aliases, merge keys; no tags but those of the core schema, and only where they
 *	  say what the value is
 *
 * The value keeps no positions, so they are noted beside it, by the paths that json.h gives to its
 * faults:
 *
 *	struct yaml_report report = { .err = err };
 *	struct json_reader r = { .report = yaml_report_error, .arg = &report, .strict = true };
 *
 *	if (yaml_read_text(&r, text, len, LIMIT_X_BYTES, &root, &report.places) == 0)
 *		json_read_object(&r, root, fields, &result);
 *	yaml_places_free(report.places);
 *	return json_status(&r);
 *
 * says "line 3, column 7: hosts.ca: must be a string, not an integer".
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

struct error;
struct json_reader;
struct json_t;
struct yaml_places;

/* Parses text: UTF-8, at most max bytes and LIMIT_JSON_DEPTH levels. What is wrong is one fault of
 * the reader, with line and column. Nothing but blanks and comments is null. 0 or what
 * json_status() says; the caller decrefs *ret (_json_) and frees *ret_places. ret_places may be
 * NULL when nobody is to ask. */
int yaml_read_text(struct json_reader *r, const char *text, size_t len, size_t max,
		   struct json_t **ret, struct yaml_places **ret_places) _must_check_;

/* Where the value of that path ("apps[1].app.user") is, counted from 1: a member where its key
 * begins. What is not there is looked for at what it would be in. */
void yaml_place(const struct yaml_places *places, const char *path, size_t *ret_line,
		size_t *ret_column);
void yaml_places_free(struct yaml_places *places);

/* A report function that keeps the first fault, as json_report_error() does, and says where it is.
 * arg: a struct yaml_report. */
struct yaml_report {
	struct error *err;
	struct yaml_places *places; /* NULL while the text is being parsed */
};
int yaml_report_error(void *arg, bool warning, const char *path, const char *text);
