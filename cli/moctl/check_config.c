/* `moctl check-config`: is a description right, and what does it say? */
#include <jansson.h>

#include "cli/moctl/verbs.h"
#include "cli/table.h"

struct config_options {
	bool json;
};

static const struct cli_option config_options[] = {
	{ "json", 0, NULL, "as JSON", CLI_FLAG, offsetof(struct config_options, json) },
	{ NULL },
};

static void format_options(char dst[TABLE_CELL], const struct json_t *value)
{
	size_t used = 0;
	const char *key;
	json_t *text;

	dst[0] = '\0';
	json_object_foreach((json_t *)value, key, text) {
		if (used < TABLE_CELL)
			used += (size_t)snprintf(dst + used, TABLE_CELL - used, "%s%s=%s",
						 used ? ", " : "", key, json_string_value(text));
	}
}

static const struct table_column facts[] = {
	{ "name", "name" },
	{ "type", "type" },
	{ "location", "location" },
	{ "default_fs", "default_fs" },
	{ "metadata", "metadata" },
	{ "volumeMap", "volumeMap" },
	{ "options", "options", .format = format_options },
	{ NULL },
};

static json_t *describe(const struct mosaic_config *config)
{
	json_t *options = json_object();

	for (size_t i = 0; options && i < config->n_options; i++)
		if (json_object_set_new(options, config->options[i].key,
					moctl_text(config->options[i].value)) < 0) {
			json_decref(options);
			return NULL;
		}
	return json_pack("{s:o, s:s, s:o, s:s?, s:s?, s:s?, s:o}", "name",
			 config->name ? moctl_text(config->name) : json_null(), "type",
			 config->type, "location", moctl_text(config->location), "default_fs",
			 config->default_fs, "metadata", config->metadata, "volumeMap",
			 config->volume_map, "options", options);
}

static int config_run(_unused_ const struct moctl *c, struct cli_args *args, struct error *err)
{
	_cleanup_(mosaic_config_free) struct mosaic_config config = { 0 };
	struct config_options o = { 0 };
	_json_ json_t *row = NULL;
	int r = moctl_parse(&(struct moctl_syntax){ config_options, 1, 1 }, &o, args, err);

	if (r == 0)
		r = mosaic_config_read(args->argv[0], &config, err);
	if (r != 0)
		return r;
	row = describe(&config);
	if (!row || o.json)
		return cli_put_json(take_ptr(&row), err);
	return table_print_record(row, facts, err);
}

const struct moctl_verb moctl_verb_check_config = {
	.name = "check-config",
	.operands = "FILE|NAME",
	.summary = "Check a description of a mosaic, and print what it says",
	.tables = { { config_options } },
	.complete = { CLI_COMPLETE_FILE },
	.run = config_run,
};
