/*
 * How images come and go. An image is made in staging/, complete and synced, and appears in images/
 * by one rename; it goes by one rename back to staging/, where it is taken apart. Whatever is in
 * staging/ and not locked belongs to nobody.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/random.h>

#include "store/internal.h"

enum { STAGE_TRIES = 16 };

static int staging_path(char dst[64], const char *name)
{
	return snprintf(dst, 64, "staging/%s", name) < 64 ? 0 : -ENAMETOOLONG;
}

int store_staging_name(char dst[40], const char *prefix, struct error *err)
{
	unsigned char raw[8];
	char hex[17];

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return error_set(err, -errno, "no random numbers");
	hex_encode(hex, raw, sizeof(raw));
	snprintf(dst, 40, "%.16s.%s", prefix, hex);
	return 0;
}

/* Between mkdir and flock a collector may take the new directory for a dead one: then it is gone,
 * or its last link is. STORE_MISSING. */
static int make_locked(struct store *s, const char *path, int *ret)
{
	_close_ int fd = -1;
	struct stat st;

	if (mkdirat(s->fd, path, 0700) < 0)
		return -errno;
	fd = openat(s->fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? STORE_MISSING : -errno;
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_nlink == 0)
		return STORE_MISSING;
	*ret = take_fd(&fd);
	return 0;
}

int store_stage(struct store *s, struct store_staged *ret, struct error *err)
{
	struct store_staged staged = STORE_STAGED_NONE;
	char path[64];
	int r = STORE_MISSING;

	for (int i = 0; i < STAGE_TRIES && r == STORE_MISSING; i++) {
		r = store_staging_name(staged.name, "import", err);
		if (r < 0)
			return r;
		r = staging_path(path, staged.name);
		if (r == 0)
			r = make_locked(s, path, &staged.fd);
	}
	if (r != 0)
		return error_set(err, r < 0 ? r : -EAGAIN, "cannot make a directory in %s/staging",
				 s->path);
	*ret = staged;
	return 0;
}

