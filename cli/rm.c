#include "cli/cli.h"
#include "cli/stopping.h"
#include "cli/teardown.h"
#include "cli/verbs.h"

struct rm_options {
	bool force;
};

static const struct cli_option rm_options[] = {
	{ "force", 'f', NULL, "kill pods that are running, and do not mind those that do not exist",
	  CLI_FLAG, offsetof(struct rm_options, force) },
	{ NULL },
};

/* Takes the pod's lock; a pod that is ending is waited for, a living one only ended with force. */
static int take(const struct cli *cli, const char *uuid, int dirfd, bool force, struct error *err)
{
	int r = pod_lock(dirfd, false, err);

	if (r == POD_BUSY && force) {
		r = pod_kill_now(cli, uuid, dirfd, err);
		if (r == 0)
			r = pod_lock(dirfd, true, err);
	} else if (r == POD_BUSY && pod_is_ending(dirfd)) {
		r = pod_lock(dirfd, true, err);
	}
	if (r != POD_BUSY)
		return r;
	error_set(err, -EBUSY, "pod %s is running; stop it before, or use --force.", uuid);
	return CLI_STATE;
}

static int rm_one(const struct cli *cli, const char *word, bool force, struct error *err)
{
	char uuid[UUID_TEXT];
	_close_ int dirfd = -1;
	int r = cli_pod_open(cli, word, uuid, &dirfd, err);

	if (r == CLI_MISSING && force) {
		*err = (struct error){ 0 };
		return 0;
	}
	if (r == 0)
		r = take(cli, uuid, dirfd, force, err);
	return r ? r : teardown_pod(cli, uuid, dirfd, err);
}

static int rm_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct rm_options o = { 0 };
	struct cli_set set = { rm_options, &o };
	int result, r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 1, SIZE_MAX, err);
	if (r != 0)
		return r;
	/* all that can go, goes; the first failure is what is returned */
	result = 0;
	for (size_t i = 0; i < args->n; i++) {
		r = rm_one(cli, args->argv[i], o.force, err);
		result = cli_next_failure(result, r, err);
	}
	return result;
}

const struct cli_verb verb_rm = {
	.name = "rm",
	.operands = "POD...",
	.summary = "Remove pods and all that they left",
	.tables = { { rm_options } },
	.complete = CLI_COMPLETE_POD,
	.run = rm_run,
};
