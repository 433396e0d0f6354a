#include <jansson.h>
#include <string.h>

#include "cli/image.h"
#include "cli/table.h"

struct list_options {
	struct table_options table;
};

static const struct cli_option list_options[] = {
	TABLE_SELECT(struct list_options, table),
	{ "json", 0, NULL, "as JSON", CLI_FLAG, offsetof(struct list_options, table.json) },
	{ "quiet", 'q', NULL, "only the image IDs, whole", CLI_FLAG,
	  offsetof(struct list_options, table.quiet) },
	{ "no-legend", 0, NULL, "no line of titles", CLI_FLAG,
	  offsetof(struct list_options, table.no_legend) },
	{ NULL },
};

/* {"version": "1"} as version=1 */
static void format_labels(char dst[TABLE_CELL], const struct json_t *value)
{
	const char *key;
	json_t *label;
	size_t used = 0;

	dst[0] = '\0';
	json_object_foreach((json_t *)value, key, label) {
		if (used < TABLE_CELL)
			used += (size_t)snprintf(dst + used, TABLE_CELL - used, "%s%s=%s",
						 used ? "," : "", key, json_string_value(label));
	}
}

/* Pods by the beginning of their UUIDs, images by that of their IDs. */
static void format_users(char dst[TABLE_CELL], const struct json_t *value)
{
	const json_t *user;
	size_t used = 0, i;

	dst[0] = '\0';
	json_array_foreach((json_t *)value, i, user) {
		const char *text = json_string_value(user), *slash = strchr(text, '/');
		bool image = str_starts(text, "sha512-");
		int len = image ? 19 : slash ? 8 : (int)strlen(text);

		if (used < TABLE_CELL)
			used += (size_t)snprintf(dst + used, TABLE_CELL - used, "%s%.*s%s",
						 i ? "," : "", image ? 12 : len,
						 image ? text + 7 : text, slash ? slash : "");
	}
}

static const struct table_column list_columns[] = {
	{ "ID", "id", .format = table_format_id },
	{ "NAME", "name" },
	{ "VERSION", "version", .hidden = true, .version = true },
	{ "LABELS", "labels", .format = format_labels, .members = true },
	{ "SIZE", "size", .right = true, .format = table_format_size },
	{ "ARCHIVE SIZE", "archiveSize", .right = true, .format = table_format_size,
	  .hidden = true },
	{ "IMPORTED", "imported", .format = table_format_age },
	{ "LAST USED", "lastUsed", .format = table_format_age, .hidden = true },
	{ "SOURCE", "source", .hidden = true },
	{ "PINNED", "pinned" },
	{ "USED", "used", .hidden = true },
	{ "USED BY", "usedBy", .format = format_users, .hidden = true },
	{ NULL },
};

struct list_walk {
	struct store *store;
	json_t *rows;
};

static int list_one(const struct store_info *info, void *arg)
{
	struct list_walk *w = arg;

	return json_array_append_new(w->rows, image_info_json(w->store, info)) < 0 ? -ENOMEM : 0;
}

static int add_users(json_t *row, const struct images_uses *uses)
{
	json_t *by = json_array();
	size_t n;
	const struct images_use *use = images_uses_of(uses,
						      json_string_value(json_object_get(row, "id")),
						      &n);
	int r = 0;

	for (size_t i = 0; i < n; i++)
		r |= json_array_append_new(by, json_string(use[i].by));
	r |= json_object_set_new(row, "used", json_boolean(n > 0));
	r |= json_object_set_new(row, "usedBy", by);
	return r ? -ENOMEM : 0;
}

/* Every manifest has to be read for this, of images and of pods. */
static int add_all_users(const struct cli *cli, json_t *rows, struct error *err)
{
	_cleanup_(images_uses_deinit) struct images_uses uses = { 0 };
	_images_ struct images im = { 0 };
	int r = cli_images_open(cli, &im, err);
	json_t *row;
	size_t i;

	if (r == 0)
		r = images_uses_read(&im, &uses, err);
	json_array_foreach(rows, i, row) {
		if (r == 0)
			r = add_users(row, &uses);
	}
	return r;
}

static int list_rows(const struct cli *cli, const struct table_options *o, json_t *rows,
		     struct error *err)
{
	_store_ struct store *store = NULL;
	int r = image_store_open(cli, &store, err);

	if (r == CLI_MISSING) {
		*err = (struct error){ 0 };
		return 0; /* no store: no image */
	}
	if (r == 0)
		r = store_each(store, list_one, &(struct list_walk){ store, rows }, err);
	if (r == 0 && (o->json || table_wants(o, "used") || table_wants(o, "used-by")))
		r = add_all_users(cli, rows, err);
	return r == 0 || err->code ? r : error_set(err, r, "cannot list the images");
}

static int list(const struct cli *cli, struct cli_args *args, struct table_options *o,
		struct error *err)
{
	_json_ json_t *rows = json_array();
	int r = cli_want_operands(args, 0, 0, err);

	if (r == 0)
		r = table_check(list_columns, o, err);
	if (r == 0)
		r = rows ? list_rows(cli, o, rows, err) : error_set(err, -ENOMEM, "images");
	return r == 0 ? table_print(take_ptr(&rows), list_columns, o, err) : r;
}

static int list_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct list_options o = { 0 };
	struct cli_set set = { list_options, &o };
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = list(cli, args, &o.table, err);
	cli_options_deinit(list_options, &o);
	return r;
}

const struct cli_verb verb_image_list = {
	.name = "list",
	.summary = "List the images of the store, the newest first",
	.tables = { { list_options } },
	.run = list_run,
};
