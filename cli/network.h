#pragma once
/* The options of every verb that may fetch images, and what they mean. */
#include "cli/cli.h"

struct network_options {
	const char *pull;
	struct cli_list insecure;
};

#define PULL_HELP "fetch images that the store does not have (default), all, or none"
#define INSECURE_HELP \
	"take images without a good signature, or over http from their own host or HOST"

#define PULL_OPTION(at)                                                        \
	{                                                                      \
		"pull", 0, "missing|always|never", PULL_HELP, CLI_CHOICE, (at) \
	}
#define INSECURE_OPTION(at)                                                                  \
	{                                                                                    \
		"insecure", 0, "signature|http[:HOST[:PORT]]", INSECURE_HELP, CLI_LIST, (at) \
	}

/* Rows for a table whose struct has a struct network_options at offset base. */
#define NETWORK_OPTIONS(base)                                         \
	PULL_OPTION((base) + offsetof(struct network_options, pull)), \
		INSECURE_OPTION((base) + offsetof(struct network_options, insecure))

/* The options as a policy, whose list of hosts goes with network_policy_deinit(). 0, an error, or
 * CLI_USAGE. */
int network_policy(const struct cli *cli, const struct network_options *o,
		   struct images_policy *ret, struct error *err) _must_check_;
void network_policy_deinit(struct images_policy *p);
#define _network_policy_ _cleanup_(network_policy_deinit)
