/*
 * `carob trust add`: a key is shown before it is trusted, and a person says yes: on the terminal,
 * not on standard input, which may be the key.
 */
#include <fcntl.h>

#include "cli/network.h"
#include "cli/trust.h"

struct add_options {
	const char *prefix, *trust_dir;
	bool root, yes;
	struct network_options network;
};

static const struct cli_option add_options[] = {
	{ "prefix", 0, "NAME", "for images whose name is NAME or begins with NAME/", CLI_STRING,
	  offsetof(struct add_options, prefix) },
	{ "root", 0, NULL, "for images of any name", CLI_FLAG, offsetof(struct add_options, root) },
	{ "yes", 'y', NULL, "do not ask", CLI_FLAG, offsetof(struct add_options, yes) },
	CLI_TRUST_DIR_OPTION(struct add_options),
	{ "insecure", 0, "http[:HOST[:PORT]]",
	  "look for offered keys over http too, where HOST (the prefix's) has no https", CLI_LIST,
	  offsetof(struct add_options, network.insecure) },
	{ NULL },
};

/* What every file of keys goes through. */
struct adding {
	char dir[LIMIT_PATH_BYTES];
	const char *prefix; /* "": any name */
	bool yes;
};

/* All of a file, or of a pipe. */
static int read_source(const char *name, struct buf *ret, struct error *err)
{
	_close_ int own = str_eq(name, "-") ? -1 : open(name, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	int fd = str_eq(name, "-") ? STDIN_FILENO : own, r = 0;
	char block[16 << 10];
	ssize_t n = 1;

	if (fd < 0)
		return error_set(err, -errno, "cannot open %s", name);
	while (r == 0 && n > 0) {
		n = read_all(fd, block, sizeof(block));
		r = n < 0 ? (int)n : buf_add(ret, block, (size_t)n);
	}
	if (r == -E2BIG)
		return error_set(err, -EFBIG, "%s: more than %d bytes (LIMIT_KEY_BYTES)", name,
				 LIMIT_KEY_BYTES);
	return r < 0 ? error_set(err, r, "cannot read %s", name) : 0;
}

static int print_key(const struct trust_key *k, struct error *err)
{
	char expires[TIME_TEXT] = "never";
	int r;

	if (k->expires_s)
		time_format(expires, k->expires_s * 1000000000LL);
	r = cli_print(err, "%-12s %s\n%-12s %s\n%-12s %s\n", "key", k->fingerprint, "user", k->user,
		      "expires", expires);
	if (k->revoked || k->expired)
		cli_complain("warning: key %s %s: no signature by it will be accepted",
			     k->fingerprint, k->revoked ? "was revoked" : "has expired");
	return r;
}

/* Which of the keys are trusted for this prefix already, but not just so. */
static int print_known(const struct adding *a, const struct trust_key *k, struct error *err)
{
	_trust_keys_ struct trust_keys known = { 0 };
	int r = trust_list(a->dir, &known, err);

	for (size_t i = 0; r == 0 && i < known.n; i++) {
		const struct trust_key *old = &known.list[i];

		if (str_eq(old->fingerprint, k->fingerprint) && str_eq(old->prefix, a->prefix) &&
		    (old->len != k->len || memcmp(old->data, k->data, k->len) != 0))
			r = cli_print(err,
				      "%-12s another state of this key: only a newer one "
				      "takes its place\n",
				      "known");
	}
	return r;
}

/* 1: yes. */
static int ask(const struct adding *a, size_t n, struct error *err)
{
	_close_ int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC);
	char answer[16] = "";
	_free_ char *question = NULL;
	ssize_t len;
	int r;

	if (terminal < 0)
		return error_set(err, -ENOTTY,
				 "there is no terminal to ask on whether to trust %s: look at what "
				 "is shown, and say --yes.",
				 n == 1 ? "this key" : "these keys");
	question = str_printf("Trust %s for images %s%s? [y/N] ",
			      n == 1 ? "this key" : "these keys",
			      *a->prefix ? "of the name " : "of any name",
			      *a->prefix ? a->prefix : "");
	r = question ? write_all(terminal, question, strlen(question)) : -ENOMEM;
	if (r < 0)
		return error_set(err, r, "cannot ask");
	do
		len = read(terminal, answer, sizeof(answer) - 1);
	while (len < 0 && errno == EINTR);
	return len > 0 && (answer[0] == 'y' || answer[0] == 'Y');
}

