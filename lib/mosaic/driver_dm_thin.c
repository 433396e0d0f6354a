/*
 * Volumes are thin volumes of a pool that is made on a device or in a file; copies are thin
 * snapshots. The mosaic's directories lie in a volume of the pool too, and are mounted nowhere but
 * behind m->dirfd: that holds everything up, and the last one who closes it, or unmounts a volume,
 * takes everything down. See thin.h.
 *
 * Options: device, that the pool is on; size, of trees and of volumes made without one.
 */
#include <fcntl.h>
#include <string.h>

#include "mosaic/blockfs.h"
#include "mosaic/thin.h"

/* A description may say other things than the device, which was written down with the mosaic. */
static int find_path(struct mosaic *m, const char **ret, struct error *err)
{
	int r = 0;

	*ret = mosaic_option(m, "device");
	if (!*ret && m->dirfd >= 0)
		r = options_read(m, err);
	if (r < 0)
		return r;
	*ret = mosaic_option(m, "device");
	return *ret ? 0
		    : error_set(err, -EINVAL,
				"%s does not say which device its pool is on: moctl create-pool "
				"makes one.",
				m->location);
}

static int thin_probe(struct mosaic *m, struct error *err)
{
	_thin_ struct thin *t = thin_new();
	const char *path;
	int r = t ? find_path(m, &path, err) : error_set(err, -ENOMEM, "a pool");

	return r < 0 ? r : thin_open(t, path, err);
}

/* A volume that somebody was copying when he was killed stands still: with the pool's lock, that is
 * nobody who lives. */
struct resume {
	struct thin *t;
	char prefix[DM_NAME_MAX + 1];
};

static int resume_device(const char *name, dev_t device, void *arg)
{
	struct resume *u = arg;
	struct dm_state s;
	int r;

	(void)device;
	if (!str_starts(name, u->prefix) || dm_get_state(u->t->control, name, &s) < 0 ||
	    !s.has_table || !s.suspended)
		return 0;
	r = dm_resume(u->t->control, name, 0);
	mosaic_log(MOSAIC_LOG_WARNING, "%s was left suspended%s%s", name,
		   r < 0 ? " and cannot be resumed: " : "", r < 0 ? strerror(-r) : "");
	return 0;
}

static int bring_up(struct thin *t, char path[DM_PATH_MAX], struct error *err)
{
	struct thin_up how = { .id = THIN_METADATA_ID, .bytes = t->header.own };
	struct resume resume = { .t = t };
	_thin_lock_ struct thin *locked = NULL;
	int r = thin_lock(t, &locked, err);

	if (r < 0)
		return r;
	snprintf(resume.prefix, sizeof(resume.prefix), "mosaic-%s-", t->header.id);
	r = dm_each(t->control, resume_device, &resume);
	if (r < 0)
		return error_set(err, r, "cannot list the devices of device mapper");
	return thin_up(t, &how, path, err);
}

static int thin_driver_open(struct mosaic *m, struct error *err)
{
	_close_ int device = -1, mount = -1;
	struct thin *t = thin_new();
	char path[DM_PATH_MAX];
	const char *where;
	int r;

	m->priv = t;
	r = t ? find_path(m, &where, err) : error_set(err, -ENOMEM, "a pool");
	if (r == 0)
		r = thin_open(t, where, err);
	if (r < 0)
		return r;
	device = bring_up(t, path, err);
	if (device < 0)
		return device;
	r = blockfs_mount(blockfs_names[0], path, false, &mount, err);
	if (r < 0)
		return error_prefix(err, r, "the mosaic's own volume in the pool on %s", t->path);
	r = blockfs_root(mount);
	if (r < 0)
		return error_set(err, r, "cannot open the mosaic's own volume");
	close(m->dirfd);
	m->dirfd = r;
	return 0;
}

static void thin_driver_close(struct mosaic *m)
{
	thin_free(m->priv);
	m->priv = NULL;
}

/* Of another mount of the mosaic's own volume: m->dirfd's is to stay. */
static int thin_mount_metadata(struct mosaic *m, const char *where, int *ret_fd, struct error *err)
{
	_close_ int device = -1, mount = -1;
	char path[DM_PATH_MAX];
	int r;

	device = bring_up(m->priv, path, err);
	if (device < 0)
		return device;
	r = blockfs_mount(blockfs_names[0], path, false, &mount, err);
	if (r < 0)
		return error_prefix(err, r, "the metadata of %s", m->location);
	r = mount_clone_below(mount, where);
	if (r < 0)
		return error_set(err, r, "cannot mount the metadata of %s", m->location);
	*ret_fd = r;
	return 0;
}

static int thin_limits(struct mosaic *m, struct mosaic_limits *ret, struct error *err)
{
	const char *fs = m->default_fs ? m->default_fs : blockfs_names[0];
	struct thin *t = m->priv;
	uint64_t block = t->header.block * SECTOR;
	struct dm_pool_status s;
	int r = thin_pool_status(t, &s, err);

	if (r < 0)
		return r;
	ret->size_min = blockfs_size_min(fs);
	ret->size_max = THIN_SIZE_MAX;
	ret->max_volumes = THIN_ID_MAX;
	ret->total = s.data_total * block;
	ret->available = (s.data_total - s.data_used) * block;
	return 0;
}

static int thin_info(struct mosaic *m, const struct volume *v, struct mosaic_volume *ret,
		     struct error *err)
{
	struct thin_record record;
	int r = thin_record_of(v, &record, err);

	(void)m;
	if (r < 0)
		return r;
	memcpy(ret->fs, record.fs, sizeof(ret->fs));
	ret->size = record.bytes;
	return 0;
}

static const char *const option_names[] = { "device", "size", NULL };

const struct mosaic_driver mosaic_driver_dm_thin = {
	.name = "dm-thin",
	.features = MOSAIC_CLONE | MOSAIC_SNAPSHOT | MOSAIC_RAW | MOSAIC_DEVICE | MOSAIC_RESIZE_UP |
		    MOSAIC_RESIZE_DOWN | MOSAIC_QUOTA | MOSAIC_SNAPSHOT_SET | MOSAIC_SNAPSHOT_LIVE,
	.filesystems = blockfs_names,
	.options = option_names,
	.probe = thin_probe,
	.open = thin_driver_open,
	.close = thin_driver_close,
	.create_pool = thin_create_pool,
	.limits = thin_limits,
	.stage = thin_stage,
	.create = thin_create,
	.copy = thin_copy,
	.snapshot_set = thin_snapshot_set,
	.mount = thin_mount,
	.mount_metadata = thin_mount_metadata,
	.identify = thin_identify,
	.attach = thin_attach,
	.keep = thin_keep,
	.device = thin_device,
	.resize = thin_resize,
	.info = thin_info,
	.usage = thin_usage,
	.drop = thin_drop,
	.check = thin_check,
};
