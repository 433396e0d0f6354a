/*
 * Volumes are chains of expandable images in the parallels format (lib/ploop). A clone is not a
 * copy of a volume but another top on the same images:
 *
 *	before		after a clone of v as c		after a snapshot of v as s
 *
 *	v: 0 1*		v: 0 1 2*   c: 0 1 2'*		v: 0 1 2*   s: 0 1
 *
 * where * is written and the rest is not any more. The shared ones are hard links, so that no
 * volume needs another: whichever is dropped last frees them. No block of data is copied, on any
 * file system. When there would be more than PLOOP_DEPTH_MAX, the newer half is merged into one.
 *
 * The source may be in use: its file system is frozen, its server is told to go on in the new top
 * (PLOOP_SWITCH), and the old one, complete, is then linked. To copy the top instead would keep the
 * file system frozen for as long as the top is large, which on a file system without reflinks is
 * seconds for every gigabyte written since the last snapshot.
 *
 * The order on disk: the new top has its name before the server writes to it, and the server has
 * left the old one before anybody links it. So, whoever is killed when: a file with two names is
 * never written. Who brings up a volume whose top has two names all the same gives it a new one.
 *
 * Not here: the ploop module of the OpenVZ kernels, which does in the kernel what the server does,
 * and faster. It is in no other kernel.
 *
 * Options: size, of trees and of volumes made without one.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"
#include "mosaic/blockfs.h"
#include "mosaic/image.h"
#include "mosaic/ploop_disk.h"
#include "mosaic/ploop_images.h"

enum { SECTOR = 512 };

static int open_images(int dirfd, const char *name, bool writable, struct ploop_images *ret,
		       struct error *err)
{
	int r = ploop_images_open(dirfd, name, writable, ret);

	return r < 0 ? error_set(err, r, "cannot open the images") : 0;
}

static int disk_size(const struct ploop_images *p, uint64_t *ret, struct error *err)
{
	int r = ploop_images_size(p, ret);

	return r < 0 ? error_set(err, r, "cannot find out how large the disk is") : 0;
}

static int ploop_make(struct mosaic *m, int dirfd, const char *name, uint64_t bytes,
		      struct error *err)
{
	return image_explain(m, ploop_images_make(dirfd, name, bytes), "make an image", err);
}

static int ploop_size(int dirfd, const char *name, uint64_t *ret)
{
	_ploop_images_ struct ploop_images p = PLOOP_IMAGES_NONE;
	int r = ploop_images_open(dirfd, name, false, &p);

	return r < 0 ? r : ploop_images_size(&p, ret);
}

/* By the volume directory: the file of the loop device is in a file system of its own. */
static int ploop_find(struct mosaic *m, int dirfd, const char *name, struct loopdev *ret)
{
	char label[LOOPDEV_LABEL];
	int r = image_label(m, dirfd, label);

	(void)name;
	return r < 0 ? r : loopdev_find_label(label, ret);
}

/* The top has no other name, whatever happened. */
static int own_top(struct ploop_images *p, struct error *err)
{
	struct stat st;
	uint64_t bytes;
	int r = fstat(p->fds[p->n - 1], &st) < 0 ? -errno : 0;

	if (r == 0 && st.st_nlink > 1) {
		r = ploop_images_size(p, &bytes);
		if (r == 0)
			r = ploop_images_push(p, bytes, 0);
	}
	return r < 0 ? error_set(err, r, "cannot give the volume an image of its own") : 0;
}

static int ploop_up(struct mosaic *m, int dirfd, const char *name, bool read_only,
		    struct loopdev *ret, struct error *err)
{
	_ploop_images_ struct ploop_images p = PLOOP_IMAGES_NONE;
	int r = open_images(dirfd, name, !read_only, &p, err);

	if (r == 0 && !read_only)
		r = own_top(&p, err);
	return r < 0 ? r : ploop_disk_up(m, dirfd, &p, !read_only, ret, err);
}

static int ploop_settled(int dirfd, const char *name, struct error *err)
{
	int r = ploop_disk_settled(dirfd, err);

	return r < 0 ? r : ploop_images_recover(dirfd, name, err);
}

