/*
 * Downloads that outlive their process: STORE/partial/KEY/ with the data and a small state beside
 * it. Whoever has the lock of the directory may write, or remove it; between opening a directory
 * and locking it, it can have been removed and made anew, so that is looked at again.
 */
#include <fcntl.h>
#include <nettle/sha2.h>
#include <sys/file.h>

#include "store/internal.h"

enum {
	STATE_BYTES = 64 << 10,
	OPEN_TRIES = 64, /* how often it may vanish under our hands */
};

static const char *const directory_name = "partial";

static void make_key(char dst[65], const char *name)
{
	unsigned char digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, strlen(name), (const uint8_t *)name);
	sha256_digest(&ctx, sizeof(digest), digest);
	hex_encode(dst, digest, sizeof(digest));
}

/* STORE/partial; made when it is missing and create says so. */
static int open_parent(struct store *s, bool create)
{
	int fd;

	if (create && mkdirat(s->fd, directory_name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(s->fd, directory_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Does the name still lead to the open directory? */
static int is_linked(int parent, const char *key, int fd)
{
	struct stat named, open;

	if (fstat(fd, &open) < 0)
		return -errno;
	if (fstatat(parent, key, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	return named.st_dev == open.st_dev && named.st_ino == open.st_ino;
}

/* Opens and locks; STORE_MISSING when it went away meanwhile. */
static int open_locked(int parent, const char *key, int *ret)
{
	_close_ int fd = -1;
	int r;

	if (mkdirat(parent, key, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(parent, key, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? STORE_MISSING : -errno;
	if (flock(fd, LOCK_EX) < 0)
		return -errno;
	r = is_linked(parent, key, fd);
	if (r <= 0)
		return r < 0 ? r : STORE_MISSING;
	*ret = take_fd(&fd);
	return 0;
}

static int open_data(int dir, int *ret)
{
	_close_ int fd = openat(dir, "data", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
				0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	/* a helper of somebody who was killed may still be at its last bytes */
	if (flock(fd, LOCK_EX) < 0)
		return -errno;
	*ret = take_fd(&fd);
	return 0;
}

int store_partial_open(struct store *s, const char *name, struct store_partial *ret,
		       struct error *err)
{
	_store_partial_ struct store_partial p = STORE_PARTIAL_NONE;
	_close_ int parent = open_parent(s, true);
	int r = STORE_MISSING;

	if (parent < 0)
		return error_set(err, parent, "cannot make %s/%s", s->path, directory_name);
	make_key(p.key, name);
	for (int i = 0; i < OPEN_TRIES && r == STORE_MISSING; i++) {
		cleanup_close(&p.dir);
		r = open_locked(parent, p.key, &p.dir);
		if (r == 0)
			r = open_data(p.dir, &p.data);
		if (r == -ENOENT) /* somebody removed it in spite of the lock */
			r = STORE_MISSING;
	}
	if (r == -EINTR)
		return error_set(err, r,
				 "interrupted while another process was downloading the same.");
	if (r != 0)
		return error_set(err, r < 0 ? r : -EAGAIN, "cannot open the download %s/%s/%s",
				 s->path, directory_name, p.key);
	*ret = p;
	p = (struct store_partial)STORE_PARTIAL_NONE;
	return 0;
}

int store_partial_read(const struct store_partial *p, char **ret, size_t *ret_len,
		       struct error *err)
{
	int r = file_read(p->dir, "state", STATE_BYTES, ret, ret_len);

	if (r == -ENOENT) {
		*ret = NULL;
		*ret_len = 0;
		return 0;
	}
	return r < 0 ? error_set(err, r, "cannot read the state of the download %s", p->key) : 0;
}

int store_partial_write(const struct store_partial *p, const char *state, size_t len,
			struct error *err)
{
	int r = fdatasync(p->data) < 0 ? -errno : 0;

	if (r == 0)
		r = file_write(p->dir, "state", state, len, 0600, FILE_SYNC);
	return r < 0 ? error_set(err, r, "cannot keep the download %s", p->key) : 0;
}

bool store_partial_is_taken(const struct store_partial *p)
{
	struct stat st;

	return fstat(p->data, &st) == 0 && st.st_nlink > 1;
}

int store_partial_fresh(struct store_partial *p, struct error *err)
{
	static const char *const names[] = { "state", "data" };
	int data = -1, r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names); i++)
		if (unlinkat(p->dir, names[i], 0) < 0 && errno != ENOENT)
			r = -errno;
	if (r == 0)
		r = open_data(p->dir, &data);
	if (r < 0)
		return error_set(err, r, "cannot begin the download %s anew", p->key);
	cleanup_close(&p->data);
	p->data = data;
	return 0;
}

int store_partial_link(const struct store_partial *p, const struct store_staged *staged,
		       const char *name, struct error *err)
{
	if (linkat(p->dir, "data", staged->fd, name, 0) < 0)
		return error_set(err, -errno, "cannot take the download %s over as %s", p->key,
				 name);
	return 0;
}

void store_partial_remove(struct store *s, struct store_partial *p)
{
	_close_ int parent = p->dir < 0 ? -1 : open_parent(s, false);

	if (parent >= 0)
		(void)!path_remove_tree(parent, p->key); /* or store_partial_collect() does it */
	store_partial_close(p);
}

void store_partial_close(struct store_partial *p)
{
	cleanup_close(&p->data);
	cleanup_close(&p->dir);
}

/* ---- those that nobody went on with ---------------------------------------------------------- */

struct collection {
	int64_t older_than_ns;
	unsigned n;
};

/* The last time that anybody wrote to it. */
static int64_t last_use_ns(int dir)
{
	static const char *const names[] = { ".", "data", "state" };
	int64_t latest = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct stat st;
		int64_t t;

		if (fstatat(dir, names[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		t = st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec;
		if (t > latest)
			latest = t;
	}
	return latest;
}

/* Is anybody at it? The locks are held until the descriptors are closed. */
static bool is_held(int dir, int *ret_data)
{
	if (flock(dir, LOCK_EX | LOCK_NB) < 0)
		return true;
	*ret_data = openat(dir, "data", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return *ret_data >= 0 && flock(*ret_data, LOCK_EX | LOCK_NB) < 0;
}

static int collect_entry(int parent, const char *name, void *arg)
{
	_close_ int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct collection *c = arg;
	_close_ int data = -1;
	int64_t now = time_now_ns(), used;
	int r;

	if (fd < 0 && errno != ENOTDIR && errno != ELOOP)
		return errno == ENOENT ? 0 : -errno;
	if (fd >= 0) {
		if (is_held(fd, &data))
			return 0;
		used = last_use_ns(fd);
		if (now < used || now - used < c->older_than_ns)
			return 0;
		r = is_linked(parent, name, fd);
		if (r <= 0)
			return r;
	}
	r = path_remove_tree(parent, name);
	if (r == 0)
		c->n++;
	return r;
}

int store_partial_collect(struct store *s, int64_t older_than_ns, unsigned *ret_n,
			  struct error *err)
{
	struct collection c = { .older_than_ns = older_than_ns };
	_close_ int parent = open_parent(s, false);
	int r = parent == -ENOENT ? 0 : parent < 0 ? parent : dir_each(parent, collect_entry, &c);

	if (r < 0)
		return error_set(err, r, "cannot clean %s/%s", s->path, directory_name);
	if (ret_n)
		*ret_n = c.n;
	return 0;
}
