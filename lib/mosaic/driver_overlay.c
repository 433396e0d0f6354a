/*
 * Clones by overlayfs. Committed trees ("tree") and created volumes ("data") are directories. A
 * clone of a tree is
 *
 *	upper/	 what was changed, with the attributes of the tree's root
 *	work/	 the kernel's
 *	parent	 -> name of the tree
 *
 * and costs four system calls however large the tree is. A clone of a clone copies what that one
 * has changed and shares the tree: no layer is below more than one writer, nobody sees the later
 * writes of another, and no chain grows. A clone of a created volume is a copy.
 *
 * The layers are passed to the kernel as /proc/self/fd/N: fsconfig(2) takes no string over 255
 * bytes, overlayfs reads ":" and "\" in lowerdir as its own, and the pod would read the host's
 * paths in its mountinfo.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/base.h"
#include "kernel/kernel.h"
#include "mosaic/driver.h"

/* Left by every volatile mount; the kernel mounts no overlay that has it. */
#define VOLATILE_MARK "work/work/incompat/volatile"

enum { LAYER_TEXT = 32 }; /* "/proc/self/fd/N" */

struct layers {
	int volume; /* the clone's directory, borrowed */
	int upper, lower;
	bool writable;
	bool is_volatile;
};

static void layers_close(struct layers *l)
{
	cleanup_close(&l->upper);
	cleanup_close(&l->lower);
}

/* A read-only overlay has two lower layers and no work directory, so that it can be mounted while
 * the volume is in use. */
