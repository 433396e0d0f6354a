#pragma once
/*
 * The images of a volume of the ploop driver: the directory "tree" or "data" with the files 0 (the
 * base), 1, 2 ... Files are shared between volumes as hard links; all but the last of "data" are
 * never written again.
 */
#include "mosaic/driver.h"
#include "ploop/ploop.h"

enum {
	PLOOP_DEPTH_MAX = 12, /* images of a volume; past that the upper ones are merged */
	PLOOP_NUMBER = 8,     /* the text of a number */
};

struct ploop_images {
	int dirfd; /* the directory */
	int fds[PLOOP_IMAGES_MAX];
	size_t n;
};
#define PLOOP_IMAGES_NONE   \
	{                   \
		.dirfd = -1 \
	}

/* Opens them; writable: the last one for writing. */
int ploop_images_open(int dirfd, const char *name, bool writable, struct ploop_images *ret)
	_must_check_;
void ploop_images_close(struct ploop_images *p);
#define _ploop_images_ _cleanup_(ploop_images_close)

/* Makes the directory with one empty image. */
int ploop_images_make(int dirfd, const char *name, uint64_t bytes) _must_check_;

/* Makes the directory with links to the first n images. */
int ploop_images_link(const struct ploop_images *from, size_t n, int dirfd, const char *name)
	_must_check_;

/* Makes an empty image on top of those in the directory, for a disk of that size that can grow to
 * room_for at least (0: as it comes). It is complete and durable before it has its name. */
int ploop_images_push(struct ploop_images *p, uint64_t bytes, uint64_t room_for) _must_check_;

/* The size of the disk. */
int ploop_images_size(const struct ploop_images *p, uint64_t *ret) _must_check_;

/* What a dead writer has left is put in order; nobody serves them. */
int ploop_images_recover(int dirfd, const char *name, struct error *err) _must_check_;

/* Makes room for one more image: merges the upper half, without the last one if it is being written
 * (data). Nothing is seen of it but a new directory in the place of the old, at once. */
int ploop_images_make_room(int dirfd, const char *name, struct error *err) _must_check_;

/* The directory other takes the place of name, at once and durably; what was there is removed. */
int ploop_images_replace(int dirfd, const char *name, const char *other) _must_check_;
