#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <strings.h>

#include "cli/cli.h"
#include "cli/stopping.h"
#include "cli/verbs.h"

enum { SIGNAL_MAX = 64 };

struct kill_options {
	const char *signal, *app;
};

static const struct cli_option kill_options[] = {
	{ "signal", 's', "SIGNAL", "name or number; default: KILL", CLI_STRING,
	  offsetof(struct kill_options, signal), .complete = CLI_COMPLETE_SIGNAL },
	{ "app", 0, "NAME", "only this app", CLI_STRING, offsetof(struct kill_options, app) },
	{ NULL },
};

/* "TERM", "SIGTERM", "15"; 0 when it is none. */
static int signal_number(const char *word)
{
	uint64_t number;

	if (str_to_u64(word, SIGNAL_MAX, &number) == 0)
		return (int)number;
	if (strncasecmp(word, "SIG", 3) == 0)
		word += 3;
	for (int i = 1; i < SIGNAL_MAX; i++) {
		const char *name = sigabbrev_np(i);

		if (name && strcasecmp(name, word) == 0)
			return i;
	}
	return 0;
}

static int kill_one(const struct cli *cli, const char *word, int number, const char *app,
		    struct error *err)
{
	_cleanup_(pod_api_message_deinit) struct pod_api_message reply = { .fd = -1 };
	_close_ int dirfd = -1, sock = -1;
	char uuid[UUID_TEXT];
	json_t *params;
	int r = pod_reach(cli, word, uuid, &dirfd, &sock, err);

	if (r == 0)
		r = pod_want_app(dirfd, word, app, err);
	if (r != 0)
		return r;
	params = json_pack("{s:i}", "signal", number);
	if (!params || (app && json_object_set_new(params, "app", json_string(app)) < 0)) {
		json_decref(params);
		return error_set(err, -ENOMEM, "kill");
	}
	r = pod_api_call(sock, "signal", params, NULL, &reply, err);
	if (r == -EBUSY)
		return CLI_STATE;
	return r < 0 ? error_context(err, r, "kill", word) : 0;
}

static int kill_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct kill_options o = { .signal = "KILL" };
	struct cli_set set = { kill_options, &o };
	int number, result = 0, r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 1, SIZE_MAX, err);
	if (r != 0)
		return r;
	number = signal_number(o.signal);
	if (number == 0) {
		error_set(err, -EINVAL, "--signal %s is no signal.", o.signal);
		return CLI_USAGE;
	}
	for (size_t i = 0; i < args->n; i++)
		result = cli_next_failure(result, kill_one(cli, args->argv[i], number, o.app, err),
					  err);
	return result;
}

const struct cli_verb verb_kill = {
	.name = "kill",
	.operands = "POD...",
	.summary = "Send a signal to the apps of pods",
	.tables = { { kill_options } },
	.complete = CLI_COMPLETE_POD,
	.run = kill_run,
};
