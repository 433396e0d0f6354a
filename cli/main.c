/*
 * carob: sets the process up, reads the options before the verb, calls the verb, says what went
 * wrong.
 */
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/moctl/interrupted.h"
#include "cli/verbs.h"

static const char *either(const char *option, const char *variable, const char *fallback)
{
	const char *value = option ? option : getenv(variable);

	return value && *value ? value : fallback;
}

/* Whether it is there is nobody's business until it is needed. */
static int config_set(struct cli *cli, const char *option, struct error *err)
{
	const char *given = either(option, "CAROB_CONFIG", NULL);

	cli->config_given = given != NULL;
	return cli_path_set(cli->config, sizeof(cli->config),
			    given ? given : "/etc/carob/carob.yaml", err);
}

static int cli_init(struct cli *cli, const struct cli_globals *g, struct error *err)
{
	int r = cli_path_set(cli->dirs.root, sizeof(cli->dirs.root),
			     either(g->root, "CAROB_ROOT", "/var/lib/carob"), err);

	if (r == 0)
		r = cli_path_set(cli->dirs.run, sizeof(cli->dirs.run),
				 either(g->runroot, "CAROB_RUNROOT", "/run/carob"), err);
	if (r == 0)
		r = cli_path_set(cli->libexec, sizeof(cli->libexec),
				 either(NULL, "CAROB_LIBEXEC", CAROB_LIBEXEC), err);
	if (r == 0)
		r = cli_mosaic_set(cli, either(g->mosaic, "CAROB_MOSAIC", NULL), err);
	if (r == 0)
		r = config_set(cli, g->config, err);
	cli->debug = g->debug || (getenv("CAROB_DEBUG") && *getenv("CAROB_DEBUG"));
	return r;
}

static int call(const struct cli_verb *verb, const struct cli *cli, struct cli_args *args,
		struct error *err)
{
	_free_ char *text = NULL;
	int r;

	if (verb->run)
		r = verb->run(cli, args, err);
	else if (args->n > 0 && (str_eq(args->argv[0], "--help") || str_eq(args->argv[0], "-h")))
		r = CLI_HELP;
	else
		return error_set(err, -EINVAL, "carob %s needs one of its commands.", verb->name),
		       CLI_USAGE;
	if (r != CLI_HELP)
		return r;
	r = cli_help_verb(verb, &text);
	return r < 0 ? error_set(err, r, "cannot make the help") : cli_puts(text, err);
}

static int overview(struct error *err)
{
	_free_ char *text = NULL;
	int r = cli_help_overview(&text);

	return r < 0 ? error_set(err, r, "cannot make the help") : cli_puts(text, err);
}

/* The exit code. *ret_verb stays NULL when it did not get as far. */
static int carob(struct cli_args *args, const struct cli_verb **ret_verb, struct error *err)
{
	struct cli_globals globals = { 0 };
	struct cli_set set = { cli_global_options, &globals };
	struct cli cli = { 0 };
	int r = cli_set_up();

	if (r < 0)
		return error_set(err, r, "cannot set up standard input, output and error");
	r = cli_parse_leading(&set, 1, args, err);
	if (r == CLI_HELP)
		return overview(err);
	if (r == 0)
		r = cli_init(&cli, &globals, err);
	if (r != 0)
		return r;
	if (globals.version)
		return verb_version.run(&cli, &(struct cli_args){ NULL, 0 }, err);
	if (args->n == 0) {
		error_set(err, -EINVAL, "a command is missing.");
		return CLI_USAGE;
	}
	r = cli_verb_choose(args, ret_verb, err);
	return r ? r : call(*ret_verb, &cli, args, err);
}

int main(int argc, char **argv)
{
	struct cli_args args = { argv + 1, argc > 0 ? (size_t)argc - 1 : 0 };
	const struct cli_verb *verb = NULL;
	struct error err = { 0 };
	char text[1024], words[64];
	int code;

	json_seed();
	if (interrupted_is(argc, argv))
		return interrupted_run(argv);
	code = carob(&args, &verb, &err);

	if (err.code) {
		error_format(&err, text, sizeof(text));
		cli_complain("%s", text);
	}
	if (code == CLI_USAGE && verb) {
		cli_verb_words(verb, words, sizeof(words));
		cli_complain("see `carob help %s`", words);
	} else if (code == CLI_USAGE) {
		cli_complain("see `carob help`");
	}
	if (code < 0)
		code = verb && verb->starts ? CLI_NOT_STARTED : CLI_FAILED;
	return code;
}
