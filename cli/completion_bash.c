/* For bash: three look-ups by case, and one function that uses them. */
#include "cli/completion.h"

static const char *kind_name(const struct cli_option *o)
{
	static const char *const names[] = {
		[CLI_COMPLETE_NONE] = "none",
		[CLI_COMPLETE_FILE] = "file",
		[CLI_COMPLETE_DIRECTORY] = "directory",
		[CLI_COMPLETE_POD] = "pod",
		[CLI_COMPLETE_IMAGE] = "image",
		[CLI_COMPLETE_VERB] = "verb",
		[CLI_COMPLETE_SIGNAL] = "signal",
		[CLI_COMPLETE_SHELL] = "words bash zsh fish",
		[CLI_COMPLETE_VOLUME] = "volume",
	};

	return names[o->complete];
}

static int add_names(struct buf *b, const struct cli_option *options)
{
	int r = 0;

	for (; r == 0 && options->name; options++) {
		r = buf_addf(b, " --%s", options->name);
		if (r == 0 && options->letter)
			r = buf_addf(b, " -%c", options->letter);
	}
	return r;
}

static int options_arm(struct buf *b, const struct cli_verb *verb, const char *words,
		       _unused_ const char *label)
{
	int r = buf_addf(b, "\t'%s') echo '--help", words);

	for (size_t i = 0; r == 0 && verb->tables[i].options; i++)
		r = add_names(b, verb->tables[i].options);
	return r < 0 ? r : buf_addf(b, "' ;;\n");
}

static int values_of(struct buf *b, const char *words, const struct cli_option *options)
{
	int r = 0;

	for (const struct cli_option *o = options; r == 0 && o->name; o++) {
		if (o->kind == CLI_FLAG)
			continue;
		r = buf_addf(b, "\t'%s --%s'", words, o->name);
		if (r == 0 && o->letter)
			r = buf_addf(b, " | '%s -%c'", words, o->letter);
		if (r == 0)
			r = buf_addf(b, ") echo '%s",
				     o->kind == CLI_CHOICE ? "words " : kind_name(o));
		if (r == 0 && o->kind == CLI_CHOICE)
			r = completion_choices(b, o->argument);
		if (r == 0)
			r = buf_addf(b, "' ;;\n");
	}
	return r;
}

static int values_arm(struct buf *b, const struct cli_verb *verb, const char *words,
		      _unused_ const char *label)
{
	int r = 0;

	for (size_t i = 0; r == 0 && verb->tables[i].options; i++)
		r = values_of(b, words, verb->tables[i].options);
	return r;
}

static int operands_arm(struct buf *b, const struct cli_verb *verb, const char *words,
			_unused_ const char *label)
{
	const struct cli_option as_option = { .complete = verb->complete };
	int r = buf_addf(b, "\t'%s') echo '%s", words,
			 verb->verbs ? "words" : kind_name(&as_option));

	for (const struct cli_verb *const *v = verb->verbs; r == 0 && v && *v; v++)
		r = buf_addf(b, " %s", (*v)->name);
	return r < 0 ? r : buf_addf(b, "' ;;\n");
}

static int top_verbs(struct buf *b)
{
	int r = buf_addf(b, "\t'') echo 'words");

	for (const struct cli_verb *const *v = cli_verbs; r == 0 && *v; v++)
		r = buf_addf(b, " %s", (*v)->name);
	return r < 0 ? r : buf_addf(b, "' ;;\n");
}

