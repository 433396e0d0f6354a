/*
 * `carob enter`: a command inside a running app, with exactly the app's confinement. carob-stage1
 * starts it by the function and from the plan that the app was started by; this side only lends its
 * standard descriptors or its terminal.
 */
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#include "cli/cli.h"
#include "cli/stopping.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

struct enter_options {
	const char *app, *user, *group, *directory;
	struct cli_list environment;
	bool tty, no_tty;
};

#define ENTER(member) offsetof(struct enter_options, member)

static const struct cli_option enter_options[] = {
	{ "app", 0, "NAME", "the app to enter; needed when there are several", CLI_STRING,
	  ENTER(app) },
	{ "user", 'u', "USER", "user; default: the app's", CLI_STRING, ENTER(user) },
	{ "group", 'g', "GROUP", "group; default: the app's", CLI_STRING, ENTER(group) },
	{ "working-dir", 'w', "PATH", "directory to start in; default: the app's", CLI_STRING,
	  ENTER(directory) },
	{ "env", 'e', "NAME=VALUE", "set an environment variable", CLI_LIST, ENTER(environment) },
	{ "tty", 't', NULL, "with a terminal of its own; the default when this has one", CLI_FLAG,
	  ENTER(tty) },
	{ "no-tty", 'T', NULL, "with the descriptors of this process", CLI_FLAG, ENTER(no_tty) },
	{ NULL },
};

/* ---- the request ----------------------------------------------------------------------------- */

static json_t *words_json(const char *const *words, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(words[i]));
	if (json_array_size(list) == n)
		return list;
	json_decref(list); /* memory was out, or a word is not UTF-8 */
	return NULL;
}

static int add_string(json_t *params, const char *key, const char *value)
{
	return value ? json_object_set_new(params, key, json_string(value)) : 0;
}

static json_t *request_json(const struct enter_options *o, const struct cli_args *command,
			    bool terminal)
{
	static const char *const shell[] = { "/bin/sh" };
	struct terminal_size size = terminal ? terminal_size() : (struct terminal_size){ 0, 0 };
	const char *const *argv = command->n ? (const char *const *)command->argv : shell;
	json_t *params = json_pack("{s:o, s:o, s:b, s:i, s:i}", "argv",
				   words_json(argv, command->n ? command->n : 1), "environment",
				   words_json(o->environment.items, o->environment.n), "terminal",
				   terminal, "rows", (int)size.rows, "columns", (int)size.columns);

	if (!params)
		return NULL;
	if (add_string(params, "app", o->app) || add_string(params, "user", o->user) ||
	    add_string(params, "group", o->group) ||
	    add_string(params, "directory", o->directory)) {
		json_decref(params);
		return NULL;
	}
	return params;
}

/* ---- the end --------------------------------------------------------------------------------- */

struct entered {
	int sock;
	json_int_t id;
	int exit; /* -1: not yet */
	struct error *err;
};

/* Reads one notification; 1 when it was the end of our command. */
static int entered_ended(void *arg)
{
	struct entered *e = arg;
	_cleanup_(pod_api_message_deinit) struct pod_api_message m = { .fd = -1 };
	json_t *params;
	const char *method, *text;
	int r = pod_api_receive(e->sock, &m, e->err);

	if (r < 0)
		return r;
	method = json_string_value(json_object_get(m.json, "method"));
	params = json_object_get(m.json, "params");
	if (!method || !str_eq(method, "exec-exit") ||
	    json_integer_value(json_object_get(params, "id")) != e->id)
		return 0;
	e->exit = (int)(json_integer_value(json_object_get(params, "exit")) & 0xff);
	text = json_string_value(json_object_get(params, "error"));
	if (text)
		error_set(e->err, -ECANCELED, "%s.", text);
	return 1;
}

/* A signal that was meant to end this process goes to the command. */
static int pass_signal(const struct entered *e, int signals)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	return pod_api_send(e->sock, "signal",
			    json_pack("{s:i, s:I}", "signal", (int)info.ssi_signo, "id", e->id),
			    e->err);
}

