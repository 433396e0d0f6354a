/*
 * Volumes are children of a ZFS dataset, copies are its clones: see zfs.h.
 *
 * Options: dataset; without it, the one that is mounted at the location.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "kernel/kernel.h"
#include "mosaic/zfs.h"

static int find_dataset(struct mosaic *m, char dst[ZFS_NAME_MAX], struct error *err)
{
	const char *dataset = mosaic_option(m, "dataset");
	_free_ char *text = NULL;
	struct mountinfo info;
	int r = dataset ? 0 : mountinfo_at(m->location, &text, &info);

	if (r < 0 && r != -EINVAL)
		return error_set(err, r, "cannot find out what is mounted at %s", m->location);
	if (!dataset && r == 0 && str_eq(info.root, "/") &&
	    (str_eq(info.fstype, "zfs") || str_eq(info.fstype, "fuse.zfs")))
		dataset = info.source;
	if (!dataset)
		return error_set(
			err, -EINVAL,
			"%s does not say in which ZFS dataset its volumes are (option dataset), and none is mounted there.",
			m->location);
	if (strlen(dataset) + ZFS_HEX + 2 > ZFS_NAME_MAX)
		return error_set(err, -ENAMETOOLONG, "the dataset %s", dataset);
	snprintf(dst, ZFS_NAME_MAX, "%s", dataset);
	return 0;
}

/* A rollback changes places with what was there, by one system call. */
static int probe_exchange(struct mosaic *m, struct error *err)
{
	enum { EXCHANGE = 2 }; /* RENAME_EXCHANGE, which only newer C libraries declare */
	static const char *const names[] = { "one", "two" };
	struct mosaic_staged s = MOSAIC_STAGED_NONE;
	int r = volume_begin(m, &s, err);

	for (size_t i = 0; i < ARRAY_SIZE(names) && r == 0; i++)
		if (mkdirat(s.lock_fd, names[i], 0700) < 0)
			r = error_set(err, -errno, "cannot make a directory in %s", m->location);
	if (r == 0 &&
	    syscall(SYS_renameat2, s.lock_fd, names[0], s.lock_fd, names[1], EXCHANGE) < 0)
		r = error_set(err, -errno,
			      "the file system of %s cannot exchange two names, as ZFS before 2.2: "
			      "take a directory of another one, and the option dataset",
			      m->location);
	mosaic_discard(m, &s);
	return r;
}

static int zfs_probe(struct mosaic *m, struct error *err)
{
	char dataset[ZFS_NAME_MAX];
	_free_ char *text = NULL;
	int r = find_dataset(m, dataset, err);

	if (r == 0)
		r = zfs_read(&text, err, "list", "-H", "-o", "name", dataset, NULL);
	return r == 0 ? probe_exchange(m, err) : r;
}

static int zfs_open(struct mosaic *m, struct error *err)
{
	struct zfs *z = calloc(1, sizeof(*z));

	m->priv = z;
	if (z)
		z->location = realpath(m->location, NULL);
	if (!z || !z->location)
		return error_set(err, -ENOMEM, "mosaic %s", m->location);
	if (mkdirat(m->dirfd, "mounts", 0700) < 0 && errno != EEXIST)
		return error_set(err, -errno, "cannot make %s/mounts", m->location);
	return find_dataset(m, z->dataset, err);
}

static void zfs_close(struct mosaic *m)
{
	struct zfs *z = m->priv;

	if (!z)
		return;
	zfs_hide_all(m);
	free(z->location);
	free(z);
	m->priv = NULL;
}

/* ---- making ---------------------------------------------------------------------------------- */

static int new_record(int dirfd, const char *name, struct zfs_record *record, struct error *err)
{
	char uuid[UUID_TEXT], *to = record->hex;
	int r = uuid_new(uuid);

	if (r < 0)
		return error_set(err, r, "cannot make a random name");
	for (const char *from = uuid; *from; from++)
		if (*from != '-')
			*to++ = *from;
	*to = '\0';
	r = zfs_record_write(dirfd, name, record);
	return r < 0 ? error_set(err, r, "cannot write the record of a volume") : 0;
}

static void quota_text(uint64_t bytes, char dst[48])
{
	if (bytes)
		snprintf(dst, 48, "refquota=%" PRIu64, bytes);
	else
		snprintf(dst, 48, "refquota=none");
}

enum { PLACE_MAX = LIMIT_PATH_BYTES + 16 };

static void place_text(const struct zfs *z, const char *hex, char dst[PLACE_MAX])
{
	char place[LIMIT_PATH_BYTES];

	zfs_place(z, hex, place);
	snprintf(dst, PLACE_MAX, "mountpoint=%s", place);
}

