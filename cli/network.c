#include "cli/network.h"

#include <stdlib.h>
#include <string.h>

static int usage(struct error *err, const char *word)
{
	error_set(err, -EINVAL, "--insecure %s: it is one of signature, http and http:HOST[:PORT].",
		  word);
	return CLI_USAGE;
}

static enum images_pull pull_of(const char *word)
{
	if (word && str_eq(word, "always"))
		return IMAGES_PULL_ALWAYS;
	return word && str_eq(word, "never") ? IMAGES_PULL_NEVER : IMAGES_PULL_MISSING;
}

void network_policy_deinit(struct images_policy *p)
{
	free((void *)p->insecure_hosts);
	*p = (struct images_policy){ 0 };
}

int network_policy(const struct cli *cli, const struct network_options *o,
		   struct images_policy *ret, struct error *err)
{
	_network_policy_ struct images_policy p = {
		.pull = pull_of(o->pull),
		.config = cli->config,
		.config_given = cli->config_given,
		.trust = getenv("CAROB_TRUST"),
	};
	const char **hosts = calloc(o->insecure.n + 1, sizeof(*hosts));

	if (p.trust && !*p.trust)
		p.trust = NULL;
	if (!hosts)
		return error_set(err, -ENOMEM, "--insecure");
	p.insecure_hosts = hosts;
	for (size_t i = 0; i < o->insecure.n; i++) {
		const char *word = o->insecure.items[i];

		if (str_eq(word, "signature"))
			p.insecure_signature = true;
		else if (str_eq(word, "http"))
			p.insecure_http = true;
		else if (str_starts(word, "http:") && word[5])
			hosts[p.n_insecure_hosts++] = word + 5;
		else
			return usage(err, word);
	}
	*ret = p;
	p = (struct images_policy){ 0 };
	return 0;
}
