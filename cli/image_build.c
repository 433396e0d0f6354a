#include "cli/image.h"
#include "cli/progress.h"

struct build_options {
	const char *rootfs, *manifest, *compression;
	struct cli_list from;
	bool overwrite;
};

static const struct cli_option build_options[] = {
	{ "rootfs", 0, "DIR", "the root file system", CLI_STRING,
	  offsetof(struct build_options, rootfs), .complete = CLI_COMPLETE_DIRECTORY },
	{ "manifest", 0, "FILE", "the image manifest, JSON or YAML", CLI_STRING,
	  offsetof(struct build_options, manifest), .complete = CLI_COMPLETE_FILE },
	{ "from", 0, "IMAGE", "depend on this image of the store; several: in this order", CLI_LIST,
	  offsetof(struct build_options, from), .complete = CLI_COMPLETE_IMAGE },
	{ "compression", 0, "none|gzip|bzip2|xz", "of the archive; default: gzip", CLI_CHOICE,
	  offsetof(struct build_options, compression) },
	{ "overwrite", 0, NULL, "take the place of a file that exists", CLI_FLAG,
	  offsetof(struct build_options, overwrite) },
	{ NULL },
};

/* The IDs of the images that are depended on. 0 or an exit code. */
static int find_all(const struct cli *cli, const struct cli_list *words, struct store **store,
		    char (*ids)[STORE_ID_TEXT], const char **list, struct error *err)
{
	int r = words->n ? image_store_open(cli, store, err) : 0;

	for (size_t i = 0; r == 0 && i < words->n; i++) {
		r = image_find(*store, words->items[i], ids[i], err);
		list[i] = ids[i];
	}
	return r;
}

static int read_yaml(const char *text, size_t len, struct json_t **ret, struct error *err)
{
	struct json_reader reader = { .report = json_report_error, .arg = err };

	return yaml_read_text(&reader, text, len, LIMIT_MANIFEST_BYTES, ret, NULL);
}

static int build(const struct cli *cli, const struct build_options *o, const char *out,
		 struct error *err)
{
	_free_ char(*ids)[STORE_ID_TEXT] = calloc(o->from.n + 1, sizeof(*ids));
	_free_ const char **from = calloc(o->from.n + 1, sizeof(*from));
	_store_ struct store *store = NULL;
	struct images im = { .libexec = cli->libexec };
	struct images_progress report;
	struct images_recipe recipe;
	struct progress bar;
	char id[STORE_ID_TEXT];
	int r;

	if (!ids || !from)
		return error_set(err, -ENOMEM, "out of memory");
	r = find_all(cli, &o->from, &store, ids, from, err);
	if (r != 0)
		return r;
	im.store = store;
	report = progress_begin(&bar, PROGRESS_AUTO);
	recipe = (struct images_recipe){ .rootfs = o->rootfs,
					 .manifest = o->manifest,
					 .out = out,
					 .compression = o->compression,
					 .overwrite = o->overwrite,
					 .from = from,
					 .n_from = o->from.n,
					 .read_yaml = read_yaml };
	r = images_build(&im, &recipe, id, &report, err);
	progress_end(&bar);
	return r ? r : cli_print(err, "%s\n", id);
}

static int build_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct build_options o = { .compression = "gzip" };
	struct cli_set set = { build_options, &o };
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 1, 1, err);
	if (r == 0 && (!o.rootfs || !o.manifest)) {
		error_set(err, -EINVAL, "--rootfs and --manifest are both needed.");
		r = CLI_USAGE;
	}
	if (r == 0)
		r = build(cli, &o, args->argv[0], err);
	cli_options_deinit(build_options, &o);
	return r;
}

const struct cli_verb verb_image_build = {
	.name = "build",
	.operands = "FILE.aci",
	.summary = "Make an image archive from a directory and a manifest, and print its ID",
	.tables = { { build_options } },
	.complete = CLI_COMPLETE_FILE,
	.run = build_run,
};
