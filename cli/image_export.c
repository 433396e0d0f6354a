#include <fcntl.h>

#include "cli/image.h"
#include "cli/progress.h"

struct export_options {
	bool overwrite;
	const char *compression;
};

static const struct cli_option export_options[] = {
	{ "overwrite", 0, NULL, "take the place of a file that exists", CLI_FLAG,
	  offsetof(struct export_options, overwrite) },
	{ "compression", 0, "none|gzip|bzip2|xz",
	  "of an archive that has to be made; default: gzip", CLI_CHOICE,
	  offsetof(struct export_options, compression) },
	{ NULL },
};

struct export
{
	const struct images *im;
	const char *id, *compression;
	const struct images_progress *progress;
};

static int write_to(const struct export *x, int fd, struct error *err)
{
	return images_export(x->im, x->id, fd, x->compression, x->progress, err);
}

/* Beside, then renamed or linked: an export that did not finish leaves no file of that name. */
static int write_file(const struct export *x, const char *out, bool overwrite, struct error *err)
{
	char beside[LIMIT_PATH_BYTES];
	_close_ int fd = -1;
	int r;

	if (snprintf(beside, sizeof(beside), "%s.%d.part", out, getpid()) >= (int)sizeof(beside))
		return error_set(err, -ENAMETOOLONG, "cannot write %s", out);
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return error_set(err, -errno, "cannot write %s", out);
	r = write_to(x, fd, err);
	if (r == 0 && fsync(fd) < 0)
		r = error_set(err, -errno, "cannot write %s", out);
	if (r == 0 && (overwrite ? rename(beside, out) : link(beside, out)) < 0)
		r = error_set(err, -errno, "cannot write %s", out);
	unlink(beside);
	return r;
}

static int export_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct export_options o = { .compression = "gzip" };
	struct cli_set set = { export_options, &o };
	_images_ struct images im = { 0 };
	struct images_progress report;
	struct progress bar;
	char id[STORE_ID_TEXT];
	struct export x = { .im = &im, .id = id };
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 2, 2, err);
	if (r == 0)
		r = cli_images_open(cli, &im, err);
	if (r == 0)
		r = image_find(im.store, args->argv[0], id, err);
	if (r != 0)
		return r;
	report = progress_begin(&bar, PROGRESS_AUTO);
	x.compression = o.compression;
	x.progress = &report;
	r = str_eq(args->argv[1], "-") ? write_to(&x, STDOUT_FILENO, err)
				       : write_file(&x, args->argv[1], o.overwrite, err);
	progress_end(&bar);
	return r;
}

const struct cli_verb verb_image_export = {
	.name = "export",
	.operands = "IMAGE FILE",
	.summary = "Write an image's archive, as it came, into a file (- for standard output)",
	.tables = { { export_options } },
	.complete = CLI_COMPLETE_IMAGE,
	.run = export_run,
};
