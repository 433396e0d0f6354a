/*
 * An image out of the store, into a directory that others then own. It is made beside, under a name
 * of its own, and takes its place by one rename: over nothing, over an empty directory, or in
 * exchange for what was there.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include "images/internal.h"

struct extract {
	const struct images *im;
	const struct images_extraction *x;
	const char *id;
	const struct images_progress *progress;
	int parent; /* of out */
	char *name; /* in it */
	char beside[64];
	struct error *err;
};

static void extract_deinit(struct extract *e)
{
	cleanup_close(&e->parent);
	free(e->name);
}

static int fail(struct extract *e, int code, const char *what)
{
	return error_set(e->err, code, "cannot %s %s", what, e->x->out);
}

/* Parent and name of what a person wrote, which may end in a slash. */
static int open_parent(struct extract *e)
{
	size_t len = strlen(e->x->out);
	_free_ char *path = NULL;
	char *slash;

	while (len > 1 && e->x->out[len - 1] == '/')
		len--;
	path = strndup(e->x->out, len);
	if (!path)
		return error_set(e->err, -ENOMEM, "out of memory");
	slash = strrchr(path, '/');
	e->name = strdup(slash ? slash + 1 : path);
	if (!e->name)
		return error_set(e->err, -ENOMEM, "out of memory");
	if (!*e->name || str_eq(e->name, ".") || str_eq(e->name, ".."))
		return error_set(e->err, -EINVAL, "%s cannot be replaced; name a directory in it.",
				 e->x->out);
	if (slash)
		slash[slash == path] = '\0';
	e->parent = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return e->parent < 0 ? fail(e, -errno, "open the directory of") : 0;
}

static int is_entry(_unused_ int dir, _unused_ const char *name, _unused_ void *arg)
{
	return 1;
}

/* Nothing is there that would be lost, or it may be. */
static int check_place(struct extract *e)
{
	_close_ int fd = -1;
	struct stat st;
	int r;

	if (fstatat(e->parent, e->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fail(e, -errno, "look at");
	if (!S_ISDIR(st.st_mode))
		return error_set(e->err, -ENOTDIR, "%s is there and no directory.", e->x->out);
	if (e->x->overwrite)
		return 0;
	fd = openat(e->parent, e->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = fd < 0 ? -errno : dir_each(fd, is_entry, NULL);
	if (r < 0)
		return fail(e, r, "look at");
	return r ? error_set(e->err, -ENOTEMPTY,
			     "%s is not empty; use --overwrite to replace what is in it.",
			     e->x->out)
		 : 0;
}

/* ---- content --------------------------------------------------------------------------------- */

/* The tree's volume, mounted. *ret_size: its bytes when they are known. */
static int open_source(struct extract *e, int *ret, uint64_t *ret_size)
{
	_store_info_ struct store_info info = { 0 };
	char volume[MOSAIC_NAME_MAX + 1];
	int r;

	*ret_size = 0;
	if (e->x->rendered) {
		r = images_render(e->im, e->id, volume, NULL, e->err);
	} else {
		r = images_restore(e->im, e->id, e->err);
		store_volume_name(volume, e->id);
		if (store_info(e->im->store, e->id, &info, NULL) == 0)
			*ret_size = info.size;
	}
	return r < 0 ? r
		     : mosaic_mount(e->im->mosaic, volume,
				    &(struct mosaic_mount){ .flags = MOSAIC_MOUNT_READONLY,
							    .attributes = MOUNT_NOSUID |
									  MOUNT_NODEV |
									  MOUNT_NOEXEC },
				    ret, e->err);
}

static int lay(struct extract *e, int src, int dst, uint64_t size)
{
	const struct lay l = {
		.src = src,
		.dst = dst,
		.size = size,
		.progress = e->progress,
		.interrupted = e->x->interrupted,
	};

	return lay_tree(&l, e->err);
}

static int write_manifest(struct extract *e, int dir)
{
	_free_ char *text = NULL;
	size_t len;
	int r = store_manifest(e->im->store, e->id, &text, &len, e->err);

	if (r < 0)
		return r;
	r = file_write(dir, "manifest", text, len, 0644, 0);
	return r < 0 ? fail(e, r, "write the manifest to") : 0;
}

static int make_directory(int parent, const char *name, mode_t mode, int *ret)
{
	if (mkdirat(parent, name, 0700) < 0)
		return -errno;
	*ret = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret < 0 || fchmod(*ret, mode) < 0 ? -errno : 0;
}

/* Private until all is there: files of any owner and mode lie in it. */
static int fill(struct extract *e)
{
	_close_ int top = -1, rootfs = -1, src = -1;
	uint64_t size;
	int r = open_source(e, &src, &size);

	if (r < 0)
		return r;
	r = make_directory(e->parent, e->beside, 0700, &top);
	if (r < 0)
		return fail(e, r, "make");
	if (e->x->rootfs_only)
		return lay(e, src, top, size);
	r = make_directory(top, "rootfs", 0700, &rootfs);
	if (r < 0)
		return fail(e, r, "make");
	r = write_manifest(e, top);
	if (r == 0)
		r = lay(e, src, rootfs, size);
	if (r == 0 && fchmod(top, 0755) < 0)
		r = fail(e, -errno, "set the mode of");
	return r;
}

static int publish(struct extract *e)
{
	if (renameat2(e->parent, e->beside, e->parent, e->name, 0) == 0)
		return 0;
	if ((errno == ENOTEMPTY || errno == EEXIST) && e->x->overwrite &&
	    renameat2(e->parent, e->beside, e->parent, e->name, RENAME_EXCHANGE) == 0)
		return path_remove_tree(e->parent, e->beside) < 0
			       ? fail(e, -EIO, "remove what was in")
			       : 0;
	if (errno == EBUSY)
		return error_set(e->err, -EBUSY, "%s is a mount point; name a directory in it.",
				 e->x->out);
	return fail(e, -errno, "make");
}

int images_extract(const struct images *im, const char *id, const struct images_extraction *x,
		   const struct images_progress *progress, struct error *err)
{
	_cleanup_(extract_deinit) struct extract e = {
		.im = im, .x = x, .id = id, .progress = progress, .parent = -1, .err = err
	};
	int r = open_parent(&e);

	if (r == 0)
		r = check_place(&e);
	if (r < 0)
		return r;
	snprintf(e.beside, sizeof(e.beside), ".carob-extract.%d", getpid());
	/* nobody removes the image meanwhile; rendering takes the lock itself and once more */
	r = store_lock(im->store, STORE_LOCK_SHARED, err);
	if (r < 0)
		return r;
	r = fill(&e);
	store_unlock(im->store);
	if (r == 0)
		r = publish(&e);
	if (r != 0)
		(void)!path_remove_tree(e.parent, e.beside);
	return r < 0 ? error_context(err, r, x->rendered ? "render" : "extract", id) : r;
}
