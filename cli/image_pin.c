#include "cli/image.h"

static const struct cli_option pin_options[] = { { NULL } };

/* Nothing but the store: this works where no mosaic is, and on a full disk. */
static int pin_all(const struct cli *cli, struct cli_args *args, bool pinned, struct error *err)
{
	struct cli_set set = { pin_options, NULL };
	_store_ struct store *store = NULL;
	int result = 0, r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 1, SIZE_MAX, err);
	if (r == 0)
		r = image_store_open(cli, &store, err);
	if (r != 0)
		return r;
	for (size_t i = 0; i < args->n; i++) {
		char id[STORE_ID_TEXT];

		r = image_find(store, args->argv[i], id, err);
		if (r == 0)
			r = store_pin(store, id, pinned, err);
		if (r == STORE_MISSING) {
			error_set(err, -ENOENT, "there is no image %s any more.", args->argv[i]);
			r = CLI_MISSING;
		}
		result = cli_next_failure(result, r, err);
	}
	return result;
}

static int pin_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	return pin_all(cli, args, true, err);
}

static int unpin_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	return pin_all(cli, args, false, err);
}

const struct cli_verb verb_image_pin = {
	.name = "pin",
	.operands = "IMAGE...",
	.summary = "Keep images: neither gc nor rm without --force removes them",
	.complete = CLI_COMPLETE_IMAGE,
	.run = pin_run,
};

const struct cli_verb verb_image_unpin = {
	.name = "unpin",
	.operands = "IMAGE...",
	.summary = "Keep images no longer",
	.complete = CLI_COMPLETE_IMAGE,
	.run = unpin_run,
};
