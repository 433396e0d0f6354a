/* What most verbs begin with: finding a pod, opening the store. */
#include "cli/cli.h"

int cli_pod_find(const struct cli *cli, const char *word, char ret_uuid[UUID_TEXT],
		 struct error *err)
{
	int r = pod_find(&cli->dirs, word, ret_uuid, err);

	return r == POD_MISSING ? CLI_MISSING : r == POD_AMBIGUOUS ? CLI_AMBIGUOUS : r;
}

int cli_pod_open(const struct cli *cli, const char *word, char ret_uuid[UUID_TEXT], int *ret_fd,
		 struct error *err)
{
	int fd, r = cli_pod_find(cli, word, ret_uuid, err);

	if (r != 0)
		return r;
	fd = pod_open(&cli->dirs, ret_uuid, err);
	if (fd == -ENOENT)
		return CLI_MISSING; /* gone between two looks */
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

/* The usual case, first: everything is there. */
static int images_open(const struct cli *cli, bool create, struct images *ret, struct error *err)
{
	_images_ struct images im = { .libexec = cli->libexec, .pods = &cli->dirs };
	char path[LIMIT_PATH_BYTES];
	int r;

	snprintf(path, sizeof(path), "%s/store", cli->dirs.root);
	r = store_open(&im.store, path, create, err);
	if (r == 0)
		r = cli_mosaic_open(cli, NULL, create ? MOSAIC_OPEN_CREATE : 0, &im.mosaic, err);
	if (r < 0)
		return r;
	*ret = im;
	im = (struct images){ 0 };
	return 0;
}

int cli_images_open(const struct cli *cli, struct images *ret, struct error *err)
{
	int r = images_open(cli, false, ret, err);

	if (r != -ENOENT)
		return r;
	*err = (struct error){ 0 };
	r = make_dirs(cli->dirs.root, 0700); /* root file systems hold set-user-ID programs */
	return r < 0 ? error_set(err, r, "cannot make %s", cli->dirs.root)
		     : images_open(cli, true, ret, err);
}

void cli_images_close(struct images *im)
{
	store_close(im->store);
	mosaic_close(im->mosaic);
	*im = (struct images){ 0 };
}

int cli_next_failure(int before, int now, struct error *err)
{
	char text[1024];

	if (now == 0)
		return before;
	if (err->code) {
		error_format(err, text, sizeof(text));
		cli_complain("%s", text);
		*err = (struct error){ 0 };
	}
	return before ? before : now < 0 ? CLI_FAILED : now;
}

int cli_not_started(int code)
{
	return code == CLI_FAILED || code == CLI_MISSING || code == CLI_AMBIGUOUS ||
			       code == CLI_STATE
		       ? CLI_NOT_STARTED
		       : code;
}

int cli_fault_error(const struct appc_faults *faults, int code, const char *what, struct error *err)
{
	for (size_t i = 0; i < faults->n; i++) {
		const struct appc_fault *f = &faults->list[i];

		if (!f->warning)
			return error_set(err, code, "%s: %s%s%s.", what, f->path,
					 *f->path ? ": " : "", f->text);
	}
	return error_set(err, code, "%s", what);
}
