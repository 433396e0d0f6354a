#pragma once
/*
 * A file is copied into the store, and what arrived there is read while the rest is on its way.
 *
 * A process of its own copies, through memory that whoever reads can see and nobody else can write
 * (kernel/ring.h): so the store and the reader get the same bytes, whatever becomes of the original
 * meanwhile. The copy goes past the page cache (O_DIRECT, open(2)), or leaves it as it comes to the
 * disk where the file system knows no other way: nobody reads it soon, and the tree that is made of
 * it has better use for the memory. A small file is copied at once; so is any where the file system
 * can share blocks between files (FICLONE), which is no work at all.
 */
#include "base/base.h"
#include "kernel/kernel.h"

struct feed {
	int pidfd;             /* who copies; -1: the copy is complete */
	struct ring_ends ends; /* for one reader: all that is copied, from the first byte on */
	uint64_t size;
};
#define FEED_NONE                                                  \
	{                                                          \
		.pidfd = -1, .ends = { .sock = -1, .memory = -1 }, \
	}

/* Copies from (a regular file) to to (to be read and written); both are at their beginning. A
 * complete copy is there again; otherwise its first bytes can be read already, and the position of
 * to is that of what was given to the reader, of which it has taken all but 512 KiB at most. */
int feed_begin(struct feed *f, int from, int to, struct error *err) _must_check_;

/* All was read: is all copied? Waits for it. Where this fails, what was read was cut short. */
int feed_finish(struct feed *f, struct error *err) _must_check_;

/* After a failure of whoever read (r): why the copying failed, if that was first; else r. */
int feed_failed(struct feed *f, int r, struct error *err) _must_check_;

void feed_end(struct feed *f);
