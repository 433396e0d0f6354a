/* Help, made from the tables. */
#include "cli/cli.h"

#include <string.h>

#include "cli/verbs.h"

enum {
	HELP_BYTES = 1 << 20,
	WIDTH = 80,
	COLUMN = 32, /* where the explanations begin */
};

/* Words of text behind what stands in the line already, broken at WIDTH and indented. */
static int add_wrapped(struct buf *b, const char *text, size_t at, size_t indent)
{
	size_t column = at;
	int r = 0;

	for (bool first = true; r == 0 && *text; first = false) {
		size_t n = strcspn(text, " ");

		if (!first && column + 1 + n > WIDTH) {
			r = buf_addf(b, "\n%*s", (int)indent, "");
			column = indent;
		} else if (!first) {
			r = buf_add(b, " ", 1);
			column++;
		}
		if (r == 0)
			r = buf_add(b, text, n);
		column += n;
		text += n + strspn(text + n, " ");
	}
	return r < 0 ? r : buf_add(b, "\n", 1);
}

/* "  LEFT        right", on two lines when left is long. */
static int add_entry(struct buf *b, const char *left, const char *right)
{
	size_t n = strlen(left) + 2;
	int r = buf_addf(b, "  %s%*s", left, n + 2 <= COLUMN ? (int)(COLUMN - n) : 0, "");

	if (r == 0 && n + 2 > COLUMN)
		r = buf_addf(b, "\n%*s", COLUMN, "");
	return r < 0 ? r : add_wrapped(b, right, COLUMN, COLUMN);
}

static int add_option(struct buf *b, const struct cli_option *o)
{
	char left[256];
	size_t n = 0;

	if (o->letter)
		n = (size_t)snprintf(left, sizeof(left), "-%c, --%s", o->letter, o->name);
	else
		n = (size_t)snprintf(left, sizeof(left), "    --%s", o->name);
	if (o->argument)
		snprintf(left + n, sizeof(left) - n, " %s", o->argument);
	return add_entry(b, left, o->help);
}

static int add_options(struct buf *b, const struct cli_option *options)
{
	int r = 0;

	for (; r == 0 && options->name; options++)
		r = add_option(b, options);
	return r;
}

static int add_verbs(struct buf *b, const struct cli_verb *const *verbs)
{
	int r = 0;

	for (; r == 0 && *verbs; verbs++)
		r = add_entry(b, (*verbs)->name, (*verbs)->summary);
	return r;
}

int cli_help_overview(char **ret)
{
	_buf_ struct buf b = BUF_INIT(HELP_BYTES);
	int r = buf_addf(
		&b,
		"usage: carob [OPTION]... COMMAND ...\n\n"
		"Runs pods: groups of apps from App Container images, without a daemon.\n\nCommands:\n");

	if (r == 0)
		r = add_verbs(&b, cli_verbs);
	if (r == 0)
		r = buf_addf(&b, "\nOptions before the command:\n");
	if (r == 0)
		r = add_options(&b, cli_global_options);
	if (r == 0)
		r = buf_addf(
			&b, "\n`carob help COMMAND` tells more of one; carob(1) has everything.\n");
	if (r == 0)
		*ret = buf_take(&b);
	return r < 0 ? r : *ret ? 0 : -ENOMEM;
}

int cli_help_verb(const struct cli_verb *verb, char **ret)
{
	_buf_ struct buf b = BUF_INIT(HELP_BYTES);
	char words[64];
	int r;

	cli_verb_words(verb, words, sizeof(words));
	if (verb->verbs)
		r = buf_addf(&b, "usage: carob %s COMMAND ...\n\n%s.\n\nCommands:\n", words,
			     verb->summary);
	else
		r = buf_addf(&b, "usage: carob %s%s%s%s\n\n%s.\n", words,
			     verb->tables[0].options ? " [OPTION]..." : "",
			     verb->operands ? " " : "", verb->operands ? verb->operands : "",
			     verb->summary);
	if (r == 0 && verb->verbs)
		r = add_verbs(&b, verb->verbs);
	if (r == 0 && verb->prose)
		r = buf_addf(&b, "\n%s\n", verb->prose);
	for (size_t i = 0; r == 0 && verb->tables[i].options; i++) {
		r = buf_addf(&b, "\n%s:\n",
			     verb->tables[i].title ? verb->tables[i].title : "Options");
		if (r == 0)
			r = add_options(&b, verb->tables[i].options);
	}
	if (r == 0)
		*ret = buf_take(&b);
	return r < 0 ? r : *ret ? 0 : -ENOMEM;
}

static int help_run(_unused_ const struct cli *cli, struct cli_args *args, struct error *err)
{
	static const struct cli_option none[] = { { NULL } };
	struct cli_set set = { none, NULL };
	const struct cli_verb *verb;
	_free_ char *text = NULL;
	int r = cli_parse(&set, 1, args, err);

	if (r == 0 && args->n > 0) {
		r = cli_verb_choose(args, &verb, err);
		if (r == 0)
			r = cli_want_operands(args, 0, 0, err);
		if (r != 0)
			return r;
		r = cli_help_verb(verb, &text);
	} else if (r == 0) {
		r = cli_help_overview(&text);
	}
	return r ? r : cli_puts(text, err);
}

const struct cli_verb verb_help = {
	.name = "help",
	.operands = "[COMMAND]",
	.summary = "Tell what carob or one of its commands does",
	.complete = CLI_COMPLETE_VERB,
	.run = help_run,
};