static int wait_plain(struct entered *e)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct pollfd fds[] = { { .fd = e->sock, .events = POLLIN }, { .events = POLLIN } };
	_close_ int signals = -1;
	sigset_t set;
	int r = 0;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		sigaddset(&set, numbers[i]);
	signals = loop_signalfd(&set);
	if (signals < 0)
		return error_set(e->err, signals, "cannot watch signals");
	fds[1].fd = signals;
	while (r == 0) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return error_set(e->err, -errno, "cannot wait for the command");
		if (fds[1].revents)
			r = pass_signal(e, signals);
		if (r == 0 && fds[0].revents)
			r = entered_ended(e);
	}
	return r < 0 ? r : e->exit;
}

static int wait_terminal(struct entered *e, int master)
{
	const struct terminal_relay relay = { master, e->sock, entered_ended, e };
	struct error lost = { 0 };
	int number, r = terminal_relay(&relay, &number, &lost);

	if (r < 0 && !e->err->code)
		*e->err = lost;
	if (r < 0)
		return r;
	return number ? 128 + number : e->exit;
}

/* ---- the verb -------------------------------------------------------------------------------- */

static int wants_terminal(const struct enter_options *o, bool *ret, struct error *err)
{
	bool have = !o->no_tty && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);

	if (o->tty && o->no_tty)
		error_set(err, -EINVAL, "--tty and --no-tty: give one or the other.");
	else if (o->tty && !have)
		error_set(err, -ENOTTY, "--tty: standard input and output are no terminal.");
	else {
		*ret = have;
		return 0;
	}
	return CLI_USAGE;
}

static int enter(const struct cli *cli, const struct enter_options *o, const char *word,
		 const struct cli_args *command, struct error *err)
{
	static const int stdio[] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
	_cleanup_(pod_api_message_deinit) struct pod_api_message reply = { .fd = -1 };
	_close_ int dirfd = -1, sock = -1;
	struct entered e = { .exit = -1, .err = err };
	char uuid[UUID_TEXT];
	bool terminal;
	json_t *params;
	int r = wants_terminal(o, &terminal, err);

	if (r == 0)
		r = pod_reach(cli, word, uuid, &dirfd, &sock, err);
	if (r == 0)
		r = pod_want_app(dirfd, word, o->app, err);
	if (r != 0)
		return cli_not_started(r);
	params = request_json(o, command, terminal);
	if (!params)
		return error_set(err, -EINVAL, "the command and its environment have to be UTF-8.");
	r = pod_api_call(sock, "exec", params, terminal ? NULL : stdio, &reply, err);
	if (r < 0) {
		error_context(err, r, "enter", word);
		return r == -ENOENT ? CLI_NOT_FOUND : r == -EACCES ? CLI_NOT_EXECUTABLE : r;
	}
	e.sock = sock;
	e.id = json_integer_value(json_object_get(reply.json, "id"));
	if (terminal && reply.fd < 0)
		return error_set(err, -EPROTO, "the pod did not send a terminal.");
	return terminal ? wait_terminal(&e, reply.fd) : wait_plain(&e);
}

static int enter_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct enter_options o = { 0 };
	struct cli_set set = { enter_options, &o };
	const char *word = NULL;
	int r = cli_parse_leading(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 1, SIZE_MAX, err);
	if (r == 0) {
		word = args->argv[0];
		args->argv++;
		args->n--;
		r = cli_parse_leading(&set, 1, args, err);
	}
	if (r == 0)
		r = enter(cli, &o, word, args, err);
	cli_options_deinit(enter_options, &o);
	return r;
}

const struct cli_verb verb_enter = {
	.name = "enter",
	.operands = "POD [COMMAND [ARG]...]",
	.summary = "Run a command inside a running app, confined as the app is",
	.prose = "Without COMMAND: /bin/sh. Options stand before COMMAND.",
	.tables = { { enter_options } },
	.complete = CLI_COMPLETE_POD,
	.starts = true,
	.run = enter_run,
};
