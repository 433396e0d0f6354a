#include <jansson.h>

#include "cli/moctl/verbs.h"
#include "cli/table.h"

struct list_options {
	struct table_options table;
	bool longer;
};

const struct cli_option moctl_list_options[] = {
	{ "long", 'l', NULL,
	  "also what each takes and how it is used; may have to read all of them", CLI_FLAG,
	  offsetof(struct list_options, longer) },
	TABLE_SELECT(struct list_options, table),
	{ "json", 0, NULL, "as JSON", CLI_FLAG, offsetof(struct list_options, table.json) },
	{ "quiet", 'q', NULL, "only the names", CLI_FLAG,
	  offsetof(struct list_options, table.quiet) },
	{ "no-legend", 0, NULL, "no line of titles", CLI_FLAG,
	  offsetof(struct list_options, table.no_legend) },
	{ NULL },
};

/* clang-format off */
#define COLUMNS(short, ...) \
	{ "NAME", "name" }, \
	{ "SIZE", "size", .right = true, .format = table_format_size }, \
	{ "USED", "used", .right = true, .format = table_format_size, .hidden = short }, \
	{ "EXCLUSIVE", "exclusive", .right = true, .format = table_format_size, .hidden = short }, \
	{ "SHARED", "shared", .right = true, .format = table_format_size, .hidden = true }, \
	{ "FS", "fs" }, \
	{ "READ ONLY", "readOnly" }, \
	{ "RAW", "raw", .hidden = true }, \
	{ "PARENT", "parent" }, \
	__VA_ARGS__ \
	{ "IN USE", "inUse", .hidden = short }, \
	{ "DEVICE", "device", .hidden = short }, \
	{ "CREATED", "created", .format = table_format_age }, \
	{ NULL }
#define USERS { "USED BY", "usedBy" },
/* clang-format on */

/* By whether they are another program's, and by --long. */
static const struct table_column short_columns[] = { COLUMNS(true) };
static const struct table_column long_columns[] = { COLUMNS(false) };
static const struct table_column host_short_columns[] = { COLUMNS(true, USERS) };
static const struct table_column host_long_columns[] = { COLUMNS(false, USERS) };

/* What costs more than looking at the names, and is made only when somebody wants it. */
static const char *const costly[] = { "used", "exclusive", "shared", "in-use", "device" };

struct list_walk {
	const struct moctl *c;
	struct mosaic *m;
	json_t *rows;
	bool longer;
	struct error *err;
};

static int add_users(const struct moctl *c, const char *name, json_t *row, struct error *err)
{
	json_t *users = c->host ? c->host->users(c, name, err) : NULL;

	if (!c->host)
		return 0;
	if (!users && err->code)
		return err->code;
	return json_object_set_new(row, "usedBy", users) < 0 ? -ENOMEM : 0;
}

static int list_one(const struct mosaic_volume *v, void *arg)
{
	struct list_walk *w = arg;
	const char *name = moctl_shown(w->c, v->name);
	_json_ json_t *row = NULL;
	int r;

	if (!name)
		return 0; /* of somebody else */
	row = moctl_volume_json(w->c, v);
	r = row ? add_users(w->c, name, row, w->err) : -ENOMEM;
	if (r == 0 && w->longer)
		r = moctl_volume_add_usage(w->m, name, row, w->err);
	if (r == 0 && w->longer)
		r = moctl_volume_add_use(w->m, name, row, w->err);
	if (r == -ENOENT) {
		*w->err = (struct error){ 0 };
		return 0; /* dropped while we looked */
	}
	return r == 0 && json_array_append(w->rows, row) < 0 ? -ENOMEM : r;
}

static const struct table_column *choose_columns(const struct moctl *c, bool longer)
{
	if (c->host)
		return longer ? host_long_columns : host_short_columns;
	return longer ? long_columns : short_columns;
}

/* Of a mosaic that is made when something comes into it there is nothing to list. */
static int open_to_list(const struct moctl *c, struct mosaic **ret, struct error *err)
{
	int r = moctl_open(c, ret, err);

	if (r != -ENOENT || !c->host)
		return r;
	*err = (struct error){ 0 };
	return 0;
}

static int list(const struct moctl *c, struct list_options *o, struct error *err)
{
	const struct table_column *columns = choose_columns(c, o->longer);
	_mosaic_ struct mosaic *m = NULL;
	_json_ json_t *rows = json_array();
	struct list_walk walk = { .c = c, .rows = rows, .longer = o->longer, .err = err };
	int r = table_check(columns, &o->table, err);

	if (r == 0)
		r = rows ? open_to_list(c, &m, err) : -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(costly); i++)
		walk.longer |= table_wants(&o->table, costly[i]);
	if (!o->table.sort)
		o->table.sort = "name";
	walk.m = m;
	if (r == 0 && m)
		r = mosaic_each(m, list_one, &walk, err);
	if (r != 0)
		return r > 0 || err->code ? r : error_set(err, r, "cannot list the volumes");
	return table_print(take_ptr(&rows), columns, &o->table, err);
}

static int list_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	struct list_options o = { 0 };
	int r = moctl_parse(&(struct moctl_syntax){ moctl_list_options, 0, 0 }, &o, args, err);

	if (r == 0)
		r = list(c, &o, err);
	cli_options_deinit(moctl_list_options, &o);
	return r;
}

const struct moctl_verb moctl_verb_list = {
	.name = "list",
	.summary = "List the volumes",
	.tables = { { moctl_list_options } },
	.run = list_run,
};
