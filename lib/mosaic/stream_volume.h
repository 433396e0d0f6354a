#pragma once
/*
 * Volumes at either end of a stream: what they are known by, their content opened, and what is
 * kept of a stream that broke off. In a volume's directory:
 *
 *	id		32 hex digits: what its content is known by. Made at the first send; of a
 *			volume that can be written to, at every one that is not resumed
 *	received	the same of what it was received as, and known by then
 *	receiving	in staging: how far a stream came, for whom (JSON; struct receive_state)
 *	spool		in staging: a driver's own stream, until it is there as a whole
 */
#include "mosaic/driver.h"
#include "mosaic/stream_tree.h"

/* ---- stream_volume.c ------------------------------------------------------------------------- */

enum { STREAM_ID_TEXT = STREAM_ID + 1 };

/* The identity of a volume's content; it gets one. again: a stream of it is resumed. */
int stream_identity(const struct volume *v, bool again, char ret[STREAM_ID_TEXT], struct error *err)
	_must_check_;

/* The read-only volume with that identity. -ENOENT with a sentence that says sought. */
int stream_find_volume(const struct mosaic *m, const char *id, const char *sought,
		       char ret[MOSAIC_NAME_MAX + 1], struct error *err) _must_check_;

/* What a volume directory in staging is. *ret->dirfd is the caller's. */
int stream_look(int dirfd, const char *name, struct volume *ret) _must_check_;

/* The content of a volume that is open: its root directory, or its device. */
struct stream_content {
	int fd;
	int hold; /* the detached mount, or what keeps the device */
};
#define STREAM_CONTENT_CLOSED        \
	{                            \
		.fd = -1, .hold = -1 \
	}
int stream_open_content(struct mosaic *m, const struct volume *v, bool writable,
			struct stream_content *ret, struct error *err) _must_check_;
void stream_content_close(struct stream_content *c);
#define _stream_content_ _cleanup_(stream_content_close)

/* A copy of from as a new volume directory in staging. */
int stream_copy(struct mosaic *m, const struct volume *from, bool read_only,
		struct mosaic_staged *ret, struct error *err) _must_check_;

/* Turns the "data" that was filled into a read-only volume; goes on where that was interrupted. */
int stream_seal(struct mosaic *m, int dirfd, struct error *err) _must_check_;

/* ---- receive_state.c ------------------------------------------------------------------------- */

struct receive_state {
	char name[MOSAIC_NAME_MAX + 1];
	uint8_t id[STREAM_DIGEST];
	struct stream_position at;
	struct apply_cursor cursor;
	uint64_t content; /* bytes told of so far; of a native stream, in the spool */
};

int receive_state_write(int dirfd, const struct receive_state *s) _must_check_;

/* MOSAIC_NO_STATE (1) when there is none, or none that can be read. */
int receive_state_read(int dirfd, struct receive_state *ret) _must_check_;

/* The staged directory in which a stream for name broke off, locked; MOSAIC_NO_STATE (1) when there
 * is none; -EBUSY while it is being received. ret is the caller's to discard or to close. */
int receive_state_find(struct mosaic *m, const char *name, struct mosaic_staged *ret,
		       struct receive_state *ret_state, struct error *err) _must_check_;
