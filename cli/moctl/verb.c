/* The lists of verbs, and finding one by its name or the beginning of it. */
#include <string.h>

#include "cli/moctl/verbs.h"

const struct moctl_verb *const moctl_verbs[] = {
	&moctl_verb_make,
	&moctl_verb_create_pool,
	&moctl_verb_info,
	&moctl_verb_features,
	&moctl_verb_list,
	&moctl_verb_show,
	&moctl_verb_have,
	&moctl_verb_create,
	&moctl_verb_clone,
	&moctl_verb_snapshot,
	&moctl_verb_rollback,
	&moctl_verb_resize,
	&moctl_verb_drop,
	&moctl_verb_mount,
	&moctl_verb_umount,
	&moctl_verb_attach,
	&moctl_verb_detach,
	&moctl_verb_send,
	&moctl_verb_receive,
	&moctl_verb_data,
	&moctl_verb_events,
	&moctl_verb_check,
	NULL,
};

const struct moctl_verb *const moctl_commands[] = {
	&moctl_verb_check_config,
	&moctl_verb_completion,
	&moctl_verb_version,
	&moctl_verb_help,
	NULL,
};

const struct cli_option moctl_global_options[] = {
	{ "debug", 0, NULL, "let the library say on standard error what it does (MOSAIC_DEBUG)",
	  CLI_FLAG, offsetof(struct moctl_globals, debug) },
	{ "version", 0, NULL, "print the version", CLI_FLAG,
	  offsetof(struct moctl_globals, version) },
	{ NULL },
};

const struct moctl_verb *moctl_verb_exact(const struct moctl_verb *const *verbs, const char *word)
{
	for (; *verbs; verbs++)
		if (str_eq((*verbs)->name, word))
			return *verbs;
	return NULL;
}

static const char *next_name(void *arg)
{
	const struct moctl_verb *const **at = arg;

	return **at ? (*(*at)++)->name : NULL;
}

static int none(const struct moctl_verb *const *verbs, const char *word, struct error *err)
{
	const char *near = cli_nearest(word, next_name, &verbs);

	return near ? moctl_usage(err, "there is no command %s; did you mean %s?.", word, near)
		    : moctl_usage(err, "there is no command %s.", word);
}

static int several(const struct moctl_verb *const *verbs, const char *word, struct error *err)
{
	char list[512] = "";
	size_t used = 0;

	for (; *verbs; verbs++)
		if (str_starts((*verbs)->name, word) && used < sizeof(list))
			used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
						 used ? ", " : "", (*verbs)->name);
	return moctl_usage(err, "%s is the beginning of several commands: %s.", word, list);
}

int moctl_verb_find(const struct moctl_verb *const *verbs, const char *word,
		    const struct moctl_verb **ret, struct error *err)
{
	const struct moctl_verb *found = moctl_verb_exact(verbs, word);
	size_t n = found ? 1 : 0;

	for (size_t i = 0; *word && !found && verbs[i]; i++)
		n += str_starts(verbs[i]->name, word);
	if (n == 0)
		return none(verbs, word, err);
	if (n > 1)
		return several(verbs, word, err);
	for (size_t i = 0; !found; i++)
		if (str_starts(verbs[i]->name, word))
			found = verbs[i];
	*ret = found;
	return 0;
}

int moctl_verb_choose(const struct moctl_verb *const *verbs, struct cli_args *args,
		      const struct moctl_verb **ret, struct error *err)
{
	const struct moctl_verb *verb;
	int r;

	do {
		r = moctl_verb_find(verbs, args->argv[0], &verb, err);
		if (r != 0)
			return r;
		args->argv++;
		args->n--;
		verbs = verb->verbs;
	} while (verbs && args->n > 0 && args->argv[0][0] != '-');
	*ret = verb;
	return 0;
}

void moctl_verb_words(const struct moctl_verb *verb, char *dst, size_t size)
{
	snprintf(dst, size, "%s", verb->name);
	for (const struct moctl_verb *const *group = moctl_verbs; *group; group++)
		for (const struct moctl_verb *const *v = (*group)->verbs; v && *v; v++)
			if (*v == verb)
				snprintf(dst, size, "%s %s", (*group)->name, verb->name);
}
