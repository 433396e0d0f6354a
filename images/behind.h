#pragma once
/*
 * A tree goes to the disk while it is being written, so that little is left when it is to be
 * durable: a process of its own syncs its file system after every so many bytes, and the one that
 * writes never waits for that.
 *
 * This is about speed alone. Nothing is durable because of it: whoever publishes the tree syncs as
 * if it were not there, by a descriptor that was open before, so that it also hears of what went
 * wrong here. When the process cannot be made or is killed, that last sync takes longer.
 */
#include <stdint.h>

struct behind {
	int pidfd, tell;
	int tree, archive; /* not ours; -1: nothing to sync */
	uint64_t told;     /* bytes */
};
#define BEHIND_NONE                                                 \
	{                                                           \
		.pidfd = -1, .tell = -1, .tree = -1, .archive = -1, \
	}

/* So many bytes of the tree were written so far, more or less, and so many are still to come
 * (UINT64_MAX: not known): the nearer the end, the less is left to be synced. archive, which may be
 * on another file system and is complete, starts on its way with the first of them. A small tree is
 * not worth a process. */
void behind_note(struct behind *b, uint64_t bytes, uint64_t left);

/* Ends it, once what it is at is done. */
void behind_end(struct behind *b);
