#include "cli/image.h"
#include "cli/interrupt.h"
#include "cli/progress.h"

struct import_options {
	bool quiet;
};

static const struct cli_option import_options[] = {
	{ "quiet", 'q', NULL, "say nothing but the image IDs, also on a terminal", CLI_FLAG,
	  offsetof(struct import_options, quiet) },
	{ NULL },
};

static int import_one(const struct images *im, const char *path, bool quiet, struct error *err)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	struct progress bar;
	const struct images_progress report = progress_begin(&bar, PROGRESS_AUTO);
	char id[STORE_ID_TEXT];
	int r = interrupt_check(err);

	if (r != 0)
		return r;
	r = images_import(im, path, id, &faults, quiet ? NULL : &report, err);
	progress_end(&bar);
	if (image_put_faults(path, &faults, STDERR_FILENO) < 0 && r >= 0)
		r = error_set(err, -EIO, "cannot write to standard error");
	if (r < 0)
		return error_context(err, r, "import", path);
	return cli_print(err, "%s\n", id);
}

static int import_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct import_options o = { 0 };
	struct cli_set set = { import_options, &o };
	_images_ struct images im = { 0 };
	int result = 0, r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 1, SIZE_MAX, err);
	if (r == 0 && interrupt_begin() < 0)
		r = error_set(err, -errno, "cannot catch signals");
	if (r == 0)
		r = cli_images_open(cli, &im, err);
	if (r != 0)
		return r;
	for (size_t i = 0; i < args->n; i++)
		result = cli_next_failure(result, import_one(&im, args->argv[i], o.quiet, err),
					  err);
	/* what was complete before the signal came is complete */
	r = result ? interrupt_check(err) : 0;
	return r ? r : result;
}

const struct cli_verb verb_image_import = {
	.name = "import",
	.operands = "FILE...",
	.summary = "Bring image archives or image directories into the store and print their IDs",
	.tables = { { import_options } },
	.complete = CLI_COMPLETE_FILE,
	.run = import_run,
};
