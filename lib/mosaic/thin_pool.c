#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "mosaic/thin.h"

enum {
	TRIES = 400, /* of what somebody else is just taking down */
	PAUSE_NS = 5000000,
	PARAMS = 160,
};

struct thin *thin_new(void)
{
	struct thin *t = calloc(1, sizeof(*t));

	if (t)
		t->control = t->device = t->pool = -1;
	return t;
}

void thin_free(struct thin *t)
{
	if (!t)
		return;
	cleanup_close(&t->pool);
	cleanup_close(&t->device);
	cleanup_close(&t->control);
	free(t->path);
	free(t);
}

static void pause_a_little(void)
{
	static const struct timespec pause = { 0, PAUSE_NS };

	nanosleep(&pause, NULL);
}

/* ---- the device it lies on ------------------------------------------------------------------- */

int thin_open_device(struct thin *t, const char *path, struct error *err)
{
	struct stat st;

	t->path = strdup(path);
	if (!t->path)
		return error_set(err, -ENOMEM, "the pool on %s", path);
	t->device = open(path, O_RDONLY | O_CLOEXEC);
	if (t->device < 0 && errno == ENOENT) /* that would say that there is no mosaic */
		return error_set(err, -ENODEV, "the pool's device %s is not there: %s.", path,
				 strerror(ENOENT));
	if (t->device < 0 || fstat(t->device, &st) < 0)
		return error_set(err, -errno, "cannot open the pool's device %s", path);
	if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
		return error_set(err, -ENOTBLK, "%s is no block device and no file.", path);
	t->is_block = S_ISBLK(st.st_mode);
	t->control = dm_open_control();
	if (t->control >= 0)
		return 0;
	if (t->control == -ENOENT || t->control == -ENODEV || t->control == -ENXIO)
		return error_set(
			err, -EOPNOTSUPP,
			"this kernel has no device mapper, which the driver dm-thin needs.");
	return error_set(err, t->control, "cannot open /dev/mapper/control");
}

int thin_read_header(int fd, struct thin_header *ret)
{
	char text[THIN_HEADER_BYTES];
	ssize_t n = pread(fd, text, sizeof(text), 0);

	return n < 0 ? -errno : thin_header_parse(text, (size_t)n, ret);
}

int thin_open(struct thin *t, const char *path, struct error *err)
{
	int r = thin_open_device(t, path, err);

	if (r < 0)
		return r;
	r = thin_read_header(t->device, &t->header);
	if (r == -ENODATA)
		return error_set(err, -EINVAL,
				 "there is no pool of a mosaic on %s: moctl create-pool makes one.",
				 path);
	if (r < 0)
		return error_set(err, r, "the pool's header on %s cannot be read", path);
	if (!t->header.made)
		return error_set(err, -EINVAL,
				 "the pool on %s was never finished: create it again.", path);
	return 0;
}

int thin_lock(struct thin *t, struct thin **ret, struct error *err)
{
	while (flock(t->device, LOCK_EX) < 0)
		if (errno != EINTR)
			return error_set(err, -errno, "cannot lock the pool on %s", t->path);
	*ret = t;
	return 0;
}

void thin_unlockp(struct thin **t)
{
	if (*t)
		flock((*t)->device, LOCK_UN);
	*t = NULL;
}

/* ---- devices --------------------------------------------------------------------------------- */

static void part_name(const struct thin *t, const char *part, char dst[DM_NAME_MAX + 1])
{
	snprintf(dst, DM_NAME_MAX + 1, "mosaic-%s-%s", t->header.id, part);
}

void thin_device_name(const struct thin *t, uint32_t id, char dst[DM_NAME_MAX + 1])
{
	char part[16];

	snprintf(part, sizeof(part), "%" PRIu32, id);
	part_name(t, part, dst);
}

struct wanted {
	const char *name;
	const struct dm_target *target;
	bool read_only;
	bool kept;
};

