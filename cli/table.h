#pragma once
/*
 * Lists of things, as text for people and as JSON for programs, from one description.
 *
 * A row is a JSON object. --json prints the rows as they are. Text prints of each row what the
 * columns choose, escaped so that no name can act upon the terminal.
 */
#include <stdbool.h>

#include "base/base.h"

struct json_t;

enum { TABLE_CELL = 512 };

struct table_column {
	const char *title; /* NULL ends the table */
	const char *key;   /* member of the row; missing or null is shown as "-" */
	bool right;        /* numbers stand at the right */
	/* Writes the value for people; NULL: strings and numbers as they are, lists with commas. */
	void (*format)(char dst[TABLE_CELL], const struct json_t *value);
};

struct table_options {
	bool json, quiet, no_legend; /* quiet: the first column only, whole, without a title */
};

/* Prints the array rows to standard output and takes its reference (NULL: memory was out). */
int table_print(struct json_t *rows, const struct table_column *columns,
		const struct table_options *o, struct error *err) _must_check_;

/* One cell of a row as text for people, escaped. */
void table_cell(char dst[TABLE_CELL], const struct table_column *column, const struct json_t *row);

/* Formats for columns. */
void table_format_id(char dst[TABLE_CELL],
		     const struct json_t *value); /* the beginning of a UUID or image ID */
void table_format_age(char dst[TABLE_CELL],
		      const struct json_t *value); /* RFC 3339: "3 minutes ago" */
void table_format_size(char dst[TABLE_CELL], const struct json_t *value); /* bytes: "1.5M" */
void table_format_seconds(char dst[TABLE_CELL],
			  const struct json_t *value); /* nanoseconds: "0:01.25" */
