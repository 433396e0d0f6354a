/*
 * Volumes are directories and copies are copies: works everywhere. Where the file system lets files
 * share their data, copies do.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#include "base/base.h"
#include "mosaic/driver.h"

/* Not every xfs can: it is tried, with files without a name. */
static bool shares_data(const struct mosaic *m)
{
	_close_ int src = openat(m->dirfd, "staging", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	_close_ int dst = openat(m->dirfd, "staging", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return src >= 0 && dst >= 0 && ioctl(dst, FICLONE, src) == 0;
}

static int plain_open(struct mosaic *m, struct error *err)
{
	struct statfs fs;

	if (fstatfs(m->dirfd, &fs) < 0)
		return error_set(err, -errno, "cannot ask for the file system of %s", m->location);
	/* those of which it is known that they never can are not asked */
	if (fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == TMPFS_MAGIC || !shares_data(m))
		m->features &= ~(uint32_t)(MOSAIC_CLONE | MOSAIC_SNAPSHOT);
	return 0;
}

const struct mosaic_driver mosaic_driver_plain = {
	.name = "plain",
	.features = MOSAIC_CLONE | MOSAIC_SNAPSHOT,
	.open = plain_open,
	.create = directory_create,
	.copy = directory_copy,
	.copy_while_read = true,
	.mount = directory_mount,
	.identify = directory_identify,
};
