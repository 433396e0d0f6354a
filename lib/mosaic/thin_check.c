/* What is in a pool, and in device mapper, that belongs to nobody. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "mosaic/blockfs.h"
#include "mosaic/thin.h"

/* ---- devices --------------------------------------------------------------------------------- */

struct names {
	char prefix[DM_NAME_MAX + 1];
	char (*list)[DM_NAME_MAX + 1];
	size_t n;
};

static void names_free(struct names *n)
{
	free(n->list);
}

static int add_name(const char *name, dev_t device, void *arg)
{
	struct names *n = arg;
	void *more;

	(void)device;
	if (!str_starts(name, n->prefix) || strlen(name) > DM_NAME_MAX)
		return 0;
	more = reallocarray(n->list, n->n + 1, sizeof(*n->list));
	if (!more)
		return -ENOMEM;
	n->list = more;
	snprintf(n->list[n->n++], sizeof(*n->list), "%s", name);
	return 0;
}

/* The volumes that were attached to stay. */
static int note_kept(int dirfd, const char *name, void *arg)
{
	struct thin_ids *kept = arg;
	_close_ int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct thin_record record;

	if (fd < 0 || !thin_is_kept(fd))
		return 0;
	for (const char *const *n = thin_record_names; *n; n++)
		if (thin_record_read(fd, *n, &record) == 0)
			kept->bits[record.id / 8] |= (uint8_t)(1 << record.id % 8);
	return 0;
}

