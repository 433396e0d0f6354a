/*
 * Who uses which image: told from what there is, at the moment of asking. Nothing is counted, so
 * nothing can drift.
 *
 *	volumes		an app's is a clone of an image's, or of a chain's that is made of images
 *	pods		the manifest of each names its images, also where volumes are copies
 *	images		those that depend on it
 */
#include "images/internal.h"
#include "pod/pod.h"

void images_uses_deinit(struct images_uses *u)
{
	for (size_t i = 0; i < u->n; i++)
		free(u->list[i].by);
	free(u->list);
	*u = (struct images_uses){ 0 };
}

struct gathering {
	const struct images *im;
	struct images_uses uses;
	size_t room;
	const char *dependent; /* whose dependencies are being walked */
	struct buf chains;     /* volume and image, NUL behind each */
	bool no_memory;
};

static int add(struct gathering *g, const char *image, enum images_use_kind kind, char *by_consumed)
{
	_free_ char *by = by_consumed;
	struct images_uses *u = &g->uses;

	if (!by)
		return -ENOMEM;
	for (size_t i = u->n; i-- > 0 && kind == IMAGES_USE_POD;)
		if (u->list[i].kind == kind && str_eq(u->list[i].image, image) &&
		    str_eq(u->list[i].by, by))
			return 0; /* by its volume and by its manifest */
	if (u->n == g->room) {
		size_t room = g->room ? 2 * g->room : 64;
		struct images_use *more = reallocarray(u->list, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		u->list = more;
		g->room = room;
	}
	u->list[u->n] = (struct images_use){ .kind = kind, .by = take_ptr(&by) };
	memcpy(u->list[u->n++].image, image, STORE_ID_TEXT);
	return 0;
}

/* ---- images ---------------------------------------------------------------------------------- */

static bool add_dependency(const char *id, void *arg)
{
	struct gathering *g = arg;

	if (!str_eq(id, g->dependent) && add(g, id, IMAGES_USE_IMAGE, strdup(g->dependent)) < 0)
		g->no_memory = true;
	return false;
}

/* The chain of each image is remembered with the image: clones name only the volume. */
static int look_at_image(const struct store_info *info, void *arg)
{
	struct gathering *g = arg;
	char volume[MOSAIC_NAME_MAX + 1];
	int r;

	g->dependent = info->id;
	r = chain_reach(g->im, info->id, add_dependency, g, NULL);
	if (r == 0)
		r = g->no_memory ? -ENOMEM : images_own_chain(g->im, info->id, volume);
	if (r <= 0)
		return r;
	r = buf_add(&g->chains, volume, strlen(volume) + 1);
	return r == 0 ? buf_add(&g->chains, info->id, STORE_ID_TEXT) : r;
}

/* ---- volumes --------------------------------------------------------------------------------- */

/* "pod.UUID.APP" as "UUID/APP"; NULL when memory is out. */
static char *user_of(const char *volume, enum images_use_kind *ret_kind)
{
	const char *uuid = volume + 4, *dot = str_starts(volume, "pod.") ? strchr(uuid, '.') : NULL;

	*ret_kind = dot ? IMAGES_USE_POD : IMAGES_USE_VOLUME;
	return dot ? str_printf("%.*s/%s", (int)(dot - uuid), uuid, dot + 1) : strdup(volume);
}

static int add_volume(struct gathering *g, const char *image, const char *volume)
{
	enum images_use_kind kind;
	char *by = user_of(volume, &kind);

	return add(g, image, kind, by);
}

static int look_at_volume(const struct mosaic_volume *v, void *arg)
{
	struct gathering *g = arg;
	const char *end = g->chains.data + g->chains.len;
	int r = 0;

	if (str_starts(v->parent, "image.") && strlen(v->parent) == 6 + STORE_ID_TEXT - 1)
		return add_volume(g, v->parent + 6, v->name);
	if (!str_starts(v->parent, "chain."))
		return 0;
	for (const char *p = g->chains.data; r == 0 && p < end; p += strlen(p) + 1 + STORE_ID_TEXT)
		if (str_eq(p, v->parent))
			r = add_volume(g, p + strlen(p) + 1, v->name);
	return r;
}

/* ---- pods ------------------------------------------------------------------------------------ */

static int look_at_pod(const char *uuid, void *arg)
{
	_cleanup_(pod_deinit) struct pod pod = { 0 };
	struct gathering *g = arg;
	_close_ int dirfd = pod_open(g->im->pods, uuid, NULL);
	int r = 0;

	if (dirfd < 0 || pod_read(&pod, dirfd, uuid, NULL) < 0)
		return 0; /* gone, being made, or damaged: its volumes tell */
	for (size_t i = 0; r == 0 && i < pod.manifest->n_apps; i++) {
		const struct appc_pod_app *app = &pod.manifest->apps[i];

		if (strlen(app->image_id) == STORE_ID_TEXT - 1)
			r = add(g, app->image_id, IMAGES_USE_POD,
				str_printf("%s/%s", uuid, app->name));
	}
	return r;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static int by_image(const void *a, const void *b)
{
	const struct images_use *x = a, *y = b;
	int order = strcmp(x->image, y->image);

	if (order == 0)
		order = (int)x->kind - (int)y->kind;
	return order ? order : strcmp(x->by, y->by);
}

static int gather(struct gathering *g, struct error *err)
{
	int r = store_each(g->im->store, look_at_image, g, err);

	if (r == 0 && g->im->mosaic)
		r = mosaic_each(g->im->mosaic, look_at_volume, g, err);
	if (r == 0 && g->im->pods)
		r = pod_each(g->im->pods, look_at_pod, g, err);
	return r == -ENOMEM ? error_set(err, r, "out of memory") : r;
}

int images_uses_read(const struct images *im, struct images_uses *ret, struct error *err)
{
	struct gathering g = { .im = im, .chains = BUF_INIT(SIZE_MAX) };
	int r = gather(&g, err);

	buf_deinit(&g.chains);
	if (r != 0) {
		images_uses_deinit(&g.uses);
		return r;
	}
	if (g.uses.n)
		qsort(g.uses.list, g.uses.n, sizeof(g.uses.list[0]), by_image);
	*ret = g.uses;
	return 0;
}

static int by_id(const void *key, const void *element)
{
	return strcmp(key, ((const struct images_use *)element)->image);
}

const struct images_use *images_uses_of(const struct images_uses *u, const char *id, size_t *ret_n)
{
	const struct images_use *first = u->n ? bsearch(id, u->list, u->n, sizeof(u->list[0]),
							by_id)
					      : NULL;
	const struct images_use *end = u->list + u->n, *last = first;

	*ret_n = 0;
	if (!first)
		return NULL;
	while (first > u->list && str_eq(first[-1].image, id))
		first--;
	while (last < end && str_eq(last->image, id))
		last++;
	*ret_n = (size_t)(last - first);
	return first;
}
