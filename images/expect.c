#include "images/expect.h"

static int check_name(const struct appc_image *image, const char *name, struct error *err)
{
	if (str_eq(image->name, name))
		return 0;
	return error_set(err, -EBADMSG, "the image %s was expected, and %s came.", name,
			 image->name);
}

static int check_label(const struct appc_image *image, const char *name, const char *value,
		       struct error *err)
{
	const char *came = appc_pairs_get(&image->labels, name);

	if (!came)
		return error_set(err, -EBADMSG,
				 "%s with %s=%s was expected, and one without a label %s came.",
				 image->name, name, value, name);
	if (!str_eq(came, value))
		return error_set(err, -EBADMSG, "%s with %s=%s was expected, and one with %s came.",
				 image->name, name, value, came);
	return 0;
}

/* Unless something else was asked for. */
static int check_system(const struct appc_image *image, const char *name, const char *value,
			struct error *err)
{
	return appc_pairs_get(&image->labels, name) ? check_label(image, name, value, err) : 0;
}

static bool is_asked(const struct reference *ref, const char *label)
{
	for (size_t i = 0; i < ref->n_asked; i++)
		if (str_eq(ref->asked[i].name, label))
			return true;
	return false;
}

int expect_reference(const struct appc_image *image, const struct reference *ref, struct error *err)
{
	int r = check_name(image, ref->name, err);

	for (size_t i = 0; r == 0 && i < ref->n_asked; i++)
		r = check_label(image, ref->asked[i].name, ref->asked[i].value, err);
	if (r == 0 && !is_asked(ref, "os"))
		r = check_system(image, "os", appc_host_os(), err);
	if (r == 0 && !is_asked(ref, "arch"))
		r = check_system(image, "arch", appc_host_arch(), err);
	return r;
}

int expect_dependency(const struct appc_image *image, const struct appc_dependency *d,
		      const char *os, const char *arch, struct error *err)
{
	int r = check_name(image, d->image_name, err);

	for (size_t i = 0; r == 0 && i < d->labels.n; i++)
		r = check_label(image, d->labels.list[i].name, d->labels.list[i].value, err);
	if (r == 0 && !appc_pairs_get(&d->labels, "os"))
		r = check_system(image, "os", os ? os : appc_host_os(), err);
	if (r == 0 && !appc_pairs_get(&d->labels, "arch"))
		r = check_system(image, "arch", arch ? arch : appc_host_arch(), err);
	return r;
}
