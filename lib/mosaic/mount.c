/* Mounting, detached. */
#include <fcntl.h>
#include <sys/file.h>

#include "base/base.h"
#include "mosaic/driver.h"

/* The volume, with the shared lock of its users. Who waited for the lock looks again: the volume may be another
 * then, or gone. */
static int open_to_use(struct mosaic *m, const char *name, struct volume *ret, struct error *err)
{
	for (;;) {
		_volume_ struct volume v = VOLUME_CLOSED;
		int r = volume_open(m, name, &v, err);

		if (r < 0)
			return r;
		if (flock(v.dirfd, LOCK_SH | LOCK_NB) == 0) {
			*ret = v;
			v.dirfd = -1;
			return 0;
		}
		while (flock(v.dirfd, LOCK_SH) < 0)
			if (errno != EINTR)
				return error_set(err, -errno, "cannot lock volume %s", name);
	}
}

int mosaic_mount(struct mosaic *m, const char *name, const struct mosaic_mount *how, int *ret_fd,
		 struct error *err)
{
	struct mosaic_mount own = how ? *how : (struct mosaic_mount){ 0 };
	_volume_ struct volume v = VOLUME_CLOSED;
	_close_ int fd = -1;
	int r = open_to_use(m, name, &v, err);

	if (r < 0)
		return r;
	if (v.raw)
		return error_set(err, -EOPNOTSUPP,
				 "volume %s is raw: it has no file system to mount; attach it.",
				 name);
	if (v.kind == VOLUME_TREE || v.kind == VOLUME_LAYER)
		own.flags |= MOSAIC_MOUNT_READONLY;
	r = m->driver->mount(m, &v, &own, &fd, err);
	if (r < 0)
		return r;
	if (volume_use(m, name, take_fd(&v.dirfd), false) < 0)
		return error_set(err, -ENOMEM, "volume %s", name);
	volume_event(m, MOSAIC_EVENT_MOUNT, name, "");
	*ret_fd = take_fd(&fd);
	return 0;
}
