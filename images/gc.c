/*
 * Images that nobody needs any more. One that a pod or a volume uses stays, one that is pinned and
 * one that was used or imported lately stay, and so does whatever any of these depends on, however
 * far down. All others go, those that depend on others before these.
 */
#include "images/internal.h"

struct mark {
	struct store_info info;
	bool stays, gone;
};

struct sweep {
	const struct images *im;
	const struct images_gc *gc;
	struct mark *marks; /* by ID */
	size_t n, room;
};

static void sweep_deinit(struct sweep *s)
{
	for (size_t i = 0; i < s->n; i++)
		store_info_deinit(&s->marks[i].info);
	free(s->marks);
}
#define _sweep_ _cleanup_(sweep_deinit)

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct mark *)a)->info.id, ((const struct mark *)b)->info.id);
}

static struct mark *find(const struct sweep *s, const char *id)
{
	struct mark key = { 0 };

	memcpy(key.info.id, id, STORE_ID_TEXT);
	return s->n ? bsearch(&key, s->marks, s->n, sizeof(key), by_id) : NULL;
}

static int add_mark(const struct store_info *info, void *arg)
{
	struct sweep *s = arg;
	struct mark *m;

	if (s->n == s->room) {
		size_t room = s->room ? 2 * s->room : 64;
		struct mark *more = reallocarray(s->marks, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->marks = more;
		s->room = room;
	}
	m = &s->marks[s->n++];
	*m = (struct mark){ .info = *info };
	m->info.name = strdup(info->name);
	m->info.labels = strdup(info->labels);
	m->info.source = strdup(info->source);
	return m->info.name && m->info.labels && m->info.source ? 0 : -ENOMEM;
}

/* ---- what stays ------------------------------------------------------------------------------ */

static bool mark_needed(const char *id, void *arg)
{
	struct mark *m = find(arg, id);

	if (!m || m->stays)
		return false;
	m->stays = true;
	return true;
}

/* One that was used in the future says that the clock was wrong, not that it is old. */
static bool is_young(const struct sweep *s, const struct store_info *info)
{
	int64_t used = store_last_used(s->im->store, info), now = time_now_ns();

	return now < used || now - used < s->gc->grace_ns;
}

static int mark_stays(struct sweep *s, const struct images_uses *uses, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < uses->n; i++)
		if (uses->list[i].kind != IMAGES_USE_IMAGE)
			(void)mark_needed(uses->list[i].image, s);
	for (size_t i = 0; i < s->n; i++)
		if (store_is_pinned(s->im->store, s->marks[i].info.id) ||
		    is_young(s, &s->marks[i].info))
			s->marks[i].stays = true;
	for (bool more = true; r == 0 && more;) {
		more = false;
		for (size_t i = 0; r == 0 && i < s->n; i++) {
			/* once is enough: what it reaches is marked and walked by itself */
			if (!s->marks[i].stays || s->marks[i].gone)
				continue;
			s->marks[i].gone = more = true;
			r = chain_reach(s->im, s->marks[i].info.id, mark_needed, s, err);
		}
	}
	return r;
}

/* ---- what goes ------------------------------------------------------------------------------- */

struct dependents {
	const struct sweep *sweep;
	const struct images_uses *uses;
};

/* Does one depend on it that is still there? */
static bool is_needed(const struct dependents *d, const char *id)
{
	size_t n;
	const struct images_use *use = images_uses_of(d->uses, id, &n);

	for (size_t i = 0; i < n; i++) {
		const struct mark *m = use[i].kind == IMAGES_USE_IMAGE ? find(d->sweep, use[i].by)
								       : NULL;

		if (m && !m->gone)
			return true;
	}
	return false;
}

/* 0, also when somebody took it into use just now. */
static int remove_one(const struct sweep *s, struct mark *m, struct error *err)
{
	struct images_gone gone = {
		.kind = "image", .name = m->info.id, .image = &m->info, .bytes = m->info.size
	};
	struct error why = { 0 };
	int r = 0;

	m->gone = true;
	gone.bytes += store_disk_bytes(s->im->store, m->info.id);
	if (!s->gc->dry_run)
		r = images_remove_unused(s->im, m->info.id, &why);
	if (r == -EBUSY)
		return 0;
	gone.failure = r < 0 ? &why : NULL;
	r = s->gc->each(&gone, s->gc->arg);
	return r < 0 ? error_set(err, r, "cannot tell what was removed") : 0;
}

/* Round by round those that nobody depends on any more; what is left then depends on itself in a
 * circle and goes as it comes. */
static int remove_rest(const struct sweep *s, const struct images_uses *uses, struct error *err)
{
	const struct dependents d = { s, uses };
	bool force = false, more = true;
	int r = 0;

	while (r == 0 && more) {
		bool any = false;

		more = false;
		for (size_t i = 0; r == 0 && i < s->n; i++) {
			if (s->marks[i].gone)
				continue;
			more = true;
			if (!force && is_needed(&d, s->marks[i].info.id))
				continue;
			any = true;
			r = remove_one(s, &s->marks[i], err);
		}
		force = !any;
	}
	return r;
}

static int sweep_locked(const struct images *im, const struct images_gc *gc, struct error *err)
{
	_cleanup_(images_uses_deinit) struct images_uses uses = { 0 };
	_sweep_ struct sweep s = { .im = im, .gc = gc };
	int r = images_uses_read(im, &uses, err);

	if (r == 0) {
		r = store_each(im->store, add_mark, &s, err);
		if (r == -ENOMEM)
			error_set(err, r, "out of memory");
	}
	if (r < 0)
		return r;
	if (s.n)
		qsort(s.marks, s.n, sizeof(s.marks[0]), by_id);
	r = mark_stays(&s, &uses, err);
	return r == 0 ? remove_rest(&s, &uses, err) : r;
}

static int tell_leftovers(const struct images_gc *gc, const char *kind, unsigned n,
			  struct error *err)
{
	struct images_gone gone = { .kind = kind };
	char count[32];
	int r;

	if (n == 0)
		return 0;
	snprintf(count, sizeof(count), "%u", n);
	gone.name = count;
	r = gc->each(&gone, gc->arg);
	return r < 0 ? error_set(err, r, "cannot tell what was removed") : 0;
}

static int collect_rest(const struct images *im, const struct images_gc *gc, struct error *err)
{
	unsigned n = 0;
	int r = store_partial_collect(im->store, gc->grace_ns, &n, err);

	if (r == 0)
		r = tell_leftovers(gc, "unfinished downloads", n, err);
	n = 0;
	if (r == 0)
		r = images_collect(im, &n, err);
	return r == 0 ? tell_leftovers(gc, "leftovers", n, err) : r;
}

int images_gc(const struct images *im, const struct images_gc *gc, struct error *err)
{
	int r = store_lock(im->store, STORE_LOCK_EXCLUSIVE, err);

	if (r < 0)
		return r;
	r = sweep_locked(im, gc, err);
	store_unlock(im->store);
	return r < 0 || gc->dry_run ? r : collect_rest(im, gc, err);
}
