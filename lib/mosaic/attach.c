/*
 * Volumes as block devices. A device lives as long as somebody holds it: this process, by what the
 * driver's attach returns; nobody, when it is kept. How often it is kept is written in the
 * volume's file "kept", with the identity of the boot: after another one no device is there.
 *
 * The count is raised before the device is kept and lowered after it is let go: who dies in
 * between leaves a count too high, which a detach mends, or an attach that finds no device up, and
 * never a device that nobody counts.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/base.h"
#include "mosaic/mounts.h"

enum { BOOT_ID = 36, KEPT_TEXT = BOOT_ID + 13 };

static int need_devices(const struct mosaic *m, struct error *err)
{
	if (m->driver->attach)
		return 0;
	return error_set(err, -EOPNOTSUPP,
			 "the driver %s of %s cannot give volumes as block devices.",
			 m->driver->name, m->location);
}

/* ---- the count ------------------------------------------------------------------------------- */

static int read_boot_id(char dst[BOOT_ID + 1])
{
	_free_ char *text = NULL;
	int r = file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text, NULL);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	if (!uuid_is(text))
		return -EBADMSG;
	memcpy(dst, text, BOOT_ID + 1);
	return 0;
}

/* Locked until it is closed. -ENOENT: never kept, and not to be made. */
static int open_kept(const struct volume *v, bool make)
{
	_close_ int fd = openat(v->dirfd, "kept",
				O_RDWR | O_NOFOLLOW | O_CLOEXEC | (make ? O_CREAT : 0), 0600);

	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	return take_fd(&fd);
}

static int read_kept(int fd, uint64_t *ret)
{
	char boot[BOOT_ID + 1], text[KEPT_TEXT + 1];
	ssize_t n = pread(fd, text, KEPT_TEXT, 0);
	int r = n < 0 ? -errno : read_boot_id(boot);

	*ret = 0;
	if (r < 0 || n != KEPT_TEXT)
		return r;
	text[n] = '\0';
	if (strncmp(text, boot, BOOT_ID) != 0)
		return 0;
	text[n - 1] = '\0';
	return str_to_u64(text + BOOT_ID + 1 + strspn(text + BOOT_ID + 1, " "), INT32_MAX, ret) < 0
		       ? -EBADMSG
		       : 0;
}

/* Always as many bytes, by one write. */
static int write_kept(int fd, uint64_t count)
{
	char boot[BOOT_ID + 1], text[KEPT_TEXT + 1];
	int r = read_boot_id(boot);

	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%s %11llu\n", boot, (unsigned long long)count);
	return pwrite(fd, text, KEPT_TEXT, 0) == KEPT_TEXT ? 0 : -errno;
}

/* ---- attach ---------------------------------------------------------------------------------- */

static int attach(struct mosaic *m, const struct volume *v, unsigned flags, char *device,
		  struct error *err)
{
	int hold = -1, r = m->driver->attach(m, v, flags, device, &hold, err);

	if (r < 0)
		return r;
	r = volume_use(m, v->name, hold, true);
	return r < 0 ? error_set(err, r, "volume %s", v->name) : 0;
}

static int attach_and_keep(struct mosaic *m, const struct volume *v, unsigned flags, char *device,
			   struct error *err)
{
	_close_ int kept = open_kept(v, true), hold = -1;
	uint64_t count = 0;
	char up[MOSAIC_DEVICE_MAX];
	int r = kept < 0 ? kept : read_kept(kept, &count);

	if (r == 0 && count > 0) {
		r = m->driver->device(m, v, up, err);
		if (r < 0)
			return r;
		if (r == MOSAIC_NO_DEVICE) /* who counted it died before it was kept */
			count = 0;
		r = 0;
	}
	if (r == 0)
		r = write_kept(kept, count + 1);
	if (r < 0)
		return error_set(err, r, "cannot note that volume %s stays attached", v->name);
	r = m->driver->attach(m, v, flags, device, &hold, err);
	if (r == 0)
		r = m->driver->keep(m, v, true, err);
	if (r < 0)
		(void)!write_kept(kept, count);
	return r;
}

