/* Image volumes: making and resizing. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "mosaic/blockfs.h"
#include "mosaic/image.h"

enum { FULL_BYTES = 1 << 20 };

static uint64_t round_up(const struct mosaic *m, uint64_t bytes)
{
	uint64_t granule = image_ops(m)->granule;

	return (bytes + granule - 1) / granule * granule;
}

static int check_size(const char *fs, uint64_t bytes, struct error *err)
{
	uint64_t least = fs ? blockfs_size_min(fs) : BLOCKFS_BLOCK;

	if (bytes >= least && bytes <= IMAGE_SIZE_MAX)
		return 0;
	return error_set(err, bytes < least ? -EINVAL : -EFBIG,
			 "%llu bytes: a volume with %s has %llu to %llu.",
			 (unsigned long long)bytes, fs ? fs : "no file system",
			 (unsigned long long)least, (unsigned long long)IMAGE_SIZE_MAX);
}

static int choose_size(struct mosaic *m, const char *fs, uint64_t asked, uint64_t *ret,
		       struct error *err)
{
	int r = 0;

	if (asked)
		*ret = asked;
	else
		r = mosaic_option_size(m, "size", IMAGE_SIZE_DEFAULT, ret, err);
	if (r < 0)
		return r;
	if (*ret <= IMAGE_SIZE_MAX)
		*ret = round_up(m, *ret);
	return check_size(fs, *ret, err);
}

/* Programs and devices say "input/output error" then. */
static bool is_full(struct mosaic *m)
{
	struct statvfs fs;

	return fstatvfs(m->dirfd, &fs) == 0 && fs.f_bavail * fs.f_frsize < FULL_BYTES;
}

/* An image with an empty file system, mounted. */
static int make_fs(struct mosaic *m, int dirfd, const char *name, const char *fs, int *ret_mount,
		   struct error *err)
{
	_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN;
	_close_ int mount = -1;
	int r;

	if (symlinkat(fs, dirfd, "fs") < 0)
		return error_set(err, -errno, "cannot note the file system");
	r = image_up(m, dirfd, name, false, &d, err);
	if (r == 0)
		r = blockfs_make(fs, d.fd, err);
	if (r == 0)
		r = image_mount_device(dirfd, &d, false, &mount, err);
	if (r == 0)
		r = blockfs_tidy(mount, err);
	if (r < 0)
		return is_full(m) ? image_explain(m, -ENOSPC, "make a file system", err) : r;
	*ret_mount = take_fd(&mount);
	return 0;
}

static int make_image(struct mosaic *m, int dirfd, const char *name, const char *fs, uint64_t size,
		      struct error *err)
{
	uint64_t bytes;
	int r = choose_size(m, fs, size, &bytes, err);

	return r < 0 ? r : image_ops(m)->make(m, dirfd, name, bytes, err);
}

static int wait_until_settled(struct mosaic *m, int dirfd, const char *name, struct error *err)
{
	const struct image_ops *ops = image_ops(m);

	return ops->settled ? ops->settled(dirfd, name, err) : 0;
}

int image_stage(struct mosaic *m, int dirfd, int *ret_fd, struct error *err)
{
	const char *fs = m->default_fs ? m->default_fs : blockfs_names[0];
	_close_ int mount = -1;
	int r = make_image(m, dirfd, "tree", fs, 0, err);

	if (r == 0)
		r = make_fs(m, dirfd, "tree", fs, &mount, err);
	if (r < 0)
		return r;
	*ret_fd = take_fd(&mount);
	return 0;
}

int image_commit(struct mosaic *m, int dirfd, struct error *err)
{
	_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN;
	int r = image_find_lasting(m, dirfd, "tree", &d);

	if (r == 0)
		return error_set(err, -EBUSY, "somebody has the staged volume open still, on %s.",
				 d.path);
	if (r < 0)
		return error_set(err, r, "cannot look for the loop device of a staged volume");
	return wait_until_settled(m, dirfd, "tree", err);
}

