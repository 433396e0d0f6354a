#pragma once
/*
 * A disk that is a chain of images. A cluster is read from the topmost image that has it; where
 * none has, it reads as zeros. Only the top is written.
 *
 * What survives a power cut is what ploop_chain_sync() has returned for, as with any disk. Data
 * goes into new clusters at the end of the file first; the table that says so is written later, and
 * only after the data is on disk, so that it never points to what is not there. A cluster that is
 * there is written in place. An image that was not closed has clusters at its end that no table
 * knows: they are cut off when it is opened for writing.
 *
 * Discarded ranges become holes in the file, and keep their place in it: a table entry is never
 * taken back. What the base has is covered by an empty cluster.
 *
 * A disk that was made smaller and larger again has zeros where it had data before, though images
 * below have them still.
 *
 * One thread. Functions return 0 or a negative errno unless they say more.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "ploop/format.h"

enum { PLOOP_CHAIN_MAX = 128 }; /* images */

struct ploop_chain;

/* Takes the images, the base first; the descriptors are the chain's then, also on failure. The last
 * is open for writing if writable, and is marked as in use. */
int ploop_chain_open(const int *fds, size_t n, bool writable, struct ploop_chain **ret,
		     struct error *err) _must_check_;

/* Everything is written and the mark taken away, if possible. */
void ploop_chain_close(struct ploop_chain *c);

static inline void ploop_chain_closep(struct ploop_chain **c)
{
	ploop_chain_close(*c);
}
#define _ploop_chain_ _cleanup_(ploop_chain_closep)

uint64_t ploop_chain_size(const struct ploop_chain *c); /* bytes */
bool ploop_chain_is_dirty(const struct ploop_chain *c); /* there is table to be written */

/* Ranges are within the size. */
int ploop_chain_read(struct ploop_chain *c, void *data, size_t len, uint64_t at) _must_check_;
int ploop_chain_write(struct ploop_chain *c, const void *data, size_t len, uint64_t at)
	_must_check_;
int ploop_chain_zero(struct ploop_chain *c, uint64_t at, uint64_t len) _must_check_;
int ploop_chain_sync(struct ploop_chain *c) _must_check_;

/* The disk's new size, a multiple of the cluster. -EFBIG when the top has no room in its table. */
int ploop_chain_resize(struct ploop_chain *c, uint64_t bytes) _must_check_;

/* From now on the disk is this chain, whose content is the same: the old top is among it, complete
 * and closed, and above it an empty one. Otherwise, on failure, nothing has changed. */
int ploop_chain_switch(struct ploop_chain *c, const int *fds, size_t n, struct error *err)
	_must_check_;

/* ---- single images --------------------------------------------------------------------------- */

/* Makes an image of the empty file, for a disk of that size that can grow to at least room_for. */
int ploop_image_make(int fd, uint64_t bytes, uint64_t room_for) _must_check_;

int ploop_image_header(int fd, struct ploop_header *ret, struct error *err) _must_check_;

/* Changes what the header of an image that nobody uses says of its size. What it had beyond is
 * forgotten. -EFBIG when there is no room in its table. */
int ploop_image_set_size(int fd, uint64_t bytes) _must_check_;

/* Every table entry points to a cluster of its own in the file. -EBADMSG says which does not. */
int ploop_image_check(int fd, struct error *err) _must_check_;

/* Puts what the images (the base first) have together into the image to, which is empty and as
 * large as the last: the same disk, as far as these images go. */
int ploop_merge(const int *fds, size_t n, int to, struct error *err) _must_check_;

/* 1 when some cluster from that byte on has data other than zeros, else 0. */
int ploop_has_data_from(const int *fds, size_t n, uint64_t bytes, struct error *err) _must_check_;
