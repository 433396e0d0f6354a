/* `moctl MOSAIC attach`, `detach`: volumes as block devices. */
#include "cli/moctl/verbs.h"

struct attach_options {
	bool read_only;
};

static const struct cli_option attach_options[] = {
	{ "read-only", 0, NULL, "nobody can write to it", CLI_FLAG,
	  offsetof(struct attach_options, read_only) },
	{ NULL },
};

static int attach_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	struct attach_options o = { 0 };
	_mosaic_ struct mosaic *m = NULL;
	char device[MOSAIC_DEVICE_MAX];
	unsigned flags;
	int r = moctl_parse(&(struct moctl_syntax){ attach_options, 1, 1 }, &o, args, err);

	if (r == 0)
		r = moctl_open_to_change(c, &m, err);
	if (r != 0)
		return r;
	flags = MOSAIC_ATTACH_KEEP | (o.read_only ? MOSAIC_ATTACH_READONLY : 0);
	r = mosaic_attach(m, args->argv[0], flags, device, err);
	return r < 0 ? error_context(err, r, "attach", args->argv[0])
		     : cli_print(err, "%s\n", device);
}

const struct moctl_verb moctl_verb_attach = {
	.name = "attach",
	.operands = "VOLUME",
	.summary = "Bring a volume up as a block device and print the device",
	.prose = "It stays up until it is detached as often as it was attached, or the next boot.",
	.tables = { { attach_options } },
	.complete = { CLI_COMPLETE_VOLUME },
	.run = attach_run,
};

static int detach_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	_mosaic_ struct mosaic *m = NULL;
	int r = moctl_parse(&(struct moctl_syntax){ moctl_no_options, 1, 1 }, NULL, args, err);

	if (r == 0)
		r = moctl_open_to_change(c, &m, err);
	if (r != 0)
		return r;
	r = mosaic_detach(m, args->argv[0], err);
	return error_context(err, r, "detach", args->argv[0]);
}

const struct moctl_verb moctl_verb_detach = {
	.name = "detach",
	.operands = "VOLUME",
	.summary = "Undo an attach; the last one takes the block device down",
	.complete = { CLI_COMPLETE_VOLUME },
	.run = detach_run,
};