static int mount_layers(const struct layers *l, const char *source, uint64_t attributes,
			char *message, size_t size)
{
	char lower[2 * LAYER_TEXT], upper[LAYER_TEXT], work[LAYER_TEXT];
	struct mount_option options[12];
	_close_ int workfd = -1;
	size_t n = 0;

	options[n++] = (struct mount_option){ "index", "off" };
	options[n++] = (struct mount_option){ "metacopy", "off" };
	options[n++] = (struct mount_option){ "redirect_dir", "nofollow" };
	options[n++] = (struct mount_option){ "nfs_export", "off" };
	if (source)
		options[n++] = (struct mount_option){ "source", source };
	if (l->writable) {
		workfd = openat(l->volume, "work", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (workfd < 0)
			return -errno;
		snprintf(lower, sizeof(lower), "/proc/self/fd/%d", l->lower);
		snprintf(upper, sizeof(upper), "/proc/self/fd/%d", l->upper);
		snprintf(work, sizeof(work), "/proc/self/fd/%d", workfd);
		options[n++] = (struct mount_option){ "upperdir", upper };
		options[n++] = (struct mount_option){ "workdir", work };
		if (l->is_volatile)
			options[n++] = (struct mount_option){ "volatile", NULL };
	} else {
		snprintf(lower, sizeof(lower), "/proc/self/fd/%d:/proc/self/fd/%d", l->upper,
			 l->lower);
		attributes |= MOUNT_READONLY;
	}
	options[n++] = (struct mount_option){ "lowerdir", lower };
	return mount_new("overlay", options, n, attributes, message, size);
}

static int open_layers(struct mosaic *m, const struct volume *v, struct layers *l)
{
	char path[VOLUME_PATH];

	l->volume = v->dirfd;
	l->upper = openat(l->volume, "upper", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (l->upper < 0)
		return -errno;
	volume_path(path, v->parent, "tree");
	l->lower = openat(m->dirfd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return l->lower < 0 ? -errno : 0;
}

static int remove_volatile_mark(int volume)
{
	_close_ int work = openat(volume, "work", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return work < 0 ? -errno : path_remove_tree(work, "work");
}

static int mount_clone_of(struct mosaic *m, const char *name, struct layers *l, uint64_t attributes,
			  struct error *err)
{
	char message[256] = "", source[MOSAIC_NAME_MAX + 48];
	int fd;

	snprintf(source, sizeof(source), "mosaic:%s:%s", m->id, name);
	fd = mount_layers(l, source, attributes, message, sizeof(message));
	if (fd < 0 && l->writable && faccessat(l->volume, VOLATILE_MARK, F_OK, 0) == 0) {
		if (!l->is_volatile)
			return error_set(
				err, -ESTALE,
				"volume %s was last used with contents that need not survive: mount it volatile or read-only, or drop it.",
				name);
		if (remove_volatile_mark(l->volume) == 0)
			fd = mount_layers(l, source, attributes, message, sizeof(message));
	}
	if (fd < 0)
		return error_set(err, fd, "cannot mount the overlay of volume %s in %s%s%s", name,
				 m->location, message[0] ? ": " : "", message);
	return fd;
}

static int overlay_mount(struct mosaic *m, const struct volume *v, const struct mosaic_mount *how,
			 int *ret_fd, struct error *err)
{
	_cleanup_(layers_close) struct layers l = { -1, -1, -1, .writable = true };
	int r;

	if (v->kind != VOLUME_CLONE)
		return directory_mount(m, v, how, ret_fd, err);
	r = open_layers(m, v, &l);
	if (r < 0)
		return error_set(err, r, "volume %s, a clone of %s, is damaged", v->name,
				 v->parent);
	l.writable = !(how->flags & MOSAIC_MOUNT_READONLY);
	l.is_volatile = how->flags & MOSAIC_MOUNT_VOLATILE;
	r = mount_clone_of(m, v->name, &l, how->attributes, err);
	if (r < 0)
		return r;
	*ret_fd = r;
	return 0;
}

/* An upper directory that looks like root, the root of a tree. */
static int make_upper(int volume, int root, const struct stat *st)
{
	_close_ int upper = -1;
	int r;

	r = volume_mkdir(volume, "upper", st->st_mode & 07777);
	if (r < 0)
		return r;
	if ((st->st_uid || st->st_gid) &&
	    fchownat(volume, "upper", st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (flistxattr(root, NULL, 0) <= 0)
		return 0;
	upper = openat(volume, "upper", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return upper < 0 ? -errno : copy_xattrs(root, upper, "trusted.overlay.");
}

static int fill_clone(int volume, int root, const struct stat *st, const char *parent)
{
	int r = make_upper(volume, root, st);

	if (r < 0)
		return r;
	if (mkdirat(volume, "work", 0700) < 0)
		return -errno;
	return symlinkat(parent, volume, "parent") < 0 ? -errno : 0;
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
	r = volume_mkdir(m->dirfd, path, 0700);
	if (r < 0)
		return r;
	volume = openat(m->dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (volume < 0)
		return errno == ENOENT ? -EAGAIN : -errno;
	if (flock(volume, LOCK_EX) < 0)
		return -errno;
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

static int make_other(struct mosaic *m, const struct volume *from, int dirfd, struct error *err)
{
	const struct volume_copy c = { dirfd, from, .read_only = false };
	int r;

	if (from->kind != VOLUME_CLONE)
		return directory_copy(m, &c, err);
	r = directory_copy_as(m, from->dirfd, "upper", dirfd, "upper", err);
	if (r == 0 &&
	    (mkdirat(dirfd, "work", 0700) < 0 || symlinkat(from->parent, dirfd, "parent") < 0))
		r = error_set(err, -errno, "cannot make a clone of %s", from->name);
	return r;
}

/* A copy of what from holds, or of what it has changed, above the same tree. */
static int clone_other(struct mosaic *m, const char *name, const char *from, struct error *err)
{
	struct mosaic_staged s = MOSAIC_STAGED_NONE;
	_volume_ struct volume v = VOLUME_CLOSED;
	int r;

	r = volume_open(m, from, &v, err);
	if (r == 0)
		r = volume_begin(m, &s, err);
	if (r < 0)
		return r;
	r = make_other(m, &v, s.lock_fd, err);
	if (r == 0)
		r = volume_finish(m, &s, name, err);
	if (r == MOSAIC_EXISTS)
		r = error_set(err, -EEXIST, "there is a volume %s already.", name);
	mosaic_discard(m, &s);
	return r == 0 && v.parent[0] ? check_parent(m, name, v.parent, err) : r;
}

static int overlay_clone(struct mosaic *m, const char *name, const char *from, struct error *err)
{
	char path[VOLUME_PATH];
	_close_ int root = -1;

	volume_path(path, from, "tree");
	root = openat(m->dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return root >= 0 ? clone_tree(m, name, from, root, err) : clone_other(m, name, from, err);
}

static int overlay_identify(struct mosaic *m, const struct volume *v, struct mount_identity *ret,
			    struct error *err)
{
	if (v->kind != VOLUME_CLONE)
		return directory_identify(m, v, ret, err);
	*ret = (struct mount_identity){ 0 };
	snprintf(ret->text, sizeof(ret->text), "mosaic:%s:%s", m->id, v->name);
	ret->source = ret->text;
	return 0;
}

/* Hides a file of the lower layer: that needs what the upper file system must have. */
static int probe_mount(int volume, struct error *err)
{
	_cleanup_(layers_close) struct layers l = { -1, -1, -1, .writable = true };
	char message[256] = "";
	_close_ int fd = -1;

	l.volume = volume;
	l.upper = openat(volume, "upper", O_PATH | O_DIRECTORY | O_CLOEXEC);
	l.lower = openat(volume, "tree", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (l.upper < 0 || l.lower < 0)
		return error_set(err, -errno, "cannot open a directory");
	fd = mount_layers(&l, NULL, 0, message, sizeof(message));
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
	.features = MOSAIC_CLONE,
	.probe = overlay_probe,
	.create = directory_create,
	.clone = overlay_clone,
	.mount = overlay_mount,
	.identify = overlay_identify,
};
