#pragma once
/*
 * The stream that mosaic_send() writes and mosaic_receive() reads. All numbers are little-endian.
 *
 *	"MOSAICST", u32 version (1), u32 length, JSON object (struct stream_header), its SHA-256
 *	frame ...
 *	frame END
 *
 * A frame is u32 type, u32 length of the payload, SHA-256 of these and of the payload, payload.
 * Each frame's digest is in its head, and the heads are chained: chain(0) = SHA-256 of all before
 * the first frame, chain(n) = SHA-256 of chain(n-1) and the head of frame n. So 32 bytes say what
 * all of a stream up to some frame was, and one can go on from there. chain(0) is the identity of
 * the stream. END has the number of frames and of bytes before it (u64 both) and their chain.
 *
 * A stream is a function of the content of the volumes: names are sorted, data goes in aligned
 * chunks without the pages that are zero. So a stream that broke off is made again, goes nowhere as
 * far as the other end has it, and is compared there with the chain that the other end told. It
 * then has the frame RESUME, which is in no chain, behind its header: what END has, of the place
 * where it goes on.
 *
 * In a portable stream the frames are records that walk a tree depth first. There is a current
 * directory, the root at first, and within one the names only go up (as bytes; a REMOVE may have
 * the same name as the record after it). A record has a name in the current directory, never a
 * path; so there is no way to say a place outside the volume.
 *
 *	DIRECTORY name		a new directory, the current one now
 *	ENTER name		the same for one that is there (*)
 *	LEAVE attributes	of the current directory; its parent is the current one then
 *	REMOVE name		with all below it (*)
 *	FILE name size		a new file, a hole at first, which is open now
 *	PATCH name size		a file that is there, of that size from now on; open now (*)
 *	DATA offset bytes	of the open file; offsets go up
 *	ZERO offset length	likewise
 *	DONE attributes		of the open file, which is complete
 *	LINK name target	a hard link; target is a path from the root, without links
 *	SYMLINK name target attributes
 *	NODE name type major minor attributes
 *				a fifo, socket or device; type as in st_mode
 *	CHANGE name attributes	of what is there and no directory (*)
 *
 * (*) In incremental streams alone. The LEAVE of the root is the last record. In the stream of a
 * raw volume the device is the open file from the beginning, and nothing has a name. In a native
 * stream all frames are NATIVE: the driver's own bytes, cut anywhere.
 *
 * Names and targets have their length in front as u16. Offsets, sizes and lengths are u64; type,
 * major and minor u32. Attributes are u32 mode (07777), u32 uid, u32 gid, s64 and u32 time of
 * modification, u32 number of extended attributes, and each of these u16 length, name, u32 length,
 * value; their names go up.
 */
#include <sys/stat.h>

#include "base/base.h"
#include "mosaic/mosaic.h"

enum {
	STREAM_VERSION = 1,
	STREAM_DIGEST = 32,
	STREAM_HEAD = 8 + STREAM_DIGEST, /* of a frame */
	STREAM_PAGE = 4096,              /* data is compared by these */
};

enum stream_type {
	STREAM_DIRECTORY = 1,
	STREAM_ENTER,
	STREAM_LEAVE,
	STREAM_REMOVE,
	STREAM_FILE,
	STREAM_PATCH,
	STREAM_DATA,
	STREAM_ZERO,
	STREAM_DONE,
	STREAM_LINK,
	STREAM_SYMLINK,
	STREAM_NODE,
	STREAM_CHANGE,
	STREAM_NATIVE,
	STREAM_RESUME,
	STREAM_END,
};

/* ---- header: stream_header.c ----------------------------------------------------------------- */

enum { STREAM_ID = 32 }; /* hex digits of a content's identity */

struct stream_header {
	char *volume;     /* the sender's name for it, for people: odd bytes as \xNN */
	char *since_name; /* likewise; NULL: the stream is complete */
	char *id;         /* identity of the content */
	char *since;      /* of the content that it is based on, or NULL */
	char *stream;     /* "portable", or the name of a driver's own stream */
	char *fs;         /* of the sender's volume; "" for directories */
	bool raw;
	int64_t size;    /* of the device or quota; 0: none */
	int64_t content; /* bytes of all files, holes included: for progress and for making room */
	int64_t entries; /* files and directories */
};
void stream_header_deinit(struct stream_header *h);
#define _stream_header_ _cleanup_(stream_header_deinit)

int stream_header_encode(const struct stream_header *h, char **ret, struct error *err) _must_check_;
int stream_header_decode(struct stream_header *ret, const char *text, size_t len, struct error *err)
	_must_check_;

/* ---- frames: stream_write.c, stream_read.c --------------------------------------------------- */

/* A place between two frames. */
struct stream_position {
	uint64_t frames, bytes; /* before it, as of a stream that was not broken off */
	uint8_t chain[STREAM_DIGEST];
};

/* Where a stream is resumed, as text: the token of mosaic_receive_state(). */
void stream_token(char dst[MOSAIC_TOKEN_MAX], const uint8_t id[STREAM_DIGEST],
		  const struct stream_position *at);
