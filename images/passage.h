#pragma once
/*
 * One tar stream on its way through carob-unpack (images/unpack/unpack.h): one process
 * decompresses, one writes files, and this one hashes what goes from the first to the second. A
 * plain stream needs no first one.
 *
 *	file -> carob-unpack --decompress -> digest here -> carob-unpack MODE -> tree
 *
 * Both ways by shared memory (kernel/ring.h). What the first gives is copied here, where it can
 * change it no more, and hashed; the last reads it where it was hashed.
 *
 * The first half can be started before its turn: it then works until the ring behind it is full.
 */
#include "images/internal.h"
#include "images/unpack/unpack.h"
#include "images/window.h"
#include "kernel/kernel.h"

struct passage {
	const struct images *im;
	struct unpacked *unpacked; /* gets what the writer says */
	struct error *err;
	int decompressor, extractor; /* pidfds */
	int decompressor_says, extractor_says;
	struct stream stream;
	struct ring_reader from; /* from the first to here, or from who writes the file */
	struct ring ring;        /* from here to the last */
	enum window_kind window; /* of what is decompressed */
	bool among_others;       /* set by who starts several at a time: less memory for each */
	bool extracted;          /* everything was said, up to UNPACK_DONE */
	bool decompressed;       /* likewise */
};

void passage_init(struct passage *p, const struct images *im, struct unpacked *unpacked,
		  const struct nettle_hash *hash, struct error *err);

/* Starts on the file, at its beginning; it stays the caller's and must stay open. feed: where it
 * all comes from while it is being written (feed.h), which is taken over; NULL: it is complete. */
int passage_begin(struct passage *p, int file, struct ring_ends *feed, bool compressed)
	_must_check_;

/* All of it into the tree (or nowhere: -1). 0 also when there were faults, which then are in
 * unpacked->faults: nothing else is certain in that case but p->stream.cut. */
int passage_run(struct passage *p, const char *mode, int tree) _must_check_;

/* Ends what still runs. What was not begun: nothing. */
void passage_end(struct passage *p);
