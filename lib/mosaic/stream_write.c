/* Frames out. What the other end has already is made all the same, but goes nowhere. */
#include <nettle/sha2.h>
#include <signal.h>
#include <string.h>

#include "mosaic/stream.h"

enum {
	OUT_BYTES = 256 << 10,
	TOLD_BYTES = 1 << 20, /* progress is told that often */
};

void stream_sha256(uint8_t dst[STREAM_DIGEST], const void *a, size_t a_len, const void *b,
		   size_t b_len)
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, a_len, a);
	sha256_update(&ctx, b_len, b);
	sha256_digest(&ctx, STREAM_DIGEST, dst);
}

int stream_progress(struct stream_progress *p, uint64_t more, bool now)
{
	p->done += more;
	if (!p->user || !p->user->fn || (!now && p->done - p->told < TOLD_BYTES))
		return 0;
	p->told = p->done;
	return p->user->fn(p->done, p->total, p->user->arg) ? -ECANCELED : 0;
}

/* ---- the token ------------------------------------------------------------------------------- */

void stream_token(char dst[MOSAIC_TOKEN_MAX], const uint8_t id[STREAM_DIGEST],
		  const struct stream_position *at)
{
	char stream[2 * STREAM_DIGEST + 1], chain[2 * STREAM_DIGEST + 1];

	hex_encode(stream, id, STREAM_DIGEST);
	hex_encode(chain, at->chain, STREAM_DIGEST);
	snprintf(dst, MOSAIC_TOKEN_MAX, "%d.%s.%llu.%llu.%s", STREAM_VERSION, stream,
		 (unsigned long long)at->frames, (unsigned long long)at->bytes, chain);
}

static int parse_digest(const char *text, uint8_t dst[STREAM_DIGEST])
{
	if (!hex_is(text, 2 * STREAM_DIGEST))
		return -EINVAL;
	for (size_t i = 0; i < STREAM_DIGEST; i++) {
		unsigned byte;

		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			return -EINVAL;
		dst[i] = (uint8_t)byte;
	}
	return 0;
}

int stream_token_parse(const char *token, uint8_t id[STREAM_DIGEST], struct stream_position *ret)
{
	char copy[MOSAIC_TOKEN_MAX], *rest = copy, *parts[5];
	struct stream_position at;
	uint64_t version;

	if (strlen(token) >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, token, strlen(token) + 1);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		parts[i] = strsep(&rest, ".");
		if (!parts[i])
			return -EINVAL;
	}
	if (rest || str_to_u64(parts[0], STREAM_VERSION, &version) < 0 ||
	    version != STREAM_VERSION || str_to_u64(parts[2], UINT64_MAX, &at.frames) < 0 ||
	    str_to_u64(parts[3], UINT64_MAX, &at.bytes) < 0 || parse_digest(parts[4], at.chain) < 0)
		return -EINVAL;
	if (parse_digest(parts[1], id) < 0)
		return -EINVAL;
	*ret = at;
	return 0;
}

/* ---- bytes out ------------------------------------------------------------------------------- */

/* write() that never kills: a reader that went away is an error like any other. */
static ssize_t write_quietly(int fd, const void *data, size_t len)
{
	static const struct timespec at_once = { 0 };
	sigset_t pipe, before, pending;
	bool was_pending;
	ssize_t n;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	was_pending = sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
	if (sigprocmask(SIG_BLOCK, &pipe, &before) < 0)
		return -errno;
	n = write(fd, data, len);
	if (n < 0)
		n = -errno;
	if (n != (ssize_t)len && !was_pending) /* one that was cut short raises it too */
		(void)!sigtimedwait(&pipe, NULL, &at_once);
	if (sigprocmask(SIG_SETMASK, &before, NULL) < 0)
		return -errno;
	return n;
}

static int flush(struct stream_writer *w, struct error *err)
{
	for (size_t done = 0; done < w->n_out;) {
		ssize_t n = write_quietly(w->fd, w->out + done, w->n_out - done);

		if (n == -EINTR) {
			n = stream_progress(w->progress, 0, true);
			if (n < 0)
				return error_set(err, (int)n, "the sending was stopped.");
			continue;
		}
		if (n == -EPIPE)
			return error_set(err, -EPIPE, "whoever reads the stream has gone.");
		if (n < 0)
			return error_set(err, (int)n, "cannot write the stream");
		done += (size_t)n;
	}
	w->n_out = 0;
	return 0;
}

