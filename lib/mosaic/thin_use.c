/* Mounting thin volumes, and having them as devices. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "mosaic/blockfs.h"
#include "mosaic/thin.h"

enum { BOOT_ID_MAX = 64, KEPT_MAX = 128 };

/* "BOOT-ID  N": see attach.c. */
bool thin_is_kept(int dirfd)
{
	_free_ char *kept = NULL, *boot = NULL;
	unsigned long count = 0;
	size_t len;

	if (file_read(dirfd, "kept", KEPT_MAX, &kept, NULL) < 0)
		return false;
	if (file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", BOOT_ID_MAX, &boot, NULL) < 0)
		return true; /* rather keeps too much */
	len = strcspn(boot, "\n");
	return strncmp(kept, boot, len) == 0 && sscanf(kept + len, " %lu", &count) == 1 &&
	       count > 0;
}

static bool is_read_only(const struct volume *v)
{
	return v->kind == VOLUME_TREE;
}

static int need_up(struct mosaic *m, const struct volume *v, const struct thin_record *record,
		   struct thin_up *how, char path[DM_PATH_MAX], struct error *err)
{
	_thin_lock_ struct thin *locked = NULL;
	int r = thin_lock(m->priv, &locked, err);

	if (r < 0)
		return r;
	how->id = record->id;
	how->bytes = record->bytes;
	how->kept = thin_is_kept(v->dirfd);
	r = thin_up(m->priv, how, path, err);
	return r < 0 ? error_prefix(err, r, "volume %s", v->name) : r;
}

int thin_mount(struct mosaic *m, const struct volume *v, const struct mosaic_mount *how,
	       int *ret_fd, struct error *err)
{
	struct thin_up up = { .read_only = is_read_only(v),
			      .either = how->flags & MOSAIC_MOUNT_READONLY };
	_close_ int lock = volume_serialise(v, err), device = -1, fd = -1;
	struct thin_record record;
	char path[DM_PATH_MAX];
	int r = lock < 0 ? lock : thin_record_of(v, &record, err);

	if (r < 0)
		return r;
	device = need_up(m, v, &record, &up, path, err);
	if (device < 0)
		return device;
	r = blockfs_mount(record.fs, path, up.read_only, &fd, err);
	if (r < 0)
		return error_prefix(err, r, "volume %s", v->name);
	r = directory_adjust(fd, v, how, err);
	if (r < 0)
		return r;
	*ret_fd = take_fd(&fd);
	return 0;
}

/* MOSAIC_NO_DEVICE when it is not up. */
static int find_device(struct mosaic *m, const struct volume *v, struct dm_state *ret,
		       char name[DM_NAME_MAX + 1], struct error *err)
{
	struct thin *t = m->priv;
	struct thin_record record;
	int r = thin_record_of(v, &record, err);

	if (r < 0)
		return r;
	thin_device_name(t, record.id, name);
	r = dm_get_state(t->control, name, ret);
	if (r == -ENXIO || (r == 0 && !ret->has_table))
		return MOSAIC_NO_DEVICE;
	if (r == 0 && ret->deferred && ret->open_count == 0)
		return MOSAIC_NO_DEVICE; /* the kernel is just taking it down */
	return r < 0 ? error_set(err, r, "cannot look at the device of volume %s", v->name) : 0;
}

int thin_identify(struct mosaic *m, const struct volume *v, struct mount_identity *ret,
		  struct error *err)
{
	char name[DM_NAME_MAX + 1];
	struct dm_state s;
	int r = find_device(m, v, &s, name, err);

	if (r != 0)
		return r < 0 ? r : -ENODEV;
	*ret = (struct mount_identity){ .device = s.device };
	return 0;
}

int thin_device(struct mosaic *m, const struct volume *v, char device[MOSAIC_DEVICE_MAX],
		struct error *err)
{
	char name[DM_NAME_MAX + 1], path[DM_PATH_MAX];
	struct dm_state s;
	int r = find_device(m, v, &s, name, err);

	if (r != 0)
		return r;
	r = dm_get_path(name, s.device, path);
	if (r < 0)
		return error_set(err, r, "cannot make a node for the device of volume %s", v->name);
	memcpy(device, path, sizeof(path));
	return 0;
}

int thin_attach(struct mosaic *m, const struct volume *v, unsigned flags,
		char device[MOSAIC_DEVICE_MAX], int *ret_hold, struct error *err)
{
	struct thin_up up = { .read_only = is_read_only(v) || flags & MOSAIC_ATTACH_READONLY };
	_close_ int lock = volume_serialise(v, err);
	struct thin_record record;
	char path[DM_PATH_MAX];
	int r = lock < 0 ? lock : thin_record_of(v, &record, err);

	if (r == 0)
		r = need_up(m, v, &record, &up, path, err);
	if (r < 0)
		return r;
	_Static_assert(sizeof(path) <= (size_t)MOSAIC_DEVICE_MAX, "a path fits");
	memcpy(device, path, sizeof(path));
	*ret_hold = r;
	return 0;
}

int thin_keep(struct mosaic *m, const struct volume *v, bool on, struct error *err)
{
	_thin_lock_ struct thin *locked = NULL;
	char name[DM_NAME_MAX + 1];
	struct dm_state s;
	int r = thin_lock(m->priv, &locked, err);

	if (r == 0)
		r = find_device(m, v, &s, name, err);
	if (r == MOSAIC_NO_DEVICE)
		return on ? error_set(err, -ENXIO, "volume %s is not attached.", v->name) : 0;
	if (r < 0)
		return r;
	if (on)
		r = dm_keep(locked->control, name);
	else
		r = dm_remove(locked->control, name, DM_REMOVE_DEFERRED);
	return r < 0 && (on || r != -ENXIO) ? error_set(err, r, "cannot %s the device of volume %s",
							on ? "keep" : "let go of", v->name)
					    : 0;
}

int thin_usage(struct mosaic *m, const struct volume *v, struct mosaic_usage *ret,
	       struct error *err)
{
	char name[DM_NAME_MAX + 1], text[DM_TEXT_MAX], path[DM_PATH_MAX];
	struct thin_up up = { .read_only = is_read_only(v), .either = true };
	struct thin *t = m->priv;
	struct thin_record record;
	_close_ int device = -1;
	uint64_t sectors;
	int r = thin_record_of(v, &record, err);

	if (r == 0)
		r = device = need_up(m, v, &record, &up, path, err);
	if (r < 0)
		return r;
	thin_device_name(t, record.id, name);
	r = dm_get_text(t->control, name, DM_TEXT_STATUS_FLUSH, text);
	if (r == 0)
		r = dm_thin_status_parse(text, &sectors);
	if (r < 0)
		return error_set(err, r, "cannot read how much volume %s takes", v->name);
	*ret = (struct mosaic_usage){ .used = sectors * SECTOR, .exclusive = sectors * SECTOR };
	return 0;
}
