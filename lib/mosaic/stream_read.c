/* Frames in. Nothing of a frame is looked at before its digest was found right. */
#include <nettle/sha2.h>
#include <poll.h>
#include <string.h>

#include "mosaic/stream.h"

enum {
	POSITION_BYTES = 16 + STREAM_DIGEST,
	IN_BYTES = LIMIT_STREAM_FRAME + (256 << 10),
	IDLE_MS = 1000,
};

static int damaged(const struct stream_reader *r, const char *how, struct error *err)
{
	return error_set(err, -EBADMSG, "the stream is damaged: frame %llu, at byte %llu, %s.",
			 (unsigned long long)r->at.frames, (unsigned long long)r->at.bytes, how);
}

static int wait_for_more(struct stream_reader *r, struct error *err)
{
	struct pollfd p = { .fd = r->fd, .events = POLLIN };

	while (r->idle) {
		int n = poll(&p, 1, IDLE_MS);

		if (n > 0)
			break;
		if (n < 0 && errno != EINTR)
			return error_set(err, -errno, "cannot wait for the stream");
		n = r->idle(r->arg, err);
		if (n < 0)
			return n;
	}
	return 0;
}

/* The next len bytes, in one piece; they stay until the next call. 1, or 0 when the stream ends
 * before. */
static int need(struct stream_reader *r, size_t len, const uint8_t **ret, struct error *err)
{
	if (r->first + len > IN_BYTES) {
		memmove(r->in, r->in + r->first, r->n_in - r->first);
		r->n_in -= r->first;
		r->first = 0;
	}
	while (r->n_in - r->first < len) {
		int ready = wait_for_more(r, err);
		ssize_t n;

		if (ready < 0)
			return ready;
		n = read(r->fd, r->in + r->n_in, IN_BYTES - r->n_in);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(err, -errno, "cannot read the stream");
		if (n == 0)
			return 0;
		r->n_in += (size_t)n;
	}
	*ret = r->in + r->first;
	return 1;
}

static int broke_off(const struct stream_reader *r, struct error *err)
{
	return error_set(err, -EPIPE, "the stream breaks off behind frame %llu, at byte %llu.",
			 (unsigned long long)r->at.frames, (unsigned long long)r->at.bytes);
}

/* The same where there has to be more: NULL with a negative *ret when there is not. */
static const uint8_t *take(struct stream_reader *r, size_t len, int *ret, struct error *err)
{
	const uint8_t *p = NULL;

	*ret = need(r, len, &p, err);
	if (*ret == 0)
		*ret = broke_off(r, err);
	if (*ret < 0)
		return NULL;
	r->first += len;
	return p;
}

/* take(), in the header: without a whole one it is no stream. */
static const uint8_t *take_header(struct stream_reader *r, size_t len, int *ret, struct error *err)
{
	const uint8_t *p = take(r, len, ret, err);

	if (!p && *ret == -EPIPE)
		*ret = error_set(err, -EBADMSG,
				 "this is no stream of a volume: it ends before its header does.");
	return p;
}

static int read_header(struct stream_reader *r, struct stream_header *ret, struct error *err)
{
	uint8_t fixed[16], digest[STREAM_DIGEST];
	_stream_header_ struct stream_header h = { 0 };
	const uint8_t *p = NULL;
	struct sha256_ctx ctx;
	uint32_t len;
	int n;

	p = take_header(r, sizeof(fixed), &n, err);
	if (!p)
		return n;
	if (memcmp(p, "MOSAICST", 8) != 0)
		return error_set(err, -EBADMSG, "this is no stream of a volume.");
	if (stream_get32(p + 8) != STREAM_VERSION)
		return error_set(err, -EOPNOTSUPP,
				 "the stream has version %u; this program reads version %d.",
				 stream_get32(p + 8), STREAM_VERSION);
	memcpy(fixed, p, sizeof(fixed));
	len = stream_get32(p + 12);
	if (len > LIMIT_STREAM_HEADER)
		return error_set(err, -EBADMSG, "the stream's header is larger than %d bytes.",
				 LIMIT_STREAM_HEADER);
	p = take_header(r, len + sizeof(digest), &n, err);
	if (!p)
		return n;
	stream_sha256(digest, p, len, NULL, 0);
	if (memcmp(digest, p + len, sizeof(digest)) != 0)
		return error_set(err, -EBADMSG, "the stream is damaged: in its header.");
	sha256_init(&ctx);
	sha256_update(&ctx, sizeof(fixed), fixed);
	sha256_update(&ctx, len + sizeof(digest), p);
	sha256_digest(&ctx, STREAM_DIGEST, r->id);
	n = stream_header_decode(&h, (const char *)p, len, err);
	if (n < 0)
		return n;
	memcpy(r->at.chain, r->id, STREAM_DIGEST);
	r->at.bytes = sizeof(fixed) + len + sizeof(digest);
	*ret = h;
	h = (struct stream_header){ 0 };
	return 0;
}

