/* Mounting, detached. */
#include <fcntl.h>

#include "base/base.h"
#include "mosaic/driver.h"

int volume_mount(struct mosaic *m, const char *name, const struct mosaic_mount *how, int *ret_fd,
		 struct error *err)
{
	struct mosaic_mount own = how ? *how : (struct mosaic_mount){ 0 };
	_volume_ struct volume v = VOLUME_CLOSED;
	_close_ int fd = -1, lock = -1;
	int r = volume_check_flags(own.flags, MOSAIC_MOUNT_READONLY | MOSAIC_MOUNT_VOLATILE, err);

	if (r == 0)
		r = volume_open_shared(m, name, &v, err);
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
	if (own.flags & MOSAIC_MOUNT_READONLY && (v.kind == VOLUME_DATA || v.kind == VOLUME_CLONE))
		lock = volume_lock_reader(m, &v);
	if (volume_use(m, name, lock >= 0 ? take_fd(&lock) : take_fd(&v.dirfd), false) < 0)
		return error_set(err, -ENOMEM, "volume %s", name);
	if (v.kind == VOLUME_CLONE &&
	    !(own.flags & (MOSAIC_MOUNT_READONLY | MOSAIC_MOUNT_VOLATILE)))
		m->uses->mount = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	*ret_fd = take_fd(&fd);
	return 0;
}

int mosaic_mount(struct mosaic *m, const char *name, const struct mosaic_mount *how, int *ret_fd,
		 struct error *err)
{
	char mapped[MOSAIC_NAME_MAX + 1];
	int r = volume_name(m, &name, mapped, err);

	if (r == 0)
		r = volume_mount(m, name, how, ret_fd, err);
	if (r == 0)
		volume_event(m, MOSAIC_EVENT_MOUNT, name, "");
	return r;
}
