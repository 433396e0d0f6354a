/*
 * moctl: reads the options before the mosaic, finds the verb behind it, calls it, says what went
 * wrong.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/moctl/idmap.h"
#include "cli/moctl/interrupted.h"
#include "cli/moctl/verbs.h"

static void put_log(enum mosaic_log_level level, const char *text, _unused_ void *arg)
{
	static const char *const names[] = {
		[MOSAIC_LOG_ERROR] = "error",
		[MOSAIC_LOG_WARNING] = "warning",
		[MOSAIC_LOG_INFO] = "info",
		[MOSAIC_LOG_DEBUG] = "debug",
	};

	cli_complain("%s: %s", names[level], text);
}

static void set_log(bool debug)
{
	const char *variable = getenv("MOSAIC_DEBUG");

	debug |= variable && *variable;
	mosaic_set_log(put_log, debug ? MOSAIC_LOG_DEBUG : MOSAIC_LOG_WARNING, NULL);
}

static int overview(struct error *err)
{
	_free_ char *text = NULL;
	int r = moctl_help_overview(&text);

	return r < 0 ? error_set(err, r, "cannot make the help") : cli_puts(text, err);
}

static bool is_help(const char *word)
{
	return str_eq(word, "--help") || str_eq(word, "-h");
}

static int call(const struct moctl_verb *verb, const struct moctl *c, struct cli_args *args,
		struct error *err)
{
	_free_ char *text = NULL;
	int r;

	if (verb->run)
		r = verb->run(c, args, err);
	else if (args->n > 0 && is_help(args->argv[0]))
		r = CLI_HELP;
	else
		return moctl_usage(err, "%s needs one of its commands.", verb->name);
	if (r < 0)
		return error_context(err, r, verb->name, NULL);
	if (r != CLI_HELP)
		return r;
	r = moctl_help_verb(verb, &text);
	return r < 0 ? error_set(err, r, "cannot make the help") : cli_puts(text, err);
}

/* The mosaic's word, and the verb behind it; or one of those that have no mosaic. */
static int choose(struct cli_args *args, struct moctl *c, const struct moctl_verb **ret,
		  struct error *err)
{
	if (args->n == 0)
		return moctl_usage(err, "a mosaic is missing: its name, its .mos file, or its "
					"directory.");
	*ret = moctl_verb_exact(moctl_commands, args->argv[0]);
	if (!*ret)
		c->mosaic = args->argv[0];
	args->argv++;
	args->n--;
	if (*ret)
		return 0;
	if (!*c->mosaic)
		return moctl_usage(err, "the name of the mosaic is empty.");
	if (args->n == 0)
		return moctl_usage(err, "what is to be done with the mosaic %s?.", c->mosaic);
	return is_help(args->argv[0]) ? CLI_HELP : moctl_verb_choose(moctl_verbs, args, ret, err);
}

/* The exit code. *ret_verb stays NULL when it did not get as far. */
static int moctl(struct cli_args *args, const struct moctl_verb **ret_verb, struct error *err)
{
	struct moctl_globals globals = { 0 };
	struct cli_set set = { moctl_global_options, &globals };
	struct moctl c = { 0 };
	int r = cli_parse_leading(&set, 1, args, err);

	if (r == 0 && globals.version)
		return moctl_verb_version.run(&c, &(struct cli_args){ NULL, 0 }, err);
	if (r == 0)
		r = choose(args, &c, ret_verb, err);
	if (r == CLI_HELP)
		return overview(err);
	if (r != 0)
		return r;
	set_log(globals.debug);
	return call(*ret_verb, &c, args, err);
}

static void complain(const struct moctl_verb *verb, int code, const struct error *err)
{
	char text[1024], words[64];

	if (err->code) {
		error_format(err, text, sizeof(text));
		cli_complain("%s", text);
	}
	if (code == MOCTL_USAGE && verb) {
		moctl_verb_words(verb, words, sizeof(words));
		cli_complain("see `moctl help %s`", words);
	} else if (code == MOCTL_USAGE) {
		cli_complain("see `moctl help`");
	}
}

int main(int argc, char **argv)
{
	struct cli_args args = { argv + 1, argc > 0 ? (size_t)argc - 1 : 0 };
	const struct moctl_verb *verb = NULL;
	struct error err = { 0 };
	int code;

	json_seed();
	if (interrupted_is(argc, argv))
		return interrupted_run(argv);
	code = cli_set_up();
	if (code < 0)
		error_set(&err, code, "cannot set up standard input, output and error");
	else if (idmap_is_holder(argc, argv))
		return idmap_hold();
	else
		code = moctl(&args, &verb, &err);
	complain(verb, code, &err);
	return moctl_exit_code(code);
}
