/* The grammar of `carob run`. */
#include "cli/request.h"

#include <string.h>

#define POD(member) offsetof(struct pod_request, member)
#define APP(member) offsetof(struct app_request, member)

enum { GRACE_MAX = 86400 };

const struct cli_option pod_request_options[] = {
	{ "name", 'n', "NAME", "name of the pod", CLI_STRING, POD(name) },
	{ "hostname", 0, "NAME", "host name inside; default: carob- and the beginning of the UUID",
	  CLI_STRING, POD(hostname) },
	{ "volume", 0, "NAME,kind=empty|host[,KEY=VALUE]...",
	  "a volume of the pod; keys: source, readOnly, recursive, mode, uid, gid", CLI_LIST,
	  POD(volumes) },
	{ "pod-manifest", 0, "FILE", "run what this pod manifest says, in place of images",
	  CLI_STRING, POD(manifest), .complete = CLI_COMPLETE_FILE },
	{ "mosaic", 0, "MOSAIC", "where its root file systems and named volumes are", CLI_STRING,
	  POD(mosaic), .complete = CLI_COMPLETE_DIRECTORY },
	{ "stop-grace", 0, "SECONDS",
	  "time between SIGTERM and SIGKILL when the pod is stopped; default: 10", CLI_NUMBER,
	  POD(grace), .max = GRACE_MAX },
	{ "ignore-isolator", 0, "NAME", "start although this host cannot enforce the isolator",
	  CLI_LIST, POD(ignored_isolators) },
	NETWORK_OPTIONS(POD(network)),
	{ "rm", 0, NULL, "remove the pod when it has ended", CLI_FLAG, POD(remove) },
	{ "uuid-file", 0, "FILE", "write the pod's UUID into FILE", CLI_STRING, POD(uuid_file),
	  .complete = CLI_COMPLETE_FILE },
	{ "dry-run", 0, NULL, "print the pod manifest that would be run, and run nothing", CLI_FLAG,
	  POD(dry_run) },
	{ NULL },
};

const struct cli_option start_request_options[] = {
	{ "detach", 'd', NULL, "print the UUID and return as soon as all apps run", CLI_FLAG,
	  offsetof(struct start_request, detach) },
	{ NULL },
};

const struct cli_option app_request_options[] = {
	{ "app-name", 0, "NAME", "name of the app; default: the end of the image's name",
	  CLI_STRING, APP(name) },
	{ "exec", 0, "PATH", "program to run; ARGs are its arguments", CLI_STRING, APP(exec) },
	{ "env", 'e', "NAME=VALUE", "set an environment variable", CLI_LIST, APP(environment) },
	{ "user", 'u', "USER", "user: a name or number, or the path of a file whose owner it is",
	  CLI_STRING, APP(user) },
	{ "group", 'g', "GROUP", "group, likewise", CLI_STRING, APP(group) },
	{ "supplementary-gids", 0, "GID,...", "further groups, as numbers", CLI_STRING, APP(gids) },
	{ "working-dir", 'w', "PATH", "directory to start in", CLI_STRING, APP(directory) },
	{ "mount", 0, "volume=NAME,target=PATH", "mount a volume of the pod", CLI_LIST,
	  APP(mounts) },
	{ "bind", 'v', "SOURCE:TARGET[:ro]", "mount a file or directory of the host", CLI_LIST,
	  APP(binds), .complete = CLI_COMPLETE_FILE },
	{ "read-only", 0, NULL, "mount the root file system read-only", CLI_FLAG, APP(read_only) },
	{ "memory", 'm', "SIZE", "limit of memory, as 64M or 1.5G", CLI_SIZE, APP(memory) },
	{ "cpus", 0, "NUMBER", "limit of processor time, in processors, as 0.5", CLI_STRING,
	  APP(cpus) },
	{ "pids-limit", 0, "NUMBER", "limit of processes and threads", CLI_NUMBER, APP(pids),
	  .max = 4194304 },
	{ "rlimit", 0, "NAME=SOFT[:HARD]", "a limit of setrlimit(2), as nofile=1024", CLI_LIST,
	  APP(rlimits) },
	{ "cap-retain", 0, "NAME,...", "capabilities to keep, all others go", CLI_STRING,
	  APP(cap_retain) },
	{ "cap-remove", 0, "NAME,...", "capabilities to take from the default set", CLI_STRING,
	  APP(cap_remove) },
	{ "no-new-privileges", 0, NULL, "no program may gain rights by set-user-ID or capabilities",
	  CLI_FLAG, APP(no_new_privileges) },
	{ "seccomp", 0, "retain|remove:NAME,...",
	  "system calls that alone are allowed, or that are not", CLI_STRING, APP(seccomp) },
	{ "isolator", 0, "NAME=JSON", "any isolator, its value as in a manifest", CLI_LIST,
	  APP(isolators) },
	{ NULL },
};

