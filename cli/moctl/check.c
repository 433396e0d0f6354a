#include <jansson.h>

#include "cli/moctl/verbs.h"
#include "cli/table.h"

struct check_options {
	struct table_options table;
	bool repair;
};

static const struct cli_option check_options[] = {
	{ "repair", 0, NULL,
	  "mend what can be mended, and remove what was never finished; no finished volume goes",
	  CLI_FLAG, offsetof(struct check_options, repair) },
	{ "json", 0, NULL, "as JSON", CLI_FLAG, offsetof(struct check_options, table.json) },
	{ "no-legend", 0, NULL, "no line of titles", CLI_FLAG,
	  offsetof(struct check_options, table.no_legend) },
	{ NULL },
};

static const struct table_column columns[] = {
	{ "WHERE", "where" },
	{ "PROBLEM", "problem" },
	{ "MENDED", "mended" },
	{ NULL },
};

static int add_problem(const struct mosaic_problem *p, void *arg)
{
	json_t *row = json_pack("{s:o, s:o, s:b}", "where", moctl_text(p->where), "problem",
				moctl_text(p->text), "mended", p->mended);

	return json_array_append_new(arg, row) < 0 ? -ENOMEM : 0;
}

static int check_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	struct check_options o = { 0 };
	_mosaic_ struct mosaic *m = NULL;
	_json_ json_t *rows = json_array();
	unsigned n = 0;
	int r = moctl_parse(&(struct moctl_syntax){ check_options, 0, 0 }, &o, args, err);

	if (r == 0)
		r = rows ? moctl_open(c, &m, err) : error_set(err, -ENOMEM, "cannot check");
	if (r == 0)
		r = mosaic_check(m, o.repair ? MOSAIC_CHECK_REPAIR : 0, add_problem, rows, &n, err);
	if (r != 0)
		return r;
	if (o.table.json || json_array_size(rows) > 0)
		r = table_print(take_ptr(&rows), columns, &o.table, err);
	if (r != 0 || n == 0)
		return r;
	if (o.repair)
		error_set(err, -EUCLEAN, "%u problem%s in %s could not be mended.", n,
			  n > 1 ? "s" : "", mosaic_location(m));
	else
		error_set(err, -EUCLEAN, "%u problem%s in %s; --repair mends what it can.", n,
			  n > 1 ? "s" : "", mosaic_location(m));
	return MOCTL_DAMAGED;
}

const struct moctl_verb moctl_verb_check = {
	.name = "check",
	.summary = "Look for what crashes left, what is damaged, what belongs to nobody",
	.prose = "Exits with 0 if nothing is wrong (any more), else with 8.",
	.tables = { { check_options } },
	.run = check_run,
};
