#pragma once
/* The options of every verb that may fetch images, and what they mean. */
#include "cli/cli.h"

struct network_options {
	const char *pull;
	struct cli_list insecure;
};

/* Rows for a table whose struct has a struct network_options at offset base. */
#define NETWORK_OPTIONS(base)                                                                             \
	{ "pull",                                                                                         \
	  0,                                                                                              \
	  "missing|always|never",                                                                         \
	  "fetch images that the store does not have (default), all, or none",                            \
	  CLI_CHOICE,                                                                                     \
	  (base) + offsetof(struct network_options, pull) },                                              \
	{                                                                                                 \
		"insecure", 0, "signature|http[:HOST[:PORT]]",                                            \
			"take images without a good signature, or over http from their own host or HOST", \
			CLI_LIST, (base) + offsetof(struct network_options, insecure)                     \
	}

/* The options as a policy, whose list of hosts goes with network_policy_deinit(). 0 or CLI_USAGE. */
int network_policy(const struct cli *cli, const struct network_options *o,
		   struct images_policy *ret, struct error *err) _must_check_;
void network_policy_deinit(struct images_policy *p);
#define _network_policy_ _cleanup_(network_policy_deinit)