static int make_volume(struct mosaic *m, int dirfd, const char *name, uint64_t bytes,
		       struct error *err)
{
	struct zfs_record record = { .bytes = bytes };
	char child[ZFS_NAME_MAX], quota[48], place[PLACE_MAX];
	int r = new_record(dirfd, name, &record, err);

	if (r < 0)
		return r;
	zfs_child(m->priv, record.hex, child);
	quota_text(bytes, quota);
	place_text(m->priv, record.hex, place);
	r = zfs_run(err, "create", "-o", "canmount=noauto", "-o", place, "-o", quota, child, NULL);
	return r < 0 ? r : zfs_make_content(m, dirfd, record.hex, err);
}

static int zfs_create(struct mosaic *m, int dirfd, const struct mosaic_create *how,
		      struct error *err)
{
	int r = make_volume(m, dirfd, "data", how->size, err);

	if (r < 0)
		return r;
	close(r);
	return 0;
}

static int zfs_stage(struct mosaic *m, int dirfd, int *ret_fd, struct error *err)
{
	_close_ int root = make_volume(m, dirfd, "tree", 0, err);

	if (root < 0)
		return root;
	*ret_fd = take_fd(&root);
	return 0;
}

/* Read-only volumes are so by their mounts, not by the property: of a read-only dataset zfs-fuse
 * shows no extended attributes. */
static int zfs_copy(struct mosaic *m, const struct volume_copy *c, struct error *err)
{
	struct zfs_record from, record;
	char source[ZFS_NAME_MAX], child[ZFS_NAME_MAX], snapshot[ZFS_NAME_MAX + ZFS_HEX + 2];
	char quota[48], place[PLACE_MAX];
	int r = zfs_record_of(c->from, &from, err);

	if (r < 0)
		return r;
	record.bytes = from.bytes;
	r = new_record(c->dirfd, c->read_only ? "tree" : "data", &record, err);
	if (r < 0)
		return r;
	zfs_child(m->priv, from.hex, source);
	zfs_child(m->priv, record.hex, child);
	snprintf(snapshot, sizeof(snapshot), "%s@%s", source, record.hex);
	quota_text(record.bytes, quota);
	place_text(m->priv, record.hex, place);
	r = zfs_run(err, "snapshot", snapshot, NULL);
	if (r < 0)
		return r;
	/* with noauto, which is what it is to have, zfs-fuse mounts a new clone */
	r = zfs_run(err, "clone", "-o", "canmount=off", "-o", place, "-o", quota, snapshot, child,
		    NULL);
	return r == 0 ? zfs_run(err, "set", "canmount=noauto", child, NULL) : r;
}

/* ---- drop ------------------------------------------------------------------------------------ */

/* Killed between the snapshot and its clone: it is called as the clone would have been. */
static int destroy_lost_snapshot(struct mosaic *m, const char *hex, struct error *err)
{
	const struct zfs *z = m->priv;
	_free_ char *text = NULL;
	char *cursor, *line;
	int r = zfs_read(&text, err, "list", "-H", "-r", "-t", "snapshot", "-o", "name", z->dataset,
			 NULL);

	if (r < 0)
		return r;
	cursor = text;
	while ((line = strsep(&cursor, "\n")) != NULL) {
		const char *at = strchr(line, '@');

		if (!at || !str_eq(at + 1, hex))
			continue;
		r = zfs_run(err, "destroy", line, NULL);
		return r == -ENOENT ? 0 : r;
	}
	return 0;
}

static bool is_there(struct mosaic *m, const char *hex)
{
	char child[ZFS_NAME_MAX];
	_free_ char *text = NULL;

	zfs_child(m->priv, hex, child);
	return zfs_read(&text, NULL, "list", "-H", "-o", "name", child, NULL) != -ENOENT;
}