int image_create(struct mosaic *m, int dirfd, const struct mosaic_create *how, struct error *err)
{
	const char *fs = how->flags & MOSAIC_CREATE_RAW ? NULL : how->fs;
	_close_ int mount = -1;
	int r = make_image(m, dirfd, "data", fs, how->size, err);

	if (r == 0 && fs)
		r = make_fs(m, dirfd, "data", fs, &mount, err);
	if (r < 0)
		return r;
	cleanup_close(&mount);
	return wait_until_settled(m, dirfd, "data", err);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

/* Up, mounted or not: by a mount of our own. The file system may be smaller than its device, when
 * somebody died between the two steps, so it is always told. */
static int grow_up(struct mosaic *m, const struct volume *v, const char *fs, uint64_t bytes,
		   struct error *err)
{
	const char *name = volume_content(v->kind);
	_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN;
	_close_ int mount = -1;
	uint64_t now;
	int r = image_up(m, v->dirfd, name, false, &d, err);

	if (r < 0)
		return r;
	r = image_ops(m)->size(v->dirfd, name, &now);
	if (r < 0)
		return error_set(err, r, "cannot find out how large it is");
	if (bytes > now) {
		r = image_ops(m)->enlarge(m, v, &d, bytes, err);
		if (r < 0)
			return r;
	}
	r = loopdev_set_capacity(&d);
	if (r < 0)
		return error_set(err, r, "cannot tell %s its size", d.path);
	if (!fs)
		return 0;
	r = blockfs_mount(fs, d.path, false, &mount, err);
	return r < 0 ? r : blockfs_grow(fs, mount, bytes, err);
}

/* Nobody uses it, and nobody begins to. When somebody does: code, and why that is in the way. */
static int need_down(struct mosaic *m, const struct volume *v, int code, const char *why,
		     struct error *err)
{
	const char *name = volume_content(v->kind);
	_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN;
	int r = image_find_lasting(m, v->dirfd, name, &d);

	if (r == 0)
		return error_set(err, code, "it is in use as %s, and %s.", d.path, why);
	if (r < 0)
		return error_set(err, r, "cannot look for its loop device");
	r = volume_need_unused(m, v, "resize", err);
	return r < 0 ? r : wait_until_settled(m, v->dirfd, name, err);
}

static int change_size(struct mosaic *m, const struct volume *v, const char *fs, uint64_t bytes,
		       struct error *err)
{
	static const char smaller[] = "can be made smaller only when it is not",
			  much_larger[] = "can grow so far only when it is not",
			  no_right[] = "to grow it then needs CAP_SYS_RESOURCE, which this process "
				       "does not have";
	uint64_t now;
	int r = image_ops(m)->size(v->dirfd, volume_content(v->kind), &now);

	if (r < 0)
		return error_set(err, r, "cannot find out how large it is");
	if (bytes < now) {
		r = need_down(m, v, -EBUSY, smaller, err);
	} else if (fs && !blockfs_can_grow(fs)) {
		r = need_down(m, v, -EPERM, no_right, err);
	} else {
		r = grow_up(m, v, fs, bytes, err);
		if (r != -EFBIG)
			return r;
		r = need_down(m, v, -EBUSY, much_larger, err);
	}
	return r < 0 ? r : image_ops(m)->remake(m, v, fs, bytes, err);
}

int image_resize(struct mosaic *m, const struct volume *v, uint64_t bytes, struct error *err)
{
	_close_ int lock = -1;
	char fs[MOSAIC_FS_MAX];
	int r = image_fs(v->dirfd, fs, err);

	if (r == 0 && bytes == 0)
		r = error_set(err, -EINVAL, "a volume of %s always has a size.", m->driver->name);
	if (r == 0)
		r = check_size(fs[0] ? fs : NULL, bytes, err);
	if (r < 0)
		return r;
	lock = volume_serialise(v, err);
	if (lock < 0)
		return lock;
	return change_size(m, v, fs[0] ? fs : NULL, round_up(m, bytes), err);
}
