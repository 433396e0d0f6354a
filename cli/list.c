#include <jansson.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/pods.h"
#include "cli/table.h"
#include "cli/verbs.h"

struct list_options {
	struct table_options table;
	const char *state;
};

static const struct cli_option list_options[] = {
	{ "state", 0, "preparing|prepared|running|exited|aborted", "only pods in this state",
	  CLI_CHOICE, offsetof(struct list_options, state) },
	TABLE_SELECT(struct list_options, table),
	{ "json", 0, NULL, "as JSON", CLI_FLAG, offsetof(struct list_options, table.json) },
	{ "quiet", 'q', NULL, "only the UUIDs, whole", CLI_FLAG,
	  offsetof(struct list_options, table.quiet) },
	{ "no-legend", 0, NULL, "no line of titles", CLI_FLAG,
	  offsetof(struct list_options, table.no_legend) },
	{ NULL },
};

static const struct table_column list_columns[] = {
	{ "UUID", "uuid", .format = table_format_id },
	{ "NAME", "name" },
	{ "STATE", "state" },
	{ "APPS", "appNames" },
	{ "IMAGES", "images" },
	{ "EXIT", "exit", .right = true },
	{ "CREATED", "created", .format = table_format_age },
	{ "HOSTNAME", "hostname", .hidden = true },
	{ "DETACHED", "detached", .hidden = true },
	{ NULL },
};

struct list_walk {
	const struct cli *cli;
	const char *state;
	json_t *rows;
};

static int list_one(const char *uuid, void *arg)
{
	struct list_walk *w = arg;
	json_t *row;
	int r = pod_describe(w->cli, uuid, false, &row, NULL);

	if (r == -ENOENT)
		return 0; /* removed while we looked */
	if (r == -ENOMEM)
		return r;
	if (r < 0) /* one bad pod does not hide the others */
		row = json_pack("{s:s, s:s}", "uuid", uuid, "state", "aborted");
	if (w->state && !str_eq(w->state, json_string_value(json_object_get(row, "state")))) {
		json_decref(row);
		return 0;
	}
	return json_array_append_new(w->rows, row) < 0 ? -ENOMEM : 0;
}

/* The oldest first, so that what was just started stands next to the prompt. */
static int by_creation(const void *a, const void *b)
{
	const char *x = json_string_value(json_object_get(*(json_t *const *)a, "created"));
	const char *y = json_string_value(json_object_get(*(json_t *const *)b, "created"));

	return strcmp(x ? x : "", y ? y : "");
}

static json_t *sorted(json_t *rows)
{
	size_t n = json_array_size(rows);
	json_t **list = calloc(n + 1, sizeof(json_t *)), *result = list ? json_array() : NULL;

	for (size_t i = 0; result && i < n; i++)
		list[i] = json_array_get(rows, i);
	if (result)
		qsort(list, n, sizeof(json_t *), by_creation);
	for (size_t i = 0; result && i < n; i++)
		json_array_append(result, list[i]);
	free(list);
	json_decref(rows);
	return result;
}

static int list(const struct cli *cli, struct cli_args *args, const struct list_options *o,
		struct error *err)
{
	struct list_walk walk = { .cli = cli, .state = o->state };
	int r = cli_want_operands(args, 0, 0, err);

	if (r == 0)
		r = table_check(list_columns, &o->table, err);
	if (r != 0)
		return r;
	walk.rows = json_array();
	r = walk.rows ? pod_each(&cli->dirs, list_one, &walk, err) : -ENOMEM;
	if (r < 0) {
		json_decref(walk.rows);
		return err->code ? r : error_set(err, r, "cannot list the pods");
	}
	return table_print(sorted(walk.rows), list_columns, &o->table, err);
}

static int list_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct list_options o = { 0 };
	struct cli_set set = { list_options, &o };
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = list(cli, args, &o, err);
	cli_options_deinit(list_options, &o);
	return r;
}

const struct cli_verb verb_list = {
	.name = "list",
	.summary = "List pods",
	.tables = { { list_options } },
	.run = list_run,
};
