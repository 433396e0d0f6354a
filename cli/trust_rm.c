#include "cli/trust.h"

struct rm_options {
	const char *prefix, *trust_dir;
	bool root;
};

static const struct cli_option rm_options[] = {
	{ "prefix", 0, "NAME", "only for this prefix, as it was given to `trust add`", CLI_STRING,
	  offsetof(struct rm_options, prefix) },
	{ "root", 0, NULL, "only for images of any name", CLI_FLAG,
	  offsetof(struct rm_options, root) },
	CLI_TRUST_DIR_OPTION(struct rm_options),
	{ NULL },
};

static int rm_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct rm_options o = { 0 };
	struct cli_set set = { rm_options, &o };
	char dir[LIMIT_PATH_BYTES];
	unsigned n = 0;
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 1, 1, err);
	if (r == 0 && o.prefix && o.root) {
		error_set(err, -EINVAL, "--prefix and --root exclude each other.");
		return CLI_USAGE;
	}
	if (r == 0)
		r = cli_trust_dir(cli, o.trust_dir, dir, err);
	if (r == 0)
		r = trust_remove(dir, args->argv[0], o.root ? "" : o.prefix, &n, err);
	if (r != 0)
		return r == -ENOTUNIQ ? CLI_AMBIGUOUS : r;
	if (n > 0)
		return 0;
	error_set(err, -ENOENT, "key %s is not trusted for %s.", args->argv[0],
		  o.prefix ? o.prefix
		  : o.root ? "any name"
			   : "anything");
	return CLI_MISSING;
}

const struct cli_verb verb_trust_rm = {
	.name = "rm",
	.operands = "FINGERPRINT",
	.summary = "Trust a key no longer",
	.tables = { { rm_options } },
	.run = rm_run,
};
