#pragma once
/* The commands of `carob trust`, and what they share. */
#include "cli/cli.h"
#include "cli/table.h"

extern const struct cli_verb verb_trust_add, verb_trust_list, verb_trust_rm;

/* Where the trusted keys are: the option --trust-dir (NULL: not given), CAROB_TRUST, what
 * carob.yaml says, or /etc/carob/trust.d. */
int cli_trust_dir(const struct cli *cli, const char *option, char ret[LIMIT_PATH_BYTES],
		  struct error *err) _must_check_;

/* --trust-dir: a row for the table of a verb. */
#define CLI_TRUST_DIR_OPTION(type)                                                                \
	{                                                                                         \
		"trust-dir", 0, "DIR", "where the trusted keys are kept (CAROB_TRUST)",           \
			CLI_STRING, offsetof(type, trust_dir), .complete = CLI_COMPLETE_DIRECTORY \
	}

/* The format of a column: a prefix, or that it is any name. */
void cli_trust_format_rule(char dst[TABLE_CELL], const struct json_t *value);

/* Says on standard error what is in the directory and not used. */
void cli_trust_remarks(const struct trust_keys *keys);