static int put(struct stream_writer *w, const void *data, size_t len, struct error *err)
{
	const uint8_t *p = data;

	while (len > 0) {
		size_t n = OUT_BYTES - w->n_out < len ? OUT_BYTES - w->n_out : len;
		int r;

		memcpy(w->out + w->n_out, p, n);
		w->n_out += n;
		p += n;
		len -= n;
		r = w->n_out == OUT_BYTES ? flush(w, err) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- frames ---------------------------------------------------------------------------------- */

static int put_header(struct stream_writer *w, const struct stream_header *h, struct error *err)
{
	uint8_t fixed[16] = "MOSAICST", digest[STREAM_DIGEST];
	_free_ char *text = NULL;
	struct sha256_ctx ctx;
	size_t len;
	int r = stream_header_encode(h, &text, err);

	if (r < 0)
		return r;
	len = strlen(text);
	stream_put32(fixed + 8, STREAM_VERSION);
	stream_put32(fixed + 12, (uint32_t)len);
	stream_sha256(digest, text, len, NULL, 0);
	sha256_init(&ctx);
	sha256_update(&ctx, sizeof(fixed), fixed);
	sha256_update(&ctx, len, (const uint8_t *)text);
	sha256_update(&ctx, sizeof(digest), digest);
	sha256_digest(&ctx, STREAM_DIGEST, w->id);
	memcpy(w->at.chain, w->id, STREAM_DIGEST);
	w->at.bytes = sizeof(fixed) + len + sizeof(digest);
	r = put(w, fixed, sizeof(fixed), err);
	if (r == 0)
		r = put(w, text, len, err);
	return r == 0 ? put(w, digest, sizeof(digest), err) : r;
}

static void make_head(uint8_t dst[STREAM_HEAD], enum stream_type type, const struct buf *head,
		      const void *body, size_t len)
{
	struct sha256_ctx ctx;

	stream_put32(dst, type);
	stream_put32(dst + 4, (uint32_t)(head->len + len));
	sha256_init(&ctx);
	sha256_update(&ctx, 8, dst);
	sha256_update(&ctx, head->len, (const uint8_t *)head->data);
	sha256_update(&ctx, len, body);
	sha256_digest(&ctx, STREAM_DIGEST, dst + 8);
}

static int put_frame(struct stream_writer *w, const uint8_t head[STREAM_HEAD],
		     const struct buf *payload, const void *body, size_t len, struct error *err)
{
	int r = put(w, head, STREAM_HEAD, err);

	if (r == 0)
		r = put(w, payload->data, payload->len, err);
	return r == 0 ? put(w, body, len, err) : r;
}

static int put_position(struct stream_writer *w, enum stream_type type,
			const struct stream_position *at, struct error *err)
{
	uint8_t payload[16 + STREAM_DIGEST], head[STREAM_HEAD];
	const struct buf b = { .data = (char *)payload, .len = sizeof(payload) };

	stream_put64(payload, at->frames);
	stream_put64(payload + 8, at->bytes);
	memcpy(payload + 16, at->chain, STREAM_DIGEST);
	make_head(head, type, &b, NULL, 0);
	return put_frame(w, head, &b, NULL, 0, err);
}

static int refuse_resume(struct error *err)
{
	return error_set(
		err, -ESTALE,
		"the other end has the beginning of something else: the volume has changed since, or it is another one. Send it from the beginning.");
}

/* Are we where the other end wants to go on? */
static int look_for_resume(struct stream_writer *w, struct error *err)
{
	if (!w->skipping || w->at.frames < w->resume.frames)
		return 0;
	if (memcmp(w->at.chain, w->resume.chain, STREAM_DIGEST) != 0 ||
	    w->at.bytes != w->resume.bytes)
		return refuse_resume(err);
	w->skipping = false;
	return 0;
}

int stream_writer_begin(struct stream_writer *w, int fd, const struct stream_header *h,
			const char *token, struct stream_progress *progress, struct error *err)
{
	uint8_t id[STREAM_DIGEST];
	int r;

	*w = (struct stream_writer){ .fd = fd, .progress = progress };
	w->out = malloc(OUT_BYTES);
	if (!w->out)
		return error_set(err, -ENOMEM, "cannot write a stream");
	if (token && stream_token_parse(token, id, &w->resume) < 0)
		return error_set(err, -EINVAL, "that is no token of a stream that broke off.");
	r = put_header(w, h, err);
	if (r < 0 || !token)
		return r;
	if (memcmp(id, w->id, STREAM_DIGEST) != 0)
		return refuse_resume(err);
	w->skipping = true;
	r = put_position(w, STREAM_RESUME, &w->resume, err);
	return r == 0 ? look_for_resume(w, err) : r;
}

static void advance(struct stream_position *at, const uint8_t head[STREAM_HEAD], size_t payload)
{
	stream_sha256(at->chain, at->chain, STREAM_DIGEST, head, STREAM_HEAD);
	at->frames++;
	at->bytes += STREAM_HEAD + payload;
}

int stream_write(struct stream_writer *w, enum stream_type type, const struct buf *head,
		 const void *body, size_t len, struct error *err)
{
	uint8_t frame[STREAM_HEAD];
	int r = 0;

	if (head->len + len > LIMIT_STREAM_FRAME)
		return error_set(err, -E2BIG,
				 "a file has more attributes than go into one frame of %d bytes.",
				 LIMIT_STREAM_FRAME);
	make_head(frame, type, head, body, len);
	if (!w->skipping)
		r = put_frame(w, frame, head, body, len, err);
	if (r < 0)
		return r;
	advance(&w->at, frame, head->len + len);
	return look_for_resume(w, err);
}

int stream_writer_end(struct stream_writer *w, struct error *err)
{
	int r;

	if (w->skipping)
		return refuse_resume(err);
	r = put_position(w, STREAM_END, &w->at, err);
	return r == 0 ? flush(w, err) : r;
}

void stream_writer_deinit(struct stream_writer *w)
{
	free(w->out);
	w->out = NULL;
}
