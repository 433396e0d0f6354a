#include <jansson.h>

#include "cli/cli.h"
#include "cli/stopping.h"
#include "cli/verbs.h"

enum { GRACE_MAX = 86400 };

struct stop_options {
	struct cli_number grace;
};

static const struct cli_option stop_options[] = {
	{ "grace", 0, "SECONDS", "time between SIGTERM and SIGKILL; default: as the pod was made",
	  CLI_NUMBER, offsetof(struct stop_options, grace), .max = GRACE_MAX },
	{ NULL },
};

static int stop_one(const struct cli *cli, const char *word, const struct cli_number *grace,
		    struct error *err)
{
	_cleanup_(pod_api_message_deinit) struct pod_api_message reply = { .fd = -1 };
	json_t *params = grace->given ? json_pack("{s:I}", "grace", (json_int_t)grace->value)
				      : NULL;
	_close_ int dirfd = -1, sock = -1;
	char uuid[UUID_TEXT];
	int r = pod_reach(cli, word, uuid, &dirfd, &sock, err);

	if (r != 0) {
		json_decref(params);
		return r;
	}
	r = pod_api_call(sock, "stop", params, NULL, &reply, err);
	if (r < 0 && !pod_is_ending(dirfd))
		return error_context(err, r, "stop", word);
	*err = (struct error){ 0 };
	return pod_wait_free(dirfd, err);
}

static int stop_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct stop_options o = { 0 };
	struct cli_set set = { stop_options, &o };
	int result = 0, r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 1, SIZE_MAX, err);
	for (size_t i = 0; r == 0 && i < args->n; i++)
		result = cli_next_failure(result, stop_one(cli, args->argv[i], &o.grace, err), err);
	return r ? r : result;
}

const struct cli_verb verb_stop = {
	.name = "stop",
	.operands = "POD...",
	.summary = "End pods: SIGTERM, then SIGKILL",
	.tables = { { stop_options } },
	.complete = CLI_COMPLETE_POD,
	.run = stop_run,
};
