#pragma once
/*
 * A file that is read while another process still writes to its end. The writer says how many bytes
 * are there by a pipe: a uint64_t at a time, native byte order, each no less than the one before.
 * The end of the pipe says that the file is complete, or that no more will come of it.
 *
 * The descriptor of the file is at the first byte to be read, and moves on.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

struct growing {
	int file, told; /* told -1: it is complete */
	uint64_t there, taken;
	bool complete;
};

/* Both descriptors stay the caller's. */
void growing_init(struct growing *g, int file, int told);

/* Is there something that can be read without waiting, or the end? */
bool growing_is_ready(const struct growing *g);

/* Hears of more: for when it is not ready. Waits, unless told is readable. */
int growing_listen(struct growing *g) _must_check_;

/* Up to max bytes: their number, 0 at the end, or a negative errno. Waits until there are some. */
ssize_t growing_read(struct growing *g, void *to, size_t max) _must_check_;
