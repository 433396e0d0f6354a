#include "cli/moctl/completion.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "cli/moctl/verbs.h"

enum { WORDS_BYTES = 16 << 20 };

/* ---- where we are ---------------------------------------------------------------------------- */

static const struct cli_option *find_option(const struct cli_option *options, const char *word)
{
	for (; options && options->name; options++)
		if ((str_starts(word, "--") && str_eq(word + 2, options->name)) ||
		    (options->letter && word[0] == '-' && word[1] == options->letter && !word[2]))
			return options;
	return NULL;
}

/* The option whose value stands in the next word, or NULL. */
static const struct cli_option *waits_for_value(const struct moctl_verb *verb, const char *word)
{
	const struct cli_option *o = NULL;

	for (size_t i = 0; !o && verb->tables[i].options; i++)
		o = find_option(verb->tables[i].options, word);
	return o && o->kind != CLI_FLAG ? o : NULL;
}

static enum cli_complete operand_kind(const struct moctl_verb *verb, size_t index)
{
	if (index < MOCTL_OPERANDS)
		return verb->complete[index] == CLI_COMPLETE_NONE && verb->more
			       ? verb->complete[0]
			       : verb->complete[index];
	/* pairs of volumes and new names go on as they began */
	if (verb == &moctl_verb_snapshot)
		return verb->complete[index % MOCTL_OPERANDS];
	return verb->more ? verb->complete[0] : CLI_COMPLETE_NONE;
}

/* Behind the verb: options, their values, operands. */
static void behind_verb(struct completion *c, const char *const *words, size_t n)
{
	size_t operands = 0, i;

	for (i = 0; i + 1 < n; i++) {
		if (words[i][0] != '-' || !words[i][1]) {
			operands++;
			continue;
		}
		c->option = waits_for_value(c->verb, words[i]);
		if (c->option && i + 2 == n) {
			c->what = COMPLETING_VALUE;
			c->kind = c->option->complete;
			return;
		}
		i += c->option != NULL;
	}
	c->option = NULL;
	c->what = words[n - 1][0] == '-' ? COMPLETING_OPTION : COMPLETING_OPERAND;
	c->kind = operand_kind(c->verb, operands);
}

struct completion completion_of(const char *const *words, size_t n)
{
	struct completion c = { .verbs = moctl_verbs };
	struct error err;

	for (; n > 1 && words[0][0] == '-'; n--)
		words++;
	if (n <= 1) {
		c.what = n && words[0][0] == '-' ? COMPLETING_OPTION : COMPLETING_MOSAIC;
		return c;
	}
	c.verb = moctl_verb_exact(moctl_commands, words[0]);
	if (!c.verb)
		c.mosaic = words[0];
	words++;
	n--;
	/* two words for groups */
	while (!c.verb || c.verb->verbs) {
		if (c.verb)
			c.verbs = c.verb->verbs;
		if (n == 1) {
			c.what = COMPLETING_VERB;
			return c;
		}
		if (moctl_verb_find(c.verbs, words[0], &c.verb, &err) != 0)
			return (struct completion){ COMPLETING_NOTHING };
		words++;
		n--;
	}
	behind_verb(&c, words, n);
	return c;
}

/* ---- the words ------------------------------------------------------------------------------- */

static int add(struct buf *b, const char *word, const char *begun)
{
	/* what does not fit a line cannot be told to a shell by lines */
	if (!str_starts(word, begun) || strchr(word, '\n'))
		return 0;
	return buf_addf(b, "%s\n", word);
}

static int add_verbs(struct buf *b, const struct moctl_verb *const *verbs, const char *begun)
{
	int r = 0;

	for (; r == 0 && *verbs; verbs++)
		r = add(b, (*verbs)->name, begun);
	return r;
}

static int add_options(struct buf *b, const struct cli_option *options, const char *begun)
{
	char word[64];
	int r = 0;

	for (; r == 0 && options && options->name; options++) {
		snprintf(word, sizeof(word), "--%s", options->name);
		r = add(b, word, begun);
		snprintf(word, sizeof(word), "-%c", options->letter);
		if (r == 0 && options->letter)
			r = add(b, word, begun);
	}
	return r;
}