/* Made, usable, open, and bound to end with its last user. */
static int make_device(const struct thin *t, const struct wanted *w, char path[DM_PATH_MAX])
{
	char uuid[DM_NAME_MAX + 8];
	_close_ int fd = -1;
	int r;

	snprintf(uuid, sizeof(uuid), "CAROB-%s", w->name);
	r = dm_create(t->control, w->name, uuid);
	if (r < 0)
		return r;
	r = dm_load(t->control, w->name, w->target, 1, w->read_only);
	if (r == 0)
		r = dm_resume(t->control, w->name, DM_SUSPEND_NO_FREEZE);
	if (r == 0)
		r = fd = dm_open_device(t->control, w->name, O_RDONLY, path);
	if (r >= 0 && !w->kept)
		r = dm_remove(t->control, w->name, DM_REMOVE_DEFERRED);
	if (r >= 0)
		return take_fd(&fd);
	cleanup_close(&fd);
	(void)!dm_remove(t->control, w->name, 0);
	return r;
}

/* One that is there already; -ENXIO when it is not, or not any more. What somebody who died has
 * left half made goes, and what he left suspended goes on. */
static int take_device(const struct thin *t, const struct wanted *w, char path[DM_PATH_MAX])
{
	_close_ int fd = -1;
	struct dm_state s;
	int r = dm_get_state(t->control, w->name, &s);

	if (r < 0)
		return r;
	if (!s.has_table) {
		r = dm_remove(t->control, w->name, 0);
		return r < 0 ? r : -ENXIO;
	}
	if (s.suspended)
		r = dm_resume(t->control, w->name, DM_SUSPEND_NO_FREEZE);
	if (r == 0)
		r = fd = dm_open_device(t->control, w->name, O_RDONLY, path);
	if (r >= 0 && !s.deferred && !w->kept)
		r = dm_remove(t->control, w->name, DM_REMOVE_DEFERRED);
	return r < 0 ? r : take_fd(&fd);
}

/* The device, held open. While another one of that name is being taken down, it is neither there
 * nor can it be made. */
static int need_device(const struct thin *t, const struct wanted *w, char path[DM_PATH_MAX],
		       struct error *err)
{
	int r = -ENXIO;

	for (unsigned i = 0; i < TRIES; i++) {
		r = take_device(t, w, path);
		if (r == -ENXIO)
			r = make_device(t, w, path);
		if (r != -EBUSY && r != -ENXIO)
			break;
		pause_a_little();
	}
	if (r == -EINVAL)
		return error_set(err, r, "the kernel refuses the device %s (%s %s)", w->name,
				 w->target->type, w->target->params);
	return r < 0 ? error_set(err, r, "cannot bring up the device %s", w->name) : r;
}

struct part {
	const char *name;
	uint64_t start, length; /* sectors of the disk */
	dev_t device;           /* that it became */
};

static int need_part(const struct thin *t, struct part *p, dev_t disk, struct error *err)
{
	char name[DM_NAME_MAX + 1], params[PARAMS];
	const struct dm_target target = { 0, p->length, "linear", params };
	const struct wanted w = { .name = name, .target = &target };
	struct stat st;
	int fd;

	part_name(t, p->name, name);
	snprintf(params, sizeof(params), "%u:%u %" PRIu64, major(disk), minor(disk), p->start);
	fd = need_device(t, &w, NULL, err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0) {
		int r = error_set(err, -errno, "cannot look at the device %s", name);

		close(fd);
		return r;
	}
	p->device = st.st_rdev;
	return fd;
}

/* The block device that the pool lies on: what is returned holds it. */
static int need_disk(const struct thin *t, struct loopdev *loop, dev_t *ret, struct error *err)
{
	const struct loopdev_config config = { .autoclear = true };
	_close_ int file = -1;
	struct stat st;
	int r;

	if (t->is_block) {
		if (fstat(t->device, &st) < 0)
			return error_set(err, -errno, "cannot look at %s", t->path);
		*ret = st.st_rdev;
		return 0;
	}
	file = open(t->path, O_RDWR | O_CLOEXEC);
	if (file < 0)
		return error_set(err, -errno, "cannot open the pool's file %s", t->path);
	r = loopdev_attach(file, &config, loop);
	if (r < 0)
		return error_set(err, r, "cannot make a loop device of %s", t->path);
	*ret = loop->device;
	return 0;
}

/* What is up already; -ENXIO. */
static int take_pool(struct thin *t, const char *name)
{
	const struct wanted w = { .name = name };
	struct stat st;
	int fd = take_device(t, &w, NULL);

	if (fd < 0)
		return fd;
	t->pool = fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	t->pool_device = st.st_rdev;
	return 0;
}

