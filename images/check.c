/*
 * The store, looked at from one end to the other: each image by itself, then whatever belongs to
 * none. It is locked for one image after the other, not for as long as all of them take; the strays
 * are looked for with everything locked, lest what somebody is just bringing in is taken for one,
 * and that is quick.
 */
#include "images/check.h"

int checking_found(struct checking *k, const struct images_finding *f)
{
	int r = k->check->each(f, k->check->arg);

	k->left += f->repaired == NULL;
	return r < 0 ? error_set(k->err, r, "cannot tell what was found") : 0;
}

int checking_go_on(const struct checking *k)
{
	return k->check->interrupted ? k->check->interrupted(k->err) : 0;
}

/* ---- lists ----------------------------------------------------------------------------------- */

/* Texts, NUL behind each, gathered while somebody else walks. */
static int add_text(struct buf *b, const char *text)
{
	return buf_add(b, text, strlen(text) + 1);
}

static int add_id(const struct store_info *info, void *arg)
{
	return add_text(arg, info->id);
}

static bool has_text(const struct buf *b, const char *text)
{
	for (size_t at = 0; at < b->len; at += strlen(b->data + at) + 1)
		if (str_eq(b->data + at, text))
			return true;
	return false;
}

/* ---- images ---------------------------------------------------------------------------------- */

static int check_one(struct checking *k, const char *id)
{
	int r = store_lock(k->im->store,
			   k->check->repair ? STORE_LOCK_EXCLUSIVE : STORE_LOCK_SHARED, k->err);

	if (r < 0)
		return r;
	/* removed since it was listed? */
	r = store_has(k->im->store, id) ? check_image(k, id) : 0;
	store_unlock(k->im->store);
	return r;
}

static int check_images(struct checking *k)
{
	const struct images_check *check = k->check;
	_buf_ struct buf ids = BUF_INIT(SIZE_MAX);
	int r = 0;

	for (size_t i = 0; r == 0 && i < check->n_ids; i++)
		r = add_text(&ids, check->ids[i]);
	if (r == 0 && check->n_ids == 0)
		r = store_each(k->im->store, add_id, &ids, k->err);
	if (r < 0)
		return k->err->code ? r : error_set(k->err, r, "out of memory");
	for (size_t at = 0; r == 0 && at < ids.len; at += STORE_ID_TEXT) {
		r = checking_go_on(k);
		if (r == 0)
			r = check_one(k, ids.data + at);
	}
	return r;
}

/* ---- the store's strays ---------------------------------------------------------------------- */

struct strays {
	struct buf list; /* object, image or "", why, "i" for the index; NUL behind each */
};

static int add_stray(const struct store_stray *stray, void *arg)
{
	struct strays *s = arg;
	int r = add_text(&s->list, stray->object);

	if (r == 0)
		r = add_text(&s->list, stray->id ? stray->id : "");
	if (r == 0)
		r = add_text(&s->list, stray->why);
	return r == 0 ? add_text(&s->list, stray->is_index ? "i" : "") : r;
}

static int tell_stray(struct checking *k, const struct images_finding *stray, bool is_index,
		      const struct error *not_indexed)
{
	struct images_finding f = *stray;
	struct error why = { 0 };
	char text[1024];

	if (k->check->repair && is_index)
		why = *not_indexed;
	else if (k->check->repair)
		(void)!store_stray_remove(k->im->store, f.object, &why);
	if (k->check->repair)
		f.repaired = is_index ? "made anew" : "removed";
	if (why.code) {
		error_format(&why, text, sizeof(text));
		f.why_not = text;
		f.repaired = NULL;
	}
	return checking_found(k, &f);
}

static int check_strays(struct checking *k)
{
	struct strays s = { .list = BUF_INIT(SIZE_MAX) };
	struct error not_indexed = { 0 };
	int r = store_each_stray(k->im->store, add_stray, &s, k->err);

	if (r < 0 && !k->err->code)
		error_set(k->err, r, "out of memory");
	if (r == 0 && k->check->repair)
		(void)!store_index_repair(k->im->store, &not_indexed);
	for (size_t at = 0; r == 0 && at < s.list.len;) {
		const char *part[4];

		for (size_t i = 0; i < ARRAY_SIZE(part); i++) {
			part[i] = s.list.data + at;
			at += strlen(part[i]) + 1;
		}
		r = tell_stray(k,
			       &(struct images_finding){ .object = part[0],
							 .image = *part[1] ? part[1] : NULL,
							 .name = "",
							 .what = part[2] },
			       *part[3], &not_indexed);
	}
	buf_deinit(&s.list);
	return r;
}

