/*
 * What keeps an image, and what others take from it: pins, the time of its last use, its files.
 *
 * A pin is an empty file: to make one takes an inode, to take one away takes nothing. The time of
 * the last use is the time of change of the info file, which costs one call where pods start.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "store/internal.h"

/* The directory of an image; STORE_MISSING. */
static int open_image(struct store *s, const char *id, int *ret, struct error *err)
{
	char path[STORE_IMAGE_PATH];
	int fd;

	if (!store_is_id(id))
		return STORE_MISSING;
	store_image_path(path, id, NULL);
	fd = openat(s->fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? STORE_MISSING
				       : error_set(err, -errno, "cannot open %s/%s", s->path, path);
	*ret = fd;
	return 0;
}

/* ---- pins ------------------------------------------------------------------------------------ */

static int set_pin(int dir, bool pinned)
{
	_close_ int fd = -1;

	if (!pinned)
		return unlinkat(dir, "pinned", 0) < 0 && errno != ENOENT ? -errno : sync_dir(dir);
	fd = openat(dir, "pinned", O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
	return fd < 0 || fsync(fd) < 0 ? -errno : sync_dir(dir);
}

/* Under the lock, so that who removes images does not look at a pin and remove the image when it is
 * there. */
int store_pin(struct store *s, const char *id, bool pinned, struct error *err)
{
	_close_ int dir = -1;
	int r = store_lock(s, STORE_LOCK_SHARED, err);

	if (r < 0)
		return r;
	r = open_image(s, id, &dir, err);
	if (r == 0) {
		r = set_pin(dir, pinned);
		if (r < 0)
			error_set(err, r, "cannot %s image %s", pinned ? "pin" : "unpin", id);
	}
	store_unlock(s);
	return r;
}

bool store_is_pinned(struct store *s, const char *id)
{
	char path[STORE_IMAGE_PATH];

	if (!store_is_id(id))
		return false;
	store_image_path(path, id, "pinned");
	return faccessat(s->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- last use -------------------------------------------------------------------------------- */

void store_touch(struct store *s, const char *id)
{
	char path[STORE_IMAGE_PATH];

	store_image_path(path, id, "info");
	(void)utimensat(s->fd, path, NULL, AT_SYMLINK_NOFOLLOW);
}

int64_t store_last_used(struct store *s, const struct store_info *info)
{
	char path[STORE_IMAGE_PATH];
	struct stat st;
	int64_t used;

	store_image_path(path, info->id, "info");
	if (fstatat(s->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return info->imported_ns;
	used = st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec;
	return used > info->imported_ns ? used : info->imported_ns;
}

/* ---- files ----------------------------------------------------------------------------------- */

static bool is_file_name(const char *name)
{
	return *name && *name != '.' && strlen(name) <= STORE_FILE_NAME && !strchr(name, '/');
}

int store_open_file(struct store *s, const char *id, const char *name, struct error *err)
{
	char path[STORE_IMAGE_PATH];
	int fd;

	if (!store_is_id(id) || !is_file_name(name))
		return error_set(err, -EINVAL, "%s of %s is no file of an image.", name, id);
	store_image_path(path, id, name);
	fd = openat(s->fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? error_set(err, -errno, "cannot open %s/%s", s->path, path) : fd;
}

struct donor {
	const char *name;
	int staged;
};

/* One that has as many links as its file system allows is not the last word: it may be there as
 * another file too. */
static int link_from(int images, const char *id, void *arg)
{
	const struct donor *d = arg;
	char path[STORE_IMAGE_PATH];

	if (!store_is_id(id))
		return 0;
	snprintf(path, sizeof(path), "%s/%s", id, d->name);
	if (linkat(images, path, d->staged, d->name, 0) == 0)
		return 1;
	return errno == ENOENT || errno == EMLINK || errno == ENOTDIR ? 0 : -errno;
}

int store_link_blob(struct store *s, const char *name, const struct store_staged *staged,
		    struct error *err)
{
	struct donor donor = { .name = name, .staged = staged->fd };
	_close_ int images = -1;
	int r;

	if (!is_file_name(name))
		return error_set(err, -EINVAL, "%s is no name of a file of an image.", name);
	images = openat(s->fd, "images", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (images < 0)
		return error_set(err, -errno, "cannot open %s/images", s->path);
	r = dir_each(images, link_from, &donor);
	if (r < 0)
		return error_set(err, r, "cannot link %s into the staging area", name);
	return r == 1 ? 0 : STORE_MISSING;
}

/* ---- how much -------------------------------------------------------------------------------- */

static int add_size(int dir, const char *name, void *arg)
{
	uint64_t *bytes = arg;
	struct stat st;

	/* what another image has too is not gained by removing this one */
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_nlink == 1)
		*bytes += (uint64_t)st.st_blocks * 512;
	return 0;
}

uint64_t store_disk_bytes(struct store *s, const char *id)
{
	_close_ int dir = -1;
	uint64_t bytes = 0;

	if (open_image(s, id, &dir, NULL) != 0)
		return 0;
	(void)!dir_each(dir, add_size, &bytes);
	return bytes;
}
