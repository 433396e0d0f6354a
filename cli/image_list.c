#include <jansson.h>

#include "cli/image.h"
#include "cli/table.h"

static const struct cli_option list_options[] = {
	{ "json", 0, NULL, "as JSON", CLI_FLAG, offsetof(struct table_options, json) },
	{ "quiet", 'q', NULL, "only the image IDs, whole", CLI_FLAG,
	  offsetof(struct table_options, quiet) },
	{ "no-legend", 0, NULL, "no line of titles", CLI_FLAG,
	  offsetof(struct table_options, no_legend) },
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

static const struct table_column list_columns[] = {
	{ "ID", "id", .format = table_format_id },
	{ "NAME", "name" },
	{ "LABELS", "labels", .format = format_labels },
	{ "SIZE", "size", .right = true, .format = table_format_size },
	{ "IMPORTED", "imported", .format = table_format_age },
	{ NULL },
};

static int list_one(const struct store_info *info, void *arg)
{
	return json_array_append_new(arg, image_info_json(info)) < 0 ? -ENOMEM : 0;
}

static int list_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct table_options o = { 0 };
	struct cli_set set = { list_options, &o };
	_store_ struct store *store = NULL;
	json_t *rows;
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 0, 0, err);
	if (r != 0)
		return r;
	rows = json_array();
	r = rows ? image_store_open(cli, &store, err) : error_set(err, -ENOMEM, "images");
	if (r == 0)
		r = store_each(store, list_one, rows, err);
	if (r == CLI_MISSING) {
		*err = (struct error){ 0 };
		r = 0; /* no store: no image */
	}
	if (r == 0)
		return table_print(rows, list_columns, &o, err);
	json_decref(rows);
	return err->code ? r : error_set(err, r, "cannot list the images");
}

const struct cli_verb verb_image_list = {
	.name = "list",
	.summary = "List the images of the store, the newest first",
	.tables = { { list_options } },
	.run = list_run,
};
