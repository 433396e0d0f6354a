/*
 * Opening the store, its lock, and the files of one image. Opening takes one descriptor and reads
 * nothing: this is on the way of every start.
 */
#include <fcntl.h>
#include <sys/file.h>

#include "store/internal.h"

/* The last one is there when all are. */
static const char *const parts[] = { "images", "names", "staging" };

static int create_parts(int fd, const char *path, struct error *err)
{
	if (faccessat(fd, parts[ARRAY_SIZE(parts) - 1], F_OK, 0) == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (mkdirat(fd, parts[i], 0755) < 0 && errno != EEXIST)
			return error_set(err, -errno, "cannot make %s/%s", path, parts[i]);
	return 0;
}

static int open_directory(const char *path, bool create, struct error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (fd < 0 && errno == ENOENT && create) {
		r = make_dirs(path, 0755);
		if (r < 0)
			return error_set(err, r, "cannot make the store %s", path);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return fd < 0 ? error_set(err, -errno, "cannot open the store %s", path) : fd;
}

int store_open(struct store **ret, const char *path, bool create, struct error *err)
{
	_store_ struct store *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return error_set(err, -ENOMEM, "out of memory");
	s->fd = s->lock_fd = -1;
	s->path = strdup(path);
	if (!s->path)
		return error_set(err, -ENOMEM, "out of memory");
	s->fd = open_directory(path, create, err);
	if (s->fd < 0)
		return s->fd;
	r = create ? create_parts(s->fd, path, err) : 0;
	if (r < 0)
		return r;
	*ret = take_ptr(&s);
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	cleanup_close(&s->lock_fd);
	cleanup_close(&s->fd);
	free(s->path);
	free(s);
}

int store_lock(struct store *s, enum store_lock_mode mode, struct error *err)
{
	_close_ int fd = -1;

	if (s->locked) {
		if (mode == STORE_LOCK_EXCLUSIVE && s->mode != STORE_LOCK_EXCLUSIVE)
			return error_set(err, -EDEADLK, "the store is locked for adding already");
		s->locked++;
		return 0;
	}
	fd = openat(s->fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set(err, -errno, "cannot open %s/lock", s->path);
	while (flock(fd, mode == STORE_LOCK_EXCLUSIVE ? LOCK_EX : LOCK_SH) < 0)
		if (errno != EINTR)
			return error_set(err, -errno, "cannot lock %s/lock", s->path);
	s->lock_fd = take_fd(&fd);
	s->locked = 1;
	s->mode = mode;
	return 0;
}

void store_unlock(struct store *s)
{
	if (s->locked > 0 && --s->locked == 0)
		cleanup_close(&s->lock_fd);
}

bool store_is_id(const char *s)
{
	return str_starts(s, "sha512-") && hex_is(s + 7, 128);
}

void store_volume_name(char dst[160], const char *id)
{
	snprintf(dst, 160, "image.%s", id);
}

void store_image_path(char dst[STORE_IMAGE_PATH], const char *id, const char *file)
{
	snprintf(dst, STORE_IMAGE_PATH, "images/%.*s%s%s", STORE_ID_TEXT - 1, id, file ? "/" : "",
		 file ? file : "");
}

static int no_id(const char *id, struct error *err)
{
	return error_set(err, -EINVAL, "%s is no image ID.", id);
}

int store_read(struct store *s, const char *id, const char *name, char **ret, size_t *ret_len,
	       struct error *err)
{
	char path[STORE_IMAGE_PATH];
	int r;

	if (!store_is_id(id))
		return no_id(id, err);
	store_image_path(path, id, name);
	r = file_read(s->fd, path, STORE_FILE_BYTES, ret, ret_len);
	if (r == -ENOENT) {
		*ret = NULL;
		return 0;
	}
	return r < 0 ? error_set(err, r, "cannot read %s/%s", s->path, path) : 0;
}

int store_manifest(struct store *s, const char *id, char **ret, size_t *ret_len, struct error *err)
{
	_free_ char *text = NULL;
	int r;

	r = store_read(s, id, "manifest", &text, ret_len, err);
	if (r < 0)
		return r;
	if (!text)
		return error_set(err, -ENOENT, "image %s is not in the store.", id);
	*ret = take_ptr(&text);
	return 0;
}

int store_open_archive(struct store *s, const char *id, struct error *err)
{
	char path[STORE_IMAGE_PATH];
	int fd;

	if (!store_is_id(id))
		return no_id(id, err);
	store_image_path(path, id, "aci");
	fd = openat(s->fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? error_set(err, -errno, "cannot open %s/%s", s->path, path) : fd;
}
