/* `carob fetch`: images into the store, with all that they depend on. */
#include <jansson.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/network.h"
#include "cli/progress.h"
#include "cli/verbs.h"

struct fetch_options {
	struct network_options network;
	const char *progress;
	bool quiet, json;
};

static const struct cli_option fetch_options[] = {
	NETWORK_OPTIONS(offsetof(struct fetch_options, network)),
	{ "progress", 0, "auto|bar|plain|json|none",
	  "how progress is shown on standard error; default: bars on a terminal, else plain lines",
	  CLI_CHOICE, offsetof(struct fetch_options, progress) },
	{ "json", 0, NULL, "print an array of objects in place of the image IDs", CLI_FLAG,
	  offsetof(struct fetch_options, json) },
	{ "quiet", 'q', NULL, "show no progress", CLI_FLAG, offsetof(struct fetch_options, quiet) },
	{ NULL },
};

/* While images come. */
struct fetching {
	const struct fetch_options *options;
	struct progress bar;
	json_t *array; /* --json */
	int result;
};

static int add_object(struct fetching *f, const struct images_fetched *image,
		      const struct error *failure)
{
	char text[1024];
	json_t *object;

	if (failure)
		error_format(failure, text, sizeof(text));
	object = json_pack("{s:s, s:s?, s:b, s:s?}", "reference", image->reference, "id",
			   failure ? NULL : image->id, "wasThere", image->was_there, "error",
			   failure ? text : NULL);
	return json_array_append_new(f->array, object) < 0 ? -ENOMEM : 0;
}

static int ended(const struct images_fetched *image, const struct error *failure, void *arg)
{
	struct fetching *f = arg;
	struct error copy = failure ? *failure : (struct error){ 0 };
	int r = 0;

	progress_end(&f->bar);
	if (f->options->json)
		r = add_object(f, image, failure);
	if (failure)
		f->result = cli_next_failure(f->result,
					     copy.code == -ENOENT ? CLI_MISSING : copy.code, &copy);
	else if (!f->options->json)
		r = cli_print(NULL, "%s\n", image->id);
	return r;
}

/* On a terminal bars, else lines: who fetches by hand wants to know how far it is. */
static enum progress_style style_of(const struct fetch_options *o)
{
	enum progress_style style = progress_style_of(o->progress);

	if (o->quiet)
		return PROGRESS_NONE;
	if (style == PROGRESS_AUTO && !isatty(STDERR_FILENO))
		return PROGRESS_PLAIN;
	return style;
}

static int fetch_all(const struct cli *cli, const struct cli_args *args, struct fetching *f,
		     struct error *err)
{
	_free_ struct images_fetched *list = calloc(args->n, sizeof(*list));
	_network_policy_ struct images_policy policy = { 0 };
	_images_ struct images im = { 0 };
	const struct images_fetching all = { list, args->n, ended, f };
	struct images_progress report;
	int r = list ? network_policy(cli, &f->options->network, &policy, err) : -ENOMEM;

	if (r == 0 && interrupt_begin() < 0)
		r = error_set(err, -errno, "cannot catch signals");
	if (r == 0)
		r = cli_images_open(cli, &im, err);
	if (r != 0)
		return r;
	for (size_t i = 0; i < args->n; i++)
		list[i].reference = args->argv[i];
	report = progress_begin(&f->bar, style_of(f->options));
	r = images_fetch(&im, &policy, &all, &report, err);
	progress_end(&f->bar);
	if (r < 0 && f->result) {
		*err = (struct error){ 0 }; /* said already */
		r = 0;
	}
	if (r == 0 && f->options->json)
		r = cli_put_json(json_incref(f->array), err);
	return r == 0 ? f->result : r;
}

static int fetch_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct fetch_options o = { 0 };
	struct cli_set set = { fetch_options, &o };
	struct fetching f = { .options = &o };
	int code, r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 1, SIZE_MAX, err);
	f.array = r == 0 ? json_array() : NULL;
	if (r == 0)
		r = f.array ? fetch_all(cli, args, &f, err) : -ENOMEM;
	json_decref(f.array);
	cli_options_deinit(fetch_options, &o);
	/* what was complete before a signal came is complete */
	code = r ? interrupt_check(err) : 0;
	return code ? code : r;
}

const struct cli_verb verb_fetch = {
	.name = "fetch",
	.operands = "IMAGE...",
	.summary = "Bring images and all that they depend on into the store and print their IDs",
	.prose = "IMAGE is NAME[:VERSION][,LABEL=VALUE]... (found by discovery), https://...,\n"
		 "docker://HOST/REPO[:TAG|@DIGEST], oci:DIR[:TAG], docker-archive:FILE[:TAG],\n"
		 "or a file or directory.",
	.tables = { { fetch_options } },
	.complete = CLI_COMPLETE_IMAGE,
	.run = fetch_run,
};
