#include <jansson.h>

#include "cli/trust.h"

struct list_options {
	struct table_options table;
	const char *trust_dir;
};

static const struct cli_option list_options[] = {
	{ "json", 0, NULL, "as JSON", CLI_FLAG, offsetof(struct list_options, table.json) },
	{ "no-legend", 0, NULL, "no line of titles", CLI_FLAG,
	  offsetof(struct list_options, table.no_legend) },
	CLI_TRUST_DIR_OPTION(struct list_options),
	{ NULL },
};

static const struct table_column list_columns[] = {
	{ "PREFIX", "prefix", .format = cli_trust_format_rule },
	{ "KEY", "key" },
	{ "USER", "user" },
	{ "ADDED", "added", .format = table_format_age },
	{ NULL },
};

static json_t *key_json(const struct trust_key *k)
{
	char added[TIME_TEXT];

	time_format(added, k->added_ns);
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "prefix", k->prefix, "key", k->fingerprint,
			 "user", k->user, "added", added, "path", k->path);
}

static int list_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct list_options o = { 0 };
	struct cli_set set = { list_options, &o };
	_trust_keys_ struct trust_keys keys = { 0 };
	char dir[LIMIT_PATH_BYTES];
	json_t *rows;
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 0, 1, err);
	if (r == 0)
		r = cli_trust_dir(cli, o.trust_dir, dir, err);
	if (r == 0)
		r = trust_list(dir, &keys, err);
	if (r != 0)
		return r;
	cli_trust_remarks(&keys);
	rows = json_array();
	for (size_t i = 0; i < keys.n && r == 0; i++)
		if (args->n == 0 || trust_applies(keys.list[i].prefix, args->argv[0]))
			r = json_array_append_new(rows, key_json(&keys.list[i]));
	if (r == 0)
		return table_print(rows, list_columns, &o.table, err);
	json_decref(rows);
	return error_set(err, -ENOMEM, "cannot list the keys");
}

const struct cli_verb verb_trust_list = {
	.name = "list",
	.operands = "[NAME]",
	.summary = "List the trusted keys, or those that may sign images of a name",
	.tables = { { list_options } },
	.run = list_run,
};
