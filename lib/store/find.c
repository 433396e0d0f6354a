/* Images by a prefix of their ID. */
#include <fcntl.h>

#include "store/internal.h"

enum { PREFIX_MIN = 12, DIGITS = 128, CANDIDATES_SHOWN = 4 };

struct search {
	char prefix[STORE_ID_TEXT]; /* with "sha512-" */
	char found[STORE_ID_TEXT];
	char shown[CANDIDATES_SHOWN * (STORE_ID_TEXT + 2)];
	int show; /* bytes of a candidate: a few more than were given tell them apart */
	unsigned n;
};

static int look_at(_unused_ int dirfd, const char *name, void *arg)
{
	struct search *search = arg;
	size_t used = strlen(search->shown);

	if (!store_is_id(name) || !str_starts(name, search->prefix))
		return 0;
	memcpy(search->found, name, STORE_ID_TEXT);
	if (search->n++ < CANDIDATES_SHOWN)
		snprintf(search->shown + used, sizeof(search->shown) - used, "%s%.*s",
			 used ? ", " : "", search->show, name);
	return 0;
}

static int search_prefix(struct store *s, struct search *search, struct error *err)
{
	_close_ int images = openat(s->fd, "images", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (images < 0)
		return error_set(err, -errno, "cannot open %s/images", s->path);
	r = dir_each(images, look_at, search);
	return r < 0 ? error_set(err, r, "cannot read %s/images", s->path) : 0;
}

int store_find_id(struct store *s, const char *prefix, char ret[STORE_ID_TEXT], struct error *err)
{
	const char *digits = str_starts(prefix, "sha512-") ? prefix + 7 : prefix;
	size_t n = strlen(digits);
	char path[STORE_IMAGE_PATH];
	struct search search = { .show = 7 + (int)n + 8 };
	int r;

	if (n < PREFIX_MIN || n > DIGITS || !hex_is(digits, n))
		return STORE_MISSING;
	snprintf(search.prefix, sizeof(search.prefix), "sha512-%s", digits);
	if (n == DIGITS) {
		store_image_path(path, search.prefix, "manifest");
		if (faccessat(s->fd, path, F_OK, 0) < 0)
			return errno == ENOENT ? STORE_MISSING
					       : error_set(err, -errno, "cannot look for %s", path);
		memcpy(ret, search.prefix, STORE_ID_TEXT);
		return 0;
	}
	r = search_prefix(s, &search, err);
	if (r < 0)
		return r;
	if (search.n == 0)
		return STORE_MISSING;
	if (search.n > 1) {
		error_set(err, -EINVAL, "%s is the beginning of %u image IDs: %s%s.", prefix,
			  search.n, search.shown, search.n > CANDIDATES_SHOWN ? ", ..." : "");
		return STORE_AMBIGUOUS;
	}
	memcpy(ret, search.found, STORE_ID_TEXT);
	return 0;
}
