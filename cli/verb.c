/* The list of verbs, and finding one in it. */
#include "cli/cli.h"

#include <string.h>

#include "cli/verbs.h"

const struct cli_verb *const cli_verbs[] = {
	&verb_run,     &verb_prepare,    &verb_run_prepared, &verb_list,     &verb_status,
	&verb_enter,   &verb_ps,         &verb_logs,         &verb_stop,     &verb_kill,
	&verb_wait,    &verb_rm,         &verb_gc,           &verb_fetch,    &verb_discover,
	&verb_image,   &verb_volume,     &verb_trust,        &verb_validate, &verb_info,
	&verb_version, &verb_completion, &verb_help,         NULL,
};

const struct cli_option cli_global_options[] = {
	{ "root", 0, "DIR", "where pods and images are kept (CAROB_ROOT)", CLI_STRING,
	  offsetof(struct cli_globals, root), .complete = CLI_COMPLETE_DIRECTORY },
	{ "runroot", 0, "DIR", "where what lasts until the next boot is kept (CAROB_RUNROOT)",
	  CLI_STRING, offsetof(struct cli_globals, runroot), .complete = CLI_COMPLETE_DIRECTORY },
	{ "mosaic", 0, "MOSAIC",
	  "where root file systems and volumes are: a directory, a .mos file, or the name of one "
	  "(CAROB_MOSAIC)",
	  CLI_STRING, offsetof(struct cli_globals, mosaic), .complete = CLI_COMPLETE_DIRECTORY },
	{ "config", 0, "FILE", "how images come from the network: carob.yaml(5) (CAROB_CONFIG)",
	  CLI_STRING, offsetof(struct cli_globals, config), .complete = CLI_COMPLETE_FILE },
	{ "debug", 0, NULL, "let the parts say on standard error what they do (CAROB_DEBUG)",
	  CLI_FLAG, offsetof(struct cli_globals, debug) },
	{ "version", 0, NULL, "print the version", CLI_FLAG,
	  offsetof(struct cli_globals, version) },
	{ NULL },
};

const struct cli_verb *cli_verb_find(const struct cli_verb *const *verbs, const char *name)
{
	for (; *verbs; verbs++)
		if (str_eq((*verbs)->name, name))
			return *verbs;
	return NULL;
}

static const char *next_name(void *arg)
{
	const struct cli_verb *const **at = arg;

	return **at ? (*(*at)++)->name : NULL;
}

static int choose(const struct cli_verb *const *verbs, const char *before, struct cli_args *args,
		  const struct cli_verb **ret, struct error *err)
{
	const struct cli_verb *verb = cli_verb_find(verbs, args->argv[0]);
	const char *near;

	if (!verb) {
		near = cli_nearest(args->argv[0], next_name, &verbs);
		if (near)
			error_set(err, -EINVAL, "there is no command %s%s; did you mean %s%s?.",
				  before, args->argv[0], before, near);
		else
			error_set(err, -EINVAL, "there is no command %s%s.", before, args->argv[0]);
		return CLI_USAGE;
	}
	args->argv++;
	args->n--;
	*ret = verb;
	return 0;
}

int cli_verb_choose(struct cli_args *args, const struct cli_verb **ret, struct error *err)
{
	const struct cli_verb *verb;
	char before[64];
	int r = choose(cli_verbs, "", args, &verb, err);

	if (r != 0)
		return r;
	if (verb->verbs && args->n > 0 && args->argv[0][0] != '-') {
		snprintf(before, sizeof(before), "%s ", verb->name);
		r = choose(verb->verbs, before, args, &verb, err);
		if (r != 0)
			return r;
	}
	*ret = verb;
	return 0;
}

void cli_verb_words(const struct cli_verb *verb, char *dst, size_t size)
{
	snprintf(dst, size, "%s", verb->name);
	for (const struct cli_verb *const *group = cli_verbs; *group; group++)
		for (const struct cli_verb *const *v = (*group)->verbs; v && *v; v++)
			if (*v == verb)
				snprintf(dst, size, "%s %s", (*group)->name, verb->name);
}
