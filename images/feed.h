#pragma once
/*
 * A file is copied into the store, and what arrived there is read while the rest is on its way.
 *
 * A process of its own reads the original once, and hands on what it writes to the copy: a reader
 * of the pipe gets what the copy has, and not what the original has by then, which somebody may be
 * writing to. A small file is copied at once, and nothing is fed; nor where the file system can
 * share blocks between files (FICLONE), which is no work at all.
 */
#include "base/base.h"

struct feed {
	int pidfd; /* who copies; -1: the copy is complete */
	int out;   /* a pipe: all bytes of the copy */
	uint64_t size;
};
#define FEED_NONE                       \
	{                               \
		.pidfd = -1, .out = -1, \
	}

/* Copies from (a regular file) to to. copy is the same file once more, opened by itself to be read,
 * at its beginning: how far it was handed on can be seen by its position. */
int feed_begin(struct feed *f, int from, int to, int copy, struct error *err) _must_check_;

/* All was read: is all copied? Where this fails, what was read was cut short. */
int feed_finish(struct feed *f, struct error *err) _must_check_;

/* After a failure of whoever read (r): why the copying failed, if that was first; else r. */
int feed_failed(struct feed *f, int r, struct error *err) _must_check_;

void feed_end(struct feed *f);