/* One file of keys: shown, asked about, trusted. */
static int add_keys(const struct adding *a, const struct buf *data, struct error *err)
{
	_trust_keys_ struct trust_keys keys = { 0 }, added = { 0 };
	int r = trust_read_keys(data->data, data->len, &keys, err);

	for (size_t i = 0; r == 0 && i < keys.n; i++) {
		r = print_key(&keys.list[i], err);
		if (r == 0)
			r = print_known(a, &keys.list[i], err);
	}
	if (r == 0 && !a->yes) {
		r = ask(a, keys.n, err);
		if (r == 0)
			return error_set(err, -ECANCELED,
					 "the answer was not y: nothing was trusted.");
		r = r > 0 ? 0 : r;
	}
	if (r == 0)
		r = trust_add(a->dir, a->prefix, data->data, data->len, &added, err);
	for (size_t i = 0; r == 0 && i < added.n; i++)
		if (added.list[i].replaced)
			r = cli_print(err, "%-12s %s\n", "replaced", added.list[i].fingerprint);
	return r;
}

static int add_file(const struct adding *a, const char *name, struct error *err)
{
	_buf_ struct buf data = BUF_INIT(LIMIT_KEY_BYTES);
	int r = read_source(name, &data, err);

	if (r < 0)
		return r;
	r = data.len ? add_keys(a, &data, err)
		     : error_set(err, -EBADMSG, "there is no OpenPGP public key in it.");
	return r < 0 ? error_prefix(err, r, "%s", str_eq(name, "-") ? "standard input" : name) : 0;
}

/* Without a file: what the owner of the prefix offers. */
static int add_offered(const struct cli *cli, const struct adding *a,
		       const struct network_options *network, struct error *err)
{
	const struct images im = { .libexec = cli->libexec };
	_cleanup_(trust_offers_deinit) struct trust_offers offers = { 0 };
	_network_policy_ struct images_policy policy = { 0 };
	int result = 0, r = network_policy(cli, network, &policy, err);

	if (r == 0)
		r = trust_discover(&im, &policy, a->prefix, &offers, err);
	for (size_t i = 0; r == 0 && i < offers.n; i++) {
		const struct trust_offer *o = &offers.list[i];
		struct buf data = { .data = o->data, .len = o->len };
		int one = cli_print(err, "%-12s %s%s\n", "from", o->url,
				    o->over_http ? " (not over TLS)" : "");

		if (one == 0)
			one = add_keys(a, &data, err);
		if (one < 0)
			error_prefix(err, one, "%s", o->url);
		result = cli_next_failure(result, one, err);
	}
	return r ? r : result;
}

static int add_all(const struct cli *cli, const struct add_options *o, const struct cli_args *args,
		   struct error *err)
{
	struct adding adding = { .prefix = o->prefix ? o->prefix : "", .yes = o->yes };
	int result = 0, r = cli_trust_dir(cli, o->trust_dir, adding.dir, err);

	if (r < 0)
		return r;
	if (o->prefix && !appc_is_identifier(o->prefix))
		return error_set(err, -EINVAL,
				 "%s is no image name or beginning of one (like example.com/app).",
				 o->prefix);
	if (args->n == 0)
		return add_offered(cli, &adding, &o->network, err);
	for (size_t i = 0; i < args->n; i++)
		result = cli_next_failure(result, add_file(&adding, args->argv[i], err), err);
	return result;
}

static int add_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct add_options o = { 0 };
	struct cli_set set = { add_options, &o };
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 0, SIZE_MAX, err);
	if (r == 0 && !o.prefix == !o.root) {
		error_set(err, -EINVAL, "for which images: either --prefix or --root is needed.");
		r = CLI_USAGE;
	}
	if (r == 0 && args->n == 0 && !o.prefix) {
		error_set(err, -EINVAL, "keys for any name are offered nowhere: name a file.");
		r = CLI_USAGE;
	}
	if (r == 0)
		r = add_all(cli, &o, args, err);
	cli_options_deinit(add_options, &o);
	return r;
}

const struct cli_verb verb_trust_add = {
	.name = "add",
	.operands = "[FILE...]",
	.summary = "Trust keys, from files (-: standard input) or as offered, for a prefix of names",
	.tables = { { add_options } },
	.complete = CLI_COMPLETE_FILE,
	.run = add_run,
};
