/* `moctl MOSAIC show`: everything about a volume. `moctl MOSAIC have`: is it there? */
#include <jansson.h>

#include "cli/moctl/verbs.h"
#include "cli/table.h"

struct show_options {
	bool json;
};

const struct cli_option moctl_show_options[] = {
	{ "json", 0, NULL, "as JSON: an array of objects", CLI_FLAG,
	  offsetof(struct show_options, json) },
	{ NULL },
};

static void format_mounts(char dst[TABLE_CELL], const struct json_t *value)
{
	size_t used = 0, i;
	const json_t *mount;

	dst[0] = '\0';
	json_array_foreach((json_t *)value, i, mount) {
		bool here = json_is_true(json_object_get(mount, "here"));

		if (used < TABLE_CELL)
			used += (size_t)snprintf(dst + used, TABLE_CELL - used, "%s%s%s",
						 i ? ", " : "",
						 json_string_value(json_object_get(mount, "path")),
						 json_is_true(json_object_get(mount, "readOnly"))
							 ? " (read-only)"
							 : "");
		if (!here && used < TABLE_CELL)
			used += (size_t)snprintf(dst + used, TABLE_CELL - used, " (of process %d)",
						 (int)json_integer_value(
							 json_object_get(mount, "pid")));
	}
}

static const struct table_column facts[] = {
	{ "name", "name" },
	{ "created", "created" },
	{ "read only", "readOnly" },
	{ "raw", "raw" },
	{ "fs", "fs" },
	{ "size", "size", .format = table_format_size },
	{ "used", "used", .format = table_format_size },
	{ "exclusive", "exclusive", .format = table_format_size },
	{ "shared", "shared", .format = table_format_size },
	{ "parent", "parent" },
	{ "children", "children" },
	{ "in use", "inUse" },
	{ "device", "device" },
	{ "mounted", "mounts", .format = format_mounts },
	{ "data", "data" },
	{ NULL },
};
static const struct table_column users_fact[] = { { "used by", "usedBy" }, { NULL } };

struct children {
	const struct moctl *c;
	json_t *names;
};

static int add_child(const struct mosaic_volume *v, void *arg)
{
	struct children *w = arg;
	const char *name = moctl_shown(w->c, v->name);

	return json_array_append_new(w->names, moctl_text(name ? name : v->name)) < 0 ? -ENOMEM : 0;
}

static int add_key(const char *key, void *arg)
{
	return json_array_append_new(arg, moctl_text(key)) < 0 ? -ENOMEM : 0;
}

static int add_mount(const struct mosaic_mount_point *p, void *arg)
{
	json_t *row = json_pack("{s:o, s:b, s:i, s:b}", "path", moctl_text(p->path), "here",
				p->here, "pid", (int)p->pid, "readOnly", p->read_only);

	return json_array_append_new(arg, row) < 0 ? -ENOMEM : 0;
}

/* Lists as members of row; each walk has its own kind of function. */
static int add_lists(const struct moctl *c, struct mosaic *m, const char *name, json_t *row,
		     struct error *err)
{
	json_t *children = json_array(), *mounts = json_array(), *data = json_array();
	struct children walk = { c, children };
	json_t *users = c->host ? c->host->users(c, name, err) : NULL;
	int r = 0;

	if (c->host && json_object_set_new(row, "usedBy", users) < 0)
		return err->code ? err->code : -ENOMEM;
	if (json_object_set_new(row, "children", children) < 0 ||
	    json_object_set_new(row, "mounts", mounts) < 0 ||
	    json_object_set_new(row, "data", data) < 0)
		return -ENOMEM;
	r = mosaic_each_child(m, name, add_child, &walk, err);
	if (r == 0)
		r = mosaic_each_mount_point(m, name, add_mount, mounts, err);
	return r == 0 ? mosaic_each_data(m, name, add_key, data, err) : r;
}

static int show_one(const struct moctl *c, struct mosaic *m, const char *name, json_t *rows,
		    struct error *err)
{
	_json_ json_t *row = NULL;
	struct mosaic_volume v;
	int r = mosaic_info(m, name, &v, err);

	if (r < 0)
		return r;
	row = moctl_volume_json(c, &v);
	r = row ? moctl_volume_add_usage(m, name, row, err) : -ENOMEM;
	if (r == 0)
		r = moctl_volume_add_use(m, name, row, err);
	if (r == 0)
		r = add_lists(c, m, name, row, err);
	if (r == 0 && json_array_append(rows, row) < 0)
		r = -ENOMEM;
	return r == 0 || err->code ? r : error_set(err, r, "volume %s", name);
}

static int print_text(const struct moctl *c, const json_t *rows, struct error *err)
{
	const json_t *row;
	size_t i;
	int r = 0;

	json_array_foreach((json_t *)rows, i, row) {
		if (r == 0 && i > 0)
			r = cli_puts("\n", err);
		if (r == 0)
			r = table_print_record(row, facts, err);
		if (r == 0 && c->host)
			r = table_print_record(row, users_fact, err);
	}
	return r;
}

static int show_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	struct show_options o = { 0 };
	_mosaic_ struct mosaic *m = NULL;
	_json_ json_t *rows = json_array();
	int r = moctl_parse(&(struct moctl_syntax){ moctl_show_options, 1, SIZE_MAX }, &o, args,
			    err);

	if (r == 0)
		r = rows ? moctl_open(c, &m, err) : -ENOMEM;
	for (size_t i = 0; r == 0 && i < args->n; i++) {
		r = show_one(c, m, args->argv[i], rows, err);
		error_context(err, r, r < 0 ? "show" : NULL, r < 0 ? args->argv[i] : NULL);
	}
	if (r != 0)
		return r;
	return o.json ? cli_put_json(take_ptr(&rows), err) : print_text(c, rows, err);
}

const struct moctl_verb moctl_verb_show = {
	.name = "show",
	.operands = "VOLUME...",
	.summary = "Tell everything about volumes",
	.tables = { { moctl_show_options } },
	.complete = { CLI_COMPLETE_VOLUME },
	.more = true,
	.run = show_run,
};

static int have_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	_mosaic_ struct mosaic *m = NULL;
	int r = moctl_parse(&(struct moctl_syntax){ moctl_no_options, 1, 1 }, NULL, args, err);

	if (r == 0)
		r = moctl_open(c, &m, err);
	if (r != 0)
		return r;
	return mosaic_have(m, args->argv[0]) ? MOCTL_DONE : MOCTL_MISSING;
}

const struct moctl_verb moctl_verb_have = {
	.name = "have",
	.operands = "VOLUME",
	.summary = "Exit with 0 if there is such a volume, with 3 if there is none; print nothing",
	.complete = { CLI_COMPLETE_VOLUME },
	.run = have_run,
};
