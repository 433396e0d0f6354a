#include <fcntl.h>

#include "cli/moctl/transfer.h"
#include "cli/moctl/verbs.h"

struct receive_options {
	struct cli_number size;
	const char *fs;
	bool writable, state, forget;
	struct transfer_options transfer;
};

const struct cli_option moctl_receive_options[] = {
	{ "size", 's', "SIZE", "of the volume to be made; default: as the sender's", CLI_SIZE,
	  offsetof(struct receive_options, size) },
	{ "fs", 0, "FS", "the file system of the volume to be made", CLI_STRING,
	  offsetof(struct receive_options, fs) },
	{ "writable", 0, NULL, "make a writable volume, and no snapshot", CLI_FLAG,
	  offsetof(struct receive_options, writable) },
	{ "state", 0, NULL, "only print the token with which a broken-off stream can go on",
	  CLI_FLAG, offsetof(struct receive_options, state) },
	{ "forget", 0, NULL, "only throw away what came of a broken-off stream", CLI_FLAG,
	  offsetof(struct receive_options, forget) },
	TRANSFER_OPTIONS(struct receive_options, transfer),
	{ NULL },
};

static int parse(struct cli_args *args, struct receive_options *o, struct error *err)
{
	int r = moctl_parse(&(struct moctl_syntax){ moctl_receive_options, 1, 2 }, o, args, err);

	if (r != 0)
		return r;
	if (o->state && o->forget)
		return moctl_usage(err, "either --state or --forget.");
	if ((o->state || o->forget) && (args->n > 1 || o->size.given || o->fs || o->writable))
		return moctl_usage(err, "with --state and --forget, nothing is received.");
	if (o->size.given && !o->size.value)
		return moctl_usage(err, "--size: a volume of no bytes is none.");
	return 0;
}

static int state(struct mosaic *m, const char *name, struct error *err)
{
	char token[MOSAIC_TOKEN_MAX];
	int r = mosaic_receive_state(m, name, token, err);

	if (r == MOSAIC_NO_STATE) {
		error_set(err, -ENOENT, "no stream for %s was broken off.", name);
		return MOCTL_MISSING;
	}
	return r < 0 ? r : cli_print(err, "%s\n", token);
}

static int receive(struct mosaic *m, const struct cli_args *args, const struct receive_options *o,
		   struct error *err)
{
	const char *name = args->argv[0];
	const char *file = args->n == 2 && !str_eq(args->argv[1], "-") ? args->argv[1] : NULL;
	_close_ int fd = -1;
	struct transfer t;
	struct mosaic_receive how = {
		.flags = o->writable ? MOSAIC_RECEIVE_WRITABLE : 0,
		.size = o->size.value,
		.fs = o->fs,
	};
	int r;

	if (!file && isatty(STDIN_FILENO))
		return moctl_usage(err,
				   "nobody types a stream: name a file, or take it from a pipe.");
	fd = file ? open(file, O_RDONLY | O_CLOEXEC) : -1;
	if (file && fd < 0)
		return error_set(err, -errno, "cannot open %s", file);
	how.progress = transfer_begin(&t, &o->transfer, name);
	r = mosaic_receive(m, name, &how, file ? fd : STDIN_FILENO, err);
	transfer_end(&t);
	return r;
}

static int receive_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	struct receive_options o = { 0 };
	_mosaic_ struct mosaic *m = NULL;
	int r = parse(args, &o, err);

	if (r == 0)
		r = o.state ? moctl_open(c, &m, err) : moctl_open_to_change(c, &m, err);
	if (r != 0)
		return r;
	if (o.state)
		r = state(m, args->argv[0], err);
	else if (o.forget)
		r = mosaic_receive_forget(m, args->argv[0], err);
	else
		r = receive(m, args, &o, err);
	if (r < 0)
		error_context(err, r, "receive", args->argv[0]);
	return r == -EBADMSG ? MOCTL_DAMAGED : r;
}

const struct moctl_verb moctl_verb_receive = {
	.name = "receive",
	.operands = "VOLUME [FILE|-]",
	.summary = "Make a volume of a stream from a file, or from standard input",
	.prose = "What came of a stream that broke off is kept, for one that is sent with --resume.",
	.tables = { { moctl_receive_options } },
	.complete = { CLI_COMPLETE_NONE, CLI_COMPLETE_FILE },
	.run = receive_run,
};
