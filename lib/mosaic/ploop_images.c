#include "mosaic/ploop_images.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { EXCHANGE = 2 }; /* RENAME_EXCHANGE, which only newer C libraries declare */

static void number(char text[PLOOP_NUMBER], size_t n)
{
	snprintf(text, PLOOP_NUMBER, "%u", (unsigned)(n % 1000));
}

void ploop_images_close(struct ploop_images *p)
{
	for (size_t i = 0; i < p->n; i++)
		cleanup_close(&p->fds[i]);
	p->n = 0;
	cleanup_close(&p->dirfd);
}

/* Is there an image of that number? */
static bool has(int dirfd, size_t n)
{
	char name[PLOOP_NUMBER];

	number(name, n);
	return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int open_number(int dirfd, size_t n, bool writable)
{
	char name[PLOOP_NUMBER];
	int fd;

	number(name, n);
	fd = openat(dirfd, name, (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int ploop_images_open(int dirfd, const char *name, bool writable, struct ploop_images *ret)
{
	_ploop_images_ struct ploop_images p = PLOOP_IMAGES_NONE;

	p.dirfd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (p.dirfd < 0)
		return -errno;
	for (;;) {
		bool last = !has(p.dirfd, p.n + 1);
		int fd;

		if (p.n == PLOOP_IMAGES_MAX)
			return -E2BIG;
		fd = open_number(p.dirfd, p.n, writable && last);
		if (fd < 0)
			return fd;
		p.fds[p.n++] = fd;
		if (last)
			break;
	}
	*ret = p;
	p = (struct ploop_images)PLOOP_IMAGES_NONE;
	return 0;
}

/* A complete image with no name yet but "new"; its descriptor. */
static int make_new(int dirfd, uint64_t bytes, uint64_t room_for)
{
	_close_ int fd = -1;
	int r;

	if (unlinkat(dirfd, "new", 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(dirfd, "new", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = fd < 0 ? -errno : ploop_image_make(fd, bytes, room_for);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r < 0 ? r : take_fd(&fd);
}

static int name_new(int dirfd, size_t n)
{
	char name[PLOOP_NUMBER];

	number(name, n);
	return renameat(dirfd, "new", dirfd, name) < 0 ? -errno : sync_dir(dirfd);
}

int ploop_images_push(struct ploop_images *p, uint64_t bytes, uint64_t room_for)
{
	_close_ int fd = p->n < PLOOP_IMAGES_MAX ? make_new(p->dirfd, bytes, room_for) : -E2BIG;
	int r = fd < 0 ? fd : name_new(p->dirfd, p->n);

	if (r == 0)
		p->fds[p->n++] = take_fd(&fd);
	return r;
}

static int make_directory(int dirfd, const char *name)
{
	int fd = volume_mkdir(dirfd, name, 0700);

	if (fd == 0)
		fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? (fd == -1 ? -errno : fd) : fd;
}

int ploop_images_make(int dirfd, const char *name, uint64_t bytes)
{
	_ploop_images_ struct ploop_images p = PLOOP_IMAGES_NONE;

	p.dirfd = make_directory(dirfd, name);
	return p.dirfd < 0 ? p.dirfd : ploop_images_push(&p, bytes, 0);
}

static int link_image(const struct ploop_images *from, size_t i, int dirfd, size_t to)
{
	char old[PLOOP_NUMBER], new[PLOOP_NUMBER];

	number(old, i);
	number(new, to);
	return linkat(from->dirfd, old, dirfd, new, 0) < 0 ? -errno : 0;
}

int ploop_images_link(const struct ploop_images *from, size_t n, int dirfd, const char *name)
{
	_close_ int dir = make_directory(dirfd, name);
	int r = dir < 0 ? dir : 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = link_image(from, i, dir, i);
	return r == 0 ? sync_dir(dir) : r;
}

int ploop_images_size(const struct ploop_images *p, uint64_t *ret)
{
	struct ploop_header h;
	int r = ploop_image_header(p->fds[p->n - 1], &h, NULL);

	if (r == 0)
		*ret = h.sectors * PLOOP_SECTOR;
	return r;
}

int ploop_images_recover(int dirfd, const char *name, struct error *err)
{
	_ploop_images_ struct ploop_images p = PLOOP_IMAGES_NONE;
	_ploop_chain_ struct ploop_chain *chain = NULL;
	struct ploop_header h;
	size_t n;
	int r = ploop_images_open(dirfd, name, true, &p);

	if (r < 0)
		return error_set(err, r, "cannot open the images");
	r = ploop_image_header(p.fds[p.n - 1], &h, err);
	if (r < 0 || h.in_use != PLOOP_IN_USE)
		return r;
	n = p.n;
	p.n = 0; /* they are the chain's */
	return ploop_chain_open(p.fds, n, true, &chain, err);
}

int ploop_images_replace(int dirfd, const char *name, const char *other)
{
	int r = syscall(SYS_renameat2, dirfd, other, dirfd, name, EXCHANGE) < 0 ? -errno
										: sync_dir(dirfd);

	return r == 0 ? path_remove_tree(dirfd, other) : r;
}

/* ---- depth ----------------------------------------------------------------------------------- */

/* The directory "other": images 0 .. from - 1, the merged ones, and the rest. */
static int make_merged(const struct ploop_images *p, size_t from, size_t to, int dirfd,
		       struct error *err)
{
	_close_ int dir = -1, merged = -1;
	struct ploop_header h;
	int r = path_remove_tree(dirfd, "other");

	if (r == 0)
		r = ploop_images_link(p, from, dirfd, "other");
	if (r == 0)
		r = ploop_image_header(p->fds[to - 1], &h, NULL);
	if (r == 0) {
		dir = openat(dirfd, "other", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		merged = dir < 0 ? -errno
				 : make_new(dir, h.sectors * PLOOP_SECTOR,
					    (uint64_t)ploop_room(&h) * PLOOP_CLUSTER);
		r = merged;
	}
	if (r < 0)
		return error_set(err, r, "cannot make a place for merged images");
	r = ploop_merge(p->fds + from, to - from, merged, err);
	if (r < 0)
		return r;
	r = name_new(dir, from);
	for (size_t i = to; i < p->n && r == 0; i++)
		r = link_image(p, i, dir, from + 1 + i - to);
	if (r == 0)
		r = sync_dir(dir);
	return r < 0 ? error_set(err, r, "cannot put merged images in order") : 0;
}

int ploop_images_make_room(int dirfd, const char *name, struct error *err)
{
	_ploop_images_ struct ploop_images p = PLOOP_IMAGES_NONE;
	bool data = str_eq(name, "data");
	int r = ploop_images_open(dirfd, name, false, &p);

	if (r < 0)
		return error_set(err, r, "cannot open the images");
	if (p.n < PLOOP_DEPTH_MAX)
		return 0;
	r = make_merged(&p, p.n / 2, data ? p.n - 1 : p.n, dirfd, err);
	if (r == 0) {
		r = ploop_images_replace(dirfd, name, "other");
		if (r < 0)
			error_set(err, r, "cannot put merged images in the place of the old");
	}
	if (r < 0)
		(void)!path_remove_tree(dirfd, "other");
	return r;
}
