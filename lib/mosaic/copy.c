/*
 * Clones, snapshots and rollbacks. All are a copy of one volume, made in staging: a clone and a
 * snapshot then get their name by a rename, a rollback changes places with the volume. The source
 * is locked meanwhile, so that nobody begins to write to it; who wrote before is found by
 * volume_need_unused().
 */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include "base/base.h"
#include "mosaic/driver.h"

enum { EXCHANGE = 2 }; /* RENAME_EXCHANGE, which only newer C libraries declare */

/* Two names for one thing: read-only volumes may be copied whoever reads them. */
static bool is_read_only(const struct volume *v)
{
	return v->kind == VOLUME_TREE || v->kind == VOLUME_LAYER;
}

/* *ret_used: somebody has it mounted, and only reads. */
static int open_source(struct mosaic *m, const char *from, const char *what, struct volume *ret,
		       bool *ret_used, struct error *err)
{
	_volume_ struct volume v = VOLUME_CLOSED;
	int r = volume_open_shared(m, from, &v, err);

	if (r < 0)
		return r;
	*ret_used = false;
	if (!is_read_only(&v) && !(m->features & MOSAIC_SNAPSHOT_LIVE)) {
		volume_close(&v); /* its lock would be in the way */
		return volume_open_unwritten(m, from, what, ret, ret_used, err);
	}
	*ret = v;
	v.dirfd = -1;
	return 0;
}

