#include "images/unpack/whiteout.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { ENTRIES_BYTES = 2048 };

/* A directory that is being cleared. */
struct clearing {
	struct place *place;
	int fd;
	ino_t ino;
	unsigned depth;
	bool changed;
};

static int clear(struct clearing *c);

/* One that this layer made too: lower layers may have something below it. */
static int clear_below(struct place *p, int fd, const char *name, unsigned depth)
{
	_close_ int child = path_open(fd, name, PATH_NO_MOUNTS, O_RDONLY | O_DIRECTORY, 0);
	struct clearing c = { .place = p, .fd = child, .depth = depth };
	struct timespec times[] = { { .tv_nsec = UTIME_OMIT }, { 0 } };
	struct stat st;
	int r;

	if (child == -ENOTDIR || child == -ELOOP) /* a file, a link */
		return 0;
	if (child < 0)
		return child;
	if (fstat(child, &st) < 0)
		return -errno;
	c.ino = st.st_ino;
	times[1] = st.st_mtim;
	r = clear(&c);
	if (r == 0 && c.changed && futimens(child, times) < 0)
		r = -errno;
	return r;
}

static int clear_entry(struct clearing *c, const struct dirent *entry)
{
	const char *name = entry->d_name;

	if (str_eq(name, ".") || str_eq(name, ".."))
		return 0;
	if (!place_has_made(c->place, c->ino, name)) {
		c->changed = true;
		return path_remove_tree(c->fd, name);
	}
	if (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)
		return 0;
	/* links may have led deeper than one path can name */
	return c->depth >= LIMIT_ARCHIVE_DEPTH ? -ENAMETOOLONG
					       : clear_below(c->place, c->fd, name, c->depth + 1);
}

/* Once for each directory: what is gone does not come back, and no archive can ask for the same
 * work again and again. */
static int clear(struct clearing *c)
{
	char entries[ENTRIES_BYTES] __attribute__((aligned(__alignof__(struct dirent))));
	int r;

	if (place_is_own(c->place, c->ino))
		return 0;
	r = place_set_own(c->place, c->ino);
	while (r == 0) {
		long n = syscall(SYS_getdents64, c->fd, entries, sizeof(entries));

		if (n <= 0)
			return n == 0 ? 0 : -errno;
		for (long at = 0; r == 0 && at < n;) {
			const struct dirent *entry = (const struct dirent *)(entries + at);

			r = clear_entry(c, entry);
			at += entry->d_reclen;
		}
	}
	return r;
}

int whiteout_file(struct place *p, const char *path, struct error *err)
{
	const char *name;
	int r = place_look(p, path, &name, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (place_has_made(p, p->ino, name)) {
		r = clear_below(p, p->fd, name, 1);
	} else {
		p->changed = true;
		r = path_remove_tree(p->fd, name);
	}
	return r < 0 ? place_fail(err, r, path, "remove") : 0;
}

int whiteout_beside(struct place *p, const char *path, struct error *err)
{
	const char *name;
	struct clearing c = { .place = p };
	int r = place_look(p, path, &name, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	/* of its own: where reading has got to belongs to the descriptor */
	c.fd = path_open(p->fd, ".", PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);
	if (c.fd < 0)
		return place_fail(err, c.fd, path, "clear the directory of");
	c.ino = p->ino;
	r = clear(&c);
	p->changed = p->changed || c.changed;
	close(c.fd);
	return r < 0 ? place_fail(err, r, path, "clear the directory of") : 0;
}
