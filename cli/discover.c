#include <jansson.h>

#include "cli/network.h"
#include "cli/verbs.h"

struct discover_options {
	struct network_options network;
	bool json, keys;
};

static const struct cli_option discover_options[] = {
	{ "json", 0, NULL, "as JSON", CLI_FLAG, offsetof(struct discover_options, json) },
	{ "keys", 0, NULL, "look for the keys only", CLI_FLAG,
	  offsetof(struct discover_options, keys) },
	{ "insecure", 0, "http[:HOST[:PORT]]",
	  "try http where https brings no page, of the image's own host or HOST", CLI_LIST,
	  offsetof(struct discover_options, network.insecure) },
	{ NULL },
};

/* ---- as JSON --------------------------------------------------------------------------------- */

/* Servers may say what is no UTF-8; such bytes are shown as \xNN. */
static json_t *text_json(const char *text)
{
	char escaped[4 * LIMIT_URL_BYTES];
	json_t *ret;

	if (!text)
		return json_null();
	ret = json_string(text);
	if (ret)
		return ret;
	str_escape(escaped, sizeof(escaped), text);
	return json_string(escaped);
}

static json_t *attempts_json(const struct discovery *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->n_attempts; i++)
		json_array_append_new(list,
				      json_pack("{s:o, s:o}", "url", text_json(d->attempts[i].url),
						"outcome", text_json(d->attempts[i].outcome)));
	return list;
}

static json_t *endpoints_json(const struct discovery *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->n_endpoints; i++)
		json_array_append_new(list,
				      json_pack("{s:o, s:o}", "archive",
						text_json(d->endpoints[i].archive), "signature",
						text_json(d->endpoints[i].signature)));
	return list;
}

static json_t *keys_json(const struct discovery *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->n_keys; i++)
		json_array_append_new(list, text_json(d->keys[i]));
	return list;
}

static json_t *discovery_json(const char *name, const struct discovery *d)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "name", text_json(name), "attempts",
			 attempts_json(d), "endpoints", endpoints_json(d), "keys", keys_json(d),
			 "endpointsPage", text_json(d->endpoints_page), "keysPage",
			 text_json(d->keys_page), "overHttp", d->over_http);
}

/* ---- as text --------------------------------------------------------------------------------- */

static int print_line(const char *title, const char *text, const char *more, struct error *err)
{
	_free_ char *raw = str_printf("%s%s%s", text, more ? ": " : "", more ? more : "");
	char escaped[4 * LIMIT_URL_BYTES];

	if (!raw)
		return error_set(err, -ENOMEM, "out of memory");
	str_escape(escaped, sizeof(escaped), raw);
	return cli_print(err, "%-12s %s\n", title, escaped);
}

static int print_text(const struct discovery *d, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->n_attempts; i++)
		r = print_line("tried", d->attempts[i].url, d->attempts[i].outcome, err);
	for (size_t i = 0; r == 0 && i < d->n_endpoints; i++) {
		r = print_line("archive", d->endpoints[i].archive, NULL, err);
		if (r == 0)
			r = print_line("signature", d->endpoints[i].signature, NULL, err);
	}
	for (size_t i = 0; r == 0 && i < d->n_keys; i++)
		r = print_line("key", d->keys[i], NULL, err);
	return r;
}

/* ---- the verb -------------------------------------------------------------------------------- */

static int search(const struct cli *cli, const char *name, const struct discover_options *o,
		  const struct images_policy *policy, struct error *err)
{
	const struct images im = { .libexec = cli->libexec };
	_discovery_ struct discovery d = { 0 };
	int r = images_discover(&im, policy, name,
				DISCOVER_KEYS | (o->keys ? 0 : DISCOVER_ENDPOINTS), &d, err);

	if (r < 0)
		return r;
	r = o->json ? cli_put_json(discovery_json(name, &d), err) : print_text(&d, err);
	if (r != 0 || d.n_endpoints > 0 || d.n_keys > 0)
		return r;
	error_set(err, -ENOENT, "nothing was found for %s.", name);
	return CLI_MISSING;
}

static int policy_of(const struct cli *cli, const struct discover_options *o,
		     struct images_policy *ret, struct error *err)
{
	int r = network_policy(cli, &o->network, ret, err);

	if (r == 0 && ret->insecure_signature) {
		error_set(err, -EINVAL, "--insecure signature: no signature is looked at here.");
		r = CLI_USAGE;
	}
	return r;
}

static int discover_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	_network_policy_ struct images_policy policy = { 0 };
	struct discover_options o = { 0 };
	struct cli_set set = { discover_options, &o };
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 1, 1, err);
	if (r == 0)
		r = policy_of(cli, &o, &policy, err);
	if (r == 0)
		r = search(cli, args->argv[0], &o, &policy, err);
	cli_options_deinit(discover_options, &o);
	return r;
}

const struct cli_verb verb_discover = {
	.name = "discover",
	.operands = "NAME[:VERSION][,LABEL=VALUE]...",
	.summary = "Show where an image and its keys could be had",
	.tables = { { discover_options } },
	.run = discover_run,
};