/* Reads one frame without counting it. head is its head. */
static int read_frame(struct stream_reader *r, uint8_t head[STREAM_HEAD], struct stream_frame *ret,
		      struct error *err)
{
	uint8_t digest[STREAM_DIGEST];
	const uint8_t *p;
	uint32_t len;
	int n;

	p = take(r, STREAM_HEAD, &n, err);
	if (!p)
		return n;
	memcpy(head, p, STREAM_HEAD);
	len = stream_get32(head + 4);
	if (len > LIMIT_STREAM_FRAME)
		return damaged(r, "is larger than a frame may be", err);
	p = take(r, len, &n, err);
	if (!p)
		return n;
	stream_sha256(digest, head, 8, p, len);
	if (memcmp(digest, head + 8, STREAM_DIGEST) != 0)
		return damaged(r, "has not the digest that it says", err);
	*ret = (struct stream_frame){ .type = stream_get32(head), .data = p, .len = len };
	return 0;
}

/* A RESUME right behind the header is no frame of the stream: it says which one comes next. */
static int look_for_resume(struct stream_reader *r, struct error *err)
{
	uint8_t head[STREAM_HEAD];
	struct stream_frame f = { 0 };
	const uint8_t *p = NULL;
	int n = need(r, 4, &p, err);

	if (n <= 0)
		return n; /* it breaks off; the next frame tells */
	if (stream_get32(p) != STREAM_RESUME)
		return 0;
	n = read_frame(r, head, &f, err);
	if (n < 0)
		return n;
	if (f.len != POSITION_BYTES)
		return damaged(r, "says wrongly where it goes on", err);
	r->at.frames = stream_get64(f.data);
	r->at.bytes = stream_get64(f.data + 8);
	memcpy(r->at.chain, f.data + 16, STREAM_DIGEST);
	r->resumed = true;
	return 0;
}

int stream_reader_begin(struct stream_reader *r, int fd, struct stream_header *ret,
			struct error *err)
{
	_stream_header_ struct stream_header h = { 0 };
	int n;

	*r = (struct stream_reader){ .fd = fd };
	r->in = malloc(IN_BYTES);
	if (!r->in)
		return error_set(err, -ENOMEM, "cannot read a stream");
	n = read_header(r, &h, err);
	if (n == 0)
		n = look_for_resume(r, err);
	if (n < 0)
		return n;
	*ret = h;
	h = (struct stream_header){ 0 };
	return 0;
}

static int check_end(const struct stream_reader *r, const struct stream_frame *f, struct error *err)
{
	if (f->len != POSITION_BYTES || stream_get64(f->data) != r->at.frames ||
	    stream_get64(f->data + 8) != r->at.bytes ||
	    memcmp(f->data + 16, r->at.chain, STREAM_DIGEST) != 0)
		return damaged(r, "the end, does not belong to what came before", err);
	return 0;
}

int stream_read(struct stream_reader *r, struct stream_frame *ret, struct error *err)
{
	uint8_t head[STREAM_HEAD];
	struct stream_frame f = { 0 };
	int n = read_frame(r, head, &f, err);

	if (n < 0)
		return n;
	if (f.type == STREAM_END)
		return check_end(r, &f, err);
	if (f.type == 0 || f.type > STREAM_END || f.type == STREAM_RESUME)
		return damaged(r, "is of no kind that there is", err);
	stream_sha256(r->at.chain, r->at.chain, STREAM_DIGEST, head, STREAM_HEAD);
	r->at.frames++;
	r->at.bytes += STREAM_HEAD + f.len;
	*ret = f;
	return 1;
}

void stream_reader_deinit(struct stream_reader *r)
{
	free(r->in);
	r->in = NULL;
}
