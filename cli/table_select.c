#include "cli/table_select.h"

#include <fnmatch.h>
#include <jansson.h>
#include <string.h>

#include "cli/cli.h"

/* ---- names of columns ------------------------------------------------------------------------ */

/* "USED BY" is called "used-by". */
static bool is_called(const struct table_column *column, const char *name, size_t len)
{
	if (strlen(column->title) != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = column->title[i];

		c = c == ' ' ? '-' : c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
		if (c != name[i])
			return false;
	}
	return true;
}

static const struct table_column *find(const struct table_column *columns, const char *name,
				       size_t len)
{
	for (; columns->title; columns++)
		if (is_called(columns, name, len))
			return columns;
	return NULL;
}

static int unknown(const struct table_column *columns, const char *option, const char *name,
		   size_t len, struct error *err)
{
	_buf_ struct buf list = BUF_INIT(1024);
	int r = 0;

	for (const struct table_column *c = columns; r == 0 && c->title; c++)
		r = buf_addf(&list, "%s%s", list.len ? ", " : "", c->title);
	for (char *p = list.data; p && *p; p++)
		*p = p[0] == ' ' && p > list.data && p[-1] != ',' ? '-'
		     : *p >= 'A' && *p <= 'Z'                     ? (char)(*p - 'A' + 'a')
								  : *p;
	error_set(err, -EINVAL, "%s: there is no column %.*s; there are: %s.", option,
		  (int)(len < 64 ? len : 64), name, list.data ? list.data : "");
	return CLI_USAGE;
}

int table_choose(const struct table_column *columns, const struct table_options *o,
		 struct table_chosen *ret, struct error *err)
{
	ret->n = 0;
	if (!o->columns) {
		for (; columns->title; columns++)
			if (!columns->hidden && ret->n < TABLE_COLUMNS)
				ret->columns[ret->n++] = columns;
		return 0;
	}
	for (const char *p = o->columns;; p++) {
		size_t len = strcspn(p, ",");
		const struct table_column *column = find(columns, p, len);

		if (!column)
			return unknown(columns, "--columns", p, len, err);
		if (ret->n == TABLE_COLUMNS) {
			error_set(err, -EINVAL, "--columns: more than %d columns.", TABLE_COLUMNS);
			return CLI_USAGE;
		}
		ret->columns[ret->n++] = column;
		p += len;
		if (!*p)
			return 0;
	}
}

/* ---- order ----------------------------------------------------------------------------------- */

struct order {
	const struct table_column *column;
	bool down;
};

struct placed {
	json_t *row;
	size_t index; /* rows that are alike stay as they came */
	const struct order *order;
};

static int read_order(const struct table_column *columns, const char *text, struct order *ret,
		      struct error *err)
{
	ret->down = *text == '-';
	text += ret->down;
	ret->column = find(columns, text, strlen(text));
	return ret->column ? 0 : unknown(columns, "--sort", text, strlen(text), err);
}

static int compare_values(const struct table_column *column, const json_t *a, const json_t *b)
{
	char x[TABLE_CELL], y[TABLE_CELL];

	if (json_is_number(a) && json_is_number(b)) {
		double d = json_number_value(a) - json_number_value(b);

		if (json_is_integer(a) && json_is_integer(b))
			return (json_integer_value(a) > json_integer_value(b)) -
			       (json_integer_value(a) < json_integer_value(b));
		return (d > 0) - (d < 0);
	}
	if (json_is_object(a) && json_is_object(b) && column->format) {
		column->format(x, a);
		column->format(y, b);
	} else {
		table_format_plain(x, a);
		table_format_plain(y, b);
	}
	return column->version ? strverscmp(x, y) : strcmp(x, y);
}

/* What has no value comes last, whichever way the others go. */
static int compare_rows(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;
	const struct order *o = x->order;
	const json_t *v = json_object_get(x->row, o->column->key);
	const json_t *w = json_object_get(y->row, o->column->key);
	bool none_v = !v || json_is_null(v), none_w = !w || json_is_null(w);
	int order = 0;

	if (none_v || none_w)
		order = none_v - none_w;
	else
		order = o->down ? -compare_values(o->column, v, w)
				: compare_values(o->column, v, w);
	return order ? order : x->index < y->index ? -1 : 1;
}

static int put_in_order(json_t *rows, const struct order *order)
{
	size_t n = json_array_size(rows);
	_free_ struct placed *list = calloc(n + 1, sizeof(*list));
	int r = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		list[i] = (struct placed){ json_incref(json_array_get(rows, i)), i, order };
	qsort(list, n, sizeof(*list), compare_rows);
	json_array_clear(rows);
	for (size_t i = 0; i < n; i++)
		r |= json_array_append_new(rows, list[i].row);
	return r < 0 ? -ENOMEM : 0;
}

