#pragma once
/*
 * A file is copied into the store, and what arrived there is read while the rest is on its way.
 *
 * A process of its own copies, and says how far it has come; whoever reads the copy reads no
 * further (base/growing.h). A small file is copied at once; so is any where the file system can
 * share blocks between files (FICLONE), which is no work at all.
 */
#include "base/base.h"

struct feed {
	int pidfd; /* who copies; -1: the copy is complete */
	int told;  /* a pipe: how many bytes are there (growing.h); -1: likewise */
	uint64_t size;
};
#define FEED_NONE                        \
	{                                \
		.pidfd = -1, .told = -1, \
	}

/* Copies from (a regular file) to to; both are at their beginning. */
int feed_begin(struct feed *f, int from, int to, struct error *err) _must_check_;

/* All was read: is all copied? Waits for it. Where this fails, what was read was cut short. */
int feed_finish(struct feed *f, struct error *err) _must_check_;

/* After a failure of whoever read (r): why the copying failed, if that was first; else r. */
int feed_failed(struct feed *f, int r, struct error *err) _must_check_;

void feed_end(struct feed *f);
