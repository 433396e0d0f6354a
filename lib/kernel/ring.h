#pragma once
/*
 * A stream of bytes from one process to another through memory that both have: what is written is
 * copied once less than through a pipe, and there is room for much more of it, so that neither side
 * waits because the other has a slow moment.
 *
 * The writer's mapping is the only one that there can ever be to write by: the file is sealed
 * (memfd_create(2), F_SEAL_FUTURE_WRITE) before the reader gets it. So what the writer has put there
 * and looked at, the reader sees as it was, and nobody else has a hand in it.
 *
 * Which bytes are there is said by messages over a socket: from the writer how many it has written
 * since the beginning, from the reader how many of them it has let go of. The reader says so only
 * after a good part of the ring, so its messages are never so many that it would have to wait. The
 * writer trusts it to read no more than is there; a reader that says what cannot be is refused.
 *
 * Errors are negative errno values.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/base.h"

enum { RING_BYTES = 8 << 20 };

/* ---- the writer ------------------------------------------------------------------------------ */

struct ring {
	unsigned char *memory;
	int sock;
	uint64_t written, released; /* bytes since the beginning */
};
#define RING_NONE                           \
	{                                   \
		.memory = NULL, .sock = -1, \
	}

/* Makes one. *ret_sock and *ret_memory are what the reader gets; they become the caller's, who
 * closes them once the reader has them. */
int ring_make(struct ring *r, int *ret_sock, int *ret_memory) _must_check_;

/* Where the next bytes go, all in one piece: how many there may be, 0 when the ring is full. */
size_t ring_room(const struct ring *r, unsigned char **ret);

/* So many bytes are there now: the reader may have them. -EPIPE: there is no reader any more. The
 * caller has SIGPIPE in mind. */
int ring_written(struct ring *r, size_t n) _must_check_;

/* Hears what was let go of: for when there is no room. Waits for it, unless r->sock is readable.
 * -EPIPE: there is no reader any more; -EPROTO: it says what cannot be. */
int ring_hear(struct ring *r) _must_check_;

/* Nothing more comes. The reader gets what is there, and then the end. */
void ring_end(struct ring *r);

/* For after the reader has ended: it still says what it lets go of. */
void ring_deinit(struct ring *r);

/* ---- the reader ------------------------------------------------------------------------------ */

struct ring_reader {
	const unsigned char *memory;
	int sock;
	uint64_t there, taken, said; /* bytes since the beginning */
	bool ended;
};

/* With what ring_make() gave. The descriptor of the memory is not needed afterwards; sock stays the
 * caller's. */
int ring_open(struct ring_reader *r, int sock, int memory) _must_check_;

/* Some bytes, all in one piece, which are there until the next call: how many, 0 at the end. It waits
 * until there are a good many. SIGPIPE when the writer has gone without a word. */
ssize_t ring_next(struct ring_reader *r, const void **ret) _must_check_;

void ring_close(struct ring_reader *r);
