#include "cli/image.h"
#include "cli/progress.h"

struct build_options {
	const char *rootfs, *manifest, *compression;
	bool overwrite;
};

static const struct cli_option build_options[] = {
	{ "rootfs", 0, "DIR", "the root file system", CLI_STRING,
	  offsetof(struct build_options, rootfs), .complete = CLI_COMPLETE_DIRECTORY },
	{ "manifest", 0, "FILE", "the image manifest", CLI_STRING,
	  offsetof(struct build_options, manifest), .complete = CLI_COMPLETE_FILE },
	{ "compression", 0, "none|gzip|bzip2|xz", "of the archive; default: gzip", CLI_CHOICE,
	  offsetof(struct build_options, compression) },
	{ "overwrite", 0, NULL, "take the place of a file that exists", CLI_FLAG,
	  offsetof(struct build_options, overwrite) },
	{ NULL },
};

static int build_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct build_options o = { .compression = "gzip" };
	struct cli_set set = { build_options, &o };
	const struct images im = { .libexec = cli->libexec };
	struct images_progress report;
	struct images_recipe recipe;
	struct progress bar;
	char id[STORE_ID_TEXT];
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 1, 1, err);
	if (r == 0 && (!o.rootfs || !o.manifest)) {
		error_set(err, -EINVAL, "--rootfs and --manifest are both needed.");
		r = CLI_USAGE;
	}
	if (r != 0)
		return r;
	report = progress_begin(&bar, PROGRESS_AUTO);
	recipe = (struct images_recipe){ .rootfs = o.rootfs,
					 .manifest = o.manifest,
					 .out = args->argv[0],
					 .compression = o.compression,
					 .overwrite = o.overwrite };
	r = images_build(&im, &recipe, id, &report, err);
	progress_end(&bar);
	return r ? r : cli_print(err, "%s\n", id);
}

const struct cli_verb verb_image_build = {
	.name = "build",
	.operands = "FILE.aci",
	.summary = "Make an image archive from a directory and a manifest, and print its ID",
	.tables = { { build_options } },
	.complete = CLI_COMPLETE_FILE,
	.run = build_run,
};
