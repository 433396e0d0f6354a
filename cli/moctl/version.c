#include <jansson.h>

#include "cli/moctl/verbs.h"

struct version_options {
	bool json;
};

static const struct cli_option version_options[] = {
	{ "json", 0, NULL, "as JSON", CLI_FLAG, offsetof(struct version_options, json) },
	{ NULL },
};

static int version_run(_unused_ const struct moctl *c, struct cli_args *args, struct error *err)
{
	struct version_options o = { 0 };
	int r = moctl_parse(&(struct moctl_syntax){ version_options, 0, 0 }, &o, args, err);

	if (r != 0)
		return r;
	if (o.json)
		return cli_put_json(json_pack("{s:s}", "moctl", CAROB_VERSION), err);
	return cli_puts("moctl " CAROB_VERSION "\n", err);
}

const struct moctl_verb moctl_verb_version = {
	.name = "version",
	.summary = "Print the version of moctl and its library",
	.tables = { { version_options } },
	.run = version_run,
};
