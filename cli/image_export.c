#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "cli/image.h"

struct export_options {
	bool overwrite;
};

static const struct cli_option export_options[] = {
	{ "overwrite", 0, NULL, "take the place of a file that exists", CLI_FLAG,
	  offsetof(struct export_options, overwrite) },
	{ NULL },
};

static int copy_all(int from, int to)
{
	for (;;) {
		ssize_t n = sendfile(to, from, NULL, 1 << 20);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return 0;
	}
}

/* Beside, then renamed or linked: an export that did not finish leaves no file of that name. */
static int write_out(int archive, const char *out, bool overwrite)
{
	char beside[LIMIT_PATH_BYTES];
	_close_ int fd = -1;
	int r;

	if (snprintf(beside, sizeof(beside), "%s.%d.part", out, getpid()) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	r = copy_all(archive, fd);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && (overwrite ? rename(beside, out) : link(beside, out)) < 0)
		r = -errno;
	unlink(beside);
	return r;
}

static int export_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct export_options o = { 0 };
	struct cli_set set = { export_options, &o };
	_store_ struct store *store = NULL;
	_close_ int archive = -1;
	char id[STORE_ID_TEXT];
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 2, 2, err);
	if (r == 0)
		r = image_store_open(cli, &store, err);
	if (r == 0)
		r = image_find(store, args->argv[0], id, err);
	if (r != 0)
		return r;
	archive = store_open_archive(store, id, err);
	if (archive < 0)
		return archive;
	if (str_eq(args->argv[1], "-"))
		r = copy_all(archive, STDOUT_FILENO);
	else
		r = write_out(archive, args->argv[1], o.overwrite);
	return r < 0 ? error_set(err, r, "cannot write %s", args->argv[1]) : 0;
}

const struct cli_verb verb_image_export = {
	.name = "export",
	.operands = "IMAGE FILE",
	.summary = "Write an image's archive, as it came, into a file (- for standard output)",
	.tables = { { export_options } },
	.complete = CLI_COMPLETE_IMAGE,
	.run = export_run,
};
