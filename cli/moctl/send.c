#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/moctl/interrupted.h"
#include "cli/moctl/transfer.h"
#include "cli/moctl/verbs.h"

struct send_options {
	const char *since, *resume;
	bool portable, overwrite;
	struct transfer_options transfer;
};

const struct cli_option moctl_send_options[] = {
	{ "since", 0, "SNAPSHOT", "only what changed since this one, which the receiver has",
	  CLI_STRING, offsetof(struct send_options, since), .complete = CLI_COMPLETE_VOLUME },
	{ "resume", 0, "TOKEN", "go on where a stream broke off: `receive --state` has the token",
	  CLI_STRING, offsetof(struct send_options, resume) },
	{ "portable", 0, NULL,
	  "the stream that every driver reads, though this one (btrfs) has its own", CLI_FLAG,
	  offsetof(struct send_options, portable) },
	{ "overwrite", 0, NULL, "take the place of a file that exists", CLI_FLAG,
	  offsetof(struct send_options, overwrite) },
	TRANSFER_OPTIONS(struct send_options, transfer),
	{ NULL },
};

struct sending {
	const struct moctl *c;
	struct mosaic *m;
	const char *name, *file;
	const struct send_options *o;
};

static int send_to(const struct sending *s, int fd, struct error *err)
{
	struct transfer t;
	struct mosaic_send how = {
		.since = s->o->since,
		.resume = s->o->resume,
		.flags = s->o->portable ? MOSAIC_SEND_PORTABLE : 0,
		.progress = transfer_begin(&t, &s->o->transfer, s->name),
	};
	int r = mosaic_send(s->m, s->name, &how, fd, err);

	transfer_end(&t);
	return r;
}

/* A file without a name where the file system has such, so that nothing stays of one who is killed;
 * else, or to take the place of another, one beside. 1: it has no name. */
static int open_beside(const char *beside, int *ret_fd)
{
	char dir[LIMIT_PATH_BYTES];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", beside);
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir ? 1 : 0] = '\0';
	*ret_fd = open(slash ? dir : ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
	if (*ret_fd >= 0)
		return 1;
	*ret_fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return *ret_fd < 0 ? -errno : 0;
}

/* Gives the whole stream its name. */
static int name_it(const struct sending *s, const char *beside, int unnamed_fd)
{
	const char *to = s->o->overwrite ? beside : s->file;
	char fd[64];

	if (unnamed_fd >= 0) {
		snprintf(fd, sizeof(fd), "/proc/self/fd/%d", unnamed_fd);
		if (linkat(AT_FDCWD, fd, AT_FDCWD, to, AT_SYMLINK_FOLLOW) < 0)
			return -errno;
		if (!s->o->overwrite)
			return 0;
	}
	return (s->o->overwrite ? rename(beside, s->file) : link(beside, s->file)) < 0 ? -errno : 0;
}

/* Beside, then renamed or linked: a stream that is not whole gets no name. */
static int send_to_new(const struct sending *s, const char *beside, struct error *err)
{
	_close_ int fd = -1;
	int r, unnamed = open_beside(beside, &fd);

	if (unnamed < 0)
		return error_set(err, unnamed, "cannot write %s", s->file);
	r = interrupted_begin(s->c->mosaic, beside);
	if (r == 0)
		r = send_to(s, fd, err);
	if (r == 0 && fsync(fd) < 0)
		r = error_set(err, -errno, "cannot write %s", s->file);
	if (r == 0) {
		r = name_it(s, beside, unnamed ? fd : -1);
		if (r < 0)
			error_set(err, r, "cannot write %s", s->file);
	}
	unlink(beside);
	interrupted_end();
	return r;
}

static int send_to_file(const struct sending *s, struct error *err)
{
	char beside[LIMIT_PATH_BYTES];
	_close_ int fd = -1;
	struct stat st;

	if (stat(s->file, &st) == 0 && !S_ISREG(st.st_mode)) {
		fd = open(s->file, O_WRONLY | O_CLOEXEC);
		return fd < 0 ? error_set(err, -errno, "cannot write %s", s->file)
			      : send_to(s, fd, err);
	}
	if (access(s->file, F_OK) == 0 && !s->o->overwrite)
		return error_set(err, -EEXIST, "there is a file %s (--overwrite takes its place).",
				 s->file);
	if (snprintf(beside, sizeof(beside), "%s.%d.part", s->file, getpid()) >=
	    (int)sizeof(beside))
		return error_set(err, -ENAMETOOLONG, "cannot write %s", s->file);
	return send_to_new(s, beside, err);
}

static int send_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	struct send_options o = { 0 };
	_mosaic_ struct mosaic *m = NULL;
	struct sending s = { .c = c, .o = &o };
	int r = moctl_parse(&(struct moctl_syntax){ moctl_send_options, 1, 2 }, &o, args, err);

	if (r != 0)
		return r;
	s.name = args->argv[0];
	s.file = args->n == 2 && !str_eq(args->argv[1], "-") ? args->argv[1] : NULL;
	if (!s.file && isatty(STDOUT_FILENO))
		return moctl_usage(err,
				   "a stream is nothing for a terminal: name a file, or send it "
				   "through a pipe.");
	r = moctl_open_to_change(c, &m, err);
	if (r < 0)
		return r;
	s.m = m;
	r = s.file ? send_to_file(&s, err) : send_to(&s, STDOUT_FILENO, err);
	args->n = 1;
	return error_context(err, moctl_explain(c, args, r, err), "send", s.name);
}

const struct moctl_verb moctl_verb_send = {
	.name = "send",
	.operands = "VOLUME [FILE|-]",
	.summary = "Write a volume as a stream to a file, or to standard output",
	.tables = { { moctl_send_options } },
	.complete = { CLI_COMPLETE_VOLUME, CLI_COMPLETE_FILE },
	.run = send_run,
};
