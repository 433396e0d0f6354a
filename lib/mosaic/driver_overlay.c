/*
 * Clones by overlayfs. Committed trees ("tree") and created volumes ("data") are directories. What
 * stands on another volume is
 *
 *	upper/	 what was changed, with the attributes of the root below	(a clone)
 *	work/	 the kernel's
 *	parent	 -> name of the volume below
 * or
 *	tree/	 empty, with the attributes of the root below (a snapshot)
 *	below	 -> name of the volume below
 *
 * A clone of a tree costs four system calls however large the tree is. To be cloned, a volume that
 * can be written to hands what it holds to a hidden one, which both stand on
 * (driver_overlay_base.c). So no layer is ever written to that somebody else sees.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/base.h"
#include "kernel/kernel.h"
#include "mosaic/overlay.h"

/* Left by every volatile mount; the kernel mounts no overlay that has it. */
#define VOLATILE_MARK "work/work/incompat/volatile"

enum { BUSY_TRIES = 100 }; /* a second: of a busy machine that is a moment */

static bool is_stack(const struct volume *v)
{
	return v->kind == VOLUME_CLONE || v->kind == VOLUME_LAYER;
}

/* ---- mounts ---------------------------------------------------------------------------------- */

static int remove_volatile_mark(int volume)
{
	_close_ int work = openat(volume, "work", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return work < 0 ? -errno : path_remove_tree(work, "work");
}

static void source_of(char source[static 256], const struct mosaic *m, const struct volume *v)
{
	snprintf(source, 256, "mosaic:%s:%s", m->id, v->name);
}

static int mount_stack(struct mosaic *m, const struct volume *v, struct layers *l,
		       const struct overlay_map *map, uint64_t attributes, struct error *err)
{
	char message[256] = "", source[256];
	int fd;

	source_of(source, m, v);
	fd = overlay_map_mount(map, l, source, attributes, message, sizeof(message));
	if (fd < 0 && l->writable && faccessat(l->volume, VOLATILE_MARK, F_OK, 0) == 0) {
		if (!l->is_volatile)
			return error_set(
				err, -ESTALE,
				"volume %s was last used with contents that need not survive: mount it volatile or read-only, or drop it.",
				v->name);
		if (remove_volatile_mark(l->volume) == 0)
			fd = overlay_map_mount(map, l, source, attributes, message,
					       sizeof(message));
	}
	if (fd < 0)
		return error_set(err, fd,
				 "cannot mount the overlay of volume %s, of %zu layers, in %s%s%s",
				 v->name, l->n + 1, m->location, message[0] ? ": " : "", message);
	return fd;
}

/* OVERLAY_NOWHERE when nobody writes to it. One that was made just now is about to be attached
 * somewhere, and the kernel takes an overlay down a moment after its last
 * user. */
static int mount_there(struct mosaic *m, const struct volume *v, const struct layers *l,
		       const struct mosaic_mount *how, int *ret_fd, struct error *err)
{
	static const struct timespec moment = { 0, 10000000 };
	char source[256];
	int r;

	source_of(source, m, v);
	for (int i = 0; overlay_is_written(l); i++) {
		if (i == BUSY_TRIES)
			return error_set(
				err, -EBUSY,
				"volume %s is mounted already, detached or where this process does not get: to be written to, it can be mounted there alone.",
				v->name);
		if (i > 0)
			nanosleep(&moment, NULL);
		r = overlay_mount_again(m, v, how, source, ret_fd, err);
		if (r <= 0)
			return r;
	}
	return OVERLAY_NOWHERE;
}

static int overlay_mount(struct mosaic *m, const struct volume *v, const struct mosaic_mount *how,
			 int *ret_fd, struct error *err)
{
	_layers_ struct layers l = LAYERS_CLOSED;
	_cleanup_(overlay_map_close) struct overlay_map map = OVERLAY_NO_MAP;
	bool mapped = how->userns > 0;
	_close_ int lock = -1;
	int r = 0;

	if (!is_stack(v))
		return directory_mount(m, v, how, ret_fd, err);
	if (mapped)
		r = overlay_map_open(m, v, how->userns, &map);
	if (r < 0)
		return error_set(err, r, "cannot map the ids of volume %s on this file system",
				 v->name);
	r = layers_open(mapped ? map.root : m->dirfd, mapped ? map.volume : v->dirfd, v, &l);
	if (r < 0)
		return error_set(err, r, "volume %s, a clone of %s, is damaged", v->name,
				 v->parent);
	if (how->flags & MOSAIC_MOUNT_READONLY)
		l.writable = false;
	l.is_volatile = how->flags & MOSAIC_MOUNT_VOLATILE;
	/* those whose contents need not survive are of one user, who makes haste */
	if (l.writable && !l.is_volatile)
		r = lock = volume_serialise(v, err);
	if (r < 0)
		return r;
	if (l.writable) {
		r = mount_there(m, v, &l, how, ret_fd, err);
		if (r <= 0)
			return r;
	}
	r = mount_stack(m, v, &l, &map, how->attributes, err);
	if (r < 0)
		return r;
	*ret_fd = r;
	return 0;
}

/* ---- copies ---------------------------------------------------------------------------------- */

static int fill_clone(int volume, int root, const struct stat *st, const char *parent)
{
	int r = overlay_make_like(volume, "upper", root, st);

	if (r < 0)
		return r;
	if (mkdirat(volume, "work", 0700) < 0)
		return -errno;
	return symlinkat(parent, volume, "parent") < 0 ? -errno : 0;
}

static int fill_layer(int volume, int root, const struct stat *st, const char *below)
{
	if (symlinkat(below, volume, "below") < 0)
		return -errno;
	return overlay_make_like(volume, "tree", root, st);
}

/* Made in place, not in staging: a rename less. -EAGAIN when a collector took the directory
 * before it was locked. */
static int make_clone(struct mosaic *m, const char *name, int root, const struct stat *st,
		      const char *parent)
{
	char path[VOLUME_PATH];
	_close_ int volume = -1;
	int r;

	volume_path(path, name, NULL);
	if (mkdirat(m->dirfd, path, 0700) < 0)
		return -errno;
	volume = openat(m->dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (volume < 0)
		return errno == ENOENT ? -EAGAIN : -errno;
	if (flock(volume, LOCK_EX) < 0)
		return -errno;
	r = volume_mark_owner(m, volume);
	if (r == 0)
		r = fill_clone(volume, root, st, parent);
	if (r == -ENOENT)
		return -EAGAIN;
	if (r < 0)
		volume_remove_unfinished(m, name);
	return r;
}

/* Who drops a parent looks for clones after it moved it away, we look for it after we made one: one
 * of both sees the other. */
static int check_parent(struct mosaic *m, const char *name, const char *parent, struct error *err)
{
	char path[VOLUME_PATH];

	volume_path(path, parent, "tree");
	if (faccessat(m->dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	volume_remove_unfinished(m, name);
	return error_set(err, -ENOENT, "volume %s was dropped just now.", parent);
}

static int clone_tree(struct mosaic *m, const char *name, const char *from, int root,
		      struct error *err)
{
	struct stat st;
	int r;

	if (fstat(root, &st) < 0)
		return error_set(err, -errno, "cannot look at volume %s", from);
	do
		r = make_clone(m, name, root, &st, from);
	while (r == -EAGAIN);
	if (r == -EEXIST)
		return error_set(err, r, "there is a volume %s already.", name);
	if (r < 0)
		return error_set(err, r, "cannot clone volume %s from %s", name, from);
	return check_parent(m, name, from, err);
}

/* A committed tree that stands on nothing. */
static int overlay_clone(struct mosaic *m, const char *name, const char *from, struct error *err)
{
	char path[VOLUME_PATH], below[MOSAIC_NAME_MAX + 1];
	_close_ int root = -1;

	volume_path(path, from, "tree");
	root = openat(m->dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	volume_path(path, from, "below");
	if (root < 0 || overlay_read_link(m->dirfd, path, below) != 0)
		return VOLUME_NEEDS_COPY;
	return clone_tree(m, name, from, root, err);
}

static int open_content(const struct volume *v)
{
	const char *name = volume_content(v->kind);
	int fd = openat(v->dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 || errno != ENOENT || v->kind != VOLUME_CLONE || layers_finish(v->dirfd) < 0)
		return fd;
	return openat(v->dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int overlay_copy(struct mosaic *m, const struct volume_copy *c, struct error *err)
{
	char parent[MOSAIC_NAME_MAX + 1];
	_close_ int root = -1, hold = -1;
	struct stat st;
	int r;

	/* after the content was handed over, this is still its root */
	root = open_content(c->from);
	if (root < 0 || fstat(root, &st) < 0)
		return error_set(err, -errno, "cannot open volume %s", c->from->name);
	r = overlay_share(m, c->from, c->used, parent, &hold, err);
	if (r < 0)
		return directory_room(m, r, err);
	if (c->read_only)
		r = fill_layer(c->dirfd, root, &st, parent);
	else
		r = fill_clone(c->dirfd, root, &st, parent);
	return r < 0 ? directory_room(m,
				      error_set(err, r, "cannot make a copy of volume %s",
						c->from->name),
				      err)
		     : 0;
}

/* What the volume stands on goes with the last one that does. "former" is what "parent" was. */
static int overlay_drop(struct mosaic *m, int dirfd, struct error *err)
{
	static const char *const links[] = { "parent", "below", "former" };
	char name[MOSAIC_NAME_MAX + 1];
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(links) && r >= 0; i++) {
		if (overlay_read_link(dirfd, links[i], name) > 0 && overlay_is_base(name))
			r = overlay_release_base(m, name, dirfd, true);
		if (r < 0)
			error_set(err, r, "cannot remove %s, which a volume stands on", name);
	}
	return r < 0 ? r : 0;
}

static int overlay_identify(struct mosaic *m, const struct volume *v, struct mount_identity *ret,
			    struct error *err)
{
	if (!is_stack(v))
		return directory_identify(m, v, ret, err);
	*ret = (struct mount_identity){ 0 };
	source_of(ret->text, m, v);
	ret->source = ret->text;
	return 0;
}

/* Hides a file of the lower layer: that needs what the upper file system must have. */
static int probe_mount(int volume, struct error *err)
{
	_layers_ struct layers l = LAYERS_CLOSED;
	char message[256] = "";
	_close_ int fd = -1;

	l.volume = volume;
	l.upper = openat(volume, "upper", O_PATH | O_DIRECTORY | O_CLOEXEC);
	l.lower[l.n++] = openat(volume, "tree", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (l.upper < 0 || l.lower[0] < 0)
		return error_set(err, -errno, "cannot open a directory");
	fd = layers_mount(&l, NULL, 0, message, sizeof(message));
	if (fd < 0)
		return error_set(err, fd, "cannot mount an overlay%s%s", message[0] ? ": " : "",
				 message);
	if (unlinkat(fd, "hidden", AT_REMOVEDIR) < 0)
		return error_set(err, -errno, "an overlay cannot be written");
	return 0;
}

static int overlay_probe(struct mosaic *m, struct error *err)
{
	static const char *const directories[] = { "upper", "work", "tree", "tree/hidden" };
	struct mosaic_staged s = MOSAIC_STAGED_NONE;
	int r;

	r = volume_begin(m, &s, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(directories) && r == 0; i++)
		if (mkdirat(s.lock_fd, directories[i], 0700) < 0)
			r = error_set(err, -errno, "cannot make a directory");
	if (r == 0)
		r = probe_mount(s.lock_fd, err);
	mosaic_discard(m, &s);
	return r;
}

const struct mosaic_driver mosaic_driver_overlay = {
	.name = "overlay",
	.features = MOSAIC_CLONE | MOSAIC_SNAPSHOT,
	.probe = overlay_probe,
	.create = directory_create,
	.copy = overlay_copy,
	.copy_while_read = true,
	.clone = overlay_clone,
	.mount = overlay_mount,
	.identify = overlay_identify,
	.drop = overlay_drop,
	.check = overlay_check,
};
