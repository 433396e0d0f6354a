#pragma once
/*
 * Lists of things, as text for people and as JSON for programs, from one description.
 *
 * A row is a JSON object. --json prints the rows as they are. Text prints of each row what the
 * columns choose, escaped so that no name can act upon the terminal.
 *
 * A column is called by its title in lower case, "-" for blanks ("used-by"): so -o chooses columns,
 * --sort orders the rows by one, and --filter takes rows away by one. These are the same for every
 * list; a verb that wants them puts TABLE_SELECT into its table of options.
 */
#include <stdbool.h>

#include "base/base.h"
#include "cli/option.h"

struct json_t;

enum { TABLE_CELL = 512 };

struct table_column {
	const char *title; /* NULL ends the table */
	const char *key;   /* member of the row; missing or null is shown as "-" */
	bool right;        /* numbers stand at the right */
	/* Writes the value for people; NULL: strings and numbers as they are, lists with commas. */
	void (*format)(char dst[TABLE_CELL], const struct json_t *value);
	bool hidden;  /* only shown when asked for */
	bool members; /* the value is an object; a filter may go by any member of it */
	bool version; /* 1.9 comes before 1.10 */
};

struct table_options {
	bool json, quiet, no_legend; /* quiet: the first column only, whole, without a title */
	const char *columns;         /* "id,name"; NULL: those that are not hidden */
	const char *sort;            /* "size", "-size"; NULL: as the rows come */
	struct cli_list filters;     /* "name=a", "name~a*"; all must hold */
};

/* The options that fill the last three, of a struct that has a struct table_options. */
/* clang-format off */
#define TABLE_SELECT(type, member) \
	{ "columns", 'o', "COLUMN,...", "these columns, in this order", CLI_STRING, \
	  offsetof(type, member.columns) }, \
	{ "sort", 0, "[-]COLUMN", "order by this column; with - the largest first", CLI_STRING, \
	  offsetof(type, member.sort) }, \
	{ "filter", 0, "COLUMN=VALUE|COLUMN~PATTERN", \
	  "only where the column is that, or fits the pattern; several: all of them", CLI_LIST, \
	  offsetof(type, member.filters) }
/* clang-format on */

/* Are all columns there that the options name? 0, or CLI_USAGE with a sentence that lists them. To
 * be asked before the rows are made. */
int table_check(const struct table_column *columns, const struct table_options *o,
		struct error *err) _must_check_;

/* Does the output, or the choice of rows, need this column? */
bool table_wants(const struct table_options *o, const char *name);

/* Prints the array rows to standard output and takes its reference (NULL: memory was out). */
int table_print(struct json_t *rows, const struct table_column *columns,
		const struct table_options *o, struct error *err) _must_check_;

/* One row as lines "title   value", for all columns that are not hidden. */
int table_print_record(const struct json_t *row, const struct table_column *columns,
		       struct error *err) _must_check_;

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
