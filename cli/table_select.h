#pragma once
/* Which rows and columns of a list, and in which order: the parts of table.c without output. */
#include "cli/table.h"

enum { TABLE_COLUMNS = 24 };

struct table_chosen {
	const struct table_column *columns[TABLE_COLUMNS];
	size_t n;
};

/* The columns that o asks for. 0 or CLI_USAGE. */
int table_choose(const struct table_column *columns, const struct table_options *o,
		 struct table_chosen *ret, struct error *err) _must_check_;

/* The rows that pass all filters, in the order asked for, as a new array. 0, CLI_USAGE, -ENOMEM. */
int table_select(struct json_t *rows, const struct table_column *columns,
		 const struct table_options *o, struct json_t **ret, struct error *err)
	_must_check_;

/* A value as text, whole: what filters compare with. */
void table_format_plain(char dst[TABLE_CELL], const struct json_t *value);
