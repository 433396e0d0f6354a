/*
 * How images go: only when no pod was cloned from them and no other image is built on them. The
 * store is locked for itself meanwhile, so nobody imports or renders.
 */
#include "images/internal.h"
#include "pod/pod.h"

/* ---- who uses it ----------------------------------------------------------------------------- */

struct user {
	const char *volumes[2]; /* the image's own and its chain's, or "" */
	char name[MOSAIC_NAME_MAX + 1];
};

static int find_clone(const struct mosaic_volume *v, void *arg)
{
	struct user *user = arg;

	for (size_t i = 0; i < ARRAY_SIZE(user->volumes); i++)
		if (v->parent[0] && str_eq(v->parent, user->volumes[i])) {
			snprintf(user->name, sizeof(user->name), "%s", v->name);
			return 1;
		}
	return 0;
}

/* "pod.UUID.APP" in words. */
static int say_used(const char *volume, struct error *err)
{
	const char *uuid = volume + 4, *dot = str_starts(volume, "pod.") ? strchr(uuid, '.') : NULL;

	if (!dot)
		return error_set(err, -EBUSY, "it is in use by the volume %s.", volume);
	return error_set(err, -EBUSY, "it is in use by app %s of pod %.*s.", dot + 1,
			 (int)(dot - uuid), uuid);
}

static int check_clones(const struct images *im, const char *volume, const char *chain,
			struct error *err)
{
	struct user user = { .volumes = { volume, chain } };
	int r = mosaic_each(im->mosaic, find_clone, &user, err);

	return r == 1 ? say_used(user.name, err) : r;
}

/* The pod whose manifest names the image. Its volumes may be copies, which say nothing of it. */
struct search_pod {
	const struct images *im;
	const char *id;
	char uuid[UUID_TEXT], app[LIMIT_NAME_BYTES + 1];
};

static int find_pod(const char *uuid, void *arg)
{
	_cleanup_(pod_deinit) struct pod pod = { 0 };
	struct search_pod *s = arg;
	_close_ int dirfd = pod_open(s->im->pods, uuid, NULL);

	if (dirfd < 0 || pod_read(&pod, dirfd, uuid, NULL) < 0)
		return 0; /* gone, being made, or damaged: its volumes tell */
	for (size_t i = 0; i < pod.manifest->n_apps; i++)
		if (str_eq(pod.manifest->apps[i].image_id, s->id)) {
			snprintf(s->uuid, sizeof(s->uuid), "%s", uuid);
			snprintf(s->app, sizeof(s->app), "%s", pod.manifest->apps[i].name);
			return 1;
		}
	return 0;
}

struct search {
	const struct images *im;
	const char *id;
	char dependent[STORE_ID_TEXT];
	char *name;
};

/* Whatever depends on it through others, one of these depends on it at first hand. An image whose
 * chain cannot be resolved holds nothing. */
static int find_dependent(const struct store_info *info, void *arg)
{
	_chain_ struct chain chain = { 0 };
	struct search *s = arg;

	if (str_eq(info->id, s->id) || chain_resolve(&chain, s->im, info->id, NULL) < 0)
		return 0;
	for (size_t i = 0; i < chain.n; i++)
		if (chain.links[i].parent == chain.n - 1 && str_eq(chain.links[i].id, s->id)) {
			memcpy(s->dependent, info->id, STORE_ID_TEXT);
			s->name = strdup(info->name);
			return 1;
		}
	return 0;
}

static int check_dependents(const struct images *im, const char *id, struct error *err)
{
	struct search s = { .im = im, .id = id };
	int r = store_each(im->store, find_dependent, &s, err);

	if (r == 1)
		r = error_set(err, -EBUSY, "image %s (%.19s) depends on it.", s.name ? s.name : "",
			      s.dependent);
	free(s.name);
	return r;
}

/* ---- images_remove() ------------------------------------------------------------------------- */

int images_own_chain(const struct images *im, const char *id, char *ret)
{
	_chain_ struct chain chain = { 0 };
	int r = chain_resolve(&chain, im, id, NULL);

	ret[0] = '\0';
	if (r == -ENOMEM)
		return r;
	if (r < 0 || chain_is_simple(chain.links[chain.n - 1].image))
		return 0;
	chain_volume_name(ret, &chain);
	return 1;
}

/* What another root that shares the mosaic has rendered stays. */
static int drop_own(const struct images *im, const char *volume, struct error *err)
{
	return mosaic_is_foreign(im->mosaic, volume, NULL) == 1
		       ? 0
		       : mosaic_drop(im->mosaic, volume, MOSAIC_DROP_UNCHECKED, err);
}

/* Who found out that nobody uses it holds the lock. A clone made meanwhile is -EBUSY. */
int images_remove_unused(const struct images *im, const char *id, struct error *err)
{
	char volume[160], chain[MOSAIC_NAME_MAX + 1];
	int r = images_own_chain(im, id, chain);

	store_volume_name(volume, id);
	if (r == 1)
		r = drop_own(im, chain, err);
	if (r == 0)
		r = drop_own(im, volume, err);
	return r == 0 ? store_remove(im->store, id, err) : r;
}

static int check_pods(const struct images *im, const char *id, struct error *err)
{
	struct search_pod search = { .im = im, .id = id };
	int r = im->pods ? pod_each(im->pods, find_pod, &search, err) : 0;

	return r == 1 ? error_set(err, -EBUSY, "it is in use by app %s of pod %s.", search.app,
				  search.uuid)
		      : r;
}

