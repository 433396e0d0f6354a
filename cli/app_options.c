/* The options of an app put in place of what its image says. */
#include "cli/request.h"

#include <stdlib.h>
#include <string.h>

#include "cli/edit.h"

static int no_memory(struct error *err)
{
	return error_set(err, -ENOMEM, "the pod");
}

static void strings_clear(struct appc_strings *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->list[i]);
	free(s->list);
	*s = (struct appc_strings){ 0 };
}

static int strings_add(struct appc_strings *s, const char *value)
{
	char *copy = strdup(value),
	     **at = copy ? edit_grow(&s->list, &s->n, sizeof(*s->list)) : NULL;

	if (!at) {
		free(copy);
		return -ENOMEM;
	}
	*at = copy;
	return 0;
}

/* ARGs alone are the whole command; behind --exec they are its arguments. */
static int apply_exec(struct appc_app *app, const struct app_request *o)
{
	int r = 0;

	if (!o->exec && o->n_args == 0)
		return 0;
	strings_clear(&app->exec);
	if (o->exec)
		r = strings_add(&app->exec, o->exec);
	for (size_t i = 0; r == 0 && i < o->n_args; i++)
		r = strings_add(&app->exec, o->args[i]);
	return r;
}

static int environment_set(struct appc_pairs *env, const char *name, const char *value)
{
	struct appc_pair *pair;

	for (size_t i = 0; i < env->n; i++)
		if (str_eq(env->list[i].name, name))
			return edit_replace(&env->list[i].value, value);
	pair = edit_grow(&env->list, &env->n, sizeof(*env->list));
	if (!pair)
		return -ENOMEM;
	pair->name = strdup(name);
	pair->value = strdup(value);
	return pair->name && pair->value ? 0 : -ENOMEM;
}

static int apply_environment(struct appc_app *app, const struct app_request *o, struct error *err)
{
	for (size_t i = 0; i < o->environment.n; i++) {
		_free_ char *name = strdup(o->environment.items[i]);
		char *value = name ? strchr(name, '=') : NULL;

		if (!name)
			return no_memory(err);
		if (value)
			*value++ = '\0';
		if (!value || !appc_is_env_name(name)) {
			error_set(err, -EINVAL, "--env %s is no NAME=VALUE.",
				  o->environment.items[i]);
			return CLI_USAGE;
		}
		if (environment_set(&app->environment, name, value) < 0)
			return no_memory(err);
	}
	return 0;
}

static int apply_gids(struct appc_app *app, const char *text, struct error *err)
{
	_free_ char *copy = strdup(text);
	char *rest = copy, *word;

	if (!copy)
		return no_memory(err);
	app->n_gids = 0;
	while ((word = strsep(&rest, ",")) != NULL) {
		uint64_t gid;
		gid_t *at;

		if (str_to_u64(word, UINT32_MAX - 1, &gid) < 0) {
			error_set(err, -EINVAL, "--supplementary-gids: %s is no group number.",
				  word);
			return CLI_USAGE;
		}
		at = edit_grow(&app->gids, &app->n_gids, sizeof(*app->gids));
		if (!at)
			return no_memory(err);
		*at = (gid_t)gid;
	}
	return 0;
}

static int apply_words(struct appc_app *app, const struct app_request *o, struct error *err)
{
	if ((o->user && !*o->user) || (o->group && !*o->group)) {
		error_set(err, -EINVAL, "--user and --group cannot be empty.");
		return CLI_USAGE;
	}
	if (o->directory && *o->directory != '/') {
		error_set(err, -EINVAL, "--working-dir %s is no absolute path.", o->directory);
		return CLI_USAGE;
	}
	if ((o->user && edit_replace(&app->user, o->user) < 0) ||
	    (o->group && edit_replace(&app->group, o->group) < 0) ||
	    (o->directory && edit_replace(&app->working_directory, o->directory) < 0) ||
	    apply_exec(app, o) < 0)
		return no_memory(err);
	return 0;
}

int app_options_apply(struct appc_app *app, const struct app_request *o, struct error *err)
{
	int r = apply_words(app, o, err);

	if (r == 0)
		r = apply_environment(app, o, err);
	if (r == 0 && o->gids)
		r = apply_gids(app, o->gids, err);
	return r ? r : isolators_apply(o, &app->isolators, err);
}
