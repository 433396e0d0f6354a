#include "cli/cli.h"
#include "cli/verbs.h"

#include <jansson.h>

struct version_options {
	bool json;
};

static const struct cli_option version_options[] = {
	{ "json", 0, NULL, "as JSON", CLI_FLAG, offsetof(struct version_options, json) },
	{ NULL },
};

static int version_run(_unused_ const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct version_options o = { 0 };
	struct cli_set set = { version_options, &o };
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 0, 0, err);
	if (r != 0)
		return r;
	if (o.json)
		return cli_put_json(json_pack("{s:s, s:s}", "carob", CAROB_VERSION, "appc",
					      APPC_VERSION),
				    err);
	return cli_puts("carob " CAROB_VERSION "\nappc " APPC_VERSION "\n", err);
}

const struct cli_verb verb_version = {
	.name = "version",
	.summary = "Print the versions of carob and of the App Container specification",
	.tables = { { version_options } },
	.run = version_run,
};
