/*
 * `carob ps`: the processes of a pod as the host sees them, by membership in the pod's control
 * groups. Nothing is run in the pod and nothing of its file systems is read.
 */
#include <fcntl.h>
#include <jansson.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "kernel/kernel.h"

enum { COMMAND_BYTES = 4096 };

struct ps_options {
	struct table_options table;
};

static const struct cli_option ps_options[] = {
	TABLE_SELECT(struct ps_options, table),
	{ "json", 0, NULL, "as JSON", CLI_FLAG, offsetof(struct ps_options, table.json) },
	{ "no-legend", 0, NULL, "no line of titles", CLI_FLAG,
	  offsetof(struct ps_options, table.no_legend) },
	{ NULL },
};

static const struct table_column ps_columns[] = {
	{ "PID", "pid", .right = true },
	{ "APP", "app" },
	{ "USER", "uid", .right = true },
	{ "STATE", "state" },
	{ "TIME", "cpu_ns", .right = true, .format = table_format_seconds },
	{ "COMMAND", "command" },
	{ NULL },
};

/* ---- one process ----------------------------------------------------------------------------- */

static ssize_t proc_read(pid_t pid, const char *file, char *dst, size_t size)
{
	char path[64];
	_close_ int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read_all(fd, dst, size - 1);
	dst[n < 0 ? 0 : n] = '\0';
	return n;
}

/* State letter and processor time. proc_pid_stat(5): the name in parentheses may hold anything. */
static int add_stat(json_t *row, pid_t pid, char *name, size_t name_size)
{
	char text[1024], state[2] = "?";
	unsigned long user = 0, system = 0;
	const char *open, *close;

	if (proc_read(pid, "stat", text, sizeof(text)) <= 0)
		return -ESRCH;
	open = strchr(text, '(');
	close = strrchr(text, ')');
	if (!open || !close ||
	    sscanf(close + 1, " %1c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", state, &user,
		   &system) != 3)
		return -ESRCH;
	snprintf(name, name_size, "[%.*s]", (int)(close - open - 1), open + 1);
	json_object_set_new(row, "state", json_string(state));
	json_object_set_new(row, "cpu_ns",
			    json_integer((json_int_t)(user + system) *
					 (1000000000 / sysconf(_SC_CLK_TCK))));
	return 0;
}

/* The numbers behind a key of proc_pid_status(5). */
static bool status_find(const char *text, const char *key, long *first, long *second)
{
	const char *at = strstr(text, key);

	*first = *second = -1;
	return at && sscanf(at + strlen(key), " %ld %ld", first, second) >= 1;
}

/* User; whether it is the pod's PID 1. */
static int add_status(json_t *row, pid_t pid, bool *ret_init)
{
	char text[8192];
	long uid, inside, unused;

	if (proc_read(pid, "status", text, sizeof(text)) <= 0)
		return -ESRCH;
	if (!status_find(text, "\nUid:", &unused, &uid)) /* real, then effective */
		return -ESRCH;
	json_object_set_new(row, "uid", json_integer(uid));
	*ret_init = status_find(text, "\nNSpid:", &unused, &inside) && inside == 1;
	return 0;
}

static json_t *command_json(pid_t pid, const char *name)
{
	char text[COMMAND_BYTES];
	ssize_t n = proc_read(pid, "cmdline", text, sizeof(text));
	json_t *command;

	while (n > 0 && text[n - 1] == '\0')
		n--;
	for (ssize_t i = 0; i < n; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	command = n > 0 ? json_stringn(text, (size_t)n) : NULL;
	if (command)
		return command;
	if (n > 0) { /* not UTF-8 */
		char escaped[COMMAND_BYTES];

		str_escape(escaped, sizeof(escaped), text);
		return json_string(escaped);
	}
	command = json_string(name);
	return command ? command : json_string("?");
}

/* ---- all of them ----------------------------------------------------------------------------- */

struct ps_walk {
	json_t *rows;
	const char *app; /* whose group is walked; NULL: the pod's */
};

static bool is_listed(json_t *rows, pid_t pid)
{
	for (size_t i = 0; i < json_array_size(rows); i++)
		if (json_integer_value(json_object_get(json_array_get(rows, i), "pid")) == pid)
			return true;
	return false;
}

static int ps_one(pid_t pid, void *arg)
{
	struct ps_walk *w = arg;
	json_t *row;
	char name[64];
	bool init = false;

	if (is_listed(w->rows, pid))
		return 0;
	row = json_pack("{s:i}", "pid", (int)pid);
	if (!row)
		return -ENOMEM;
	if (add_stat(row, pid, name, sizeof(name)) < 0 || add_status(row, pid, &init) < 0) {
		json_decref(row); /* ended while we looked */
		return 0;
	}
	json_object_set_new(row, "app", w->app && !init ? json_string(w->app) : json_null());
	json_object_set_new(row, "command", command_json(pid, name));
	return json_array_append_new(w->rows, row) < 0 ? -ENOMEM : 0;
}

/* With one app its processes and PID 1 share the pod's group; with more, each app has its own. */
static int ps_pod(const struct pod *pod, json_t *rows, struct error *err)
{
	_cleanup_(cgroup_host_close) struct cgroup_host host = { 0 };
	const struct appc_pod *m = pod->manifest;
	char path[sizeof("carob/") + UUID_TEXT + LIMIT_NAME_BYTES + 1];
	struct ps_walk walk = { rows, NULL };
	int r = cgroup_host_open(&host, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && m->n_apps > 1 && i < m->n_apps; i++) {
		walk.app = m->apps[i].name;
		snprintf(path, sizeof(path), "carob/%s/%s", pod->uuid, walk.app);
		r = cgroup_each_pid(&host, path, ps_one, &walk);
		r = r == -ENOENT ? 0 : r;
	}
	walk.app = m->n_apps == 1 ? m->apps[0].name : NULL;
	snprintf(path, sizeof(path), "carob/%s", pod->uuid);
	if (r == 0)
		r = cgroup_each_pid(&host, path, ps_one, &walk);
	return r < 0 && r != -ENOENT
		       ? error_set(err, r, "cannot list the processes of pod %s", pod->uuid)
		       : 0;
}

static int ps(const struct cli *cli, const char *word, const struct table_options *o,
	      struct error *err)
{
	_cleanup_(pod_deinit) struct pod pod = { 0 };
	_close_ int dirfd = -1;
	char uuid[UUID_TEXT];
	json_t *rows;
	int r = table_check(ps_columns, o, err);

	if (r == 0)
		r = cli_pod_open(cli, word, uuid, &dirfd, err);
	if (r == 0 && pod_is_held(dirfd) != 1) {
		error_set(err, -ESRCH, "pod %s is not running.", word);
		r = CLI_STATE;
	}
	if (r == 0)
		r = pod_read(&pod, dirfd, uuid, err);
	if (r != 0)
		return r;
	rows = json_array();
	r = rows ? ps_pod(&pod, rows, err) : error_set(err, -ENOMEM, "ps");
	if (r == 0)
		return table_print(rows, ps_columns, o, err);
	json_decref(rows);
	return r;
}

static int ps_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct ps_options o = { 0 };
	struct cli_set set = { ps_options, &o };
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 1, 1, err);
	if (r == 0)
		r = ps(cli, args->argv[0], &o.table, err);
	cli_options_deinit(ps_options, &o);
	return r;
}

const struct cli_verb verb_ps = {
	.name = "ps",
	.operands = "POD",
	.summary = "List the processes of a pod",
	.tables = { { ps_options } },
	.complete = CLI_COMPLETE_POD,
	.run = ps_run,
};