int mosaic_attach(struct mosaic *m, const char *name, unsigned flags,
		  char device[MOSAIC_DEVICE_MAX], struct error *err)
{
	_volume_ struct volume v = VOLUME_CLOSED;
	char mapped[MOSAIC_NAME_MAX + 1], path[MOSAIC_DEVICE_MAX] = "";
	int r = volume_name(m, &name, mapped, err);

	if (r == 0)
		r = volume_check_flags(flags, MOSAIC_ATTACH_READONLY | MOSAIC_ATTACH_KEEP, err);
	if (r == 0)
		r = need_devices(m, err);
	if (r == 0)
		r = volume_open_shared(m, name, &v, err);
	if (r < 0)
		return r;
	if (v.kind == VOLUME_TREE || v.kind == VOLUME_LAYER)
		flags |= MOSAIC_ATTACH_READONLY;
	if (flags & MOSAIC_ATTACH_KEEP && !m->driver->keep)
		return error_set(err, -EOPNOTSUPP,
				 "the driver %s cannot keep a device without a process.",
				 m->driver->name);
	if (flags & MOSAIC_ATTACH_KEEP)
		r = attach_and_keep(m, &v, flags, path, err);
	else
		r = attach(m, &v, flags, path, err);
	if (r < 0)
		return error_context(err, r, "attach", name);
	memcpy(device, path, MOSAIC_DEVICE_MAX);
	volume_event(m, MOSAIC_EVENT_ATTACH, name, device);
	return 0;
}

/* ---- detach ---------------------------------------------------------------------------------- */

static unsigned count_own(const struct mosaic *m, const char *name)
{
	unsigned n = 0;

	for (const struct volume_use *u = m->uses; u; u = u->next)
		if (u->device && str_eq(u->name, name))
			n++;
	return n;
}

static int tell_place(const struct mosaic_mount_point *p, void *arg)
{
	snprintf(arg, LIMIT_PATH_BYTES, "%s%s", p->path, p->here ? "" : " of another namespace");
	return 1;
}

/* -EBUSY while the device that is up is mounted: by its number, or by its name where the file
 * system has a number of its own (btrfs). */
static int need_unmounted(struct mosaic *m, const struct volume *v, struct error *err)
{
	char device[MOSAIC_DEVICE_MAX], place[LIMIT_PATH_BYTES];
	struct mount_identity by_number = { 0 }, by_name = { .source = device };
	struct stat st;
	int r = m->driver->device(m, v, device, err);

	if (r != 0)
		return r < 0 ? r : 0;
	if (stat(device, &st) < 0)
		return errno == ENOENT ? 0 : error_set(err, -errno, "cannot look at %s", device);
	by_number.device = st.st_rdev;
	r = mount_identity_each(&by_number, tell_place, place, err);
	if (r == 0)
		r = mount_identity_each(&by_name, tell_place, place, err);
	if (r <= 0)
		return r;
	return error_set(err, -EBUSY, "volume %s is mounted at %.400s: unmount it first.", v->name,
			 place);
}

static int release_kept(struct mosaic *m, const struct volume *v, int kept, uint64_t count,
			struct error *err)
{
	int r = count > 1 ? 0 : m->driver->keep(m, v, false, err);

	if (r < 0)
		return r;
	r = write_kept(kept, count - 1);
	return r < 0 ? error_set(err, r, "cannot note that volume %s is detached", v->name) : 0;
}

static int detach(struct mosaic *m, const struct volume *v, struct error *err)
{
	_close_ int kept = open_kept(v, false);
	unsigned own = count_own(m, v->name);
	uint64_t count = 0;
	int r = kept == -ENOENT ? 0 : kept < 0 ? kept : read_kept(kept, &count);

	if (r < 0)
		return error_set(err, r, "cannot read how often volume %s is kept attached",
				 v->name);
	if (own + count == 0)
		return error_set(err, -EINVAL, "volume %s is not attached.", v->name);
	if (own + count == 1) {
		r = need_unmounted(m, v, err);
		if (r < 0)
			return r;
	}
	if (own == 0)
		return release_kept(m, v, kept, count, err);
	volume_unuse(m, v->name, true);
	return 0;
}

int mosaic_detach(struct mosaic *m, const char *name, struct error *err)
{
	_volume_ struct volume v = VOLUME_CLOSED;
	char mapped[MOSAIC_NAME_MAX + 1];
	int r = volume_name(m, &name, mapped, err);

	if (r == 0)
		r = need_devices(m, err);
	if (r == 0)
		r = volume_open_shared(m, name, &v, err);
	if (r == 0)
		r = detach(m, &v, err);
	if (r < 0)
		return error_context(err, r, "detach", name);
	volume_event(m, MOSAIC_EVENT_DETACH, name, "");
	return 0;
}

int mosaic_get_device(struct mosaic *m, const char *name, char device[MOSAIC_DEVICE_MAX],
		      struct error *err)
{
	char mapped[MOSAIC_NAME_MAX + 1];
	int r = volume_name(m, &name, mapped, err);

	if (r == 0)
		r = need_devices(m, err);
	if (r < 0)
		return r;
	for (;;) {
		_volume_ struct volume v = VOLUME_CLOSED;

		r = volume_open(m, name, &v, err);
		if (r == 0)
			r = m->driver->device(m, &v, device, err);
		if (!volume_read_again(m, &v, r, err))
			return r;
	}
}
