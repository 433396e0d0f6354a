#include "cli/image.h"

struct rm_options {
	bool force;
};

static const struct cli_option rm_options[] = {
	{ "force", 'f', NULL, "also pinned ones, and do not mind images that do not exist",
	  CLI_FLAG, offsetof(struct rm_options, force) },
	{ NULL },
};

static int rm_one(const struct images *im, const char *word, bool force, struct error *err)
{
	char id[STORE_ID_TEXT];
	int r = image_find(im->store, word, id, err);

	if (r == CLI_MISSING && force) {
		*err = (struct error){ 0 };
		return 0;
	}
	if (r == 0)
		r = force ? images_remove_pinned(im, id, err) : images_remove(im, id, err);
	return r == -EBUSY ? CLI_STATE : r;
}

static int rm_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct rm_options o = { 0 };
	struct cli_set set = { rm_options, &o };
	_images_ struct images im = { 0 };
	int result = 0, r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 1, SIZE_MAX, err);
	if (r == 0)
		r = cli_images_open(cli, &im, err);
	if (r != 0)
		return r;
	for (size_t i = 0; i < args->n; i++)
		result = cli_next_failure(result, rm_one(&im, args->argv[i], o.force, err), err);
	return result;
}

const struct cli_verb verb_image_rm = {
	.name = "rm",
	.operands = "IMAGE...",
	.summary = "Remove images from the store",
	.tables = { { rm_options } },
	.complete = CLI_COMPLETE_IMAGE,
	.run = rm_run,
};
