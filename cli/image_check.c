#include <fcntl.h>
#include <jansson.h>

#include "cli/image.h"
#include "cli/interrupt.h"
#include "cli/network.h"
#include "cli/progress.h"

struct check_options {
	bool quick, repair, json;
	struct network_options network;
};

static const struct cli_option check_options[] = {
	{ "repair", 0, NULL, "make anew what can be made, remove what belongs to nothing", CLI_FLAG,
	  offsetof(struct check_options, repair) },
	INSECURE_OPTION(offsetof(struct check_options, network.insecure)),
	{ "quick", 0, NULL, "only see whether all is there, without reading archives and trees",
	  CLI_FLAG, offsetof(struct check_options, quick) },
	{ "json", 0, NULL, "as JSON", CLI_FLAG, offsetof(struct check_options, json) },
	{ NULL },
};

struct check_walk {
	const struct cli *cli;
	const struct check_options *o;
	struct progress bar;
	json_t *rows; /* of --json */
};

/* OBJECT (NAME): what is wrong: what became of it */
static int say(const struct images_finding *f)
{
	_free_ char *raw = str_printf("%s%s%s%s: %s%s%s", f->object, *f->name ? " (" : "", f->name,
				      *f->name ? ")" : "", f->what,
				      f->repaired || f->why_not ? ": " : "",
				      f->repaired  ? f->repaired
				      : f->why_not ? f->why_not
						   : "");
	size_t room = raw ? 4 * strlen(raw) + 2 : 0;
	_free_ char *line = raw ? malloc(room) : NULL;

	if (!line)
		return -ENOMEM;
	str_escape(line, room - 1, raw);
	return cli_print(NULL, "%s\n", line);
}

static int note(const struct images_finding *f, void *arg)
{
	struct check_walk *w = arg;
	json_t *row;

	progress_end(&w->bar);
	if (!w->o->json)
		return say(f);
	row = json_pack("{s:s, s:s?, s:s, s:s, s:s?, s:s?}", "object", f->object, "image", f->image,
			"name", f->name, "what", f->what, "repaired", f->repaired, "whyNot",
			f->why_not);
	return json_array_append_new(w->rows, row) < 0 ? -ENOMEM : 0;
}

/* ---- repair ---------------------------------------------------------------------------------- */

/* The reference in the file "origin". NULL: there is none that leads anywhere. */
static char *reference_of(const char *origin)
{
	_json_ json_t *json = json_loads(origin, JSON_REJECT_DUPLICATES, NULL);
	const char *reference = json_string_value(json_object_get(json, "reference"));

	return reference && *reference ? strdup(reference) : NULL;
}

/* By what the configuration and this call allow: what was given up for the image when it came first
 * was given up then. */
static int refetch(const struct images *im, const char *id, const char *origin,
		   _unused_ const char *source, void *arg, struct error *err)
{
	const struct check_walk *w = arg;
	_free_ char *reference = reference_of(origin);
	_network_policy_ struct images_policy policy = { 0 };
	struct images_fetched image = { .reference = reference };
	const struct images_fetching one = { .list = &image, .n = 1 };
	int r;

	if (!reference)
		return STORE_MISSING;
	r = network_policy(w->cli, &w->o->network, &policy, err);
	if (r != 0)
		return r < 0 ? r : -EINVAL;
	policy.pull = IMAGES_PULL_ALWAYS;
	policy.check_layers = true;
	r = images_fetch(im, &policy, &one, NULL, err);
	if (r < 0 || str_eq(image.id, id))
		return r;
	return error_set(err, -ESTALE, "%s is another image by now: %s.", reference, image.id);
}

static int unpack_oci(const struct images *im, const char *id, int tree, _unused_ void *arg,
		      struct error *err)
{
	return oci_restore(im, id, tree, err);
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Every image named that is there is looked at. 0 or an exit code. */
static int find_all(const struct images *im, const struct cli_args *args,
		    char (*ids)[STORE_ID_TEXT], const char **list, size_t *ret_n, struct error *err)
{
	int result = 0;

	*ret_n = 0;
	for (size_t i = 0; i < args->n; i++) {
		int r = image_find(im->store, args->argv[i], ids[*ret_n], err);

		if (r == 0) {
			list[*ret_n] = ids[*ret_n];
			(*ret_n)++;
		}
		result = cli_next_failure(result, r, err);
	}
	return result;
}

static int check_found(const struct images *im, struct check_walk *w, const char *const *ids,
		       size_t n, struct error *err)
{
	const struct check_options *o = w->o;
	const struct images_progress report = progress_begin(&w->bar, PROGRESS_AUTO);
	const struct images_check check = {
		.ids = ids,
		.n_ids = n,
		.quick = o->quick,
		.repair = o->repair,
		.refetch = refetch,
		.unpack_oci = unpack_oci,
		.each = note,
		.interrupted = interrupt_check,
		.arg = w,
	};
	unsigned left = 0;
	int r;

	w->rows = json_array();
	r = w->rows ? images_check(im, &check, &left, &report, err)
		    : error_set(err, -ENOMEM, "out of memory");

	progress_end(&w->bar);
	if (r == 0 && o->json)
		r = cli_put_json(json_incref(w->rows), err);
	json_decref(w->rows);
	return r == 0 && left ? CLI_FAILED : r;
}

static int check_images(const struct cli *cli, const struct check_options *o,
			const struct cli_args *args, struct error *err)
{
	_free_ char(*ids)[STORE_ID_TEXT] = calloc(args->n + 1, sizeof(*ids));
	_free_ const char **list = calloc(args->n + 1, sizeof(*list));
	struct check_walk w = { .cli = cli, .o = o };
	_images_ struct images im = { 0 };
	size_t n = 0;
	int r, missing = 0;

	if (!ids || !list)
		return error_set(err, -ENOMEM, "out of memory");
	r = cli_images_open(cli, &im, err);
	if (r != 0)
		return r;
	missing = find_all(&im, args, ids, list, &n, err);
	if (n || !args->n)
		r = check_found(&im, &w, list, n, err);
	return r ? r : missing;
}

/* What is wrong with the options, before anything is looked at. */
static int check_options_fit(const struct cli *cli, const struct check_options *o,
			     struct error *err)
{
	_network_policy_ struct images_policy policy = { 0 };

	if (o->network.insecure.n == 0)
		return 0;
	if (!o->repair) {
		error_set(err, -EINVAL, "--insecure is of use with --repair only.");
		return CLI_USAGE;
	}
	return network_policy(cli, &o->network, &policy, err);
}

static int check_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct check_options o = { 0 };
	struct cli_set set = { check_options, &o };
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = check_options_fit(cli, &o, err);
	if (r == 0 && faccessat(AT_FDCWD, cli->dirs.root, F_OK, 0) < 0 && args->n == 0)
		r = o.json ? cli_puts("[]\n", err) : 0;
	else if (r == 0 && interrupt_begin() < 0)
		r = error_set(err, -errno, "cannot catch signals");
	else if (r == 0)
		r = check_images(cli, &o, args, err);
	cli_options_deinit(check_options, &o);
	return r;
}

const struct cli_verb verb_image_check = {
	.name = "check",
	.operands = "[IMAGE]...",
	.summary = "Look for what is damaged in the store, or belongs to nothing; repair it",
	.tables = { { check_options } },
	.complete = CLI_COMPLETE_IMAGE,
	.run = check_run,
};