static int zfs_drop(struct mosaic *m, int dirfd, struct error *err)
{
	struct zfs_record record;

	for (const char *const *name = zfs_record_names; *name; name++) {
		int r = zfs_record_read(dirfd, *name, &record);

		if (r == -ENOENT || r == -EBADMSG)
			continue;
		if (r < 0)
			return error_set(err, r, "cannot read the record %s of a volume", *name);
		if (is_there(m, record.hex))
			r = zfs_destroy(m, record.hex, err);
		else
			r = destroy_lost_snapshot(m, record.hex, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- using ----------------------------------------------------------------------------------- */

static int zfs_mount(struct mosaic *m, const struct volume *v, const struct mosaic_mount *how,
		     int *ret_fd, struct error *err)
{
	_close_ int lock = volume_serialise(v, err), fd = -1;
	struct zfs_record record;
	int r = lock < 0 ? lock : zfs_record_of(v, &record, err);

	if (r < 0)
		return r;
	fd = zfs_mount_content(m, v->dirfd, record.hex, err);
	if (fd < 0)
		return error_prefix(err, fd, "volume %s", v->name);
	r = directory_adjust(fd, v, how, err);
	if (r < 0)
		return r;
	*ret_fd = take_fd(&fd);
	return 0;
}

static int zfs_identify(struct mosaic *m, const struct volume *v, struct mount_identity *ret,
			struct error *err)
{
	struct mount_identity identity = { .root = "/root" };
	struct zfs_record record;
	int r = zfs_record_of(v, &record, err);

	if (r < 0)
		return r;
	zfs_child(m->priv, record.hex, identity.text);
	*ret = identity;
	ret->source = ret->text;
	return 0;
}

static int read_numbers(struct mosaic *m, const char *hex, uint64_t *ret_referenced,
			uint64_t *ret_own, struct error *err)
{
	char child[ZFS_NAME_MAX];
	_free_ char *text = NULL;
	int r;

	zfs_child(m->priv, hex, child);
	r = zfs_read(&text, err, "get", "-H", "-p", "-o", "value", "referenced,usedbydataset",
		     child, NULL);
	if (r < 0)
		return r;
	if (sscanf(text, "%" SCNu64 " %" SCNu64, ret_referenced, ret_own) != 2)
		return error_set(err, -EBADMSG, "zfs does not say how much %s takes.", child);
	return 0;
}

/* What was written counts when the pool's transaction is done, which any change of a property waits
 * for. */
static int settle(struct mosaic *m, const char *hex, struct error *err)
{
	char child[ZFS_NAME_MAX];

	zfs_child(m->priv, hex, child);
	return zfs_run(err, "set", "carob:measured=yes", child, NULL);
}

static int zfs_usage(struct mosaic *m, const struct volume *v, struct mosaic_usage *ret,
		     struct error *err)
{
	struct zfs_record record;
	uint64_t referenced, own;
	int r = zfs_record_of(v, &record, err);

	if (r == 0)
		r = settle(m, record.hex, err);
	if (r == 0)
		r = read_numbers(m, record.hex, &referenced, &own, err);
	if (r < 0)
		return r;
	ret->used = referenced;
	ret->exclusive = own < referenced ? own : referenced;
	ret->shared = ret->used - ret->exclusive;
	return 0;
}

static int zfs_info(struct mosaic *m, const struct volume *v, struct mosaic_volume *ret,
		    struct error *err)
{
	struct zfs_record record;
	int r = zfs_record_of(v, &record, err);

	(void)m;
	if (r == 0)
		ret->size = record.bytes;
	return r;
}

/* The quota first: a record with too large a number would be the worse lie. */
static int zfs_resize(struct mosaic *m, const struct volume *v, uint64_t bytes, struct error *err)
{
	_close_ int lock = volume_serialise(v, err);
	char child[ZFS_NAME_MAX], quota[48];
	struct zfs_record record;
	uint64_t referenced, own;
	int r = lock < 0 ? lock : zfs_record_of(v, &record, err);

	if (r < 0)
		return r;
	zfs_child(m->priv, record.hex, child);
	quota_text(bytes, quota);
	r = settle(m, record.hex, err);
	if (r == 0)
		r = read_numbers(m, record.hex, &referenced, &own, err);
	if (r < 0)
		return r;
	if (bytes && bytes < referenced)
		return error_set(err, -ENOSPC,
				 "volume %s holds %" PRIu64 " bytes, which is more than %" PRIu64
				 ".",
				 v->name, referenced, bytes);
	r = zfs_run(err, "set", quota, child, NULL);
	if (r < 0)
		return r;
	record.bytes = bytes;
	r = zfs_record_write(v->dirfd, volume_content(v->kind), &record);
	return r < 0 ? error_set(err, r, "cannot write the record of volume %s", v->name) : 0;
}

static const char *const option_names[] = { "dataset", NULL };

const struct mosaic_driver mosaic_driver_zfs = {
	.name = "zfs",
	.features = MOSAIC_CLONE | MOSAIC_SNAPSHOT | MOSAIC_RESIZE_UP | MOSAIC_RESIZE_DOWN |
		    MOSAIC_QUOTA | MOSAIC_SNAPSHOT_LIVE | MOSAIC_EXCLUSIVE,
	.options = option_names,
	.probe = zfs_probe,
	.open = zfs_open,
	.close = zfs_close,
	.stage = zfs_stage,
	.create = zfs_create,
	.copy = zfs_copy,
	.mount = zfs_mount,
	.identify = zfs_identify,
	.resize = zfs_resize,
	.info = zfs_info,
	.usage = zfs_usage,
	.drop = zfs_drop,
	.check = zfs_check,
};