/* ---- copies ---------------------------------------------------------------------------------- */

static int ploop_prepare_copy(struct mosaic *m, const struct volume *from, struct error *err)
{
	(void)m;
	return ploop_images_make_room(from->dirfd, volume_content(from->kind), err);
}

/* The source goes on in a new top. What is to be shared is all below; *ret_shared says how many. A
 * tree has no top: all of it is. */
static int seal(const struct volume *v, bool live, struct ploop_images *p, size_t *ret_shared,
		struct error *err)
{
	const struct ploop_message change = { .command = PLOOP_SWITCH };
	uint64_t bytes;
	int r;

	*ret_shared = p->n;
	if (v->kind == VOLUME_TREE)
		return 0;
	r = disk_size(p, &bytes, err);
	if (r < 0)
		return r;
	r = ploop_images_push(p, bytes, 0);
	if (r < 0)
		return r;
	return live ? ploop_disk_ask(v->dirfd, &change, p, err) : 0;
}

static int link_copy(const struct volume_copy *c, const struct ploop_images *p, size_t n)
{
	_ploop_images_ struct ploop_images copy = PLOOP_IMAGES_NONE;
	const char *name = c->read_only ? "tree" : "data";
	uint64_t bytes;
	int r = ploop_images_link(p, n, c->dirfd, name);

	if (r < 0 || c->read_only)
		return r;
	r = ploop_images_open(c->dirfd, name, false, &copy);
	if (r == 0)
		r = ploop_images_size(&copy, &bytes);
	return r == 0 ? ploop_images_push(&copy, bytes, 0) : r;
}

