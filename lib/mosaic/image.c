#include "mosaic/image.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "mosaic/blockfs.h"

enum {
	GOING_TRIES = 500, /* for a device that is going down, 5 s */
	GOING_PAUSE_US = 10000,
	MOMENT_TRIES = 50, /* for one that somebody only looks at, half a second */
};

int image_explain(struct mosaic *m, int r, const char *what, struct error *err)
{
	struct statvfs fs;

	if (r >= 0)
		return r;
	if ((r == -ENOSPC || r == -EDQUOT) && fstatvfs(m->dirfd, &fs) == 0)
		return error_set(err, r,
				 "cannot %s: no room, %llu MiB of %llu MiB are free in the file "
				 "system of %s",
				 what, (unsigned long long)fs.f_bavail * fs.f_frsize >> 20,
				 (unsigned long long)fs.f_blocks * fs.f_frsize >> 20, m->location);
	return error_set(err, r, "cannot %s", what);
}

int image_label(struct mosaic *m, int dirfd, char label[LOOPDEV_LABEL])
{
	struct stat st;

	if (fstat(dirfd, &st) < 0)
		return -errno;
	snprintf(label, LOOPDEV_LABEL, "mosaic-%.16s-%llx-%llx", m->id,
		 (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	return 0;
}

int image_open(struct mosaic *m, const struct image_ops *ops, struct error *err)
{
	m->priv = (void *)ops;
	for (const char *const *fs = blockfs_names; m->default_fs; fs++) {
		if (!*fs)
			return error_set(err, -EINVAL, "default_fs %s: %s has ext4 and xfs.",
					 m->default_fs, m->driver->name);
		if (str_eq(*fs, m->default_fs))
			break;
	}
	if (m->default_fs && str_eq(m->default_fs, "xfs")) /* cannot */
		m->features &= ~(uint32_t)MOSAIC_RESIZE_DOWN;
	return 0;
}

bool image_can_reflink(struct mosaic *m)
{
	_close_ int a = openat(m->dirfd, "staging", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	_close_ int b = openat(m->dirfd, "staging", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return a >= 0 && b >= 0 && ioctl(b, FICLONE, a) == 0;
}

int image_fs(int dirfd, char fs[MOSAIC_FS_MAX], struct error *err)
{
	ssize_t n = readlinkat(dirfd, "fs", fs, MOSAIC_FS_MAX - 1);

	if (n < 0 && errno != ENOENT)
		return error_set(err, -errno, "cannot read which file system it has");
	fs[n > 0 ? n : 0] = '\0';
	return 0;
}

int image_limits(struct mosaic *m, struct mosaic_limits *ret, struct error *err)
{
	(void)m;
	(void)err;
	ret->size_min = blockfs_size_min(blockfs_names[0]);
	ret->size_max = IMAGE_SIZE_MAX;
	return 0;
}

/* ---- up -------------------------------------------------------------------------------------- */

/* Read-only users can have a device that others write to, not the other way round: two devices of
 * one image would not know of each other. */
static int check_access(const struct loopdev *d, bool read_only, struct error *err)
{
	struct loopdev_status s;
	int r = loopdev_status(d, &s);

	if (r < 0)
		return error_set(err, r, "cannot ask %s", d->path);
	if (s.read_only && !read_only)
		return error_set(err, -EBUSY, "it is attached read-only, as %s.", d->path);
	return 0;
}

int image_up(struct mosaic *m, int dirfd, const char *name, bool read_only, struct loopdev *ret,
	     struct error *err)
{
	const struct image_ops *ops = image_ops(m);
	_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN;
	int r = -EBUSY;

	for (int i = 0; r == -EBUSY && i < GOING_TRIES; i++) {
		if (i > 0) {
			usleep(GOING_PAUSE_US);
			if (err)
				*err = (struct error){ 0 };
		}
		r = ops->find(m, dirfd, name, &d);
		if (r == 0) {
			r = check_access(&d, read_only, err);
			break;
		}
		if (r < 0)
			return error_set(err, r, "cannot look for its loop device");
		r = ops->up(m, dirfd, name, read_only, &d, err);
	}
	if (r < 0)
		return r;
	*ret = d;
	d.fd = -1;
	return 0;
}

int image_find_lasting(struct mosaic *m, int dirfd, const char *name, struct loopdev *ret)
{
	for (int i = 0; i < MOMENT_TRIES; i++) {
		_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN;
		int r = image_ops(m)->find(m, dirfd, name, &d);

		if (r != 0)
			return r;
		loopdev_close(&d); /* else we were its last user */
		usleep(GOING_PAUSE_US);
	}
	return image_ops(m)->find(m, dirfd, name, ret);
}

int image_mount_device(int dirfd, const struct loopdev *d, bool read_only, int *ret_fd,
		       struct error *err)
{
	char fs[MOSAIC_FS_MAX];
	int r = image_fs(dirfd, fs, err);

	if (r < 0)
		return r;
	if (!fs[0])
		return error_set(err, -EOPNOTSUPP, "it has no file system.");
	return blockfs_mount(fs, d->path, read_only, ret_fd, err);
}

int image_mount(struct mosaic *m, const struct volume *v, const struct mosaic_mount *how,
		int *ret_fd, struct error *err)
{
	_close_ int lock = volume_serialise(v, err), fd = -1;
	_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN;
	bool read_only = v->kind == VOLUME_TREE;
	int r = lock;

	if (r >= 0)
		r = image_up(m, v->dirfd, volume_content(v->kind), read_only, &d, err);
	if (r >= 0)
		r = image_mount_device(v->dirfd, &d, read_only, &fd, err);
	if (r >= 0)
		r = directory_adjust(fd, v, how, err);
	if (r < 0)
		return error_context(err, r, "mount", v->name);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* ---- devices --------------------------------------------------------------------------------- */

/* LOOPDEV_NONE: not up. */
static int find_device(struct mosaic *m, const struct volume *v, struct loopdev *ret,
		       struct error *err)
{
	int r = image_ops(m)->find(m, v->dirfd, volume_content(v->kind), ret);

	return r < 0 ? error_set(err, r, "cannot look for the loop device of volume %s", v->name)
		     : r;
}

int image_identify(struct mosaic *m, const struct volume *v, struct mount_identity *ret,
		   struct error *err)
{
	_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN;
	int r = find_device(m, v, &d, err);

	if (r == LOOPDEV_NONE)
		return -ENODEV;
	if (r < 0)
		return r;
	*ret = (struct mount_identity){ .device = d.device };
	return 0;
}

int image_attach(struct mosaic *m, const struct volume *v, unsigned flags,
		 char device[MOSAIC_DEVICE_MAX], int *ret_hold, struct error *err)
{
	_close_ int lock = volume_serialise(v, err);
	_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN;
	bool read_only = v->kind == VOLUME_TREE || flags & MOSAIC_ATTACH_READONLY;
	struct loopdev_status s;
	int r = lock;

	if (r >= 0)
		r = image_up(m, v->dirfd, volume_content(v->kind), read_only, &d, err);
	if (r >= 0)
		r = loopdev_status(&d, &s);
	if (r >= 0 && read_only && !s.read_only)
		r = error_set(err, -EBUSY, "it is attached for writing already, as %s.", d.path);
	if (r < 0)
		return error_context(err, r, "attach", v->name);
	snprintf(device, MOSAIC_DEVICE_MAX, "%s", d.path);
	*ret_hold = take_fd(&d.fd);
	return 0;
}

int image_keep(struct mosaic *m, const struct volume *v, bool on, struct error *err)
{
	_close_ int lock = volume_serialise(v, err);
	_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN;
	int r = lock;

	if (r >= 0)
		r = find_device(m, v, &d, err);
	if (r < 0)
		return r;
	if (r == LOOPDEV_NONE)
		return on ? error_set(err, -ENODEV, "volume %s is not attached.", v->name) : 0;
	r = loopdev_set_autoclear(&d, !on);
	return r < 0 ? error_set(err, r, "cannot change how long %s stays", d.path) : 0;
}

int image_device(struct mosaic *m, const struct volume *v, char device[MOSAIC_DEVICE_MAX],
		 struct error *err)
{
	_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN;
	int r = find_device(m, v, &d, err);

	if (r < 0)
		return r;
	if (r == LOOPDEV_NONE)
		return MOSAIC_NO_DEVICE;
	snprintf(device, MOSAIC_DEVICE_MAX, "%s", d.path);
	return 0;
}

/* A device that was to stay ends with the volume. */
int image_drop(struct mosaic *m, int dirfd, struct error *err)
{
	static const char *const names[] = { "data", "tree", "gone" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN;
		int r = image_ops(m)->find(m, dirfd, names[i], &d);

		if (r == 0)
			r = loopdev_set_autoclear(&d, true);
		if (r < 0 && r != -ENOENT)
			return error_set(err, r, "cannot let go of a loop device");
	}
	return 0;
}

int image_info(struct mosaic *m, const struct volume *v, struct mosaic_volume *ret,
	       struct error *err)
{
	int r = image_ops(m)->size(v->dirfd, volume_content(v->kind), &ret->size);

	if (r < 0)
		return error_set(err, r, "cannot find out how large volume %s is", v->name);
	return image_fs(v->dirfd, ret->fs, err);
}
