#include <jansson.h>

#include "cli/cli.h"
#include "cli/pods.h"
#include "cli/table.h"
#include "cli/verbs.h"

struct status_options {
	bool json;
};

static const struct cli_option status_options[] = {
	{ "json", 0, NULL, "as JSON", CLI_FLAG, offsetof(struct status_options, json) },
	{ NULL },
};

/* The lines before the apps. */
static const struct table_column facts[] = {
	{ "uuid", "uuid" },       { "name", "name" },
	{ "state", "state" },     { "exit", "exit" },
	{ "created", "created" }, { "hostname", "hostname" },
	{ "images", "images" },   { NULL },
};

static const struct table_column stats[] = {
	{ "cpu time", "cpu_ns", .format = table_format_seconds },
	{ "memory", "memory_bytes", .format = table_format_size },
	{ "memory peak", "memory_peak_bytes", .format = table_format_size },
	{ "processes", "pids" },
	{ NULL },
};

static const struct table_column app_columns[] = {
	{ "APP", "name" },
	{ "STATE", "state" },
	{ "EXIT", "exit", .right = true },
	{ "PID", "pid", .right = true },
	{ "STARTED", "started", .format = table_format_age },
	{ "ENDED", "ended", .format = table_format_age },
	{ "OOM", "oom" },
	{ "ERROR", "error" },
	{ NULL },
};

static int print_text(json_t *row, struct error *err)
{
	json_t *apps = json_object_get(row, "apps"), *notes = json_object_get(row, "notes");
	int r = table_print_record(row, facts, err);

	if (r == 0 && json_object_get(row, "stats"))
		r = table_print_record(json_object_get(row, "stats"), stats, err);
	for (size_t i = 0; r == 0 && i < json_array_size(notes); i++) {
		char text[TABLE_CELL];
		const char *note = json_string_value(json_array_get(notes, i));

		str_escape(text, sizeof(text), note ? note : "");
		r = cli_print(err, "%-12s %s\n", "note", text);
	}
	if (r < 0 || json_array_size(apps) == 0)
		return r;
	r = cli_puts("\n", err);
	return r < 0 ? r
		     : table_print(json_incref(apps), app_columns, &(struct table_options){ 0 },
				   err);
}

static int status_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct status_options o = { 0 };
	struct cli_set set = { status_options, &o };
	char uuid[UUID_TEXT];
	json_t *row;
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 1, 1, err);
	if (r == 0)
		r = cli_pod_find(cli, args->argv[0], uuid, err);
	if (r == 0)
		r = pod_describe(cli, uuid, true, &row, err);
	if (r == -ENOENT)
		return CLI_MISSING;
	if (r != 0)
		return r;
	if (o.json)
		return cli_put_json(row, err);
	r = print_text(row, err);
	json_decref(row);
	return r;
}

const struct cli_verb verb_status = {
	.name = "status",
	.operands = "POD",
	.summary = "Tell everything about a pod",
	.tables = { { status_options } },
	.complete = CLI_COMPLETE_POD,
	.run = status_run,
};
