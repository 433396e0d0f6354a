/* Help, made from the tables. */
#include <string.h>

#include "cli/help_text.h"
#include "cli/moctl/verbs.h"

enum { HELP_BYTES = 1 << 20 };

static int add_verbs(struct buf *b, const struct moctl_verb *const *verbs)
{
	int r = 0;

	for (; r == 0 && *verbs; verbs++)
		r = help_entry(b, (*verbs)->name, (*verbs)->summary);
	return r;
}

int moctl_help_overview(char **ret)
{
	_buf_ struct buf b = BUF_INIT(HELP_BYTES);
	int r = buf_addf(&b,
			 "usage: moctl [OPTION]... MOSAIC COMMAND ...\n\n"
			 "Volumes on every kind of storage. MOSAIC is the name of a description in\n"
			 "the mosaic path, a .mos file, or a directory.\n\nCommands:\n");

	if (r == 0)
		r = add_verbs(&b, moctl_verbs);
	if (r == 0)
		r = buf_addf(&b, "\nWithout a mosaic (`moctl COMMAND ...`):\n");
	if (r == 0)
		r = add_verbs(&b, moctl_commands);
	if (r == 0)
		r = buf_addf(&b, "\nOptions before the mosaic:\n");
	if (r == 0)
		r = help_options(&b, moctl_global_options);
	if (r == 0)
		r = buf_addf(&b,
			     "\nThe beginning of a command is enough where it fits only one. "
			     "`moctl help COMMAND`\ntells more of one; moctl(1) has everything.\n");
	if (r == 0)
		*ret = buf_take(&b);
	return r < 0 ? r : *ret ? 0 : -ENOMEM;
}

int moctl_help_verb(const struct moctl_verb *verb, char **ret)
{
	_buf_ struct buf b = BUF_INIT(HELP_BYTES);
	bool alone = moctl_verb_exact(moctl_commands, verb->name) == verb;
	char words[64];
	int r;

	moctl_verb_words(verb, words, sizeof(words));
	if (verb->verbs)
		r = buf_addf(&b, "usage: moctl MOSAIC %s COMMAND ...\n\n%s.\n\nCommands:\n", words,
			     verb->summary);
	else
		r = buf_addf(&b, "usage: moctl %s%s%s%s%s\n\n%s.\n", alone ? "" : "MOSAIC ", words,
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

/* One of moctl_commands by its whole name, else one that stands behind a mosaic. */
static int find(struct cli_args *args, const struct moctl_verb **ret, struct error *err)
{
	*ret = moctl_verb_exact(moctl_commands, args->argv[0]);
	if (!*ret)
		return moctl_verb_choose(moctl_verbs, args, ret, err);
	args->argv++;
	args->n--;
	return 0;
}

static int help_run(_unused_ const struct moctl *c, struct cli_args *args, struct error *err)
{
	const struct moctl_verb *verb;
	_free_ char *text = NULL;
	int r = moctl_parse(&(struct moctl_syntax){ moctl_no_options, 0, 2 }, NULL, args, err);

	if (r == 0 && args->n > 0) {
		r = find(args, &verb, err);
		if (r == 0)
			r = cli_want_operands(args, 0, 0, err);
		if (r != 0)
			return r;
		r = moctl_help_verb(verb, &text);
	} else if (r == 0) {
		r = moctl_help_overview(&text);
	}
	return r ? r : cli_puts(text, err);
}

const struct moctl_verb moctl_verb_help = {
	.name = "help",
	.operands = "[COMMAND]",
	.summary = "Tell what moctl or one of its commands does",
	.complete = { CLI_COMPLETE_VERB },
	.run = help_run,
};
