/*
 * An image ID to the volume that apps are cloned from. For an image that stands alone that is the
 * volume it was unpacked into. For one with dependencies, or with a path white list, a volume is
 * made once of all the images' volumes, and named after them.
 */
#include <stdlib.h>

#include "images/internal.h"

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The white lists of the link and of all that depend on it. Their number. */
static size_t whitelists_of(const struct chain *c, size_t link, const struct appc_strings **lists)
{
	size_t n = 0;

	for (size_t i = link;; i = c->links[i].parent) {
		struct appc_strings *list = &c->links[i].image->path_whitelist;

		if (list->n) {
			qsort(list->list, list->n, sizeof(list->list[0]), by_text);
			lists[n++] = list;
		}
		if (c->links[i].parent == i)
			return n;
	}
}

static int lay_link(const struct images *im, const struct chain *c, size_t link, int dst,
		    struct error *err)
{
	const struct appc_strings *lists[LIMIT_DEPENDENCY_DEPTH + 1];
	const char *id = c->links[link].id;
	_free_ char *implied = NULL;
	_close_ int src = -1;
	struct lay lay = { .dst = dst, .whitelists = lists };
	char volume[160];
	int r;

	lay.n_whitelists = whitelists_of(c, link, lists);
	r = images_restore(im, id, err);
	if (r == 0)
		r = store_read(im->store, id, "implied", &implied, &lay.implied_len, err);
	if (r < 0)
		return r;
	lay.implied = implied;
	store_volume_name(volume, id);
	r = mosaic_mount(im->mosaic, volume,
			 &(struct mosaic_mount){ .flags = MOSAIC_MOUNT_READONLY,
						 .attributes = MOUNT_NOSUID | MOUNT_NODEV |
							       MOUNT_NOEXEC },
			 &src, err);
	if (r < 0)
		return r;
	lay.src = src;
	r = lay_tree(&lay, err);
	return r < 0 ? error_context(err, r, "render", c->links[link].image->name) : 0;
}

int render_lay(const struct images *im, const struct chain *c, int dst, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n; i++)
		r = lay_link(im, c, i, dst, err);
	return r;
}

static int render_chain(const struct images *im, const struct chain *c, const char *volume,
			struct error *err)
{
	struct mosaic_staged staged = MOSAIC_STAGED_NONE;
	_close_ int dst = -1;
	int r = mosaic_stage(im->mosaic, &staged, &dst, err);

	if (r == 0)
		r = render_lay(im, c, dst, err);
	cleanup_close(&dst);
	if (r == 0)
		r = mosaic_commit(im->mosaic, &staged, volume, err);
	mosaic_discard(im->mosaic, &staged);
	return r < 0 ? r : 0;
}

/* While it is made nobody removes the images it is made of. */
static int render(const struct images *im, const char *id, char *volume, struct error *err)
{
	_chain_ struct chain chain = { 0 };
	int r = chain_resolve(&chain, im, id, err);

	if (r < 0)
		return r;
	chain_volume_name(volume, &chain);
	return mosaic_have(im->mosaic, volume) ? 0 : render_chain(im, &chain, volume, err);
}

static int render_locked(const struct images *im, const char *id, char *volume, struct error *err)
{
	int r = store_lock(im->store, STORE_LOCK_SHARED, err);

	if (r < 0)
		return r;
	r = render(im, id, volume, err);
	store_unlock(im->store);
	return r;
}

static int read_manifest(const struct images *im, const char *id, struct appc_image **ret,
			 struct error *err)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	_free_ char *manifest = NULL;
	size_t len;
	int r = store_manifest(im->store, id, &manifest, &len, err);

	if (r < 0)
		return r;
	r = appc_image_read(ret, manifest, len, &faults);
	if (r == -EBADMSG)
		return images_faults_error(&faults, "its manifest in the store", err);
	return r < 0 ? error_set(err, r, "cannot read the manifest") : 0;
}

int images_render(const struct images *im, const char *id, char *volume,
		  struct appc_image **ret_manifest, struct error *err)
{
	_appc_image_ struct appc_image *image = NULL;
	char name[MOSAIC_NAME_MAX + 1];
	int r = read_manifest(im, id, &image, err);

	if (r < 0)
		return error_context(err, r, "render", id);
	if (chain_is_simple(image)) {
		store_volume_name(name, id);
		r = images_restore(im, id, err);
	} else {
		r = render_locked(im, id, name, err);
	}
	if (r < 0)
		return error_context(err, r, "render", image->name);
	store_touch(im->store, id);
	memcpy(volume, name, strlen(name) + 1);
	if (ret_manifest)
		*ret_manifest = take_ptr(&image);
	return 0;
}
