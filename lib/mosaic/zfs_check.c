/* Datasets that belong to no volume, and volumes without one. */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "mosaic/zfs.h"

struct set {
	char (*list)[ZFS_HEX + 1];
	size_t n;
};

static void set_free(struct set *s)
{
	free(s->list);
}

static int set_add(struct set *s, const char *hex)
{
	void *more = reallocarray(s->list, s->n + 1, sizeof(*s->list));

	if (!more)
		return -ENOMEM;
	s->list = more;
	memcpy(s->list[s->n++], hex, ZFS_HEX + 1);
	return 0;
}

static bool set_has(const struct set *s, const char *hex)
{
	for (size_t i = 0; i < s->n; i++)
		if (str_eq(s->list[i], hex))
			return true;
	return false;
}

static int note_child(const char *hex, const char *origin, void *arg)
{
	(void)origin;
	return set_add(arg, hex);
}

static int note_volume(int dirfd, const char *name, void *arg)
{
	_close_ int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct zfs_record record;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	for (const char *const *n = zfs_record_names; *n; n++)
		if (zfs_record_read(fd, *n, &record) == 0) {
			int r = set_add(arg, record.hex);

			if (r < 0)
				return r;
		}
	return 0;
}

/* A volume that is moved meanwhile is met in one of the two. */
static int read_records(struct mosaic *m, struct set *ret, struct error *err)
{
	static const char *const places[] = { "staging", "volumes", "staging" };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(places) && r == 0; i++) {
		_close_ int dir = openat(m->dirfd, places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		r = dir < 0 ? -errno : dir_each(dir, note_volume, ret);
	}
	return r < 0 ? error_set(err, r, "cannot read the records of %s", m->location) : 0;
}

/* What there is, and after that what is written down: a volume is written down first. */
static int check_children(struct mosaic *m, struct check *c, struct error *err)
{
	_cleanup_(set_free) struct set there = { NULL, 0 }, recorded = { NULL, 0 };
	const struct zfs *z = m->priv;
	int r = zfs_each(m, note_child, &there, err);

	if (r == 0)
		r = read_records(m, &recorded, err);
	for (size_t i = 0; i < there.n && r == 0; i++) {
		char where[ZFS_NAME_MAX + 16];

		if (set_has(&recorded, there.list[i]))
			continue;
		snprintf(where, sizeof(where), "dataset %.200s/%s", z->dataset, there.list[i]);
		r = volume_problem(c, where, c->repair && zfs_destroy(m, there.list[i], NULL) == 0,
				   "belongs to no volume.");
	}
	return r;
}

/* One that a killed process has left mounted, and nobody uses. */
static int check_mount(struct mosaic *m, const struct volume *v, const struct zfs_record *record,
		       const char *where, struct check *c)
{
	_close_ int fd = openat(v->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), lock = -1;
	const struct zfs *z = m->priv;

	for (const struct zfs_mounted *e = z->mounted; e; e = e->next)
		if (str_eq(e->hex, record->hex))
			return 0; /* ours */
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return 0;
	lock = volume_serialise(v, NULL);
	if (zfs_is_shown(m, record->hex, NULL) <= 0)
		return 0;
	return volume_problem(c, where, c->repair && zfs_hide(m, record->hex, NULL) == 0,
			      "it was left mounted at its place below the location.");
}

static int check_volume(struct mosaic *m, const struct volume *v, struct check *c)
{
	char child[ZFS_NAME_MAX], where[VOLUME_PATH];
	struct zfs_record record;
	_free_ char *text = NULL;
	struct error why = { 0 };
	int r;

	volume_path(where, v->name, NULL);
	if (zfs_record_of(v, &record, NULL) < 0)
		return volume_problem(c, where, false,
				      "its record says nothing that could be understood.");
	zfs_child(m->priv, record.hex, child);
	r = zfs_read(&text, &why, "list", "-H", "-o", "name", child, NULL);
	if (r == -ENOENT)
		return volume_problem(c, where, false, "its dataset %s is not there.", child);
	if (r < 0)
		return volume_problem(c, where, false, "%s", why.text);
	return check_mount(m, v, &record, where, c);
}

int zfs_check(struct mosaic *m, const struct volume *v, struct check *c, struct error *err)
{
	return v ? check_volume(m, v, c) : check_children(m, c, err);
}
