/* Help, made from the tables. */
#include "cli/cli.h"
#include "cli/help_text.h"
#include "cli/verbs.h"

enum { HELP_BYTES = 1 << 20 };

static int add_verbs(struct buf *b, const struct cli_verb *const *verbs)
{
	int r = 0;

	for (; r == 0 && *verbs; verbs++)
		r = help_entry(b, (*verbs)->name, (*verbs)->summary);
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
		r = help_options(&b, cli_global_options);
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
	if (r == 0)
		r = help_tables(&b, verb->tables);
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
