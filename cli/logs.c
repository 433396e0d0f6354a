/* `carob logs`: the command; log.c knows the files. */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>

#include "cli/cli.h"
#include "cli/log.h"
#include "cli/verbs.h"

enum { POLL_MS = 500 }; /* how soon the end of a pod is noticed that writes nothing */

struct logs_options {
	const char *app, *since;
	struct cli_number tail;
	bool follow, timestamps;
};

#define LOGS(member) offsetof(struct logs_options, member)

static const struct cli_option logs_options[] = {
	{ "follow", 'f', NULL, "go on until the pod has ended", CLI_FLAG, LOGS(follow) },
	{ "app", 0, "NAME", "only of this app", CLI_STRING, LOGS(app) },
	{ "tail", 'n', "NUMBER", "only the last lines", CLI_NUMBER, LOGS(tail), .max = INT32_MAX },
	{ "since", 0, "TIME", "only from then on: 2026-11-22T12:00:00Z, or 10m for ten minutes ago",
	  CLI_STRING, LOGS(since) },
	{ "timestamps", 't', NULL, "with the time in front of each line", CLI_FLAG,
	  LOGS(timestamps) },
	{ NULL },
};

static int since_parse(const char *text, int64_t *ret, struct error *err)
{
	uint64_t seconds;

	if (!text || time_parse(text, ret) == 0)
		return 0;
	if (cli_duration(text, &seconds) == 0 && seconds < INT64_MAX / 1000000000) {
		*ret = time_now_ns() - (int64_t)seconds * 1000000000;
		return 0;
	}
	error_set(err, -EINVAL, "--since %s is neither a time nor a duration.", text);
	return CLI_USAGE;
}

/* Opens the log of each app that is wanted. */
static int open_logs(struct log_set *set, const struct pod *pod, int dirfd, const char *app,
		     struct error *err)
{
	for (size_t i = 0; i < pod->manifest->n_apps; i++) {
		const char *name = pod->manifest->apps[i].name;

		if (app && !str_eq(app, name))
			continue;
		if (log_set_add(set, name) < 0)
			return error_set(err, -ENOMEM, "logs");
	}
	if (app && set->n == 0) {
		error_set(err, -ENOENT, "the pod has no app %s.", app);
		return CLI_MISSING;
	}
	return log_set_open(set, dirfd, err);
}

/* Watches the directories of the apps, those that do not exist yet by that of the pod. */
static int watch(const struct log_set *set, const struct cli *cli, const char *uuid)
{
	_close_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[LIMIT_PATH_BYTES];

	if (fd < 0)
		return -errno;
	snprintf(path, sizeof(path), "%s/pods/%s", cli->dirs.root, uuid);
	if (inotify_add_watch(fd, path, IN_CREATE | IN_MOVED_TO) < 0)
		return -errno;
	for (size_t i = 0; i < set->n; i++) {
		snprintf(path, sizeof(path), "%s/pods/%s/apps/%s", cli->dirs.root, uuid,
			 set->logs[i].app);
		if (inotify_add_watch(fd, path, IN_CREATE | IN_MODIFY) < 0 && errno != ENOENT)
			return -errno;
	}
	return take_fd(&fd);
}

static int follow(struct log_set *set, const struct cli *cli, const char *uuid, int dirfd,
		  struct error *err)
{
	_close_ int events = watch(set, cli, uuid);
	int r = 0;

	if (events < 0)
		return error_set(err, events, "cannot watch the logs");
	for (;;) {
		struct pollfd pfd = { .fd = events, .events = POLLIN };
		/* asked before reading: what was written before its end is then read for sure */
		int alive = pod_is_held(dirfd);
		char drop[4096];

		r = log_set_open(set, dirfd, err);
		if (r == 0)
			r = log_set_print(set, err);
		if (r < 0 || alive != 1)
			return r;
		if (poll(&pfd, 1, POLL_MS) < 0 && errno != EINTR)
			return error_set(err, -errno, "cannot wait for the logs");
		while (read(events, drop, sizeof(drop)) > 0)
			;
	}
}

static int logs(const struct cli *cli, const struct logs_options *o, const char *word,
		struct error *err)
{
	_cleanup_(log_set_deinit) struct log_set set = { .timestamps = o->timestamps };
	_cleanup_(pod_deinit) struct pod pod = { 0 };
	_close_ int dirfd = -1;
	char uuid[UUID_TEXT];
	int r = since_parse(o->since, &set.since_ns, err);

	if (r == 0)
		r = cli_pod_open(cli, word, uuid, &dirfd, err);
	if (r == 0)
		r = pod_read(&pod, dirfd, uuid, err);
	if (r == 0)
		r = open_logs(&set, &pod, dirfd, o->app, err);
	if (r != 0)
		return r;
	set.prefix = set.n > 1;
	set.escape = isatty(STDOUT_FILENO);
	if (o->tail.given) {
		r = log_set_skip_to_tail(&set, o->tail.value, err);
		if (r < 0)
			return r;
	}
	return o->follow ? follow(&set, cli, uuid, dirfd, err) : log_set_print(&set, err);
}

static int logs_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct logs_options o = { 0 };
	struct cli_set set = { logs_options, &o };
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 1, 1, err);
	return r ? r : logs(cli, &o, args->argv[0], err);
}

const struct cli_verb verb_logs = {
	.name = "logs",
	.operands = "POD",
	.summary = "Print what the apps of a pod have written",
	.tables = { { logs_options } },
	.complete = CLI_COMPLETE_POD,
	.run = logs_run,
};
