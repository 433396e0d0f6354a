/* Mounts with a place: put at a directory, and taken away from there. */
#include <fcntl.h>
#include <string.h>

#include "base/base.h"
#include "mosaic/mounts.h"

int mosaic_mount_at(struct mosaic *m, const char *name, const char *path,
		    const struct mosaic_mount *how, struct error *err)
{
	_close_ int target = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
	char mapped[MOSAIC_NAME_MAX + 1];
	int r;

	if (target < 0)
		return error_set(err, -errno, "cannot open the directory %s", path);
	r = volume_name(m, &name, mapped, err);
	if (r == 0)
		r = volume_mount(m, name, how, &fd, err);
	if (r < 0)
		return r;
	r = mount_attach(fd, target);
	/* from here on the mount table says that the volume is in use */
	volume_unuse(m, name, false);
	if (r < 0)
		return error_set(err, r, "cannot mount volume %s at %s", name, path);
	volume_event(m, MOSAIC_EVENT_MOUNT, name, path);
	return 0;
}

/* 1: it is a mount of that volume. */
static int is_mount_of(struct mosaic *m, const char *name, const struct mountinfo *info,
		       struct error *err)
{
	struct mount_identity identity;
	int r = volume_identify(m, name, &identity, err);

	if (r == -ENODEV)
		return 0;
	return r < 0 ? r : mount_identity_fits(&identity, info);
}

struct owner {
	struct mosaic *m;
	const struct mountinfo *info;
	char name[MOSAIC_NAME_MAX + 1];
};

/* A volume that cannot be looked at is not the one that is mounted. */
static int owns(int dirfd, const char *name, void *arg)
{
	struct owner *o = arg;

	(void)dirfd;
	if (volume_check_name(name, NULL) < 0 || is_mount_of(o->m, name, o->info, NULL) <= 0)
		return 0;
	snprintf(o->name, sizeof(o->name), "%s", name);
	return 1;
}

static int find_owner(struct owner *o, struct error *err)
{
	_close_ int dir = openat(o->m->dirfd, "volumes", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = dir < 0 ? -errno : dir_each(dir, owns, o);

	return r < 0 ? error_set(err, r, "cannot list %s/volumes", o->m->location) : r;
}

static int check_mount(struct mosaic *m, const char *name, const char *path, struct owner *o,
		       struct error *err)
{
	int r;

	if (!name) {
		r = find_owner(o, err);
		return r == 0 ? error_set(err, -EINVAL, "what is mounted at %s is no volume of %s.",
					  path, m->location)
			      : r;
	}
	snprintf(o->name, sizeof(o->name), "%s", name);
	r = is_mount_of(m, name, o->info, err);
	return r == 0 ? error_set(err, -EINVAL, "what is mounted at %s is not volume %s.", path,
				  name)
		      : r;
}

int mosaic_umount(struct mosaic *m, const char *name, const char *path, struct error *err)
{
	char mapped[MOSAIC_NAME_MAX + 1];
	_free_ char *text = NULL;
	struct mountinfo info;
	struct owner o = { .m = m, .info = &info };
	int r = name ? volume_name(m, &name, mapped, err) : 0;

	if (r < 0)
		return r;
	r = mountinfo_at(path, &text, &info);
	if (r == -EINVAL)
		return error_set(err, r, "nothing is mounted at %s.", path);
	if (r < 0)
		return error_set(err, r, "cannot find out what is mounted at %s", path);
	r = check_mount(m, name, path, &o, err);
	if (r < 0)
		return r;
	r = mount_end(info.point);
	if (r == -EBUSY)
		return error_set(
			err, r,
			"volume %s is in use below %s: a process is there, or another mount.",
			o.name, info.point);
	if (r < 0)
		return error_set(err, r, "cannot unmount volume %s from %s", o.name, info.point);
	volume_event(m, MOSAIC_EVENT_UMOUNT, o.name, info.point);
	return 0;
}

/* It is made when it is first asked for. */
static int open_metadata(struct mosaic *m, const char *path)
{
	int fd = path_open(m->dirfd, path, PATH_NO_LINKS, O_PATH | O_DIRECTORY, 0);

	return fd == -ENOENT ? path_make_dirs(m->dirfd, path) : fd;
}

int mosaic_mount_metadata(struct mosaic *m, const struct mosaic_mount *how, int *ret_fd,
			  struct error *err)
{
	const struct mosaic_mount plain = { 0 };
	const char *path = m->metadata ? m->metadata : "metadata";
	const struct volume v = { .name = path, .dirfd = -1 };
	_close_ int dir = open_metadata(m, path), fd = -1;
	int r;

	if (dir < 0)
		return error_set(err, dir, "cannot open the metadata %s of %s", path, m->location);
	if (m->driver->mount_metadata) {
		r = m->driver->mount_metadata(m, path, &fd, err);
	} else {
		r = fd = mount_clone(dir, "", false);
		if (r < 0)
			error_set(err, r, "cannot mount the metadata of %s", m->location);
	}
	if (r < 0)
		return r;
	r = directory_adjust(fd, &v, how ? how : &plain, err);
	if (r < 0)
		return error_prefix(err, r, "metadata of %s", m->location);
	*ret_fd = take_fd(&fd);
	return 0;
}