static const char engine[] =
	"_carob_pods()\n"
	"{\n"
	"\tcarob list --no-legend 2>/dev/null | while read -r uuid name _; do\n"
	"\t\techo \"$uuid\"\n"
	"\t\t[ \"$name\" = - ] || echo \"$name\"\n"
	"\tdone\n"
	"}\n"
	"\n"
	"_carob_images()\n"
	"{\n"
	"\tcarob image list --no-legend 2>/dev/null | while read -r id name _; do\n"
	"\t\techo \"$id\"\n"
	"\t\techo \"$name\"\n"
	"\tdone\n"
	"}\n"
	"\n"
	"_carob_volumes()\n"
	"{\n"
	"\tcarob volume list --quiet 2>/dev/null\n"
	"}\n"
	"\n"
	"_carob()\n"
	"{\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} path='' i=1 word kind words\n"
	"\t# the command: the first words that are no options and no values of options\n"
	"\twhile [ $i -lt \"$COMP_CWORD\" ]; do\n"
	"\t\tword=${COMP_WORDS[i]}\n"
	"\t\tcase $word in\n"
	"\t\t-*) [ -z \"$(_carob_value \"$path $word\")\" ] || i=$((i + 1)) ;;\n"
	"\t\t*)\n"
	"\t\t\tif [ -z \"$path\" ]; then\n"
	"\t\t\t\tpath=$word\n"
	"\t\t\telif [ \"$path\" = \"${path% *}\" ] && [ -n \"$(_carob_options \"$path $word\")\" ]; then\n"
	"\t\t\t\tpath=\"$path $word\"\n"
	"\t\t\telse\n"
	"\t\t\t\tbreak\n"
	"\t\t\tfi\n"
	"\t\t\t;;\n"
	"\t\tesac\n"
	"\t\ti=$((i + 1))\n"
	"\tdone\n"
	"\tkind=$(_carob_value \"$path ${COMP_WORDS[COMP_CWORD - 1]}\")\n"
	"\tif [ -z \"$kind\" ]; then\n"
	"\t\tcase $cur in\n"
	"\t\t-*) kind=\"words $(_carob_options \"$path\")\" ;;\n"
	"\t\t*) kind=$(_carob_operand \"$path\") ;;\n"
	"\t\tesac\n"
	"\tfi\n"
	"\tcase $kind in\n"
	"\twords*) words=${kind#words} ;;\n"
	"\tpod) words=$(_carob_pods) ;;\n"
	"\timage) words=$(_carob_images) ;;\n"
	"\tvolume) words=$(_carob_volumes) ;;\n"
	"\tverb) words=$(_carob_operand '') && words=${words#words} ;;\n"
	"\tsignal) words='TERM KILL INT HUP QUIT USR1 USR2 STOP CONT' ;;\n"
	"\tdirectory) mapfile -t COMPREPLY < <(compgen -d -- \"$cur\") && return ;;\n"
	"\tfile) mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") && return ;;\n"
	"\tesac\n"
	"\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	"\t# an image can also be a file\n"
	"\tif [ \"$kind\" = image ]; then\n"
	"\t\tmapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -X '!*.aci' -- \"$cur\")\n"
	"\tfi\n"
	"}\n"
	"\n"
	"complete -F _carob carob\n";

int completion_bash(struct buf *b)
{
	int r = buf_addf(
		b,
		"# bash completion for carob; made by `carob completion bash`\n\n_carob_options()\n{\n"
		"\tcase $1 in\n\t'') echo '--help");

	if (r == 0)
		r = add_names(b, cli_global_options);
	if (r == 0)
		r = buf_addf(b, "' ;;\n");
	if (r == 0)
		r = completion_each(options_arm, b);
	if (r == 0)
		r = buf_addf(b, "\tesac\n}\n\n_carob_value()\n{\n\tcase $1 in\n");
	if (r == 0)
		r = values_of(b, "", cli_global_options);
	if (r == 0)
		r = completion_each(values_arm, b);
	if (r == 0)
		r = buf_addf(b, "\tesac\n}\n\n_carob_operand()\n{\n\tcase $1 in\n");
	if (r == 0)
		r = top_verbs(b);
	if (r == 0)
		r = completion_each(operands_arm, b);
	if (r == 0)
		r = buf_addf(b, "\tesac\n}\n\n");
	return r < 0 ? r : buf_add(b, engine, sizeof(engine) - 1);
}
