#include "cli/table.h"

#include <jansson.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/table_select.h"

enum {
	TABLE_BYTES = 256 << 20,
	SHORT_ID = 8,      /* of a UUID */
	SHORT_DIGEST = 12, /* of an image ID */
};

/* ---- cells ----------------------------------------------------------------------------------- */

void table_format_plain(char dst[TABLE_CELL], const json_t *value)
{
	size_t used = 0;

	dst[0] = '\0';
	if (json_is_string(value))
		snprintf(dst, TABLE_CELL, "%s", json_string_value(value));
	else if (json_is_integer(value))
		snprintf(dst, TABLE_CELL, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_boolean(value))
		snprintf(dst, TABLE_CELL, "%s", json_is_true(value) ? "yes" : "no");
	for (size_t i = 0; i < json_array_size(value) && used < TABLE_CELL; i++) {
		const char *word = json_string_value(json_array_get(value, i));

		used += (size_t)snprintf(dst + used, TABLE_CELL - used, "%s%s", i ? "," : "",
					 word ? word : "?");
	}
}

void table_format_id(char dst[TABLE_CELL], const struct json_t *value)
{
	const char *id = json_string_value(value);
	bool image = id && str_starts(id, "sha512-");

	snprintf(dst, TABLE_CELL, "%.*s", image ? SHORT_DIGEST : SHORT_ID,
		 !id     ? ""
		 : image ? id + 7
			 : id);
}

void table_format_age(char dst[TABLE_CELL], const struct json_t *value)
{
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = { { 365 * 86400, "year" }, { 30 * 86400, "month" }, { 86400, "day" },
		      { 3600, "hour" },        { 60, "minute" },        { 1, "second" } };
	int64_t then, age;

	dst[0] = '\0';
	if (!json_is_string(value) || time_parse(json_string_value(value), &then) < 0)
		return;
	age = (time_now_ns() - then) / 1000000000;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		int64_t n = age / units[i].seconds;

		if (n < 1)
			continue;
		snprintf(dst, TABLE_CELL, "%jd %s%s ago", (intmax_t)n, units[i].name,
			 n > 1 ? "s" : "");
		return;
	}
	snprintf(dst, TABLE_CELL, age < 0 ? "in the future" : "now");
}

void table_format_size(char dst[TABLE_CELL], const struct json_t *value)
{
	static const char units[] = "BKMGT";
	double size = (double)json_integer_value(value);
	size_t unit = 0;

	for (; size >= 1024 && unit < sizeof(units) - 2; unit++)
		size /= 1024;
	snprintf(dst, TABLE_CELL, unit ? "%.1f%c" : "%.0f%c", size, units[unit]);
}

void table_format_seconds(char dst[TABLE_CELL], const struct json_t *value)
{
	json_int_t hundredths = json_integer_value(value) / 10000000;

	snprintf(dst, TABLE_CELL, "%" JSON_INTEGER_FORMAT ":%02d.%02d", hundredths / 6000,
		 (int)(hundredths / 100 % 60), (int)(hundredths % 100));
}

static void cell_make(char dst[TABLE_CELL], const struct table_column *column, const json_t *row,
		      bool whole)
{
	const json_t *value = json_object_get(row, column->key);
	char raw[TABLE_CELL];

	if (!value || json_is_null(value))
		snprintf(raw, sizeof(raw), "-");
	else if (column->format && !whole)
		column->format(raw, value);
	else
		table_format_plain(raw, value);
	str_escape(dst, TABLE_CELL, raw[0] ? raw : "-");
}

void table_cell(char dst[TABLE_CELL], const struct table_column *column, const struct json_t *row)
{
	cell_make(dst, column, row, false);
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* How many places a terminal needs: continuation bytes of UTF-8 take none. */
static size_t width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static int cell_add(struct buf *b, const char *text, size_t room, bool right, bool last)
{
	int fill = room > width(text) ? (int)(room - width(text)) : 0;
	int r = buf_addf(b, "%*s%s", right ? fill : 0, "", text);

	if (r == 0)
		r = last ? buf_add(b, "\n", 1) : buf_addf(b, "%*s", (right ? 0 : fill) + 2, "");
	return r;
}

static int text_make(struct buf *b, const json_t *rows, const struct table_chosen *chosen,
		     bool legend)
{
	size_t widths[TABLE_COLUMNS] = { 0 }, n = chosen->n;
	const struct table_column *const *columns = chosen->columns;
	char cell[TABLE_CELL];
	int r = 0;

	for (size_t c = 0; c < n; c++) {
		widths[c] = legend ? strlen(columns[c]->title) : 0;
		for (size_t i = 0; i < json_array_size(rows); i++) {
			cell_make(cell, columns[c], json_array_get(rows, i), false);
			if (width(cell) > widths[c])
				widths[c] = width(cell);
		}
	}
	for (size_t c = 0; r == 0 && legend && c < n; c++)
		r = cell_add(b, columns[c]->title, widths[c], columns[c]->right, c + 1 == n);
	for (size_t i = 0; r == 0 && i < json_array_size(rows); i++)
		for (size_t c = 0; r == 0 && c < n; c++) {
			cell_make(cell, columns[c], json_array_get(rows, i), false);
			r = cell_add(b, cell, widths[c], columns[c]->right, c + 1 == n);
		}
	return r;
}

static int first_column(struct buf *b, const json_t *rows, const struct table_column *columns)
{
	char cell[TABLE_CELL];
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_array_size(rows); i++) {
		cell_make(cell, &columns[0], json_array_get(rows, i), true);
		r = buf_addf(b, "%s\n", cell);
	}
	return r;
}

/* Takes the reference of rows. */
static int print(json_t *rows, const struct table_column *columns, const struct table_options *o,
		 struct error *err)
{
	_buf_ struct buf b = BUF_INIT(TABLE_BYTES);
	struct table_chosen chosen;
	int r = table_choose(columns, o, &chosen, err);

	if (r == 0 && o->json && !o->quiet)
		return cli_put_json(rows, err);
	if (r == 0)
		r = o->quiet ? first_column(&b, rows, columns)
			     : text_make(&b, rows, &chosen, !o->no_legend);
	json_decref(rows);
	if (r != 0)
		return r == CLI_USAGE ? r : error_set(err, r, "cannot make the list");
	return cli_put(b.data, b.len, err);
}

int table_print(struct json_t *rows, const struct table_column *columns,
		const struct table_options *o, struct error *err)
{
	_json_ struct json_t *all = rows;
	struct json_t *chosen = NULL;
	int r;

	if (!rows)
		return error_set(err, -ENOMEM, "cannot make the list");
	r = table_select(all, columns, o, &chosen, err);
	return r == 0 ? print(chosen, columns, o, err) : r;
}

int table_print_record(const struct json_t *row, const struct table_column *columns,
		       struct error *err)
{
	int r = 0;

	for (; r == 0 && columns->title; columns++) {
		char cell[TABLE_CELL];

		if (columns->hidden)
			continue;
		table_cell(cell, columns, row);
		r = cli_print(err, "%-12s %s\n", columns->title, cell);
	}
	return r;
}
