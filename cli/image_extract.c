/* `carob image extract` and `carob image render`: images as directories. */
#include "cli/image.h"
#include "cli/interrupt.h"
#include "cli/progress.h"

struct extract_options {
	bool rootfs_only, overwrite;
};

static const struct cli_option extract_options[] = {
	{ "rootfs-only", 0, NULL, "only what is in the root file system, without the manifest",
	  CLI_FLAG, offsetof(struct extract_options, rootfs_only) },
	{ "overwrite", 0, NULL, "take the place of a directory that is not empty", CLI_FLAG,
	  offsetof(struct extract_options, overwrite) },
	{ NULL },
};

static int extract(const struct cli *cli, struct cli_args *args, bool rendered, struct error *err)
{
	struct extract_options o = { 0 };
	struct cli_set set = { extract_options, &o };
	_images_ struct images im = { 0 };
	struct images_extraction x = { .rendered = rendered, .interrupted = interrupt_check };
	struct images_progress report;
	struct progress bar;
	char id[STORE_ID_TEXT];
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 2, 2, err);
	if (r == 0 && interrupt_begin() < 0)
		r = error_set(err, -errno, "cannot catch signals");
	if (r == 0)
		r = cli_images_open(cli, &im, err);
	if (r == 0)
		r = image_find(im.store, args->argv[0], id, err);
	if (r != 0)
		return r;
	x.out = args->argv[1];
	x.rootfs_only = o.rootfs_only;
	x.overwrite = o.overwrite;
	report = progress_begin(&bar, PROGRESS_AUTO);
	r = images_extract(&im, id, &x, &report, err);
	progress_end(&bar);
	return r;
}

static int extract_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	return extract(cli, args, false, err);
}

static int render_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	return extract(cli, args, true, err);
}

const struct cli_verb verb_image_extract = {
	.name = "extract",
	.operands = "IMAGE DIR",
	.summary = "Copy an image's manifest and root file system into a directory",
	.tables = { { extract_options } },
	.complete = CLI_COMPLETE_IMAGE,
	.run = extract_run,
};

const struct cli_verb verb_image_render = {
	.name = "render",
	.operands = "IMAGE DIR",
	.summary = "The same with all that the image depends on: what an app sees",
	.tables = { { extract_options } },
	.complete = CLI_COMPLETE_IMAGE,
	.run = render_run,
};
