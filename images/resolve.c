#include <unistd.h>

#include "images/internal.h"

/* A path is what looks like no name, or is there. */
static bool is_path(const char *reference)
{
	if (reference[0] == '/' || reference[0] == '.' || str_ends(reference, ".aci"))
		return true;
	return strchr(reference, '/') && access(reference, F_OK) == 0;
}

static int resolve_name(const struct images *im, const char *text, char ret_id[STORE_ID_TEXT],
			struct error *err)
{
	_reference_ struct reference reference = { 0 };
	int r = reference_parse(&reference, text, err);

	if (r == 0)
		r = store_find_name(im->store, reference.name,
				    reference.labels.data ? reference.labels.data : "", ret_id,
				    err);
	if (r == STORE_MISSING)
		return error_set(err, -ENOENT,
				 "%s is not in the store; import it from its archive first.", text);
	return r;
}

int images_resolve(const struct images *im, _unused_ const struct images_policy *policy,
		   const char *reference, char ret_id[STORE_ID_TEXT],
		   const struct images_progress *progress, struct error *err)
{
	int r;

	if (is_path(reference)) {
		r = images_import(im, reference, ret_id, NULL, progress, err);
		return r == STORE_EXISTS ? 0 : r;
	}
	r = store_find_id(im->store, reference, ret_id, err);
	if (r == STORE_AMBIGUOUS)
		return -EINVAL;
	if (r != STORE_MISSING)
		return r;
	if (str_starts(reference, "sha512-"))
		return error_set(err, -ENOENT, "image %s is not in the store.", reference);
	return resolve_name(im, reference, ret_id, err);
}