static int make_pool(struct thin *t, const char *name, struct error *err)
{
	const struct thin_header *h = &t->header;
	_loopdev_ struct loopdev loop = LOOPDEV_NONE_OPEN;
	struct part metadata = { "tmeta", h->metadata_start, h->metadata_length, 0 };
	struct part content = { "tdata", h->data_start, h->data_length, 0 };
	_close_ int meta = -1, data = -1;
	struct stat st;
	dev_t disk = 0;
	int r = need_disk(t, &loop, &disk, err);

	if (r < 0)
		return r;
	meta = need_part(t, &metadata, disk, err);
	if (meta < 0)
		return meta;
	data = need_part(t, &content, disk, err);
	if (data < 0)
		return data;

	char params[PARAMS];
	const struct dm_target target = { 0, h->data_length, "thin-pool", params };
	const struct wanted w = { .name = name, .target = &target };

	snprintf(params, sizeof(params), "%u:%u %u:%u %" PRIu64 " 0 1 error_if_no_space",
		 major(metadata.device), minor(metadata.device), major(content.device),
		 minor(content.device), h->block);
	r = need_device(t, &w, NULL, err);
	if (r < 0)
		return r;
	t->pool = r;
	if (fstat(t->pool, &st) < 0)
		return error_set(err, -errno, "cannot look at the device %s", name);
	t->pool_device = st.st_rdev;
	return 0;
}

int thin_pool_up(struct thin *t, struct error *err)
{
	char name[DM_NAME_MAX + 1];
	int r;

	if (t->pool >= 0)
		return 0;
	part_name(t, "pool", name);
	r = take_pool(t, name);
	if (r == -ENXIO || r == -EBUSY)
		r = make_pool(t, name, err);
	else if (r < 0)
		error_set(err, r, "cannot open the device %s", name);
	if (r < 0) {
		cleanup_close(&t->pool);
		return error_prefix(err, r, "the pool on %s", t->path);
	}
	return 0;
}

int thin_pool_status(struct thin *t, struct dm_pool_status *ret, struct error *err)
{
	char name[DM_NAME_MAX + 1], text[DM_TEXT_MAX];
	int r;

	part_name(t, "pool", name);
	r = dm_get_text(t->control, name, DM_TEXT_STATUS_FLUSH, text);
	if (r == 0)
		r = dm_pool_status_parse(text, ret);
	return r < 0 ? error_set(err, r, "cannot read the state of the pool on %s", t->path) : 0;
}

int thin_need_room(struct thin *t, uint64_t bytes, struct error *err)
{
	enum { METADATA_SPARE = 32 }; /* blocks */
	struct dm_pool_status s;
	uint64_t block = t->header.block * SECTOR;
	int r = thin_pool_status(t, &s, err);

	if (r < 0)
		return r;
	if (s.mode == DM_POOL_FAILED || s.needs_check)
		return error_set(
			err, -EIO,
			"the pool on %s has failed: its metadata needs thin_check and thin_repair.",
			t->path);
	if (s.metadata_total - s.metadata_used < METADATA_SPARE)
		return error_set(err, -ENOSPC,
				 "the pool on %s has no room to note things down: %" PRIu64
				 " of %" PRIu64 " bytes of its metadata are taken; drop volumes.",
				 t->path, s.metadata_used * 4096, s.metadata_total * 4096);
	if (s.mode == DM_POOL_READ_ONLY)
		return error_set(err, -EROFS, "the kernel has made the pool on %s read-only.",
				 t->path);
	if ((s.data_total - s.data_used) * block < bytes)
		return error_set(err, -ENOSPC,
				 "the pool on %s is full: %" PRIu64 " of %" PRIu64
				 " bytes are taken, %" PRIu64 " more are wanted; drop volumes.",
				 t->path, s.data_used * block, s.data_total * block, bytes);
	return 0;
}

/* ---- thin volumes ---------------------------------------------------------------------------- */

/* One that was up already may have another size: who changed it was killed, or is doing so now. */
static int fit(const struct thin *t, const char *name, int fd, const struct dm_target *target)
{
	struct dm_state s;
	uint64_t bytes;
	int r;

	if (ioctl(fd, BLKGETSIZE64, &bytes) < 0)
		return -errno;
	if (bytes == target->length * SECTOR)
		return 0;
	r = dm_get_state(t->control, name, &s);
	if (r == 0)
		r = dm_load(t->control, name, target, 1, s.read_only);
	return r < 0 ? r : dm_resume(t->control, name, DM_SUSPEND_NO_FREEZE);
}