static int remove_tree_in(struct store *s, const char *directory, const char *name)
{
	_close_ int fd = openat(s->fd, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : path_remove_tree(fd, name);
}

void store_discard(struct store *s, struct store_staged *staged)
{
	if (staged->fd < 0)
		return;
	(void)!remove_tree_in(s, "staging", staged->name); /* or store_collect() does it */
	cleanup_close(&staged->fd);
}

/* One file of the staging directory, on its way to the disk. */
static int sync_entry(int dirfd, const char *name, void *arg)
{
	_close_ int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool *has_content = arg;

	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	*has_content = *has_content || str_eq(name, "aci") || str_eq(name, "oci-manifest");
	return 0;
}

static int complete(const struct store_staged *staged, const struct store_info *info,
		    const char *manifest, size_t manifest_len, struct error *err)
{
	bool has_content = false;
	int r = dir_each(staged->fd, sync_entry, &has_content);

	if (r == 0 && !has_content)
		r = -ENOENT;
	if (r < 0)
		return error_set(err, r, "cannot sync the archive of image %s", info->name);
	r = file_write(staged->fd, "manifest", manifest, manifest_len, 0644, FILE_SYNC);
	if (r < 0)
		return error_set(err, r, "cannot write the manifest of image %s", info->name);
	return store_info_write(staged->fd, info, err);
}

/* Is what the store has under this ID whole as far as one can see? */
static bool is_readable(struct store *s, const char *id)
{
	_store_info_ struct store_info info = { 0 };
	_free_ char *manifest = NULL;
	size_t len;

	return store_info(s, id, &info, NULL) == 0 &&
	       store_manifest(s, id, &manifest, &len, NULL) == 0;
}

/* The image was there and is imported once more: now it is the newest of its name. What is kept
 * of the archive stays as it is, and so does what describes it. */
static int renew(struct store *s, const struct store_info *info, struct error *err)
{
	_store_info_ struct store_info old = { 0 };
	struct store_info now = *info;
	char path[STORE_IMAGE_PATH];
	_close_ int fd = -1;
	int r = store_info(s, info->id, &old, err);

	if (r < 0)
		return r;
	store_image_path(path, info->id, NULL);
	fd = openat(s->fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, -errno, "cannot open %s/%s", s->path, path);
	now.archive_size = old.archive_size;
	return store_info_write(fd, &now, err);
}

/* 0, STORE_EXISTS, or a negative errno. */
static int publish(struct store *s, const struct store_staged *staged, const char *id,
		   struct error *err)
{
	_close_ int images = openat(s->fd, "images", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char from[64], to[STORE_IMAGE_PATH];
	int r;

	if (images < 0)
		return error_set(err, -errno, "cannot open %s/images", s->path);
	r = staging_path(from, staged->name);
	if (r < 0)
		return error_set(err, r, "cannot adopt image %s", id);
	store_image_path(to, id, NULL);
	if (renameat2(s->fd, from, s->fd, to, RENAME_NOREPLACE) == 0)
		r = 0;
	else if (errno != EEXIST)
		return error_set(err, -errno, "cannot move image %s to %s", id, s->path);
	else if (is_readable(s, id))
		r = STORE_EXISTS;
	else if (renameat2(s->fd, from, s->fd, to, RENAME_EXCHANGE) == 0)
		(void)!remove_tree_in(s, "staging", staged->name);
	else
		return error_set(err, -errno, "cannot replace the damaged image %s in %s", id,
				 s->path);
	if (sync_dir(images) < 0)
		return error_set(err, -errno, "cannot sync %s/images", s->path);
	return r;
}

int store_adopt(struct store *s, struct store_staged *staged, const struct store_info *info,
		const char *manifest, size_t manifest_len, struct error *err)
{
	int r, named;

	if (!store_is_id(info->id))
		return error_set(err, -EINVAL, "%s is no image ID.", info->id);
	if (strlen(info->labels) > STORE_LABELS_BYTES)
		return error_set(err, -E2BIG, "the labels of image %s take more than %d bytes",
				 info->name, STORE_LABELS_BYTES);
	r = store_lock(s, STORE_LOCK_SHARED, err);
	if (r < 0)
		return r;
	r = complete(staged, info, manifest, manifest_len, err);
	if (r == 0)
		r = publish(s, staged, info->id, err);
	named = r == STORE_EXISTS ? renew(s, info, err) : 0;
	if (r >= 0 && named == 0)
		named = store_names_add(s, info, err);
	store_unlock(s);
	if (named < 0)
		return named;
	if (r == 0)
		cleanup_close(&staged->fd);
	return r;
}

/* What the store itself keeps with an image. */
static int keep_pin(struct store *s, const struct store_staged *staged, const char *id)
{
	_close_ int pin = -1;

	if (!store_is_pinned(s, id))
		return 0;
	pin = openat(staged->fd, "pinned", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	return pin < 0 || fsync(pin) < 0 || sync_dir(staged->fd) < 0 ? -errno : 0;
}

int store_replace(struct store *s, struct store_staged *staged, const char *id, struct error *err)
{
	_close_ int images = openat(s->fd, "images", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char from[64], to[STORE_IMAGE_PATH];
	int r = images < 0 ? -errno : staging_path(from, staged->name);

	if (r == 0)
		r = keep_pin(s, staged, id);
	if (r < 0)
		return error_set(err, r, "cannot replace image %s", id);
	store_image_path(to, id, NULL);
	if (renameat2(s->fd, from, s->fd, to, RENAME_EXCHANGE) < 0)
		return errno == ENOENT ? STORE_MISSING
				       : error_set(err, -errno, "cannot replace image %s", id);
	if (sync_dir(images) < 0)
		return error_set(err, -errno, "cannot sync %s/images", s->path);
	/* what was there has its name in staging/ now; the lock was on the other one */
	(void)!remove_tree_in(s, "staging", staged->name);
	cleanup_close(&staged->fd);
	return 0;
}

/* ---- going ----------------------------------------------------------------------------------- */

/* Out of sight in one step. When the disk is so full that not even a rename goes, it is taken apart
 * where it is, the manifest first: without it nothing is taken for an image. */
static int take_away(struct store *s, const char *id)
{
	char path[STORE_IMAGE_PATH], manifest[STORE_IMAGE_PATH], name[40], gone[64];
	int r;

	store_image_path(path, id, NULL);
	r = store_staging_name(name, "removed", NULL);
	if (r == 0)
		r = staging_path(gone, name);
	if (r < 0)
		return r;
	if (renameat2(s->fd, path, s->fd, gone, RENAME_NOREPLACE) == 0)
		return remove_tree_in(s, "staging", name);
	if (errno != ENOSPC && errno != EDQUOT)
		return -errno;
	store_image_path(manifest, id, "manifest");
	if (unlinkat(s->fd, manifest, 0) < 0 && errno != ENOENT)
		return -errno;
	return remove_tree_in(s, "images", id);
}

static int remove_locked(struct store *s, const char *id, struct error *err)
{
	_store_info_ struct store_info info = { 0 };
	char path[STORE_IMAGE_PATH];
	int r;

	store_image_path(path, id, NULL);
	if (faccessat(s->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? STORE_MISSING
				       : error_set(err, -errno, "cannot look for image %s", id);
	r = store_info(s, id, &info, NULL);
	if (r < 0)
		info.name = NULL; /* its line stays until store_collect() and is passed over */
	r = take_away(s, id);
	if (r < 0)
		return error_set(err, r, "cannot remove image %s", id);
	r = info.name ? store_names_remove(s, info.name, id, err) : 0;
	return r == -ENOSPC || r == -EDQUOT ? 0 : r;
}

int store_remove(struct store *s, const char *id, struct error *err)
{
	int r;

	if (!store_is_id(id))
		return STORE_MISSING;
	r = store_lock(s, STORE_LOCK_EXCLUSIVE, err);
	if (r < 0)
		return r;
	r = remove_locked(s, id, err);
	store_unlock(s);
	return r;
}

/* Removes one entry of staging/ unless somebody holds it. */
static int collect_entry(int dirfd, const char *name, void *arg)
{
	_close_ int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	unsigned *n = arg;
	int r;

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : -errno;
	r = path_remove_tree(dirfd, name);
	if (r == 0)
		(*n)++;
	return r;
}

int store_collect(struct store *s, unsigned *ret_n, struct error *err)
{
	_close_ int staging = openat(s->fd, "staging", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned n = 0;
	int r;

	if (staging < 0)
		return error_set(err, -errno, "cannot open %s/staging", s->path);
	r = dir_each(staging, collect_entry, &n);
	if (r < 0)
		return error_set(err, r, "cannot clean %s/staging", s->path);
	r = store_lock(s, STORE_LOCK_EXCLUSIVE, err);
	if (r < 0)
		return r;
	r = store_names_rebuild(s, err);
	store_unlock(s);
	if (r == 0 && ret_n)
		*ret_n = n;
	return r;
}