static int add_choices(struct buf *b, const char *choices, const char *begun)
{
	char word[64];
	int r = 0;

	while (r == 0 && *choices) {
		size_t len = strcspn(choices, "|");

		snprintf(word, sizeof(word), "%.*s", (int)len, choices);
		r = add(b, word, begun);
		choices += len + (choices[len] == '|');
	}
	return r;
}

struct volumes {
	struct buf *b;
	const char *begun;
};

static int add_volume(const struct mosaic_volume *v, void *arg)
{
	struct volumes *w = arg;

	return add(w->b, v->name, w->begun);
}

/* A mosaic that cannot be opened has no volumes to offer. */
static int add_volumes(struct buf *b, const char *mosaic, const char *begun)
{
	_mosaic_ struct mosaic *m = NULL;
	struct error err = { 0 };

	if (!mosaic || mosaic_open_named(&m, mosaic, 0, &err) < 0)
		return 0;
	return mosaic_each(m, add_volume, &(struct volumes){ b, begun }, &err);
}

/* Names of descriptions in one directory of the mosaic path. */
static int add_descriptions(struct buf *b, const char *directory, const char *begun)
{
	_closedir_ DIR *dir = opendir(directory);
	const struct dirent *entry;
	char name[LIMIT_NAME_BYTES + 1];
	int r = 0;

	while (r == 0 && dir && (entry = readdir(dir)) != NULL) {
		snprintf(name, sizeof(name), "%s", entry->d_name);
		if (!str_ends(name, ".mos") || name[0] == '.')
			continue;
		name[strlen(name) - strlen(".mos")] = '\0';
		r = add(b, name, begun);
	}
	return r;
}

static int add_mosaics(struct buf *b, const char *begun)
{
	const char *variable = getenv("MOSAIC_PATH");
	_free_ char *path = strdup(variable && *variable ? variable : "/etc/carob/mosaic.d");
	char *rest = path, *directory;
	int r = path ? 0 : -ENOMEM;

	while (r == 0 && (directory = strsep(&rest, ":")) != NULL)
		if (*directory)
			r = add_descriptions(b, directory, begun);
	return r;
}

static int add_kind(struct buf *b, const struct completion *c, enum cli_complete kind,
		    const char *begun)
{
	if (kind == CLI_COMPLETE_VOLUME)
		return add_volumes(b, c->mosaic, begun);
	if (kind == CLI_COMPLETE_SHELL)
		return add_choices(b, "bash|zsh|fish", begun);
	if (kind == CLI_COMPLETE_VERB) {
		int r = add_verbs(b, moctl_verbs, begun);

		return r ? r : add_verbs(b, moctl_commands, begun);
	}
	return 0;
}

/* The first line says what the shell has to offer by itself. */
static const char *shells_part(const struct completion *c)
{
	if (c->what == COMPLETING_MOSAIC)
		return "file";
	if (c->what != COMPLETING_VALUE && c->what != COMPLETING_OPERAND)
		return "none";
	return c->kind == CLI_COMPLETE_FILE        ? "file"
	       : c->kind == CLI_COMPLETE_DIRECTORY ? "directory"
						   : "none";
}

static int add_verb_options(struct buf *b, const struct moctl_verb *verb, const char *begun)
{
	int r = add(b, "--help", begun);

	if (!verb)
		return r ? r : add_options(b, moctl_global_options, begun);
	for (size_t i = 0; r == 0 && verb->tables[i].options; i++)
		r = add_options(b, verb->tables[i].options, begun);
	return r;
}

static int words(struct buf *b, const char *const *typed, size_t n)
{
	const char *begun = n ? typed[n - 1] : "";
	struct completion c = completion_of(typed, n);
	int r = buf_addf(b, "%s\n", shells_part(&c));

	if (r < 0)
		return r;
	switch (c.what) {
	case COMPLETING_NOTHING:
		return 0;
	case COMPLETING_MOSAIC:
		r = add_mosaics(b, begun);
		return r ? r : add_verbs(b, moctl_commands, begun);
	case COMPLETING_VERB:
		return add_verbs(b, c.verbs, begun);
	case COMPLETING_OPTION:
		return add_verb_options(b, c.verb, begun);
	case COMPLETING_VALUE:
		return c.option->kind == CLI_CHOICE ? add_choices(b, c.option->argument, begun)
						    : add_kind(b, &c, c.kind, begun);
	case COMPLETING_OPERAND:
		return add_kind(b, &c, c.kind, begun);
	}
	return 0;
}

