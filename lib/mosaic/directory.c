#include <fcntl.h>
#include <sys/stat.h>

#include "base/base.h"
#include "kernel/kernel.h"
#include "mosaic/copy_tree.h"
#include "mosaic/driver.h"

static const char *content_of(int kind)
{
	return kind == VOLUME_TREE ? "tree" : "data";
}

int directory_create(struct mosaic *m, int dirfd, struct error *err)
{
	int r = volume_mkdir(dirfd, "data", 0755);

	return r < 0 ? error_set(err, r, "cannot make a directory in %s", m->location) : 0;
}

int directory_copy_as(struct mosaic *m, const char *from, int dirfd, const char *name,
		      struct error *err)
{
	_close_ int src = -1, dst = -1;
	int r;

	src = openat(m->dirfd, from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (src < 0)
		return error_set(err, -errno, "cannot open %s/%s", m->location, from);
	r = volume_mkdir(dirfd, name, 0700);
	if (r < 0)
		return error_set(err, r, "cannot make a directory in %s", m->location);
	dst = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dst < 0)
		return error_set(err, -errno, "cannot open a new directory in %s", m->location);
	return error_context(err, copy_tree(src, dst, err), "copy", from);
}

int directory_copy(struct mosaic *m, const char *name, const char *from, struct error *err)
{
	struct mosaic_staged s = { .lock_fd = -1 };
	char path[VOLUME_PATH];
	int kind, r;

	kind = volume_need(m, from, NULL, err);
	if (kind < 0)
		return kind;
	r = volume_begin(m, &s, err);
	if (r < 0)
		return r;
	volume_path(path, from, content_of(kind));
	r = directory_copy_as(m, path, s.lock_fd, "data", err);
	if (r == 0)
		r = volume_finish(m, &s, name, err);
	if (r == MOSAIC_EXISTS)
		r = error_set(err, -EEXIST, "there is a volume %s already.", name);
	mosaic_discard(m, &s);
	return r;
}

int directory_mount(struct mosaic *m, const char *name, unsigned flags, uint64_t attributes,
		    int *ret_fd, struct error *err)
{
	char path[VOLUME_PATH];
	_close_ int fd = -1;
	int kind, r = 0;

	kind = volume_need(m, name, NULL, err);
	if (kind < 0)
		return kind;
	if (kind == VOLUME_TREE || flags & MOSAIC_MOUNT_READONLY)
		attributes |= MOUNT_READONLY;
	volume_path(path, name, content_of(kind));
	fd = mount_clone(m->dirfd, path, false);
	if (fd < 0)
		return error_set(err, fd, "cannot mount volume %s", name);
	if (attributes)
		r = mount_change(fd, attributes, 0, false);
	if (r < 0)
		return error_set(err, r, "cannot set the mount attributes of volume %s", name);
	*ret_fd = take_fd(&fd);
	return 0;
}