int images_check_unused(const struct images *im, const char *id, struct error *err)
{
	char volume[160], chain[MOSAIC_NAME_MAX + 1];
	int r = images_own_chain(im, id, chain);

	store_volume_name(volume, id);
	if (r >= 0)
		r = check_clones(im, volume, chain, err);
	if (r == 0)
		r = check_pods(im, id, err);
	return r == 0 ? check_dependents(im, id, err) : r;
}

static int remove_locked(const struct images *im, const char *id, bool pinned_too,
			 struct error *err)
{
	char found[STORE_ID_TEXT];
	int r = store_find_id(im->store, id, found, err);

	if (r == STORE_MISSING)
		return error_set(err, -ENOENT, "it is not in the store.");
	if (r != 0)
		return r < 0 ? r : -EINVAL;
	if (!pinned_too && store_is_pinned(im->store, found))
		return error_set(err, -EBUSY, "it is pinned; unpin it before, or use --force.");
	r = images_check_unused(im, found, err);
	return r == 0 ? images_remove_unused(im, found, err) : r;
}

static int remove_image(const struct images *im, const char *id, bool pinned_too, struct error *err)
{
	int r = store_lock(im->store, STORE_LOCK_EXCLUSIVE, err);

	if (r < 0)
		return r;
	r = remove_locked(im, id, pinned_too, err);
	store_unlock(im->store);
	return r < 0 ? error_context(err, r, "remove", id) : 0;
}

int images_remove(const struct images *im, const char *id, struct error *err)
{
	return remove_image(im, id, false, err);
}

int images_remove_pinned(const struct images *im, const char *id, struct error *err)
{
	return remove_image(im, id, true, err);
}

/* ---- images_collect() ------------------------------------------------------------------------ */

/* Names of volumes, sorted when complete. */
struct volumes {
	char (*list)[MOSAIC_NAME_MAX + 1];
	size_t n, room;
	const struct images *im;
};

static void volumes_deinit(struct volumes *v)
{
	free(v->list);
}
#define _volumes_ _cleanup_(volumes_deinit)

static int add_volume(struct volumes *v, const char *name)
{
	if (v->n == v->room) {
		size_t room = v->room ? 2 * v->room : 64;
		void *more = reallocarray(v->list, room, sizeof(v->list[0]));

		if (!more)
			return -ENOMEM;
		v->list = more;
		v->room = room;
	}
	snprintf(v->list[v->n++], sizeof(v->list[0]), "%s", name);
	return 0;
}

static int compare_volumes(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int add_needed(const struct store_info *info, void *arg)
{
	struct volumes *needed = arg;
	char name[MOSAIC_NAME_MAX + 1];
	int r;

	store_volume_name(name, info->id);
	r = add_volume(needed, name);
	if (r == 0)
		r = images_own_chain(needed->im, info->id, name);
	return r == 1 ? add_volume(needed, name) : r;
}

/* Another root that shares the mosaic has images of its own. */
static int add_ours(const struct mosaic_volume *v, void *arg)
{
	const struct volumes *all = arg;

	if (mosaic_is_foreign(all->im->mosaic, v->name, NULL) != 0)
		return 0;
	return str_starts(v->name, "image.") || str_starts(v->name, "chain.")
		       ? add_volume(arg, v->name)
		       : 0;
}

/* A volume that an app still runs on stays until that is gone. */
static int drop_unneeded(const struct images *im, const struct volumes *needed,
			 const struct volumes *there, unsigned *n, struct error *err)
{
	for (size_t i = 0; i < there->n; i++) {
		int r;

		if (needed->n && bsearch(there->list[i], needed->list, needed->n,
					 sizeof(needed->list[0]), compare_volumes))
			continue;
		r = mosaic_drop(im->mosaic, there->list[i], MOSAIC_DROP_UNCHECKED, err);
		if (r < 0 && r != -EBUSY)
			return r;
		*n += r == 0;
	}
	return 0;
}

static int collect_locked(const struct images *im, unsigned *n, struct error *err)
{
	_volumes_ struct volumes needed = { .im = im }, there = { .im = im };
	int r = store_each(im->store, add_needed, &needed, err);

	if (r == 0)
		r = mosaic_each(im->mosaic, add_ours, &there, err);
	if (r == -ENOMEM)
		return error_set(err, r, "out of memory");
	if (r < 0)
		return r;
	if (needed.n)
		qsort(needed.list, needed.n, sizeof(needed.list[0]), compare_volumes);
	return drop_unneeded(im, &needed, &there, n, err);
}

int images_collect(const struct images *im, unsigned *ret_n, struct error *err)
{
	unsigned store = 0, mosaic = 0, volumes = 0;
	int r = store_collect(im->store, &store, err);

	if (r == 0)
		r = mosaic_collect(im->mosaic, &mosaic, err);
	if (r == 0)
		r = store_lock(im->store, STORE_LOCK_EXCLUSIVE, err);
	if (r < 0)
		return r;
	r = collect_locked(im, &volumes, err);
	store_unlock(im->store);
	if (r < 0)
		return r;
	if (ret_n)
		*ret_n = store + mosaic + volumes;
	return 0;
}
