/* For zsh: a function with the _arguments of each verb. */
#include "cli/completion.h"

static const char *action(enum cli_complete complete)
{
	static const char *const actions[] = {
		[CLI_COMPLETE_NONE] = "",
		[CLI_COMPLETE_FILE] = "_files",
		[CLI_COMPLETE_DIRECTORY] = "_files -/",
		[CLI_COMPLETE_POD] = "_carob_pods",
		[CLI_COMPLETE_IMAGE] = "_carob_images",
		[CLI_COMPLETE_VERB] = "_carob_commands",
		[CLI_COMPLETE_SIGNAL] = "_signals",
		[CLI_COMPLETE_SHELL] = "(bash zsh fish)",
		[CLI_COMPLETE_VOLUME] = "_carob_volumes",
	};

	return actions[complete];
}

/* '*'{-e,--env}'[help]:ARGUMENT:action' */
static int add_option(struct buf *b, const struct cli_option *o)
{
	int r = buf_addf(b, o->kind == CLI_LIST ? " \\\n\t\t'*'" : " \\\n\t\t''");

	if (r == 0)
		r = o->letter ? buf_addf(b, "{-%c%s,--%s%s}'[", o->letter,
					 o->kind == CLI_FLAG ? "" : "+", o->name,
					 o->kind == CLI_FLAG ? "" : "=")
			      : buf_addf(b, "--%s%s'[", o->name, o->kind == CLI_FLAG ? "" : "=");
	if (r == 0)
		r = completion_quote(b, o->help, "[]:\\");
	if (r == 0)
		r = buf_addf(b, "]");
	if (r == 0 && o->kind != CLI_FLAG) {
		r = buf_addf(b, ":");
		if (r == 0)
			r = completion_quote(b, o->argument, "[]:\\");
		if (r == 0)
			r = buf_addf(b, o->kind == CLI_CHOICE ? ":(" : ":%s", action(o->complete));
		if (r == 0 && o->kind == CLI_CHOICE)
			r = completion_choices(b, o->argument);
		if (r == 0 && o->kind == CLI_CHOICE)
			r = buf_addf(b, ")");
	}
	return r < 0 ? r : buf_addf(b, "'");
}

static int add_options(struct buf *b, const struct cli_option *options)
{
	int r = 0;

	for (; r == 0 && options->name; options++)
		r = add_option(b, options);
	return r;
}

static int add_names(struct buf *b, const struct cli_verb *const *verbs)
{
	int r = 0;

	for (; r == 0 && *verbs; verbs++) {
		r = buf_addf(b, "\t\t'%s:", (*verbs)->name);
		if (r == 0)
			r = completion_quote(b, (*verbs)->summary, ":\\");
		if (r == 0)
			r = buf_addf(b, "'\n");
	}
	return r;
}

static int verb_function(struct buf *b, const struct cli_verb *verb, _unused_ const char *words,
			 const char *label)
{
	int r = buf_addf(b, "_carob_%s()\n{\n", label);

	if (r == 0 && verb->verbs) {
		r = buf_addf(b, "\tlocal -a commands=(\n");
		if (r == 0)
			r = add_names(b, verb->verbs);
		return r < 0 ? r
			     : buf_addf(
				       b,
				       "\t)\n\tif (( CURRENT == 2 )); then\n\t\t_describe command commands\n\telse\n"
				       "\t\tlocal command=$words[2]\n\t\tshift words\n\t\t(( CURRENT-- ))\n"
				       "\t\t(( $+functions[_carob_%s_$command] )) && _carob_%s_$command\n\tfi\n}\n\n",
				       label, label);
	}
	if (r == 0)
		r = buf_addf(b, "\t_arguments -s -S \\\n\t\t'--help[tell about this command]'");
	for (size_t i = 0; r == 0 && verb->tables[i].options; i++)
		r = add_options(b, verb->tables[i].options);
	if (r == 0 && verb->complete != CLI_COMPLETE_NONE)
		r = buf_addf(b, " \\\n\t\t'*:operand:%s'", action(verb->complete));
	return r < 0 ? r : buf_addf(b, "\n}\n\n");
}

static const char engine[] =
	"_carob_pods()\n"
	"{\n"
	"\tlocal -a pods=(${(f)\"$(carob list --no-legend 2>/dev/null | while read -r uuid name rest; do\n"
	"\t\tprint -r -- $uuid; [[ $name == - ]] || print -r -- $name; done)\"})\n"
	"\tcompadd -a pods\n"
	"}\n"
	"\n"
	"_carob_images()\n"
	"{\n"
	"\tlocal -a images=(${(f)\"$(carob image list --no-legend 2>/dev/null | while read -r id name rest; do\n"
	"\t\tprint -r -- $id; print -r -- $name; done)\"})\n"
	"\tcompadd -a images\n"
	"\t_files -g '*.aci'\n"
	"}\n"
	"\n"
	"_carob_volumes()\n"
	"{\n"
	"\tlocal -a volumes=(${(f)\"$(carob volume list --quiet 2>/dev/null)\"})\n"
	"\tcompadd -a volumes\n"
	"}\n"
	"\n"
	"_carob()\n"
	"{\n"
	"\tlocal curcontext=$curcontext state line\n"
	"\t_arguments -S -C \\\n"
	"\t\t'1:command:_carob_commands' \\\n"
	"\t\t'*::arguments:->arguments'";

static const char engine_end[] = "\n"
				 "\tif [[ $state == arguments ]]; then\n"
				 "\t\tlocal command=$words[1]\n"
				 "\t\t(( $+functions[_carob_$command] )) && _carob_$command\n"
				 "\tfi\n"
				 "}\n"
				 "\n"
				 "if [ \"$funcstack[1]\" = _carob ]; then\n"
				 "\t_carob \"$@\"\n"
				 "else\n"
				 "\tcompdef _carob carob\n"
				 "fi\n";

int completion_zsh(struct buf *b)
{
	int r = buf_addf(
		b, "#compdef carob\n# zsh completion for carob; made by `carob completion zsh`\n\n"
		   "_carob_commands()\n{\n\tlocal -a commands=(\n");

	if (r == 0)
		r = add_names(b, cli_verbs);
	if (r == 0)
		r = buf_addf(b, "\t)\n\t_describe command commands\n}\n\n");
	if (r == 0)
		r = completion_each(verb_function, b);
	if (r == 0)
		r = buf_add(b, engine, sizeof(engine) - 1);
	if (r == 0)
		r = add_options(b, cli_global_options);
	return r < 0 ? r : buf_add(b, engine_end, sizeof(engine_end) - 1);
}
