#include <fcntl.h>
#include <jansson.h>

#include "cli/image.h"
#include "cli/table.h"

enum { GRACE_DEFAULT = 24 * 60 * 60, GRACE_MAX = 100 * 365 * 24 * 60 * 60U };

struct gc_options {
	struct cli_number grace;
	bool dry_run, json;
};

static const struct cli_option gc_options[] = {
	{ "grace-period", 0, "DURATION",
	  "keep images that were used or imported later; default: 1d", CLI_DURATION,
	  offsetof(struct gc_options, grace) },
	{ "dry-run", 0, NULL, "only say which images would be removed", CLI_FLAG,
	  offsetof(struct gc_options, dry_run) },
	{ "json", 0, NULL, "as JSON", CLI_FLAG, offsetof(struct gc_options, json) },
	{ NULL },
};

static const struct table_column gc_columns[] = {
	{ "KIND", "kind" }, { "ID", "id", .format = table_format_id },
	{ "NAME", "name" }, { "SIZE", "bytes", .right = true, .format = table_format_size },
	{ NULL },
};

struct gc_walk {
	json_t *rows;
	uint64_t bytes;
	unsigned n;
	int result; /* first failure */
};

static int note(const struct images_gone *g, void *arg)
{
	struct gc_walk *w = arg;
	json_t *row;

	if (g->failure) {
		struct error err = *g->failure;

		error_context(&err, err.code, "remove", g->name);
		w->result = cli_next_failure(w->result, err.code, &err);
		return 0;
	}
	w->bytes += g->bytes;
	if (!g->image)
		row = json_pack("{s:s, s:n, s:s, s:I}", "kind", g->kind, "id", "name", g->name,
				"bytes", (json_int_t)g->bytes);
	else
		row = json_pack("{s:s, s:s, s:s, s:I}", "kind", g->kind, "id", g->name, "name",
				g->image->name, "bytes", (json_int_t)g->bytes);
	w->n += g->image != NULL;
	return json_array_append_new(w->rows, row) < 0 ? -ENOMEM : 0;
}

static int print(const struct gc_options *o, const struct gc_walk *w, struct error *err)
{
	char size[TABLE_CELL];
	json_t *bytes = json_integer((json_int_t)w->bytes);
	int r = table_print(json_incref(w->rows), gc_columns,
			    &(struct table_options){ .json = o->json, .no_legend = true }, err);

	table_format_size(size, bytes);
	json_decref(bytes);
	if (r != 0 || o->json)
		return r;
	return cli_print(err, "%u image%s %s, %s\n", w->n, w->n == 1 ? "" : "s",
			 o->dry_run ? "would be removed" : "removed", size);
}

static int sweep(const struct cli *cli, const struct gc_options *o, struct gc_walk *w,
		 struct error *err)
{
	uint64_t seconds = o->grace.given ? o->grace.value : GRACE_DEFAULT;
	struct images_gc gc = { .dry_run = o->dry_run, .each = note, .arg = w };
	_images_ struct images im = { 0 };
	int r;

	if (faccessat(AT_FDCWD, cli->dirs.root, F_OK, 0) < 0)
		return 0; /* there is nothing, and nothing is made */
	gc.grace_ns = (int64_t)(seconds < GRACE_MAX ? seconds : GRACE_MAX) * 1000000000;
	r = cli_images_open(cli, &im, err);
	return r == 0 ? images_gc(&im, &gc, err) : r;
}

static int gc_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct gc_options o = { 0 };
	struct cli_set set = { gc_options, &o };
	struct gc_walk w = { 0 };
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 0, 0, err);
	if (r != 0)
		return r;
	w.rows = json_array();
	r = w.rows ? sweep(cli, &o, &w, err) : error_set(err, -ENOMEM, "out of memory");
	if (r == 0)
		r = print(&o, &w, err);
	json_decref(w.rows);
	return r ? r : w.result;
}

const struct cli_verb verb_image_gc = {
	.name = "gc",
	.summary = "Remove images that nobody has used for some time, and what is left over",
	.tables = { { gc_options } },
	.run = gc_run,
};
