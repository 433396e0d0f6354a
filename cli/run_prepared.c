/* `carob run-prepared`: a pod that `carob prepare` made becomes alive. */
#include <fcntl.h>

#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/launch.h"
#include "cli/verbs.h"

struct prepared_options {
	struct start_request start;
	struct input_options input;
};

#define INPUT(member) offsetof(struct prepared_options, input.member)

static const struct cli_option prepared_options[] = {
	{ "detach", 'd', NULL, "print the UUID and return as soon as all apps run", CLI_FLAG,
	  offsetof(struct prepared_options, start.detach) },
	{ "interactive", 'i', NULL, "connect standard input, also where the default is none",
	  CLI_FLAG, INPUT(interactive) },
	{ "tty", 't', NULL, "give the app a terminal", CLI_FLAG, INPUT(tty) },
	{ "no-tty", 'T', NULL, "give the app no terminal even when standard input is one", CLI_FLAG,
	  INPUT(no_tty) },
	{ NULL },
};

static int check(const struct prepared_options *o, const struct pod *pod, struct error *err)
{
	bool connected = o->input.interactive || o->input.tty;

	if (o->input.tty && o->input.no_tty)
		error_set(err, -EINVAL, "--tty and --no-tty: give one or the other.");
	else if (connected && o->start.detach)
		error_set(
			err, -EINVAL,
			"a detached pod has no standard input: --detach does not go with --interactive or --tty.");
	else if (connected && pod->launch.n_apps > 1)
		error_set(err, -EINVAL, "--interactive and --tty are for pods of one app.");
	else
		return 0;
	return CLI_USAGE;
}

/* Locks the pod and makes sure that it is prepared. 0 or an exit code. */
static int take(struct launch *l, const char *word, struct error *err)
{
	_cleanup_(pod_status_deinit) struct pod_status status = { .exit = -1 };
	int r = cli_pod_open(l->cli, word, l->pod.uuid, &l->dirfd, err);

	if (r == 0)
		r = pod_lock(l->dirfd, false, err);
	if (r == POD_BUSY)
		error_set(err, -EBUSY, "pod %s is running.", word);
	if (r != 0)
		return r;
	if (pod_status_load(&status, l->dirfd) < 0 || status.state != POD_PREPARED)
		return error_set(err, -EINVAL,
				 "pod %s is not prepared: it can be started only once.", word);
	return pod_read(&l->pod, l->dirfd, l->pod.uuid, err);
}

/* From here to its end the pod says of itself that it lives by its lock alone. */
static int begin(struct launch *l, const struct prepared_options *o, struct error *err)
{
	struct app_request app = { .input = o->input };
	struct pod_launch *launch = &l->pod.launch;
	int r;

	launch->detached = o->start.detach;
	r = launch_choose_input(launch, launch->n_apps == 1 ? &app : NULL, err);
	if (r == 0 && launch->name) { /* names do not outlive a reboot */
		r = pod_name_claim(&l->cli->dirs, launch->name, l->pod.uuid, err);
		r = r == POD_BUSY ? -EEXIST : r;
	}
	if (r == 0)
		r = pod_write(&l->pod, l->dirfd, launch->detached, err);
	if (r == 0 && unlinkat(l->dirfd, "status", 0) < 0)
		r = error_set(err, -errno, "cannot take the mark `prepared` off the pod");
	return r;
}

static void put_back(const struct launch *l)
{
	const struct pod_status status = { .state = POD_PREPARED, .exit = -1 };

	if (faccessat(l->dirfd, "pod", F_OK, AT_SYMLINK_NOFOLLOW) ==
	    0) /* carob-stage1 did not clear it away */
		(void)!pod_status_write(&status, l->dirfd, true, NULL);
}

static int start(struct launch *l, const struct prepared_options *o, struct error *err)
{
	int r = begin(l, o, err);

	if (r == 0)
		r = l->pod.launch.detached ? launch_detached(l, err) : launch_foreground(l, err);
	if (r != 0)
		put_back(l);
	return r ? r : cli_print(err, "%s\n", l->pod.uuid);
}

static int prepared_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	_cleanup_(launch_deinit) struct launch l = LAUNCH_INIT(cli);
	struct prepared_options o = { 0 };
	struct cli_set set = { prepared_options, &o };
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 1, 1, err);
	if (r != 0)
		return r;
	if (interrupt_begin() < 0)
		return error_set(err, -errno, "cannot catch signals");
	r = take(&l, args->argv[0], err);
	if (r == 0)
		r = check(&o, &l.pod, err);
	if (r == 0)
		r = start(&l, &o, err);
	return cli_not_started(r);
}

const struct cli_verb verb_run_prepared = {
	.name = "run-prepared",
	.operands = "POD",
	.summary = "Run a pod that `carob prepare` made",
	.tables = { { prepared_options } },
	.complete = CLI_COMPLETE_POD,
	.starts = true,
	.run = prepared_run,
};
