#include <string.h>

#include "images/fetch_image.h"

/* A file or directory, or what the store has: no network, no configuration, no process. */
static int resolve_here(const struct images *im, const struct want *w, char ret_id[STORE_ID_TEXT],
			const struct images_progress *progress, struct error *err)
{
	int r;

	if (w->kind != REFERENCE_PATH)
		return want_find(im, w, ret_id, err);
	r = images_import(im, w->text, ret_id, NULL, progress, err);
	return r == STORE_EXISTS ? 0 : r;
}

static int say_missing(const struct want *w, const struct images_policy *policy, struct error *err)
{
	if (w->kind == REFERENCE_ID)
		return error_set(err, -ENOENT, "image %s is not in the store.", w->text);
	return error_set(err, -ENOENT, "%s is not in the store%s.", w->text,
			 policy ? ", and --pull never forbids fetching it"
				: "; fetch it or import it from its archive first");
}

static int fetch(const struct images *im, const struct images_policy *policy, const char *text,
		 char ret_id[STORE_ID_TEXT], const struct images_progress *progress,
		 struct error *err)
{
	struct images_fetched image = { .reference = text };
	const struct images_fetching f = { .list = &image, .n = 1 };
	int r = images_fetch(im, policy, &f, progress, err);

	if (r < 0)
		return r;
	memcpy(ret_id, image.id, STORE_ID_TEXT);
	return 0;
}

int images_resolve(const struct images *im, const struct images_policy *policy,
		   const char *reference, char ret_id[STORE_ID_TEXT],
		   const struct images_progress *progress, struct error *err)
{
	bool may_fetch = policy && policy->pull != IMAGES_PULL_NEVER;
	_cleanup_(want_deinit) struct want w = { 0 };
	int r = want_parse(&w, reference, err);

	if (r < 0)
		return r;
	if (may_fetch && policy->pull == IMAGES_PULL_ALWAYS && w.kind != REFERENCE_PATH &&
	    w.kind != REFERENCE_ID)
		return fetch(im, policy, reference, ret_id, progress, err);
	r = resolve_here(im, &w, ret_id, progress, err);
	if (r == STORE_AMBIGUOUS)
		return -EINVAL;
	if (r != STORE_MISSING)
		return r;
	if (may_fetch && (w.kind != REFERENCE_ID || w.ref.name[0]))
		return fetch(im, policy, reference, ret_id, progress, err);
	return say_missing(&w, policy, err);
}
