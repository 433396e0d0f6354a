#include <jansson.h>

#include "cli/cli.h"
#include "cli/stopping.h"
#include "cli/verbs.h"

struct wait_options {
	const char *app;
};

static const struct cli_option wait_options[] = {
	{ "app", 0, "NAME", "only for this app", CLI_STRING, offsetof(struct wait_options, app) },
	{ NULL },
};

/* What the status file says: the exit code, or an exit code of ours with err. */
static int written_exit(int dirfd, const char *word, const char *app, struct error *err)
{
	_cleanup_(pod_status_deinit) struct pod_status status = { .exit = -1 };
	int r = pod_status_read(&status, dirfd, err);

	if (r < 0)
		return r == -ENOENT ? CLI_MISSING : r;
	if (status.state != POD_EXITED) {
		error_set(err, -ESRCH, "pod %s is %s: it has no exit code.", word,
			  pod_state_name(status.state));
		return CLI_STATE;
	}
	if (!app)
		return status.exit;
	for (size_t i = 0; i < status.n_apps; i++)
		if (str_eq(status.apps[i].name, app))
			return status.apps[i].exit;
	error_set(err, -ENOENT, "pod %s has no app %s.", word, app);
	return CLI_MISSING;
}

/* The exit code that a living pod tells, or negative: also when it died without telling. */
static int told_exit(const struct cli *cli, const char *uuid, const char *app, struct error *err)
{
	_cleanup_(pod_api_message_deinit) struct pod_api_message reply = { .fd = -1 };
	_close_ int sock = pod_api_connect(&cli->dirs, uuid, err);
	json_t *params = app ? json_pack("{s:s}", "app", app) : NULL, *code;
	int r;

	if (sock < 0) {
		json_decref(params);
		return sock;
	}
	r = pod_api_call(sock, "wait", params, NULL, &reply, err);
	if (r < 0)
		return r;
	code = json_object_get(reply.json, "exit");
	if (!json_is_integer(code) || json_integer_value(code) < 0 ||
	    json_integer_value(code) > 255)
		return error_set(err, -EPROTO, "the pod did not tell an exit code.");
	return (int)json_integer_value(code);
}

static int wait_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct wait_options o = { 0 };
	struct cli_set set = { wait_options, &o };
	char uuid[UUID_TEXT];
	_close_ int dirfd = -1;
	int code, r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 1, 1, err);
	if (r == 0)
		r = cli_pod_open(cli, args->argv[0], uuid, &dirfd, err);
	if (r == 0)
		r = pod_want_app(dirfd, args->argv[0], o.app, err);
	if (r != 0)
		return r;
	code = pod_is_held(dirfd) == 1 ? told_exit(cli, uuid, o.app, err) : -ESRCH;
	if (code >= 0 && o.app)
		return code;
	*err = (struct error){ 0 };
	r = pod_wait_free(dirfd, err);
	if (r < 0)
		return r;
	return code >= 0 ? code : written_exit(dirfd, args->argv[0], o.app, err);
}

const struct cli_verb verb_wait = {
	.name = "wait",
	.operands = "POD",
	.summary = "Wait until a pod has ended, and exit as it did",
	.tables = { { wait_options } },
	.complete = CLI_COMPLETE_POD,
	.run = wait_run,
};