const struct cli_option input_request_options[] = {
	{ "interactive", 'i', NULL, "connect standard input, also where the default is none",
	  CLI_FLAG, APP(input.interactive) },
	{ "tty", 't', NULL, "give the app a terminal", CLI_FLAG, APP(input.tty) },
	{ "no-tty", 'T', NULL, "give the app no terminal even when standard input is one", CLI_FLAG,
	  APP(input.no_tty) },
	{ NULL },
};

static int usage(struct error *err, const char *text)
{
	error_set(err, -EINVAL, "%s.", text);
	return CLI_USAGE;
}

static struct app_request *app_add(struct run_request *r)
{
	struct app_request *apps = realloc(r->apps, (r->n_apps + 1) * sizeof(*apps));

	if (!apps)
		return NULL;
	r->apps = apps;
	apps[r->n_apps] = (struct app_request){ 0 };
	return &apps[r->n_apps++];
}

/* IMAGE [ARG]..., up to "---" or the end. more: there is another app. */
static int app_operands(struct app_request *app, struct cli_args *args, bool *more,
			struct error *err)
{
	*more = false;
	if (args->n == 0 || str_eq(args->argv[0], "---"))
		return usage(err, "an image is missing");
	app->image = args->argv[0];
	args->argv++;
	args->n--;
	if (args->n > 0 && str_eq(args->argv[0], "--")) {
		args->argv++;
		args->n--;
	}
	app->args = args->argv;
	for (; args->n > 0 && !*more; args->argv++, args->n--) {
		*more = str_eq(args->argv[0], "---");
		app->n_args += !*more;
	}
	return 0;
}

/* Options in front of the first image; the manifest may stand for images. */
static int first_app(struct run_request *r, struct cli_args *args, bool starts, bool *more,
		     struct error *err)
{
	static const struct app_request nothing;
	struct app_request *app = app_add(r);
	struct cli_set sets[] = {
		{ pod_request_options, &r->pod },
		{ app_request_options, app },
		{ input_request_options, app },
		{ start_request_options, &r->start },
	};
	int result;

	if (!app)
		return error_set(err, -ENOMEM, "command line");
	result = cli_parse_leading(sets, starts ? 4 : 2, args, err);
	if (result != 0)
		return result;
	if (!r->pod.manifest)
		return app_operands(app, args, more, err);
	*more = false;
	if (args->n > 0)
		return usage(err,
			     "--pod-manifest takes the place of images: give one or the other");
	if (memcmp(app, &nothing, sizeof(nothing)) != 0)
		return usage(err,
			     "with --pod-manifest the manifest says everything about the apps");
	r->n_apps = 0;
	return 0;
}

static int next_app(struct run_request *r, struct cli_args *args, bool starts, bool *more,
		    struct error *err)
{
	struct app_request *app = app_add(r);
	struct cli_set sets[] = { { app_request_options, app }, { input_request_options, app } };
	int result;

	if (!app)
		return error_set(err, -ENOMEM, "command line");
	result = cli_parse_leading(sets, starts ? 2 : 1, args, err);
	if (result == CLI_USAGE)
		error_prefix(err, result,
			     "app %zu (options of the pod stand before the first image)",
			     r->n_apps);
	return result ? result : app_operands(app, args, more, err);
}

static int check(const struct run_request *r, struct error *err)
{
	size_t connected = 0;

	for (size_t i = 0; i < r->n_apps; i++) {
		const struct input_options *in = &r->apps[i].input;

		if (in->tty && in->no_tty)
			return usage(err, "--tty and --no-tty: give one or the other");
		connected += in->interactive || in->tty;
	}
	if (connected > 1)
		return usage(err, "only one app can have the standard input or the terminal");
	if (connected && r->start.detach)
		return usage(
			err,
			"a detached pod has no standard input: --detach does not go with --interactive or --tty");
	return 0;
}

int run_request_parse(struct run_request *ret, struct cli_args *args, bool starts,
		      struct error *err)
{
	bool more;
	int r;

	*ret = (struct run_request){ 0 };
	r = first_app(ret, args, starts, &more, err);
	while (r == 0 && more) {
		if (ret->n_apps == LIMIT_APPS)
			return usage(err, "too many apps for one pod");
		r = next_app(ret, args, starts, &more, err);
	}
	return r ? r : check(ret, err);
}

void run_request_deinit(struct run_request *r)
{
	cli_options_deinit(pod_request_options, &r->pod);
	for (size_t i = 0; i < r->n_apps; i++)
		cli_options_deinit(app_request_options, &r->apps[i]);
	free(r->apps);
	*r = (struct run_request){ 0 };
}