/* ---- the mosaic's ---------------------------------------------------------------------------- */

struct volumes {
	const struct images *im;
	struct buf needed, stray;
	bool leftovers;
};

static int add_needed(const struct store_info *info, void *arg)
{
	struct volumes *v = arg;
	char name[MOSAIC_NAME_MAX + 1];
	int r;

	store_volume_name(name, info->id);
	r = add_text(&v->needed, name);
	if (r == 0)
		r = images_own_chain(v->im, info->id, name);
	return r == 1 ? add_text(&v->needed, name) : r;
}

static int add_stray_volume(const struct mosaic_volume *volume, void *arg)
{
	struct volumes *v = arg;

	if (!str_starts(volume->name, "image.") && !str_starts(volume->name, "chain."))
		return 0;
	if (mosaic_is_foreign(v->im->mosaic, volume->name, NULL) != 0)
		return 0; /* of another root that shares the mosaic */
	return has_text(&v->needed, volume->name) ? 0 : add_text(&v->stray, volume->name);
}

static int add_leftover(const char *where, void *arg)
{
	struct volumes *v = arg;

	v->leftovers = true;
	return add_text(&v->stray, where);
}

static int tell_volume(struct checking *k, const char *name)
{
	bool leftover = strchr(name, '/') != NULL;
	_free_ char *object = str_printf("volume %s", name);
	struct images_finding f = {
		.object = object,
		.name = "",
		.what = leftover ? "who made it has died" : "no image has it",
	};
	struct error why = { 0 };
	char text[1024];

	if (!object)
		return error_set(k->err, -ENOMEM, "out of memory");
	if (k->check->repair) {
		f.repaired = "removed";
		if (!leftover &&
		    mosaic_drop(k->im->mosaic, name, MOSAIC_DROP_UNCHECKED, &why) < 0) {
			error_format(&why, text, sizeof(text));
			f.why_not = text;
			f.repaired = NULL;
		}
	}
	return checking_found(k, &f);
}

static int find_volumes(struct checking *k, struct volumes *v)
{
	unsigned n;
	int r = store_each(k->im->store, add_needed, v, k->err);

	if (r == 0)
		r = mosaic_each(k->im->mosaic, add_stray_volume, v, k->err);
	if (r == 0)
		r = mosaic_each_leftover(k->im->mosaic, add_leftover, v, k->err);
	if (r == 0 && v->leftovers && k->check->repair)
		r = mosaic_collect(k->im->mosaic, &n, k->err);
	return r < 0 && !k->err->code ? error_set(k->err, r, "out of memory") : r;
}

static int check_volumes(struct checking *k)
{
	struct volumes v = { .im = k->im,
			     .needed = BUF_INIT(SIZE_MAX),
			     .stray = BUF_INIT(SIZE_MAX) };
	int r = find_volumes(k, &v);

	for (size_t at = 0; r == 0 && at < v.stray.len; at += strlen(v.stray.data + at) + 1)
		r = tell_volume(k, v.stray.data + at);
	buf_deinit(&v.needed);
	buf_deinit(&v.stray);
	return r;
}

static int check_rest(struct checking *k)
{
	int r = store_lock(k->im->store, STORE_LOCK_EXCLUSIVE, k->err);

	if (r < 0)
		return r;
	r = check_strays(k);
	if (r == 0)
		r = check_volumes(k);
	store_unlock(k->im->store);
	return r;
}

int images_check(const struct images *im, const struct images_check *check, unsigned *ret_left,
		 const struct images_progress *progress, struct error *err)
{
	struct error own = { 0 };
	struct checking k = {
		.im = im, .check = check, .progress = progress, .err = err ? err : &own
	};
	int r = check_images(&k);

	if (r == 0 && check->n_ids == 0)
		r = check_rest(&k);
	if (r != 0)
		return r;
	*ret_left = k.left;
	return 0;
}