/* ---- the scripts ----------------------------------------------------------------------------- */

static const char script_bash[] =
	"# bash completion for moctl; made by `moctl completion bash`\n"
	"_moctl()\n"
	"{\n"
	"\tlocal i cur=${COMP_WORDS[COMP_CWORD]} line typed=() lines\n"
	"\tfor ((i = 1; i <= COMP_CWORD; i++)); do\n"
	"\t\tline=${COMP_WORDS[i]//\\\\/}\n"
	"\t\ttyped+=(\"${line//[\\'\\\"]/}\")\n"
	"\tdone\n"
	"\tmapfile -t lines < <(moctl completion words -- \"${typed[@]}\" 2>/dev/null)\n"
	"\tCOMPREPLY=()\n"
	"\tfor line in \"${lines[@]:1}\"; do\n"
	"\t\tprintf -v line %q \"$line\"\n"
	"\t\tCOMPREPLY+=(\"$line\")\n"
	"\tdone\n"
	"\tcase ${lines[0]} in\n"
	"\tfile) mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- \"$cur\") ;;\n"
	"\tdirectory) mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -d -- \"$cur\") ;;\n"
	"\tesac\n"
	"}\n"
	"\n"
	"complete -F _moctl moctl\n";

static const char script_zsh[] =
	"#compdef moctl\n"
	"# zsh completion for moctl; made by `moctl completion zsh`\n"
	"_moctl()\n"
	"{\n"
	"\tlocal -a lines\n"
	"\tlines=(\"${(@f)$(moctl completion words -- \"${(@Q)words[2,CURRENT]}\" 2>/dev/null)}\")\n"
	"\t(( $#lines > 1 )) && compadd -- \"${(@)lines[2,-1]}\"\n"
	"\tcase $lines[1] in\n"
	"\tfile) _files ;;\n"
	"\tdirectory) _files -/ ;;\n"
	"\tesac\n"
	"}\n"
	"\n"
	"if [ \"$funcstack[1]\" = _moctl ]; then\n"
	"\t_moctl \"$@\"\n"
	"else\n"
	"\tcompdef _moctl moctl\n"
	"fi\n";

static const char script_fish[] =
	"# fish completion for moctl; made by `moctl completion fish`\n"
	"function __moctl_words\n"
	"\tset -l typed (commandline -opc)\n"
	"\tset -l lines (moctl completion words -- $typed[2..-1] (commandline -ct) 2>/dev/null)\n"
	"\tswitch $lines[1]\n"
	"\t\tcase file\n"
	"\t\t\t__fish_complete_path (commandline -ct)\n"
	"\t\tcase directory\n"
	"\t\t\t__fish_complete_directories (commandline -ct)\n"
	"\tend\n"
	"\tstring join -- \\n $lines[2..-1]\n"
	"end\n"
	"complete -c moctl -f -a '(__moctl_words)'\n";

static int completion_run(_unused_ const struct moctl *c, struct cli_args *args, struct error *err)
{
	static const struct {
		const char *shell, *script;
	} scripts[] = { { "bash", script_bash }, { "zsh", script_zsh }, { "fish", script_fish } };
	_buf_ struct buf b = BUF_INIT(WORDS_BYTES);
	int r = moctl_parse(&(struct moctl_syntax){ moctl_no_options, 1, SIZE_MAX }, NULL, args,
			    err);

	if (r == 0 && str_eq(args->argv[0], "words")) {
		r = words(&b, (const char *const *)args->argv + 1, args->n - 1);
		return r < 0 ? error_set(err, r, "cannot complete") : cli_put(b.data, b.len, err);
	}
	if (r == 0)
		r = cli_want_operands(args, 1, 1, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(scripts); i++)
		if (str_eq(scripts[i].shell, args->argv[0]))
			return cli_puts(scripts[i].script, err);
	return r ? r : moctl_usage(err, "%s is none of bash, zsh, fish.", args->argv[0]);
}

const struct moctl_verb moctl_verb_completion = {
	.name = "completion",
	.operands = "bash|zsh|fish",
	.summary = "Print the script that completes command lines of moctl in a shell",
	.complete = { CLI_COMPLETE_SHELL },
	.run = completion_run,
};
