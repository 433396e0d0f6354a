/* For fish: one `complete` command for each verb and option. */
#include "cli/completion.h"

#include <string.h>

static const char *action(enum cli_complete complete)
{
	static const char *const actions[] = {
		[CLI_COMPLETE_NONE] = NULL,
		[CLI_COMPLETE_FILE] = NULL, /* fish completes files by itself */
		[CLI_COMPLETE_DIRECTORY] = "(__fish_complete_directories)",
		[CLI_COMPLETE_POD] = "(__carob_pods)",
		[CLI_COMPLETE_IMAGE] = "(__carob_images)",
		[CLI_COMPLETE_VERB] = "(__carob_commands)",
		[CLI_COMPLETE_SIGNAL] = "TERM KILL INT HUP QUIT USR1 USR2 STOP CONT",
		[CLI_COMPLETE_SHELL] = "bash zsh fish",
		[CLI_COMPLETE_VOLUME] = "(carob volume list --quiet 2>/dev/null)",
	};

	return actions[complete];
}

static int add_description(struct buf *b, const char *text)
{
	int r = buf_addf(b, " -d '");

	/* in fish's single quotes a backslash escapes itself and the quote */
	for (; r == 0 && *text; text++)
		r = strchr("'\\", *text) ? buf_addf(b, "\\%c", *text) : buf_add(b, text, 1);
	return r < 0 ? r : buf_addf(b, "'\n");
}

static int add_option(struct buf *b, const char *words, const struct cli_option *o)
{
	bool files = o->complete == CLI_COMPLETE_FILE;
	int r = buf_addf(b, "complete -c carob -n '__carob_is \"%s\"' -l %s", words, o->name);

	if (r == 0 && o->letter)
		r = buf_addf(b, " -s %c", o->letter);
	if (r == 0 && o->kind != CLI_FLAG)
		r = buf_addf(b, files ? " -r -F" : " -x");
	if (r == 0 && o->kind == CLI_CHOICE) {
		r = buf_addf(b, " -a '");
		if (r == 0)
			r = completion_choices(b, o->argument);
		if (r == 0)
			r = buf_addf(b, "'");
	} else if (r == 0 && action(o->complete)) {
		r = buf_addf(b, " -a '%s'", action(o->complete));
	}
	return r < 0 ? r : add_description(b, o->help);
}

static int add_options(struct buf *b, const char *words, const struct cli_option *options)
{
	int r = 0;

	for (; r == 0 && options->name; options++)
		r = add_option(b, words, options);
	return r;
}

static int add_verb_name(struct buf *b, const char *before, const struct cli_verb *verb)
{
	int r = buf_addf(b, "complete -c carob -n '__carob_is \"%s\"' -a %s", before, verb->name);

	return r < 0 ? r : add_description(b, verb->summary);
}

static int verb_lines(struct buf *b, const struct cli_verb *verb, const char *words,
		      _unused_ const char *label)
{
	int r = 0;

	for (const struct cli_verb *const *v = verb->verbs; r == 0 && v && *v; v++)
		r = add_verb_name(b, words, *v);
	for (size_t i = 0; r == 0 && verb->tables[i].options; i++)
		r = add_options(b, words, verb->tables[i].options);
	if (r == 0 && (verb->complete == CLI_COMPLETE_FILE || verb->complete == CLI_COMPLETE_IMAGE))
		r = buf_addf(b, "complete -c carob -n '__carob_is \"%s\"' -F\n", words);
	if (r == 0 && action(verb->complete))
		r = buf_addf(b, "complete -c carob -n '__carob_is \"%s\"' -a '%s'\n", words,
			     action(verb->complete));
	return r;
}

static const char engine[] =
	"# fish completion for carob; made by `carob completion fish`\n"
	"\n"
	"function __carob_pods\n"
	"\tcarob list --no-legend 2>/dev/null | while read -l uuid name rest\n"
	"\t\techo $uuid\n"
	"\t\ttest $name = -; or echo $name\n"
	"\tend\n"
	"end\n"
	"\n"
	"function __carob_images\n"
	"\tcarob image list --no-legend 2>/dev/null | while read -l id name rest\n"
	"\t\techo $id\n"
	"\t\techo $name\n"
	"\tend\n"
	"end\n"
	"\n"
	"# Is the command typed so far the one given? The words that are no options and no values of the\n"
	"# options before the command.\n"
	"function __carob_is\n"
	"\tset -l path\n"
	"\tset -l skip 0\n"
	"\tfor word in (commandline -opc)[2..]\n"
	"\t\tif test $skip = 1\n"
	"\t\t\tset skip 0\n"
	"\t\telse if contains -- $word --root --runroot --mosaic\n"
	"\t\t\tset skip 1\n"
	"\t\telse if not string match -q -- '-*' $word\n"
	"\t\t\tset -a path $word\n"
	"\t\t\tcontains -- \"$path[1]\" image trust volume; and test (count $path) -lt 2; or break\n"
	"\t\tend\n"
	"\tend\n"
	"\ttest \"$path\" = \"$argv[1]\"\n"
	"end\n"
	"\n"
	"complete -c carob -f\n";

static int commands_function(struct buf *b)
{
	int r = buf_addf(b, "\nfunction __carob_commands\n\tprintf '%%s\\n'");

	for (const struct cli_verb *const *v = cli_verbs; r == 0 && *v; v++)
		r = buf_addf(b, " %s", (*v)->name);
	return r < 0 ? r : buf_addf(b, "\nend\n\n");
}

int completion_fish(struct buf *b)
{
	int r = buf_add(b, engine, sizeof(engine) - 1);

	if (r == 0)
		r = commands_function(b);
	for (const struct cli_verb *const *v = cli_verbs; r == 0 && *v; v++)
		r = add_verb_name(b, "", *v);
	if (r == 0)
		r = add_options(b, "", cli_global_options);
	return r < 0 ? r : completion_each(verb_lines, b);
}
