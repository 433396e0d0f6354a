/* `moctl MOSAIC clone`, `snapshot`, `rollback`: volumes of others. As with cp, first the one that
 * is there. */
#include "cli/moctl/transfer.h"
#include "cli/moctl/verbs.h"

const struct cli_option moctl_copy_options[] = {
	{ "progress", 0, "auto|bar|plain|json|none",
	  "how the progress of a long copy is shown; default: bars on a terminal, else nothing",
	  CLI_CHOICE, offsetof(struct transfer_options, progress) },
	{ "quiet", 'q', NULL, "show no progress", CLI_FLAG,
	  offsetof(struct transfer_options, quiet) },
	{ NULL },
};

static int clone_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	struct transfer_options o = { 0 };
	_mosaic_ struct mosaic *m = NULL;
	struct transfer t;
	int r = moctl_parse(&(struct moctl_syntax){ moctl_copy_options, 2, 2 }, &o, args, err);

	if (r == 0)
		r = moctl_open_to_change(c, &m, err);
	if (r != 0)
		return r;
	transfer_begin_copy(&t, &o, args->argv[1]);
	r = mosaic_clone(m, args->argv[1], args->argv[0], err);
	transfer_end_copy(&t);
	if (r == 0)
		r = mosaic_sync(m, err); /* who typed this wants it to be there tomorrow */
	return error_context(err, moctl_explain(c, args, r, err), "clone", args->argv[0]);
}

const struct moctl_verb moctl_verb_clone = {
	.name = "clone",
	.operands = "VOLUME NEW",
	.summary = "Make a writable copy of a volume",
	.complete = { CLI_COMPLETE_VOLUME },
	.tables = { { moctl_copy_options } },
	.run = clone_run,
};

/* ---- snapshot -------------------------------------------------------------------------------- */

/* What the driver cannot take while it is written to, the host's users can stand still for. */
static int snapshot(const struct moctl *c, struct mosaic *m, const struct mosaic_pair *pairs,
		    size_t n, struct error *err)
{
	struct error why = { 0 };
	int r = n == 1 ? mosaic_snapshot(m, pairs->name, pairs->from, &why)
		       : mosaic_snapshot_set(m, pairs, n, NULL, &why);

	if (r == -EBUSY && c->host)
		return c->host->snapshot(c, m, pairs, n, err);
	if (r < 0)
		*err = why;
	return r;
}

static int snapshot_all(const struct moctl *c, struct mosaic *m, const struct cli_args *args,
			struct error *err)
{
	size_t n = args->n / 2;
	_free_ struct mosaic_pair *pairs = calloc(n, sizeof(*pairs));

	if (!pairs)
		return error_set(err, -ENOMEM, "cannot make the snapshots");
	for (size_t i = 0; i < n; i++)
		pairs[i] = (struct mosaic_pair){ .from = args->argv[2 * i],
						 .name = args->argv[2 * i + 1] };
	return snapshot(c, m, pairs, n, err);
}

static int snapshot_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	struct transfer_options o = { 0 };
	_mosaic_ struct mosaic *m = NULL;
	struct transfer t;
	int r = moctl_parse(&(struct moctl_syntax){ moctl_copy_options, 2, SIZE_MAX }, &o, args,
			    err);

	if (r == 0 && args->n % 2)
		return moctl_usage(err, "%s needs the name of its snapshot.",
				   args->argv[args->n - 1]);
	if (r == 0)
		r = moctl_open_to_change(c, &m, err);
	if (r != 0)
		return r;
	transfer_begin_copy(&t, &o, args->argv[1]);
	r = snapshot_all(c, m, args, err);
	transfer_end_copy(&t);
	return error_context(err, r, "snapshot", args->n == 2 ? args->argv[0] : NULL);
}

const struct moctl_verb moctl_verb_snapshot = {
	.name = "snapshot",
	.operands = "VOLUME SNAPSHOT [VOLUME SNAPSHOT]...",
	.summary = "Make a read-only copy of a volume, or of several at one instant",
	.prose = "Of several, all snapshots are made or none.",
	.complete = { CLI_COMPLETE_VOLUME },
	.tables = { { moctl_copy_options } },
	.run = snapshot_run,
};

/* ---- rollback -------------------------------------------------------------------------------- */

static int rollback_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	struct transfer_options o = { 0 };
	_mosaic_ struct mosaic *m = NULL;
	struct transfer t;
	int r = moctl_parse(&(struct moctl_syntax){ moctl_copy_options, 2, 2 }, &o, args, err);

	if (r == 0)
		r = moctl_open_to_change(c, &m, err);
	if (r != 0)
		return r;
	transfer_begin_copy(&t, &o, args->argv[0]);
	r = mosaic_rollback(m, args->argv[0], args->argv[1], err);
	transfer_end_copy(&t);
	return error_context(err, moctl_explain(c, args, r, err), "rollback", args->argv[0]);
}

const struct moctl_verb moctl_verb_rollback = {
	.name = "rollback",
	.operands = "VOLUME SNAPSHOT",
	.summary = "Give a volume the content of a snapshot again; what it had is gone",
	.complete = { CLI_COMPLETE_VOLUME, CLI_COMPLETE_VOLUME },
	.tables = { { moctl_copy_options } },
	.run = rollback_run,
};
