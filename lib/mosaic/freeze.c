/* Freezing, with a child that thaws when we cannot: see blockfs.h. */
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "base/base.h"
#include "mosaic/blockfs.h"

static void thaw_first(const int *roots, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)!ioctl(roots[i], FITHAW, 0); /* EINVAL: was not frozen */
}

static void thaw_all(void *arg)
{
	const struct blockfs_freezer *f = arg;

	thaw_first(f->roots, f->n);
}

int blockfs_freeze(const int *roots, size_t n, struct blockfs_freezer *f, struct error *err)
{
	int r;

	f->roots = roots;
	f->n = n;
	r = guard_start(&f->guard, thaw_all, f);
	if (r < 0)
		return error_set(err, r, "cannot start who thaws");
	for (size_t i = 0; i < n; i++) {
		if (ioctl(roots[i], FIFREEZE, 0) == 0)
			continue;
		r = error_set(err, -errno, "cannot freeze the file system%s",
			      errno == EBUSY ? ", which somebody else has frozen" : "");
		guard_cancel(&f->guard); /* it would thaw that one too */
		thaw_first(roots, i);
		return r;
	}
	return 0;
}

void blockfs_thaw(struct blockfs_freezer *f)
{
	guard_end(&f->guard);
}

int blockfs_thaw_lost(int root)
{
	if (ioctl(root, FITHAW, 0) == 0)
		return 1;
	return errno == EINVAL ? 0 : -errno;
}
