#include "cli/trust.h"

#include <jansson.h>

#include "cli/verbs.h"

int cli_trust_dir(const struct cli *cli, const char *option, char ret[LIMIT_PATH_BYTES],
		  struct error *err)
{
	const char *dir = option ? option : getenv("CAROB_TRUST");
	const struct images_policy policy = {
		.config = cli->config,
		.config_given = cli->config_given,
		.trust = dir && *dir ? dir : NULL,
	};

	if (option && !*option)
		return error_set(err, -EINVAL, "--trust-dir needs the name of a directory.");
	return images_trust_dir(&policy, ret, err);
}

void cli_trust_format_rule(char dst[TABLE_CELL], const struct json_t *value)
{
	const char *prefix = json_string_value(value);

	snprintf(dst, TABLE_CELL, "%s", prefix && *prefix ? prefix : "(any name)");
}

void cli_trust_remarks(const struct trust_keys *keys)
{
	for (size_t i = 0; i < keys->n_remarks; i++)
		cli_complain("warning: %s", keys->remarks[i]);
}

static const struct cli_verb *const trust_verbs[] = {
	&verb_trust_add,
	&verb_trust_list,
	&verb_trust_rm,
	NULL,
};

const struct cli_verb verb_trust = {
	.name = "trust",
	.summary = "Say whose signatures images may have",
	.verbs = trust_verbs,
};