/* What is the core's in a copy. */
static int prepare(int dirfd, const struct volume *from, struct error *err)
{
	_close_ int raw = -1;

	if (symlinkat(from->name, dirfd, "origin") < 0)
		return error_set(err, -errno, "cannot note where a copy of %s is from", from->name);
	if (!from->raw)
		return 0;
	raw = openat(dirfd, "raw", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return raw < 0 ? error_set(err, -errno, "cannot mark a copy of %s as raw", from->name) : 0;
}

static int begin_copy(struct mosaic *m, const struct volume *from, struct mosaic_staged *s,
		      struct error *err)
{
	int r = volume_begin(m, s, err);

	return r < 0 ? r : prepare(s->lock_fd, from, err);
}

/* Who drops a parent looks for clones after it moved it away, we look for it after we made one: one
 * of both sees the other. */
static int finish_copy(struct mosaic *m, struct mosaic_staged *s, const char *name,
		       struct error *err)
{
	char parent[MOSAIC_NAME_MAX + 1];
	int r = volume_finish(m, s, name, err);

	if (r == MOSAIC_EXISTS)
		return error_set(err, -EEXIST, "there is a volume %s already.", name);
	if (r < 0 || volume_find(m, name, parent) <= 0 || !parent[0] ||
	    volume_find(m, parent, NULL) != VOLUME_NONE)
		return r;
	volume_remove_unfinished(m, name);
	return error_set(err, -ENOENT, "volume %s was dropped just now.", parent);
}

static int need_copy(const struct mosaic *m, const char *what, struct error *err)
{
	return m->driver->copy ? 0
			       : error_set(err, -EOPNOTSUPP, "the driver %s of %s cannot %s.",
					   m->driver->name, m->location, what);
}

static int copy_volume(struct mosaic *m, const char *name, const char *from, bool read_only,
		       struct error *err)
{
	struct mosaic_staged s = MOSAIC_STAGED_NONE;
	_volume_ struct volume source = VOLUME_CLOSED;
	bool used;
	int r;

	r = open_source(m, from, read_only ? "snapshot" : "clone", &source, &used, err);
	if (r < 0)
		return r;
	r = begin_copy(m, &source, &s, err);
	if (r == 0) {
		const struct volume_copy c = { s.lock_fd, &source, read_only, used };

		r = m->driver->copy(m, &c, err);
	}
	if (r == 0)
		r = finish_copy(m, &s, name, err);
	mosaic_discard(m, &s);
	return r;
}

/* Two names as their user gave them; room for what the volumeMap makes of them. */
struct names {
	char name[MOSAIC_NAME_MAX + 1], from[MOSAIC_NAME_MAX + 1];
};

static int take_names(struct mosaic *m, const char **name, const char **from, struct names *room,
		      struct error *err)
{
	int r = volume_name(m, name, room->name, err);

	return r < 0 ? r : volume_name(m, from, room->from, err);
}

int mosaic_clone(struct mosaic *m, const char *name, const char *from, struct error *err)
{
	struct names names;
	int r = take_names(m, &name, &from, &names, err);

	if (r < 0)
		return r;
	r = m->driver->clone ? m->driver->clone(m, name, from, err) : VOLUME_NEEDS_COPY;
	if (r == VOLUME_NEEDS_COPY)
		r = copy_volume(m, name, from, false, err);
	if (r == 0)
		volume_event(m, MOSAIC_EVENT_CLONE, name, from);
	return r;
}

static int sync_all(struct mosaic *m, struct error *err)
{
	int r = mosaic_sync(m, err);

	return r < 0 ? r : volume_sync_names(m, err);
}

int mosaic_snapshot(struct mosaic *m, const char *name, const char *from, struct error *err)
{
	struct names names;
	int r = take_names(m, &name, &from, &names, err);

	if (r == 0)
		r = need_copy(m, "take snapshots", err);
	if (r == 0)
		r = copy_volume(m, name, from, true, err);
	if (r < 0)
		return r;
	volume_event(m, MOSAIC_EVENT_SNAPSHOT, name, from);
	return sync_all(m, err);
}

/* ---- several at once ------------------------------------------------------------------------- */

struct set {
	struct mosaic *m;
	const struct mosaic_pair *wanted;
	size_t n;
	struct mosaic_pair *pairs; /* wanted, by the names of the volumes */
	struct names *names;
	struct volume *from;
	struct mosaic_staged *staged;
	struct volume_copy *copies;
	size_t named;              /* that have their name already */
	struct mosaic_staged note; /* see set_note() */
};

static void set_free(struct set *s)
{
	for (size_t i = 0; s->from && i < s->n; i++)
		volume_close(&s->from[i]);
	for (size_t i = 0; s->staged && i < s->n; i++)
		mosaic_discard(s->m, &s->staged[i]);
	mosaic_discard(s->m, &s->note);
	free(s->names);
	free(s->pairs);
	free(s->from);
	free(s->staged);
	free(s->copies);
}

/* One volume may be in the set several times: all of these are one open file, or they would lock
 * each other out. */
static int set_open_source(struct set *s, size_t i, bool quiet, bool *used, struct error *err)
{
	const char *from = s->pairs[i].from;
	struct volume *v = &s->from[i];
	int r;

	for (size_t k = 0; k < i; k++)
		if (str_eq(s->pairs[k].from, from)) {
			*v = s->from[k];
			*used = s->copies[k].used;
			v->dirfd = fcntl(s->from[k].dirfd, F_DUPFD_CLOEXEC, 3);
			return v->dirfd < 0 ? error_set(err, -errno, "volume %s", from) : 0;
		}
	r = volume_open(s->m, from, v, err);
	if (r < 0 || quiet || is_read_only(v) || s->m->features & MOSAIC_SNAPSHOT_SET)
		return r;
	volume_close(v);
	return volume_open_unwritten(s->m, from, "snapshot", v, used, err);
}

static int set_open(struct set *s, bool quiet, struct error *err)
{
	s->from = calloc(s->n, sizeof(*s->from));
	s->staged = calloc(s->n, sizeof(*s->staged));
	s->copies = calloc(s->n, sizeof(*s->copies));
	s->pairs = calloc(s->n, sizeof(*s->pairs));
	s->names = calloc(s->n, sizeof(*s->names));
	if (!s->from || !s->staged || !s->copies || !s->pairs || !s->names)
		return error_set(err, -ENOMEM, "snapshots of %zu volumes", s->n);
	for (size_t i = 0; i < s->n; i++) {
		s->from[i] = (struct volume)VOLUME_CLOSED;
		s->staged[i] = (struct mosaic_staged)MOSAIC_STAGED_NONE;
	}
	for (size_t i = 0; i < s->n; i++) {
		struct mosaic_pair *p = &s->pairs[i];
		bool used = quiet;
		int r;

		*p = s->wanted[i];
		r = take_names(s->m, &p->name, &p->from, &s->names[i], err);
		if (r == 0 && volume_find(s->m, p->name, NULL) > 0)
			r = error_set(err, -EEXIST, "there is a volume %s already.", p->name);
		if (r == 0)
			r = set_open_source(s, i, quiet, &used, err);
		if (r == 0)
			r = begin_copy(s->m, &s->from[i], &s->staged[i], err);
		if (r < 0)
			return r;
		s->copies[i] = (struct volume_copy){ s->staged[i].lock_fd, &s->from[i],
						     .read_only = true, .used = used };
	}
	return 0;
}

static int set_copy(struct set *s, struct error *err)
{
	const struct mosaic_driver *d = s->m->driver;
	int r = 0;

	if (d->snapshot_set)
		return d->snapshot_set(s->m, s->copies, s->n, err);
	for (size_t i = 0; i < s->n && r == 0; i++) {
		/* the copy before may have been of the same volume, and have changed it */
		r = volume_look(s->m, &s->from[i], err);
		if (r == 0)
			r = d->copy(s->m, &s->copies[i], err);
	}
	return r;
}

/* What is to be named, in a directory of staging by itself: "set" has a link NAME to each staged
 * one, and is there whole or not at all. Who finds it without its maker names the rest. */
static int set_note(struct set *s, struct error *err)
{
	int r = volume_begin(s->m, &s->note, err);

	if (r == 0 && mkdirat(s->note.lock_fd, "making", 0700) < 0)
		r = -errno;
	for (size_t i = 0; r == 0 && i < s->n; i++) {
		char link[VOLUME_PATH + 16];

		snprintf(link, sizeof(link), "making/%s", s->pairs[i].name);
		if (symlinkat(s->staged[i].name, s->note.lock_fd, link) < 0)
			r = -errno;
	}
	if (r == 0)
		r = mosaic_sync(s->m, err);
	if (r == 0 && renameat(s->note.lock_fd, "making", s->note.lock_fd, "set") < 0)
		r = -errno;
	if (r == 0)
		r = sync_dir(s->note.lock_fd);
	return r < 0 && err && !err->code ? error_set(err, r, "cannot note what is to be named")
					  : r;
}

/* A name may be taken since it was looked at: then those that have theirs lose it again. */
static int set_name(struct set *s, struct error *err)
{
	int r = set_note(s, err);

	for (; r == 0 && s->named < s->n; s->named++) {
		r = finish_copy(s->m, &s->staged[s->named], s->pairs[s->named].name, err);
		if (r < 0)
			break;
	}
	if (r == 0)
		return volume_sync_names(s->m, err);
	/* to be named no more */
	if (s->note.lock_fd >= 0)
		(void)!renameat(s->note.lock_fd, "set", s->note.lock_fd, "making");
	while (s->named > 0)
		(void)!volume_drop(s->m, s->pairs[--s->named].name, MOSAIC_DROP_UNCHECKED, NULL);
	return r;
}

int mosaic_snapshot_set(struct mosaic *m, const struct mosaic_pair *pairs, size_t n,
			const struct mosaic_quiesce *q, struct error *err)
{
	_cleanup_(set_free) struct set s = {
		.m = m, .wanted = pairs, .n = n, .note = MOSAIC_STAGED_NONE
	};
	bool ask = q && q->quiesce && !(m->features & MOSAIC_SNAPSHOT_SET);
	int r = need_copy(m, "take snapshots", err);

	if (r == 0)
		r = set_open(&s, ask, err);
	if (r == 0 && ask)
		r = q->quiesce(q->arg, err);
	if (r < 0)
		return r;
	r = set_copy(&s, err);
	if (ask && q->resume)
		q->resume(q->arg);
	if (r == 0)
		r = set_name(&s, err);
	for (size_t i = 0; i < n && r == 0; i++)
		volume_event(m, MOSAIC_EVENT_SNAPSHOT, s.pairs[i].name, s.pairs[i].from);
	return r;
}

/* ---- rollback -------------------------------------------------------------------------------- */

static int exchange(struct mosaic *m, const struct mosaic_staged *s, const char *name,
		    struct error *err)
{
	char staged[VOLUME_PATH], volume[VOLUME_PATH];

	staging_path(staged, s->name);
	volume_path(volume, name, NULL);
	if (syscall(SYS_renameat2, m->dirfd, staged, m->dirfd, volume, EXCHANGE) < 0)
		return error_set(err, -errno, "cannot put the copy in the place of volume %s",
				 name);
	return 0;
}

static int open_target(struct mosaic *m, const char *name, struct volume *ret, struct error *err)
{
	int kind = volume_need(m, name, NULL, err);

	if (kind == VOLUME_TREE || kind == VOLUME_LAYER)
		return error_set(err, -EROFS,
				 "volume %s is read-only: there is nothing to roll back.", name);
	return kind < 0 ? kind : volume_open_unused(m, name, "rollback", ret, err);
}

int mosaic_rollback(struct mosaic *m, const char *name, const char *snapshot, struct error *err)
{
	_volume_ struct volume v = VOLUME_CLOSED, source = VOLUME_CLOSED;
	struct mosaic_staged s = MOSAIC_STAGED_NONE;
	struct names names;
	bool used = false;
	int r = take_names(m, &name, &snapshot, &names, err);

	if (r == 0 && str_eq(name, snapshot))
		r = error_set(err, -EINVAL, "volume %s cannot be rolled back to itself.", name);
	if (r == 0)
		r = need_copy(m, "roll a volume back", err);
	if (r == 0)
		r = open_target(m, name, &v, err);
	if (r == 0)
		r = open_source(m, snapshot, "rollback", &source, &used, err);
	if (r == 0)
		r = begin_copy(m, &source, &s, err);
	if (r == 0) {
		const struct volume_copy c = { s.lock_fd, &source, .used = used };

		r = m->driver->copy(m, &c, err);
	}
	if (r == 0)
		r = volume_copy_data(&v, s.lock_fd, err);
	if (r == 0)
		r = volume_keep_owner(&v, s.lock_fd, err);
	if (r == 0)
		r = mosaic_sync(m, err);
	if (r == 0)
		r = exchange(m, &s, name, err);
	if (r == 0) {
		volume_event(m, MOSAIC_EVENT_ROLLBACK, name, snapshot);
		r = volume_sync_names(m, err);
	}
	mosaic_discard(m, &s); /* what the volume was */
	return r;
}
