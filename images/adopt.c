/*
 * What came in becomes an image. Nothing of it is seen by anybody until all is complete; then the
 * volume appears, then the image, then its name.
 */
#include "images/internal.h"
#include "images/origin.h"

enum { LABELS_BYTES = 64 << 10 };

void adoption_init(struct adoption *a, const struct images *im)
{
	*a = (struct adoption){
		.im = im,
		.staged = STORE_STAGED_NONE,
		.tree = MOSAIC_STAGED_NONE,
		.labels = BUF_INIT(LABELS_BYTES),
	};
}

void adoption_deinit(struct adoption *a)
{
	store_discard(a->im->store, &a->staged);
	mosaic_discard(a->im->mosaic, &a->tree);
	appc_image_free(a->image);
	a->image = NULL;
	buf_deinit(&a->labels);
}

int adoption_read_manifest(struct adoption *a, const char *text, size_t len,
			   struct appc_faults *faults, struct error *err)
{
	int r = appc_image_read(&a->image, text, len, faults);

	if (r == -EBADMSG)
		return images_faults_error(faults, "the manifest", err);
	if (r < 0)
		return error_set(err, r, "cannot read the manifest");
	for (size_t k = 0; r == 0 && k < a->image->labels.n; k++)
		r = store_label_add(&a->labels, a->image->labels.list[k].name,
				    a->image->labels.list[k].value);
	return r < 0 ? error_set(err, r, "the labels of %s take too much room", a->image->name) : 0;
}

/* The store had the image. When it comes with better papers this time, they and the archive that
 * they are about take the place of the old ones. */
static int improve(struct adoption *a, const char *id, struct error *err)
{
	_origin_ struct origin now = { 0 }, was = { 0 };
	int r = origin_read_staged(a->staged.fd, &now, err);
	bool known;

	if (r != 0)
		return r < 0 ? r : 0;
	/* alone: of two that come at once the better one is to stay */
	r = store_lock(a->im->store, STORE_LOCK_EXCLUSIVE, err);
	if (r < 0)
		return r;
	/* what cannot be read is no better than nothing */
	known = origin_read(a->im->store, id, &was, NULL) == 0;
	if (origin_is_better(&now, known ? &was : NULL))
		r = store_replace(a->im->store, &a->staged, id, err);
	store_unlock(a->im->store);
	return r;
}

/* The volume first: an image in the store always has one. Who cleans up looks at both under the
 * same lock. */
int adoption_publish(struct adoption *a, struct store_info *info, const char *manifest,
		     size_t manifest_len, struct error *err)
{
	char volume[160];
	int r;

	info->name = a->image->name;
	info->labels = a->labels.data ? a->labels.data : (char *)"";
	info->imported_ns = time_now_ns();
	store_volume_name(volume, info->id);
	r = store_lock(a->im->store, STORE_LOCK_SHARED, err);
	if (r < 0)
		return r;
	r = mosaic_commit(a->im->mosaic, &a->tree, volume, err);
	if (r >= 0)
		r = store_adopt(a->im->store, &a->staged, info, manifest, manifest_len, err);
	store_unlock(a->im->store);
	if (r == STORE_EXISTS) {
		int improved = improve(a, info->id, err);

		store_discard(a->im->store, &a->staged);
		r = improved < 0 ? improved : r;
	}
	return r;
}
