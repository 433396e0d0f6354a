/* `moctl MOSAIC create`, `resize`, `drop`: volumes of their own. */
#include "cli/moctl/parse.h"
#include "cli/moctl/verbs.h"

struct create_options {
	struct cli_number size;
	const char *fs;
	bool raw;
};

const struct cli_option moctl_create_options[] = {
	{ "size", 's', "SIZE", "how much it holds: 512M, 10G; default: the driver's, or no limit",
	  CLI_SIZE, offsetof(struct create_options, size) },
	{ "fs", 0, "FS", "with this file system; default: the first that the mosaic has",
	  CLI_STRING, offsetof(struct create_options, fs) },
	{ "raw", 0, NULL, "without a file system: only a block device", CLI_FLAG,
	  offsetof(struct create_options, raw) },
	{ NULL },
};

static int create_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	struct create_options o = { 0 };
	_mosaic_ struct mosaic *m = NULL;
	struct mosaic_create how;
	int r = moctl_parse(&(struct moctl_syntax){ moctl_create_options, 1, 1 }, &o, args, err);

	if (r == 0 && o.raw && o.fs)
		return moctl_usage(err, "--raw means no file system, --fs means one.");
	if (r == 0 && o.size.given && !o.size.value)
		return moctl_usage(err, "--size: a volume of no bytes is none.");
	if (r == 0)
		r = moctl_open_to_change(c, &m, err);
	if (r != 0)
		return r;
	how = (struct mosaic_create){
		.size = o.size.value,
		.fs = o.fs,
		.flags = o.raw ? MOSAIC_CREATE_RAW : 0,
	};
	r = mosaic_create(m, args->argv[0], &how, err);
	return error_context(err, r, "create", args->argv[0]);
}

const struct moctl_verb moctl_verb_create = {
	.name = "create",
	.operands = "VOLUME",
	.summary = "Make an empty, writable volume",
	.tables = { { moctl_create_options } },
	.run = create_run,
};

/* ---- resize ---------------------------------------------------------------------------------- */

/* Options only before the operands: behind them "-1G" is a size. */
static int resize_parse(struct cli_args *args, struct moctl_size_change *ret, struct error *err)
{
	struct cli_set none = { moctl_no_options, NULL };
	int r = cli_parse_leading(&none, 1, args, err);

	if (r == 0 && args->n > 0 &&
	    (str_eq(args->argv[args->n - 1], "--help") || str_eq(args->argv[args->n - 1], "-h")))
		return CLI_HELP;
	if (r == 0)
		r = cli_want_operands(args, 2, 2, err);
	return r ? r : moctl_read_size_change(args->argv[1], ret, err);
}

static int resize(struct mosaic *m, const char *name, const struct moctl_size_change *change,
		  struct error *err)
{
	struct mosaic_volume v;
	uint64_t bytes;
	int r = mosaic_info(m, name, &v, err);

	if (r == 0)
		r = moctl_apply_size_change(change, v.size, &bytes, err);
	return r ? r : mosaic_resize(m, name, bytes, err);
}

static int resize_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	struct moctl_size_change change;
	_mosaic_ struct mosaic *m = NULL;
	int r = resize_parse(args, &change, err);

	if (r == 0)
		r = moctl_open_to_change(c, &m, err);
	if (r == 0)
		r = moctl_explain(c, args, resize(m, args->argv[0], &change, err), err);
	return r < 0 ? error_context(err, r, "resize", args->argv[0]) : r;
}

const struct moctl_verb moctl_verb_resize = {
	.name = "resize",
	.operands = "VOLUME [+|-]SIZE",
	.summary = "Change the size of a volume, or its quota",
	.prose = "With + or - by so much. Where sizes are quotas, none takes the quota away.",
	.complete = { CLI_COMPLETE_VOLUME },
	.run = resize_run,
};

/* ---- drop ------------------------------------------------------------------------------------ */

struct drop_options {
	bool ignore_missing;
};

const struct cli_option moctl_drop_options[] = {
	{ "ignore-missing", 0, NULL, "do not mind volumes that do not exist", CLI_FLAG,
	  offsetof(struct drop_options, ignore_missing) },
	{ NULL },
};

static int drop_one(const struct moctl *c, struct mosaic *m, const char *name, bool ignore_missing,
		    struct error *err)
{
	int r = ignore_missing ? 0 : moctl_need(m, name, err);

	if (r == 0)
		r = moctl_need_unused(c, name, err);
	if (r == 0)
		r = mosaic_drop(m, name, 0, err);
	return r ? error_context(err, r, "drop", name) : 0;
}

static int drop_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	struct drop_options o = { 0 };
	_mosaic_ struct mosaic *m = NULL;
	int result = 0;
	int r = moctl_parse(&(struct moctl_syntax){ moctl_drop_options, 1, SIZE_MAX }, &o, args,
			    err);

	if (r == 0)
		r = moctl_open_to_change(c, &m, err);
	if (r != 0)
		return r;
	/* all that can go, goes; the first failure is what is returned */
	for (size_t i = 0; i < args->n; i++) {
		r = drop_one(c, m, args->argv[i], o.ignore_missing, err);
		result = moctl_next_failure(result, r, err);
	}
	return result;
}

const struct moctl_verb moctl_verb_drop = {
	.name = "drop",
	.operands = "VOLUME...",
	.summary = "Remove volumes that nobody uses",
	.tables = { { moctl_drop_options } },
	.complete = { CLI_COMPLETE_VOLUME },
	.more = true,
	.run = drop_run,
};