int stream_token_parse(const char *token, uint8_t id[STREAM_DIGEST], struct stream_position *ret)
	_must_check_;

/* How far it is, told now and then. */
struct stream_progress {
	const struct mosaic_progress *user; /* NULL: nobody */
	uint64_t done, total, told;
};
/* 0, or -ECANCELED. now: even if it was told a moment ago. */
int stream_progress(struct stream_progress *p, uint64_t more, bool now) _must_check_;

struct stream_writer {
	int fd;
	uint8_t id[STREAM_DIGEST];
	struct stream_position at;
	struct stream_position resume;
	bool skipping; /* the other end has this already */
	struct stream_progress *progress;
	uint8_t *out;
	size_t n_out;
};

/* Writes the header. token: NULL, or where the other end wants to go on; -ESTALE when it is about
 * another stream. progress outlives the writer. */
int stream_writer_begin(struct stream_writer *w, int fd, const struct stream_header *h,
			const char *token, struct stream_progress *progress, struct error *err)
	_must_check_;

/* A frame whose payload is head and body. -ESTALE when the other end had something else here. */
int stream_write(struct stream_writer *w, enum stream_type type, const struct buf *head,
		 const void *body, size_t len, struct error *err) _must_check_;

int stream_writer_end(struct stream_writer *w, struct error *err) _must_check_;
void stream_writer_deinit(struct stream_writer *w);
#define _stream_writer_ _cleanup_(stream_writer_deinit)

struct stream_reader {
	int fd;
	uint8_t id[STREAM_DIGEST];
	struct stream_position at; /* behind the frame that was read last */
	bool resumed;              /* at began somewhere else than at the beginning */
	int (*idle)(void *arg, struct error *err); /* nothing came for a second; NULL: wait */
	void *arg;
	uint8_t *in;
	size_t first, n_in;
};

struct stream_frame {
	uint32_t type;
	const uint8_t *data; /* until the next one is read */
	size_t len;
};

/* Reads the header, and the frame RESUME when there is one. It may read past the end of the stream
 * later. */
int stream_reader_begin(struct stream_reader *r, int fd, struct stream_header *ret,
			struct error *err) _must_check_;

/* 1 and a frame whose digest is right; 0 at an END that is right; -EBADMSG for what is damaged,
 * -EPIPE where the stream breaks off. */
int stream_read(struct stream_reader *r, struct stream_frame *ret, struct error *err) _must_check_;
void stream_reader_deinit(struct stream_reader *r);
#define _stream_reader_ _cleanup_(stream_reader_deinit)

/* ---- records: stream_record.c ---------------------------------------------------------------- */

struct stream_attributes {
	uint32_t mode, uid, gid;
	int64_t seconds;
	uint32_t nanoseconds;
	uint32_t n_xattrs;
	const uint8_t *xattrs; /* encoded; sound when decoded */
	size_t xattrs_len;
};

struct stream_xattr {
	char name[LIMIT_NAME_BYTES + 1];
	const uint8_t *value;
	size_t len;
};

/* Steps through them: at is 0 at first. False behind the last. */
bool stream_next_xattr(const struct stream_attributes *a, size_t *at, struct stream_xattr *ret);

struct stream_record {
	enum stream_type type;
	char name[LIMIT_NAME_BYTES + 1];
	char target[LIMIT_PATH_BYTES]; /* LINK, SYMLINK */
	uint64_t size;                 /* FILE, PATCH; ZERO: the length */
	uint64_t offset;               /* DATA, ZERO */
	const uint8_t *data;           /* DATA */
	size_t len;
	uint32_t node, major, minor; /* NODE: S_IFMT bits */
	struct stream_attributes attributes;
};

/* -EBADMSG, with a sentence, for what is no record. */
int stream_record_decode(struct stream_record *ret, const struct stream_frame *frame,
			 struct error *err) _must_check_;

/* All of it but data. -E2BIG: it does not go into a frame. */
int stream_record_encode(const struct stream_record *r, struct buf *b) _must_check_;

/* A link's target, or anything that must be a path below the root: no empty, "." or ".." parts. */
bool stream_path_is_sound(const char *path);

/* Does that extended attribute belong to the file? Those of the user, of security modules, ACLs and
 * trusted ones do; overlayfs's own say something about a layer. */
bool stream_xattr_is_kept(const char *name);

/* Names and values as encoded in attributes. */
int stream_put_xattr(struct buf *b, const char *name, const void *value, size_t len) _must_check_;

/* ---- numbers --------------------------------------------------------------------------------- */

static inline void stream_put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static inline void stream_put64(uint8_t *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static inline uint32_t stream_get32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t stream_get64(const uint8_t *p)
{
	return stream_get32(p) | (uint64_t)stream_get32(p + 4) << 32;
}

/* SHA-256 of a and b, one after the other. */
void stream_sha256(uint8_t dst[STREAM_DIGEST], const void *a, size_t a_len, const void *b,
		   size_t b_len);