static int read_kept(struct mosaic *m, struct thin_ids *ret, struct error *err)
{
	_close_ int dir = openat(m->dirfd, "volumes", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_thin_ids_ struct thin_ids kept = { calloc(1, THIN_ID_MAX / 8 + 1) };
	int r = !kept.bits ? -ENOMEM : dir < 0 ? -errno : dir_each(dir, note_kept, &kept);

	if (r < 0)
		return error_set(err, r, "cannot read the volumes of %s", m->location);
	*ret = kept;
	kept.bits = NULL;
	return 0;
}

static bool is_kept(const struct thin_ids *kept, const char *part)
{
	uint64_t id;

	return str_to_u64(part, THIN_ID_MAX, &id) == 0 && thin_ids_have(kept, (uint32_t)id);
}

/* Whoever makes, copies or removes holds the pool's lock, as we do. NULL: nothing is wrong. */
static const char *device_fault(const struct dm_state *s, bool kept)
{
	if (!s->has_table)
		return "was made by a process that died before it was usable.";
	if (s->suspended)
		return "was left suspended by a process that died: who uses it waits.";
	if (!s->deferred && !kept)
		return "is to end with its last user, but does not know it.";
	return NULL;
}

static int mend_device(const struct thin *t, const char *name, const struct dm_state *s, bool kept)
{
	int r = 0;

	if (!s->has_table)
		return dm_remove(t->control, name, 0);
	if (s->suspended)
		r = dm_resume(t->control, name, 0);
	if (r == 0 && !s->deferred && !kept)
		r = dm_remove(t->control, name, DM_REMOVE_DEFERRED);
	return r;
}

static int check_device(struct thin *t, const char *name, bool kept, struct check *c)
{
	char where[DM_NAME_MAX + 16];
	const char *fault;
	struct dm_state s;
	bool mended;

	if (dm_get_state(t->control, name, &s) < 0)
		return 0; /* just gone */
	fault = device_fault(&s, kept);
	if (!fault)
		return 0;
	mended = c->repair && mend_device(t, name, &s, kept) == 0;
	snprintf(where, sizeof(where), "device %s", name);
	return volume_problem(c, where, mended, "%s", fault);
}

static int check_devices(struct mosaic *m, struct check *c, struct error *err)
{
	_cleanup_(names_free) struct names names = { .list = NULL };
	_thin_ids_ struct thin_ids kept = { NULL };
	struct thin *t = m->priv;
	_thin_lock_ struct thin *locked = NULL;
	size_t len;
	int r;

	len = (size_t)snprintf(names.prefix, sizeof(names.prefix), "mosaic-%s-", t->header.id);
	r = thin_lock(t, &locked, err);
	if (r == 0)
		r = read_kept(m, &kept, err);
	if (r < 0)
		return r;
	r = dm_each(t->control, add_name, &names);
	if (r < 0)
		return error_set(err, r, "cannot list the devices of device mapper");
	for (size_t i = 0; i < names.n && r == 0; i++)
		r = check_device(t, names.list[i], is_kept(&kept, names.list[i] + len), c);
	return r;
}

/* ---- thin volumes ---------------------------------------------------------------------------- */

static int note_id(uint32_t id, uint64_t mapped, void *arg)
{
	struct thin_ids *there = arg;

	(void)mapped;
	if (id > THIN_ID_MAX)
		return -EBADMSG;
	there->bits[id / 8] |= (uint8_t)(1 << id % 8);
	return 0;
}

/* What there is, and after that what is written down: a volume is written down first. */
static int read_both(struct mosaic *m, struct thin_ids *there, struct thin_ids *recorded,
		     struct error *err)
{
	_thin_lock_ struct thin *locked = NULL;
	int r = thin_lock(m->priv, &locked, err);

	there->bits = calloc(1, THIN_ID_MAX / 8 + 1);
	if (!there->bits)
		return error_set(err, -ENOMEM, "the volumes of %s", m->location);
	if (r == 0)
		r = thin_each(m->priv, note_id, there, err);
	return r == 0 ? thin_ids_read(m, recorded, err) : r;
}

struct missing {
	const struct thin_ids *there;
	struct check *c;
};

static int check_there(int dirfd, const char *name, void *arg)
{
	static const char *const own[] = { "tree", "data" };
	struct missing *missing = arg;
	_close_ int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char where[VOLUME_PATH];
	struct thin_record record;
	int r = 0;

	volume_path(where, name, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(own) && fd >= 0 && r == 0; i++) {
		int found = thin_record_read(fd, own[i], &record);

		if (found == -EBADMSG)
			r = volume_problem(missing->c, where, false,
					   "its record says nothing that could be understood.");
		else if (found == 0 && !thin_ids_have(missing->there, record.id))
			r = volume_problem(missing->c, where, false,
					   "its thin volume %" PRIu32 " is not in the pool.",
					   record.id);
	}
	return r;
}

static int check_ids(struct mosaic *m, struct check *c, struct error *err)
{
	_close_ int dir = openat(m->dirfd, "volumes", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_thin_ids_ struct thin_ids there = { NULL }, recorded = { NULL };
	struct missing missing = { &there, c };
	int r = read_both(m, &there, &recorded, err);

	for (uint32_t id = THIN_METADATA_ID + 1; id <= THIN_ID_MAX && r == 0; id++) {
		char where[32];

		if (!there.bits[id / 8] && id % 8 == 0) {
			id += 7;
			continue;
		}
		if (!thin_ids_have(&there, id) || thin_ids_have(&recorded, id))
			continue;
		snprintf(where, sizeof(where), "thin volume %" PRIu32, id);
		r = volume_problem(c, where, c->repair && thin_delete(m->priv, id, NULL) == 0,
				   "belongs to no volume.");
	}
	if (r != 0)
		return r;
	return dir < 0 ? error_set(err, -errno, "cannot open %s/volumes", m->location)
		       : dir_each(dir, check_there, &missing);
}

/* ---- the pool, and one volume ---------------------------------------------------------------- */

static int check_pool(struct mosaic *m, struct check *c, struct error *err)
{
	struct thin *t = m->priv;
	struct error why = { 0 };
	int r;

	r = thin_need_room(t, 1, &why);
	if (r == -EIO || r == -ENOSPC || r == -EROFS)
		return volume_problem(c, "pool", false, "%s", why.text);
	if (r < 0 && err)
		*err = why;
	return r;
}

/* NULL: nothing is wrong that shows. */
static const char *volume_fault(const struct thin_record *record, int device, bool *ret_mendable)
{
	struct blockfs_status s = { 0 };
	int r = blockfs_status(device, &s);

	*ret_mendable = false;
	if (r < 0)
		return "its file system cannot be read.";
	if (r == BLOCKFS_UNKNOWN || !str_eq(s.fs, record->fs))
		return "it does not have the file system that it should have.";
	if (s.bytes > record->bytes)
		return "it is smaller than the file system on it.";
	*ret_mendable = s.faulty;
	return s.faulty ? "its file system has found errors in itself." : NULL;
}

/* Only while we are the only one who has it. */
static bool mend_volume(const struct thin *t, const struct thin_record *record, const char *path)
{
	char name[DM_NAME_MAX + 1];
	struct dm_state s;
	_close_ int fd = -1;

	thin_device_name(t, record->id, name);
	if (dm_get_state(t->control, name, &s) < 0 || s.open_count > 1 || s.read_only)
		return false;
	fd = open(path, O_RDWR | O_EXCL | O_CLOEXEC);
	return fd >= 0 && blockfs_check(record->fs, fd, true, NULL) >= 0 &&
	       blockfs_check(record->fs, fd, false, NULL) == 0;
}

static int check_volume(struct mosaic *m, const struct volume *v, struct check *c,
			struct error *err)
{
	struct thin_up up = { .read_only = v->kind == VOLUME_TREE, .either = true };
	_close_ int lock = volume_serialise(v, err), device = -1;
	char where[VOLUME_PATH], path[DM_PATH_MAX];
	struct thin_record record;
	struct error why = { 0 };
	const char *fault;
	bool mendable;
	int r = lock < 0 ? lock : 0;

	volume_path(where, v->name, NULL);
	if (r == 0 && faccessat(v->dirfd, "next", F_OK, 0) == 0) {
		bool mended = c->repair && thin_resize_mend(m, v, NULL) == 0;

		r = volume_problem(c, where, mended, "a change of its size was not finished.");
	}
	if (r != 0)
		return r;
	if (thin_record_of(v, &record, NULL) < 0 || v->raw)
		return 0; /* check_there() has told of it; raw volumes are their users' */
	up.id = record.id;
	up.bytes = record.bytes;
	up.kept = thin_is_kept(v->dirfd);
	{
		_thin_lock_ struct thin *locked = NULL;

		r = thin_lock(m->priv, &locked, err);
		if (r < 0)
			return r;
		device = thin_up(m->priv, &up, path, &why);
	}
	if (device < 0)
		return volume_problem(c, where, false, "%s", why.text);
	fault = volume_fault(&record, device, &mendable);
	if (!fault)
		return 0;
	return volume_problem(c, where,
			      c->repair && mendable && mend_volume(m->priv, &record, path), "%s",
			      fault);
}

int thin_check(struct mosaic *m, const struct volume *v, struct check *c, struct error *err)
{
	int r;

	if (v)
		return check_volume(m, v, c, err);
	r = check_devices(m, c, err);
	if (r == 0)
		r = check_ids(m, c, err);
	return r == 0 ? check_pool(m, c, err) : r;
}