/* ---- filters --------------------------------------------------------------------------------- */

struct filter {
	const struct table_column *column;
	const char *member; /* of the column's object; or NULL */
	size_t member_len;
	bool pattern;
	const char *value;
};

/* A column of objects takes every name that no column has. */
static int read_filter(const struct table_column *columns, const char *text, struct filter *ret,
		       struct error *err)
{
	size_t len = strcspn(text, "=~");

	if (!len || !text[len]) {
		error_set(err, -EINVAL, "--filter: %s is neither COLUMN=VALUE nor COLUMN~PATTERN.",
			  text);
		return CLI_USAGE;
	}
	*ret = (struct filter){ .column = find(columns, text, len),
				.pattern = text[len] == '~',
				.value = text + len + 1 };
	if (ret->column)
		return 0;
	for (const struct table_column *c = columns; c->title; c++)
		if (c->members)
			ret->column = c;
	ret->member = text;
	ret->member_len = len;
	return ret->column ? 0 : unknown(columns, "--filter", text, len, err);
}

static bool text_fits(const struct filter *f, const char *text)
{
	return f->pattern ? fnmatch(f->value, text, 0) == 0 : str_eq(text, f->value);
}

static bool boolean_fits(const struct filter *f, bool value)
{
	return text_fits(f, value ? "true" : "false") || text_fits(f, value ? "yes" : "no");
}

static const json_t *member_of(const struct filter *f, const json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)object, key, value) {
		if (strlen(key) == f->member_len && memcmp(key, f->member, f->member_len) == 0)
			return value;
	}
	return NULL;
}

/* Of a list, one element is enough. What is not there is "". */
static bool fits(const struct filter *f, const json_t *row)
{
	const json_t *value = json_object_get(row, f->column->key), *element;
	char text[TABLE_CELL];
	size_t i;

	if (f->member)
		value = member_of(f, value);
	if (json_is_boolean(value))
		return boolean_fits(f, json_is_true(value));
	if (json_array_size(value)) {
		json_array_foreach((json_t *)value, i, element) {
			table_format_plain(text, element);
			if (text_fits(f, text))
				return true;
		}
		return false;
	}
	if (json_is_object(value) && f->column->format)
		f->column->format(text, value);
	else
		table_format_plain(text, value);
	return text_fits(f, text);
}

/* ---- together -------------------------------------------------------------------------------- */

int table_check(const struct table_column *columns, const struct table_options *o,
		struct error *err)
{
	struct table_chosen chosen;
	struct filter filter;
	struct order order;
	int r = table_choose(columns, o, &chosen, err);

	if (r == 0 && o->sort)
		r = read_order(columns, o->sort, &order, err);
	for (size_t i = 0; r == 0 && i < o->filters.n; i++)
		r = read_filter(columns, o->filters.items[i], &filter, err);
	return r;
}

/* Is the name one of the words, or the beginning of one up to the operator? */
static bool names(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = text; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (strncmp(p, name, len) == 0 && (!p[len] || strchr(",=~", p[len])))
			return true;
	return false;
}

bool table_wants(const struct table_options *o, const char *name)
{
	if (names(o->columns, name) || (o->sort && names(o->sort + (*o->sort == '-'), name)))
		return true;
	for (size_t i = 0; i < o->filters.n; i++)
		if (names(o->filters.items[i], name))
			return true;
	return false;
}

static int take_rows(json_t *rows, const struct filter *filters, size_t n, json_t *to)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		bool all = true;

		for (size_t k = 0; all && k < n; k++)
			all = fits(&filters[k], row);
		if (all && json_array_append(to, row) < 0)
			return -ENOMEM;
	}
	return 0;
}

int table_select(struct json_t *rows, const struct table_column *columns,
		 const struct table_options *o, struct json_t **ret, struct error *err)
{
	_free_ struct filter *filters = calloc(o->filters.n + 1, sizeof(*filters));
	_json_ json_t *taken = json_array();
	struct order order;
	int r = filters && taken ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < o->filters.n; i++)
		r = read_filter(columns, o->filters.items[i], &filters[i], err);
	if (r == 0)
		r = take_rows(rows, filters, o->filters.n, taken);
	if (r == 0 && o->sort)
		r = read_order(columns, o->sort, &order, err);
	if (r == 0 && o->sort)
		r = put_in_order(taken, &order);
	if (r != 0)
		return r == CLI_USAGE ? r : error_set(err, r, "cannot make the list");
	*ret = take_ptr(&taken);
	return 0;
}
