/* --volume, --mount and --bind. */
#include "cli/request.h"

#include <string.h>

#include "cli/edit.h"

void volume_deinit(struct appc_volume *v)
{
	free(v->name);
	free(v->source);
	free(v->named);
	*v = (struct appc_volume){ 0 };
}

void mount_deinit(struct appc_mount *m)
{
	free(m->volume);
	free(m->path);
	*m = (struct appc_mount){ 0 };
}

void bind_deinit(struct bind_words *b)
{
	free(b->source);
	free(b->target);
	*b = (struct bind_words){ 0 };
}

/* ---- KEY=VALUE,KEY=VALUE --------------------------------------------------------------------- */

struct key {
	const char *name;
	int (*set)(void *target, const char *value); /* 0, -EINVAL, -ENOMEM */
};

static int pairs_parse(char *text, const struct key *keys, void *target, struct error *err)
{
	char *word;

	while ((word = strsep(&text, ",")) != NULL) {
		char *value = strchr(word, '=');
		const struct key *k = keys;
		int r;

		if (!value)
			return error_set(err, -EINVAL, "%s is no KEY=VALUE.", word);
		*value++ = '\0';
		while (k->name && !str_eq(k->name, word))
			k++;
		if (!k->name)
			return error_set(err, -EINVAL, "there is no key %s.", word);
		r = k->set(target, value);
		if (r < 0)
			return error_set(err, r, r == -ENOMEM ? "%s=%s" : "%s cannot be %s.", word,
					 value);
	}
	return 0;
}

static int boolean(const char *value, bool *ret)
{
	if (!str_eq(value, "true") && !str_eq(value, "false"))
		return -EINVAL;
	*ret = value[0] == 't';
	return 0;
}

/* ---- volumes --------------------------------------------------------------------------------- */

/* A volume while its keys are read: which ones only one kind has. */
struct volume_draft {
	struct appc_volume v;
	bool has_kind, has_owner, is_named;
	char *source;
};

static int set_kind(void *target, const char *value)
{
	struct volume_draft *d = target;

	d->is_named = str_eq(value, "named");
	if (!str_eq(value, "empty") && !str_eq(value, "host") && !d->is_named)
		return -EINVAL;
	d->v.kind = value[0] == 'h' ? APPC_VOLUME_HOST : APPC_VOLUME_EMPTY;
	d->has_kind = true;
	return 0;
}

static int set_source(void *target, const char *value)
{
	struct volume_draft *d = target;

	return edit_replace(&d->source, value);
}

static int set_read_only(void *target, const char *value)
{
	struct volume_draft *d = target;

	return boolean(value, &d->v.read_only);
}

static int set_recursive(void *target, const char *value)
{
	struct volume_draft *d = target;
	bool recursive;
	int r = boolean(value, &recursive);

	if (r == 0)
		d->v.recursive = recursive;
	return r;
}

static int set_mode(void *target, const char *value)
{
	struct volume_draft *d = target;
	size_t n = strlen(value);

	if (n < 3 || n > 4 || strspn(value, "01234567") != n)
		return -EINVAL;
	d->v.mode = 0;
	for (; *value; value++)
		d->v.mode = d->v.mode * 8 + (mode_t)(*value - '0');
	d->has_owner = true;
	return 0;
}

static int set_id(struct volume_draft *d, const char *value, uint32_t *ret)
{
	uint64_t id;

	if (str_to_u64(value, UINT32_MAX - 1, &id) < 0)
		return -EINVAL;
	*ret = (uint32_t)id;
	d->has_owner = true;
	return 0;
}

static int set_uid(void *target, const char *value)
{
	struct volume_draft *d = target;

	return set_id(d, value, &d->v.uid);
}

static int set_gid(void *target, const char *value)
{
	struct volume_draft *d = target;

	return set_id(d, value, &d->v.gid);
}

static const struct key volume_keys[] = {
	{ "kind", set_kind },
	{ "source", set_source },
	{ "readOnly", set_read_only },
	{ "recursive", set_recursive },
	{ "mode", set_mode },
	{ "uid", set_uid },
	{ "gid", set_gid },
	{ NULL },
};

