/*
 * `carob run` and `carob prepare`: from the command line to a pod directory; `run` then becomes
 * carob-stage1. On the path of every start: what is not needed is not opened.
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/launch.h"
#include "cli/network.h"
#include "cli/progress.h"
#include "cli/request.h"
#include "cli/verbs.h"

/* The images of a pod, by app. */
struct run_images {
	struct run_image *list;
	size_t n;
};

static void run_images_deinit(struct run_images *i)
{
	for (size_t k = 0; k < i->n; k++)
		appc_image_free(i->list[k].manifest);
	free(i->list);
}

/* The image is there, and something that it depends on is not. */
static int fetch_rest(const struct images *im, const struct images_policy *policy,
		      const char *reference, const struct images_progress *report,
		      struct error *err)
{
	struct images_fetched image = { .reference = reference };
	const struct images_fetching f = { .list = &image, .n = 1 };

	*err = (struct error){ 0 };
	return images_fetch(im, policy, &f, report, err);
}

static int resolve_one(const struct images *im, const struct images_policy *policy,
		       const char *reference, struct run_image *ret, struct error *err)
{
	struct progress bar;
	const struct images_progress report = progress_begin(&bar, PROGRESS_AUTO);
	int r = interrupt_check(err);

	if (r != 0)
		return r;
	r = images_resolve(im, policy, reference, ret->id, &report, err);
	if (r == 0)
		r = images_render(im, ret->id, ret->volume, &ret->manifest, err);
	if (r == -ENOENT && ret->id[0] && policy->pull != IMAGES_PULL_NEVER) {
		r = fetch_rest(im, policy, ret->id, &report, err);
		if (r == 0)
			r = images_render(im, ret->id, ret->volume, &ret->manifest, err);
	}
	progress_end(&bar);
	if (r > 0 && !err->code)
		error_set(err, -ENOENT, "there is no image %s.", reference);
	return r == STORE_AMBIGUOUS ? CLI_AMBIGUOUS : r > 0 ? CLI_MISSING : r;
}

/* base: the given manifest, whose apps say their images by ID. */
static int resolve(const struct images *im, const struct images_policy *policy,
		   const struct run_request *request, const struct appc_pod *base,
		   struct run_images *ret, struct error *err)
{
	size_t n = base ? base->n_apps : request->n_apps;
	int r = 0;

	ret->list = calloc(n + 1, sizeof(*ret->list));
	if (!ret->list)
		return error_set(err, -ENOMEM, "images");
	for (; r == 0 && ret->n < n; ret->n++)
		r = resolve_one(im, policy,
				base ? base->apps[ret->n].image_id : request->apps[ret->n].image,
				&ret->list[ret->n], err);
	return r;
}

static int read_manifest(const char *path, struct appc_pod **ret, struct error *err)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	_free_ char *text = NULL;
	size_t len;
	int r = file_read(AT_FDCWD, path, LIMIT_MANIFEST_BYTES, &text, &len);

	if (r < 0)
		return error_set(err, r, "cannot read %s", path);
	r = appc_pod_read(ret, text, len, &faults);
	return r < 0 ? cli_fault_error(&faults, r, path, err) : 0;
}

/* --bind takes paths of this process: made absolute, without links, as host volumes have to be. */
static int absolute_binds(struct run_request *request, struct cli_list *made, struct error *err)
{
	for (size_t i = 0; i < request->n_apps; i++) {
		struct cli_list *binds = &request->apps[i].binds;

		for (size_t k = 0; k < binds->n; k++) {
			const char *colon = strchr(binds->items[k], ':');
			_free_ char *source = colon ? strndup(binds->items[k],
							      (size_t)(colon - binds->items[k]))
						    : NULL;
			_free_ char *real = source ? realpath(source, NULL) : NULL;
			const char **items;
			char *text;

			if (!colon)
				continue; /* the parser of binds says what is wrong */
			if (!real)
				return error_set(err, -errno, "--bind %s", binds->items[k]);
			text = str_printf("%s%s", real, colon);
			items = text ? realloc(made->items, (made->n + 1) * sizeof(*items)) : NULL;
			if (!items) {
				free(text);
				return error_set(err, -ENOMEM, "--bind");
			}
			made->items = items;
			made->items[made->n++] = text;
			binds->items[k] = text;
		}
	}
	return 0;
}

static void made_deinit(struct cli_list *made)
{
	for (size_t i = 0; i < made->n; i++)
		free((char *)made->items[i]);
	free(made->items);
}

static void print_warnings(const struct appc_faults *warnings)
{
	for (size_t i = 0; i < warnings->n; i++)
		cli_complain("%s: %s", warnings->list[i].path, warnings->list[i].text);
}

