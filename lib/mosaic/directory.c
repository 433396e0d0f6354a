#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/base.h"
#include "kernel/kernel.h"
#include "mosaic/copy_tree.h"
#include "mosaic/driver.h"

int directory_create(struct mosaic *m, int dirfd, const struct mosaic_create *how,
		     struct error *err)
{
	int r = volume_mkdir(dirfd, "data", 0755);

	(void)how;
	return r < 0 ? error_set(err, r, "cannot make a directory in %s", m->location) : 0;
}

int directory_copy_as(struct mosaic *m, int srcfd, const char *src, int dirfd, const char *name,
		      struct error *err)
{
	_close_ int from = -1, to = -1;
	int r;

	from = openat(srcfd, src, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0)
		return error_set(err, -errno, "cannot open what is to be copied, %s", src);
	r = volume_mkdir(dirfd, name, 0700);
	if (r < 0)
		return error_set(err, r, "cannot make a directory in %s", m->location);
	to = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0)
		return error_set(err, -errno, "cannot open a new directory in %s", m->location);
	return copy_tree(from, to, err);
}

int directory_room(const struct mosaic *m, int r, struct error *err)
{
	struct statfs fs;
	size_t n;

	if ((r != -ENOSPC && r != -EDQUOT) || !err || fstatfs(m->dirfd, &fs) < 0)
		return r;
	n = strlen(err->text);
	if (n > 0 && err->text[n - 1] == '.')
		n--;
	n += (size_t)snprintf(err->text + n, sizeof(err->text) - n, "; %llu of %llu bytes are free",
			      (unsigned long long)fs.f_bavail * (unsigned long long)fs.f_frsize,
			      (unsigned long long)fs.f_blocks * (unsigned long long)fs.f_frsize);
	if (fs.f_files > 0 && n < sizeof(err->text))
		n += (size_t)snprintf(err->text + n, sizeof(err->text) - n, ", %llu of %llu files",
				      (unsigned long long)fs.f_ffree,
				      (unsigned long long)fs.f_files);
	if (n < sizeof(err->text))
		snprintf(err->text + n, sizeof(err->text) - n, ".");
	return r;
}

int directory_copy(struct mosaic *m, const struct volume_copy *c, struct error *err)
{
	int r = directory_copy_as(m, c->from->dirfd, volume_content(c->from->kind), c->dirfd,
				  c->read_only ? "tree" : "data", err);

	return directory_room(m, error_context(err, r, "copy", c->from->name), err);
}

int directory_adjust(int mountfd, const struct volume *v, const struct mosaic_mount *how,
		     struct error *err)
{
	uint64_t attributes = how->attributes;
	int r = 0;

	if (how->flags & MOSAIC_MOUNT_READONLY)
		attributes |= MOUNT_READONLY;
	if (attributes)
		r = mount_change(mountfd, attributes, 0, false);
	if (r < 0)
		return error_set(err, r, "cannot set the mount attributes of volume %s", v->name);
	if (how->userns > 0)
		r = mount_map_ids(mountfd, how->userns);
	return r < 0 ? error_set(err, r, "cannot map the ids of volume %s on this file system",
				 v->name)
		     : 0;
}

int directory_mount(struct mosaic *m, const struct volume *v, const struct mosaic_mount *how,
		    int *ret_fd, struct error *err)
{
	_close_ int fd = mount_clone(v->dirfd, volume_content(v->kind), false);
	int r;

	(void)m;
	if (fd < 0)
		return error_set(err, fd, "cannot mount volume %s", v->name);
	r = directory_adjust(fd, v, how, err);
	if (r < 0)
		return r;
	*ret_fd = take_fd(&fd);
	return 0;
}

int directory_identify(struct mosaic *m, const struct volume *v, struct mount_identity *ret,
		       struct error *err)
{
	_close_ int fd = openat(v->dirfd, volume_content(v->kind), O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct mount_identity identity = { 0 };
	int r = fd < 0 ? -errno
		       : mountinfo_locate(fd, &identity.device, identity.text,
					  sizeof(identity.text));

	(void)m;
	if (r < 0)
		return error_set(err, r, "cannot find out where volume %s is", v->name);
	*ret = identity;
	ret->root = ret->text;
	return 0;
}
