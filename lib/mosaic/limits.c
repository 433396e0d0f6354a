#include <sys/statvfs.h>

#include "base/base.h"
#include "mosaic/driver.h"

int mosaic_limits(struct mosaic *m, struct mosaic_limits *ret, struct error *err)
{
	static const char *const none[] = { NULL };
	struct mosaic_limits l = {
		.filesystems = m->driver->filesystems ? m->driver->filesystems : none,
	};
	struct statvfs st;
	int r;

	if (fstatvfs(m->dirfd, &st) < 0)
		return error_set(err, -errno, "cannot ask the file system of %s", m->location);
	l.total = (uint64_t)st.f_blocks * st.f_frsize;
	l.available = (uint64_t)st.f_bavail * st.f_frsize;
	r = m->driver->limits ? m->driver->limits(m, &l, err) : 0;
	if (r < 0)
		return r;
	*ret = l;
	return 0;
}