static int volume_check(const struct volume_draft *d, struct error *err)
{
	if (!appc_is_name(d->v.name))
		return error_set(err, -EINVAL, "%s is no name for a volume.", d->v.name);
	if (!d->has_kind)
		return error_set(err, -EINVAL, "kind=empty, kind=host or kind=named is missing.");
	if (d->v.kind == APPC_VOLUME_HOST && !d->source)
		return error_set(err, -EINVAL, "a host volume needs source=PATH.");
	if (d->v.kind == APPC_VOLUME_HOST && !path_is_clean_absolute(d->source))
		return error_set(err, -EINVAL, "source cannot be %s.", d->source);
	if ((d->v.kind == APPC_VOLUME_HOST || d->is_named) && d->has_owner)
		return error_set(err, -EINVAL, "mode, uid and gid are for empty volumes only.");
	if (d->v.kind == APPC_VOLUME_EMPTY && d->source && !d->is_named)
		return error_set(err, -EINVAL, "an empty volume has no source.");
	return 0;
}

/* The source of a named volume is its name, and its own name where none is given. */
static int volume_finish(struct volume_draft *d)
{
	char **to = d->is_named ? &d->v.named : &d->v.source;

	if (d->is_named && !d->source)
		return edit_replace(to, d->v.name);
	*to = take_ptr(&d->source);
	return 0;
}

int volume_parse(const char *text, struct appc_volume *ret, struct error *err)
{
	struct volume_draft d = { .v = { .mode = 0755, .recursive = -1 } };
	_free_ char *copy = strdup(text);
	char *keys = copy;
	int r = copy ? edit_replace(&d.v.name, strsep(&keys, ",")) : -ENOMEM;

	if (r < 0)
		error_set(err, r, "volume");
	if (r == 0 && keys)
		r = pairs_parse(keys, volume_keys, &d, err);
	if (r == 0)
		r = volume_check(&d, err);
	if (r == 0)
		r = volume_finish(&d);
	free(d.source);
	if (r < 0) {
		volume_deinit(&d.v);
		return error_prefix(err, r, "--volume %s", text);
	}
	*ret = d.v;
	return 0;
}

/* ---- mounts ---------------------------------------------------------------------------------- */

static int set_volume(void *target, const char *value)
{
	struct appc_mount *m = target;

	return appc_is_name(value) ? edit_replace(&m->volume, value) : -EINVAL;
}

static int set_target(void *target, const char *value)
{
	struct appc_mount *m = target;

	return path_is_clean_absolute(value) ? edit_replace(&m->path, value) : -EINVAL;
}

static const struct key mount_keys[] = {
	{ "volume", set_volume },
	{ "target", set_target },
	{ NULL },
};

int mount_parse(const char *text, struct appc_mount *ret, struct error *err)
{
	struct appc_mount m = { 0 };
	_free_ char *copy = strdup(text);
	int r = copy ? pairs_parse(copy, mount_keys, &m, err) : error_set(err, -ENOMEM, "mount");

	if (r == 0 && (!m.volume || !m.path))
		r = error_set(err, -EINVAL, "volume=NAME and target=PATH are both needed.");
	if (r < 0) {
		mount_deinit(&m);
		return error_prefix(err, r, "--mount %s", text);
	}
	*ret = m;
	return 0;
}

int bind_parse(const char *text, struct bind_words *ret, struct error *err)
{
	struct bind_words b = { 0 };
	_free_ char *copy = strdup(text);
	char *rest = copy;
	const char *source = strsep(&rest, ":"), *target = strsep(&rest, ":"),
		   *mode = strsep(&rest, ":");

	if (!copy)
		return error_set(err, -ENOMEM, "bind");
	if (!*source || !target || rest || (mode && !str_eq(mode, "ro") && !str_eq(mode, "rw")))
		return error_set(err, -EINVAL, "--bind %s is no SOURCE:TARGET[:ro].", text);
	if (!path_is_clean_absolute(target))
		return error_set(err, -EINVAL, "--bind %s: the target %s is no absolute path.",
				 text, target);
	b.source = strdup(source);
	b.target = strdup(target);
	b.read_only = mode && str_eq(mode, "ro");
	if (!b.source || !b.target) {
		bind_deinit(&b);
		return error_set(err, -ENOMEM, "bind");
	}
	*ret = b;
	return 0;
}
