#pragma once
/*
 * A stream of bytes from one process to another through memory that both have: what is written is
 * copied less often than through a pipe, and there is room for much more of it, so that neither
 * side waits because the other has a slow moment.
 *
 * One of the two makes the ring, and what the other may do depends on which one it is:
 *
 *	the writer	it is the only one that can ever write there (memfd_create(2),
 *			F_SEAL_FUTURE_WRITE): what it has put there and looked at, the reader sees
 *			as it was, and nobody else has a hand in it
 *	the reader	the writer, which it need not trust, can change what it has given: the
 *			reader copies first and judges then. Neither can make the memory smaller
 *
 * Which bytes are there is said by messages over a socket: from the writer how many it has written
 * since the beginning, from the reader how many of them it has let go of. The reader says so only
 * after a certain part of the ring, so its messages are never so many that it would have to wait. A
 * side that says what cannot be is refused. Messages are sent by write(2), which those have who may
 * call little: SIGPIPE, where the other side has gone, is the caller's matter.
 *
 * Errors are negative errno values: -EPIPE for another side that has gone, -EPROTO for one that
 * says what cannot be.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/base.h"

/* What the other side gets, as descriptors 0 or 1 and another. They become the caller's, who closes
 * them once it has them. */
struct ring_ends {
	int sock, memory;
};
#define RING_ENDS_NONE                    \
	{                                 \
		.sock = -1, .memory = -1, \
	}
void ring_ends_close(struct ring_ends *e);
#define _ring_ends_ _cleanup_(ring_ends_close)

/* ---- the writer ------------------------------------------------------------------------------ */

struct ring {
	unsigned char *memory;
	size_t size;
	int sock;
	uint64_t written, released; /* bytes since the beginning */
};
#define RING_NONE                           \
	{                                   \
		.memory = NULL, .sock = -1, \
	}

/* size: a multiple of the page size. */
int ring_make(struct ring *r, size_t size, struct ring_ends *ret) _must_check_;

/* The writer of a ring that the reader made. The descriptor of the memory is not needed afterwards;
 * sock stays the caller's. */
int ring_join(struct ring *r, const struct ring_ends *ends) _must_check_;

/* Where the next bytes go, all in one piece: how many there may be, 0 when the ring is full. */
size_t ring_room(const struct ring *r, unsigned char **ret);

/* So many bytes are there now: the reader may have them. */
int ring_written(struct ring *r, size_t n) _must_check_;

/* Hears what was let go of: for when there is no room. Waits for it, unless r->sock is readable. */
int ring_hear(struct ring *r) _must_check_;

/* Nothing more comes. The reader gets what is there, and then the end. */
void ring_end(struct ring *r);

/* For after the reader has ended: it still says what it lets go of. The socket is closed. */
void ring_deinit(struct ring *r);

/* ---- the reader ------------------------------------------------------------------------------ */

struct ring_reader {
	const unsigned char *memory;
	size_t size;
	int sock;
	uint64_t there, taken, said; /* bytes since the beginning */
	size_t given;                /* by ring_next() */
	bool ended;                  /* no more comes than is there */
};
#define RING_READER_NONE                    \
	{                                   \
		.memory = NULL, .sock = -1, \
	}

int ring_make_reader(struct ring_reader *r, size_t size, struct ring_ends *ret) _must_check_;

/* The reader of a ring that the writer made; otherwise as ring_join(). */
int ring_open(struct ring_reader *r, const struct ring_ends *ends) _must_check_;

/* The bytes that are there, all in one piece: how many, 0 when none are. */
size_t ring_there(const struct ring_reader *r, const unsigned char **ret);

/* So many of them are done with. It is no error that there is no writer any more. */
int ring_taken(struct ring_reader *r, size_t n) _must_check_;

/* Hears of more, or of the end: for when none are there. Waits, unless r->sock is readable. */
int ring_listen(struct ring_reader *r) _must_check_;

/* All three in one: some bytes, which are there until the next call; how many, 0 at the end. It
 * waits until there are a good many. */
ssize_t ring_next(struct ring_reader *r, const void **ret) _must_check_;

/* The socket is closed. */
void ring_close(struct ring_reader *r);