/* Request to reified pod. */
static int make_pod(const struct images *im, const struct images_policy *policy,
		    struct run_request *request, struct run_images *images, struct appc_pod **ret,
		    struct error *err)
{
	_appc_faults_ struct appc_faults warnings = APPC_FAULTS_INIT;
	_cleanup_(made_deinit) struct cli_list made = { 0 };
	_appc_pod_ struct appc_pod *base = NULL;
	int r = absolute_binds(request, &made, err);

	if (r == 0 && request->pod.manifest)
		r = read_manifest(request->pod.manifest, &base, err);
	if (r == 0)
		r = resolve(im, policy, request, base, images, err);
	if (r == 0)
		r = reify(request, take_ptr(&base), images->list, ret, &warnings, err);
	if (r == 0)
		print_warnings(&warnings);
	return r;
}

static int print_manifest(const struct appc_pod *pod, struct error *err)
{
	_free_ char *text = NULL;
	int r = appc_pod_write(pod, &text);

	return r < 0 ? error_set(err, r, "cannot write the pod manifest")
		     : cli_put_json(json_loads(text, 0, NULL), err);
}

static int run_request(const struct cli *cli, struct run_request *request, bool prepared,
		       struct error *err)
{
	_images_ struct images im = { 0 };
	_cleanup_(run_images_deinit) struct run_images images = { 0 };
	_cleanup_(launch_deinit) struct launch l = LAUNCH_INIT(cli);
	_network_policy_ struct images_policy policy = { 0 };
	struct launch_plan plan = { request, NULL, prepared };
	_appc_pod_ struct appc_pod *pod = NULL;
	int r = network_policy(cli, &request->pod.network, &policy, err);

	if (r == 0 && interrupt_begin() < 0)
		r = error_set(err, -errno, "cannot catch signals");
	if (r == 0)
		r = cli_images_open(cli, &im, err);
	if (r == 0)
		r = make_pod(&im, &policy, request, &images, &pod, err);
	if (r != 0)
		return r;
	if (request->pod.dry_run)
		return print_manifest(pod, err);
	l.mosaic = im.mosaic;
	plan.images = images.list;
	r = launch_prepare(&l, take_ptr(&pod), &plan, err);
	if (r == 0 && !prepared)
		r = l.pod.launch.detached ? launch_detached(&l, err) : launch_foreground(&l, err);
	if (r != 0) {
		launch_undo(&l);
		return r;
	}
	return cli_print(err, "%s\n", l.pod.uuid);
}

static int run_or_prepare(const struct cli *cli, struct cli_args *args, bool starts,
			  struct error *err)
{
	_cleanup_(run_request_deinit) struct run_request request;
	struct cli here = *cli;
	int r = run_request_parse(&request, args, starts, err);

	if (r != 0)
		return r;
	if (request.pod.mosaic)
		r = cli_mosaic_set(&here, request.pod.mosaic, err);
	return r ? r : run_request(&here, &request, !starts, err);
}

static int run_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	return cli_not_started(run_or_prepare(cli, args, true, err));
}

static int prepare_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	return run_or_prepare(cli, args, false, err);
}

#define APPS_PROSE                                                                                \
	"IMAGE is a file, an image ID or the beginning of one, or NAME[:VERSION][,LABEL=VALUE]\n" \
	"ARGs take the place of the image's command. Options of an app stand before its image;\n" \
	"`---` begins the next app, and everything behind it belongs to that one."

const struct cli_verb verb_run = {
	.name = "run",
	.operands = "IMAGE [ARG]... [--- [APP OPTION]... IMAGE [ARG]...]...",
	.summary = "Run a pod of one or more images",
	.prose = APPS_PROSE,
	.tables = { { start_request_options },
		    { pod_request_options, "Options of the pod, before the first image" },
		    { app_request_options, "Options of an app, before its image" },
		    { input_request_options, "Standard input of an app, before its image" } },
	.complete = CLI_COMPLETE_IMAGE,
	.starts = true,
	.run = run_run,
};

const struct cli_verb verb_prepare = {
	.name = "prepare",
	.operands = "IMAGE [ARG]... [--- [APP OPTION]... IMAGE [ARG]...]...",
	.summary = "Make a pod, to be started by `carob run-prepared`, and print its UUID",
	.prose = APPS_PROSE,
	.tables = { { pod_request_options, "Options of the pod, before the first image" },
		    { app_request_options, "Options of an app, before its image" } },
	.complete = CLI_COMPLETE_IMAGE,
	.run = prepare_run,
};