int thin_up(struct thin *t, struct thin_up *how, char path[DM_PATH_MAX], struct error *err)
{
	char name[DM_NAME_MAX + 1], params[PARAMS];
	const struct dm_target target = { 0, how->bytes / SECTOR, "thin", params };
	const struct wanted w = {
		.name = name, .target = &target, .read_only = how->read_only, .kept = how->kept
	};
	_close_ int fd = -1;
	struct dm_state s;
	int r = thin_pool_up(t, err);

	if (r < 0)
		return r;
	thin_device_name(t, how->id, name);
	snprintf(params, sizeof(params), "%u:%u %" PRIu32, major(t->pool_device),
		 minor(t->pool_device), how->id);
	fd = need_device(t, &w, path, err);
	if (fd < 0)
		return fd;
	r = fit(t, name, fd, &target);
	if (r == 0)
		r = dm_get_state(t->control, name, &s);
	if (r < 0)
		return error_set(err, r, "cannot look at the device %s", name);
	if (s.read_only != how->read_only && !how->either)
		return error_set(err, -EBUSY, "its device is up %s: not at the same time.",
				 s.read_only ? "read-only" : "for writing");
	how->read_only = s.read_only;
	return take_fd(&fd);
}

static int tell_pool(struct thin *t, const char *text)
{
	char name[DM_NAME_MAX + 1];

	part_name(t, "pool", name);
	return dm_message(t->control, name, text);
}

int thin_make(struct thin *t, uint32_t id, struct error *err)
{
	char text[64];
	int r;

	snprintf(text, sizeof(text), "create_thin %" PRIu32, id);
	r = tell_pool(t, text);
	return r < 0 ? error_set(err, r, "cannot make thin volume %" PRIu32 " in the pool on %s",
				 id, t->path)
		     : 0;
}

int thin_make_snapshot(struct thin *t, uint32_t id, uint32_t from, struct error *err)
{
	char text[64];
	int r;

	snprintf(text, sizeof(text), "create_snap %" PRIu32 " %" PRIu32, id, from);
	r = tell_pool(t, text);
	return r < 0 ? error_set(err, r,
				 "cannot make a snapshot of thin volume %" PRIu32
				 " in the pool on %s",
				 from, t->path)
		     : 0;
}

/* -EBUSY: it is still open, or just on its way. */
static int try_down(struct thin *t, const char *name, struct error *err)
{
	_thin_lock_ struct thin *locked = NULL;
	int r = thin_lock(t, &locked, err);

	if (r < 0)
		return r;
	r = dm_remove(t->control, name, 0);
	if (r < 0 && r != -ENXIO)
		return error_set(err, r, "the device %s is in use", name);
	dm_forget_path(name);
	return 0;
}

int thin_down(struct thin *t, uint32_t id, struct error *err)
{
	char name[DM_NAME_MAX + 1];
	int r = -EBUSY;

	thin_device_name(t, id, name);
	for (unsigned i = 0; i < TRIES && r == -EBUSY; i++) {
		if (i > 0)
			pause_a_little();
		r = try_down(t, name, err);
	}
	return r;
}

static int try_delete(struct thin *t, uint32_t id, struct error *err)
{
	_thin_lock_ struct thin *locked = NULL;
	char text[64];
	int r = thin_lock(t, &locked, err);

	if (r == 0)
		r = thin_pool_up(t, err);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "delete %" PRIu32, id);
	r = tell_pool(t, text);
	return r < 0 && r != -ENODATA
		       ? error_set(err, r,
				   "cannot delete thin volume %" PRIu32 " of the pool on %s", id,
				   t->path)
		       : 0;
}

/* A device that was removed may still be on its way. */
int thin_delete(struct thin *t, uint32_t id, struct error *err)
{
	int r = -EBUSY;

	for (unsigned i = 0; i < TRIES && r == -EBUSY; i++) {
		if (i > 0)
			pause_a_little();
		r = thin_down(t, id, err);
		if (r == 0)
			r = try_delete(t, id, err);
		else
			break;
	}
	return r;
}
