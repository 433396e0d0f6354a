#include "cli/volume-plugin/begun.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

static const char directory[] = "volume-plugin";

enum { NOTE_BYTES = MOSAIC_NAME_MAX + 32 };

void begun_close(struct begun *b)
{
	cleanup_close(&b->dirfd);
	cleanup_close(&b->mount_fd);
	*b = (struct begun)BEGUN_CLOSED;
}

/* 1: it is not there, or with LOCK_NB somebody has it. */
static int open_locked(struct mosaic *m, bool make, int lock, struct begun *ret, struct error *err)
{
	_begun_ struct begun b = BEGUN_CLOSED;
	int r = mosaic_mount_metadata(m, NULL, &b.mount_fd, err);

	if (r < 0)
		return r;
	if (make) {
		_close_ int made = path_make_dirs(b.mount_fd, directory);

		if (made < 0)
			return error_set(err, made, "cannot make %s in the metadata of %s",
					 directory, mosaic_location(m));
	}
	b.dirfd = path_open(b.mount_fd, directory, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);
	if (b.dirfd == -ENOENT)
		return 1;
	if (b.dirfd >= 0 && flock(b.dirfd, lock) < 0) {
		if (errno == EWOULDBLOCK)
			return 1;
		r = -errno;
	}
	if (b.dirfd < 0 || r < 0)
		return error_set(err, r < 0 ? r : b.dirfd, "cannot open %s in the metadata of %s",
				 directory, mosaic_location(m));
	*ret = b;
	b = (struct begun)BEGUN_CLOSED;
	return 0;
}

int begun_note(struct begun *ret, struct mosaic *m, const char *volume, const char *from,
	       uint64_t size, struct error *err)
{
	_begun_ struct begun b = BEGUN_CLOSED;
	char note[NOTE_BYTES];
	int r = open_locked(m, true, LOCK_SH, &b, err);

	if (r < 0)
		return r;
	snprintf(note, sizeof(note), "%llu %s", (unsigned long long)size, from);
	if (unlinkat(b.dirfd, volume, 0) < 0 && errno != ENOENT)
		r = -errno;
	if (r == 0 && symlinkat(note, b.dirfd, volume) < 0)
		r = -errno;
	if (r == 0)
		r = sync_dir(b.dirfd);
	if (r < 0)
		return error_set(err, r, "cannot note what is begun in the metadata of %s",
				 mosaic_location(m));
	*ret = b;
	b = (struct begun)BEGUN_CLOSED;
	return 0;
}

void begun_forget(struct begun *b, const char *volume)
{
	/* noted still, it is looked at by the next start, and found finished */
	(void)!unlinkat(b->dirfd, volume, 0);
}

/* ---- what others have begun ------------------------------------------------------------------ */

struct finishing {
	struct mosaic *m;
	void (*complain)(const char *volume, const struct error *why);
};

/* A note that says nothing is none. */
static int read_note(int dirfd, const char *volume, uint64_t *ret_size,
		     char ret_from[MOSAIC_NAME_MAX + 1])
{
	char note[NOTE_BYTES], *from;
	ssize_t n = readlinkat(dirfd, volume, note, sizeof(note) - 1);

	if (n < 0)
		return -errno;
	note[n] = '\0';
	from = strchr(note, ' ');
	if (!from || strlen(from + 1) > MOSAIC_NAME_MAX)
		return -EBADMSG;
	*from++ = '\0';
	snprintf(ret_from, MOSAIC_NAME_MAX + 1, "%s", from);
	return str_to_u64(note, INT64_MAX, ret_size);
}

/* One of that name that was made of something else is not the one that was begun. */
static int finish_one(struct mosaic *m, const char *volume, uint64_t size, const char *from,
		      struct error *err)
{
	struct mosaic_volume v;
	int r;

	if (!mosaic_have(m, volume))
		return 0;
	r = mosaic_info(m, volume, &v, err);
	if (r < 0 || v.size == size || !str_eq(v.parent, from))
		return r;
	r = mosaic_resize(m, volume, size, err);
	return r < 0 ? r : mosaic_sync(m, err);
}

static int finish(int dirfd, const char *volume, void *arg)
{
	struct finishing *f = arg;
	struct error err = { 0 };
	char from[MOSAIC_NAME_MAX + 1];
	uint64_t size;

	if (read_note(dirfd, volume, &size, from) == 0 &&
	    finish_one(f->m, volume, size, from, &err) < 0)
		f->complain(volume, &err);
	(void)!unlinkat(dirfd, volume, 0);
	return 0;
}

int begun_finish(struct mosaic *m, void (*complain)(const char *volume, const struct error *why),
		 struct error *err)
{
	struct finishing f = { m, complain };
	_begun_ struct begun b = BEGUN_CLOSED;
	int r = open_locked(m, false, LOCK_EX | LOCK_NB, &b, err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = dir_each(b.dirfd, finish, &f);
	return r < 0 ? error_set(err, r, "cannot list %s in the metadata of %s", directory,
				 mosaic_location(m))
		     : 0;
}
