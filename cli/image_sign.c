#include "cli/image.h"

struct sign_options {
	const char *key, *output;
	bool overwrite;
};

static const struct cli_option sign_options[] = {
	{ "key", 0, "KEY", "sign with this key of yours, as gpg --local-user takes it", CLI_STRING,
	  offsetof(struct sign_options, key) },
	{ "output", 0, "FILE", "where the signature goes (FILE.asc)", CLI_STRING,
	  offsetof(struct sign_options, output), .complete = CLI_COMPLETE_FILE },
	{ "overwrite", 0, NULL, "take the place of a file that exists", CLI_FLAG,
	  offsetof(struct sign_options, overwrite) },
	{ NULL },
};

static int sign_run(_unused_ const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct sign_options o = { 0 };
	struct cli_set set = { sign_options, &o };
	_free_ char *beside = NULL;
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 1, 1, err);
	if (r != 0)
		return r;
	beside = str_printf("%s.asc", args->argv[0]);
	if (!beside)
		return error_set(err, -ENOMEM, "out of memory");
	return trust_sign(args->argv[0], o.output ? o.output : beside, o.key, o.overwrite, err);
}

const struct cli_verb verb_image_sign = {
	.name = "sign",
	.operands = "FILE",
	.summary = "Sign an image archive with a key of your own (gpg)",
	.tables = { { sign_options } },
	.complete = CLI_COMPLETE_FILE,
	.run = sign_run,
};