static int ploop_copy(struct mosaic *m, const struct volume_copy *c, bool live, struct error *err)
{
	_ploop_images_ struct ploop_images p = PLOOP_IMAGES_NONE;
	struct error why = { 0 };
	size_t shared;
	int r = open_images(c->from->dirfd, volume_content(c->from->kind), true, &p, err);

	if (r < 0)
		return r;
	r = seal(c->from, live, &p, &shared, &why);
	if (r < 0 && why.code) {
		if (err)
			*err = why;
		return r;
	}
	if (r == 0)
		r = link_copy(c, &p, shared);
	return image_explain(m, r, "share the images", err);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

/* The size of the disk is what the top says, and a copy that was killed may have left one that the
 * server does not write to yet: it goes on in that first. */
static int enlarge_disk(const struct volume *v, const char *name, uint64_t bytes, struct error *err)
{
	const struct ploop_message change = { .command = PLOOP_SWITCH };
	const struct ploop_message resize = { .command = PLOOP_RESIZE, .bytes = bytes };
	_ploop_images_ struct ploop_images p = PLOOP_IMAGES_NONE;
	int r = open_images(v->dirfd, name, true, &p, err);

	if (r == 0)
		r = ploop_disk_ask(v->dirfd, &change, &p, err);
	return r < 0 ? r : ploop_disk_ask(v->dirfd, &resize, NULL, err);
}

static int ploop_enlarge(struct mosaic *m, const struct volume *v, const struct loopdev *up,
			 uint64_t bytes, struct error *err)
{
	(void)m;
	(void)up;
	return enlarge_disk(v, volume_content(v->kind), bytes, err);
}

static int grow_other(const struct volume *v, const struct loopdev *d, uint64_t bytes,
		      struct error *err)
{
	int r = enlarge_disk(v, "other", bytes, err);

	if (r < 0)
		return r;
	r = loopdev_set_capacity(d);
	return r < 0 ? error_set(err, r, "cannot tell %s its size", d->path) : 0;
}

/* The file system, on a device that is as large as it is to be or larger. */
static int resize_fs(const char *fs, const struct loopdev *d, bool larger, uint64_t bytes,
		     struct error *err)
{
	_close_ int mount = -1;
	int r;

	if (!larger || !blockfs_can_grow(fs))
		return blockfs_resize(fs, d->fd, bytes, err);
	r = blockfs_mount(fs, d->path, false, &mount, err);
	return r < 0 ? r : blockfs_grow(fs, mount, bytes, err);
}

/* What is in the images "other" gets its size, on a device of these. */
static int resize_content(struct mosaic *m, const struct volume *v, const char *fs, uint64_t bytes,
			  struct error *err)
{
	_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN;
	uint64_t now;
	int r = ploop_up(m, v->dirfd, "other", false, &d, err);

	if (r < 0)
		return r;
	r = ploop_size(v->dirfd, "other", &now);
	if (r < 0)
		return error_set(err, r, "cannot find out how large the disk is");
	if (bytes > now)
		r = grow_other(v, &d, bytes, err);
	if (r == 0 && fs)
		r = resize_fs(fs, &d, bytes > now, bytes, err);
	loopdev_close(&d);
	return r < 0 ? r : ploop_settled(v->dirfd, "other", err);
}

static int set_size(const struct volume *v, uint64_t bytes, struct error *err)
{
	_ploop_images_ struct ploop_images p = PLOOP_IMAGES_NONE;
	int r = open_images(v->dirfd, "other", true, &p, err);

	if (r < 0)
		return r;
	r = ploop_image_set_size(p.fds[p.n - 1], bytes);
	return r < 0 ? error_set(err, r, "cannot set the size of the image") : 0;
}

static int check_raw_end(const struct ploop_images *p, uint64_t bytes, struct error *err)
{
	int r = ploop_has_data_from(p->fds, p->n, bytes, err);

	return r == 1 ? error_set(err, -ENOSPC, "it holds data beyond byte %llu.",
				  (unsigned long long)bytes)
		      : r;
}

/* The same images with a new top, "other", which is given the size and then takes their place. */
static int make_other(struct mosaic *m, const struct volume *v, const char *fs, uint64_t bytes,
		      struct error *err)
{
	_ploop_images_ struct ploop_images p = PLOOP_IMAGES_NONE, other = PLOOP_IMAGES_NONE;
	uint64_t now;
	int r = open_images(v->dirfd, volume_content(v->kind), false, &p, err);

	if (r == 0)
		r = disk_size(&p, &now, err);
	if (r == 0 && !fs && bytes < now)
		r = check_raw_end(&p, bytes, err);
	if (r < 0)
		return r;
	r = path_remove_tree(v->dirfd, "other");
	if (r == 0)
		r = ploop_images_link(&p, p.n, v->dirfd, "other");
	if (r == 0)
		r = ploop_images_open(v->dirfd, "other", false, &other);
	if (r == 0)
		r = ploop_images_push(&other, now, bytes);
	if (r < 0)
		return image_explain(m, r, "make other images", err);
	r = resize_content(m, v, fs, bytes, err);
	return r == 0 ? set_size(v, bytes, err) : r;
}

static int ploop_remake(struct mosaic *m, const struct volume *v, const char *fs, uint64_t bytes,
			struct error *err)
{
	const char *name = volume_content(v->kind);
	int r = ploop_images_make_room(v->dirfd, name, err);

	if (r == 0)
		r = make_other(m, v, fs, bytes, err);
	if (r == 0) {
		r = ploop_images_replace(v->dirfd, name, "other");
		if (r < 0)
			error_set(err, r, "cannot put the other images in their place");
	}
	if (r < 0) {
		(void)!ploop_disk_settled(v->dirfd, NULL);
		(void)!path_remove_tree(v->dirfd, "other");
	}
	return r;
}

/* ---- looking --------------------------------------------------------------------------------- */

/* What has another name is there without this volume, too. */
static int ploop_usage(struct mosaic *m, const struct volume *v, struct mosaic_usage *ret,
		       struct error *err)
{
	_ploop_images_ struct ploop_images p = PLOOP_IMAGES_NONE;
	struct mosaic_usage usage = { 0 };
	int r = open_images(v->dirfd, volume_content(v->kind), false, &p, err);

	(void)m;
	for (size_t i = 0; i < p.n && r == 0; i++) {
		struct stat st;

		if (fstat(p.fds[i], &st) < 0)
			return error_set(err, -errno, "cannot look at an image");
		usage.used += (uint64_t)st.st_blocks * SECTOR;
		if (st.st_nlink > 1)
			usage.shared += (uint64_t)st.st_blocks * SECTOR;
	}
	if (r < 0)
		return r;
	usage.exclusive = usage.used - usage.shared;
	*ret = usage;
	return 0;
}

/* What who was killed has left; whoever else is at work there holds the lock. */
static int remove_unfinished(const struct volume *v, struct error *err)
{
	_ploop_images_ struct ploop_images p = PLOOP_IMAGES_NONE;
	int r = path_remove_tree(v->dirfd, "other");

	if (r == 0)
		r = ploop_images_open(v->dirfd, volume_content(v->kind), false, &p);
	if (r == 0 && unlinkat(p.dirfd, "new", 0) < 0 && errno != ENOENT)
		r = -errno;
	return r < 0 ? error_set(err, r, "cannot remove what was left in volume %s", v->name) : 0;
}

static int check_volume(struct mosaic *m, const struct volume *v, struct check *c,
			struct error *err)
{
	_ploop_images_ struct ploop_images p = PLOOP_IMAGES_NONE;
	_close_ int lock = volume_serialise(v, err);
	_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN;
	struct error fault = { 0 };
	char where[VOLUME_PATH];
	int r = lock;

	volume_path(where, v->name, NULL);
	if (r >= 0 && c->repair)
		r = remove_unfinished(v, err);
	if (r < 0)
		return r;
	r = ploop_images_open(v->dirfd, volume_content(v->kind), false, &p);
	if (r < 0)
		return volume_problem(c, where, false, "its images cannot be opened: %s.",
				      strerror(-r));
	/* a top that is being written to is not complete on disk */
	if (ploop_find(m, v->dirfd, NULL, &d) == LOOPDEV_NONE && v->kind == VOLUME_DATA &&
	    c->repair)
		r = ploop_settled(v->dirfd, volume_content(v->kind), &fault);
	for (size_t i = 0; i < p.n && r == 0; i++)
		r = d.fd >= 0 && i == p.n - 1 ? 0 : ploop_image_check(p.fds[i], &fault);
	return r < 0 ? volume_problem(c, where, false, "%s", fault.text) : 0;
}

static int ploop_check(struct mosaic *m, const struct volume *v, struct check *c, struct error *err)
{
	int r;

	if (!v)
		return image_check_devices(m, c, err);
	r = image_check_frozen(m, v, c, err);
	return r < 0 ? r : check_volume(m, v, c, err);
}

static const struct image_ops ploop_ops = {
	.granule = PLOOP_CLUSTER,
	.make = ploop_make,
	.size = ploop_size,
	.find = ploop_find,
	.up = ploop_up,
	.settled = ploop_settled,
	.copy = ploop_copy,
	.prepare_copy = ploop_prepare_copy,
	.enlarge = ploop_enlarge,
	.remake = ploop_remake,
};

static int ploop_open(struct mosaic *m, struct error *err)
{
	return image_open(m, &ploop_ops, err);
}

static const char *const option_names[] = { "size", NULL };

const struct mosaic_driver mosaic_driver_ploop = {
	.name = "ploop",
	.features = MOSAIC_CLONE | MOSAIC_SNAPSHOT | MOSAIC_RAW | MOSAIC_DEVICE | MOSAIC_RESIZE_UP |
		    MOSAIC_RESIZE_DOWN | MOSAIC_QUOTA | MOSAIC_SNAPSHOT_SET | MOSAIC_SNAPSHOT_LIVE |
		    MOSAIC_EXCLUSIVE,
	.filesystems = blockfs_names,
	.options = option_names,
	.open = ploop_open,
	.limits = image_limits,
	.stage = image_stage,
	.commit = image_commit,
	.create = image_create,
	.copy = image_copy,
	.snapshot_set = image_snapshot_set,
	.mount = image_mount,
	.identify = image_identify,
	.attach = image_attach,
	.keep = image_keep,
	.device = image_device,
	.resize = image_resize,
	.info = image_info,
	.usage = ploop_usage,
	.drop = image_drop,
	.check = ploop_check,
};
