/*
 * The four compressions that an image archive may have, each by its own library: libarchive, which
 * joins them, passes over the checksum of gzip and lets xz and zstd have all the memory that they
 * ask for. gzip by isa-l, which takes two thirds of zlib's time: most images come so.
 *
 * A compressed file is one or more members, one right behind the other; each ends with a check of
 * what was in it (zstd leaves it to whoever compresses).
 */
#include "images/unpack/decompress.h"

#include <bzlib.h>
#include <isa-l/igzip_lib.h>
#include <lzma.h>
#include <zstd.h>
#include <zstd_errors.h>

struct decompressor {
	const struct source *in;
	struct error *err;
	union {
		struct inflate_state gzip;
		bz_stream bzip2;
		lzma_stream xz;
	} state;
	ZSTD_DCtx *zstd;           /* serves all members: it is large, and they may be small */
	const unsigned char *next; /* what was read and not yet taken */
	size_t left;
	const struct decompress_sink *sink;
	unsigned char *plain; /* where the sink has room */
	size_t room, made;    /* bytes of it: all, and those that have come */
};

enum step { STEP_MORE, STEP_END };

struct compression {
	const char *magic;
	size_t magic_len;
	int (*begin)(struct decompressor *d); /* before each member */
	int (*step)(struct decompressor *d);  /* takes from next, puts into plain: enum step */
	void (*end)(struct decompressor *d);  /* after each member */
};

static int damaged(struct decompressor *d, const char *text)
{
	return error_set(d->err, -EBADMSG, "the compressed archive is damaged: %s.", text);
}

static int no_memory(struct decompressor *d)
{
	return error_set(d->err, -ENOMEM, "out of memory");
}

static void took(struct decompressor *d, size_t still_left, size_t still_free)
{
	d->next += d->left - still_left;
	d->left = still_left;
	d->made = d->room - still_free;
}

/* ---- gzip ------------------------------------------------------------------------------------ */

static int gzip_begin(struct decompressor *d)
{
	isal_inflate_init(&d->state.gzip);
	d->state.gzip.crc_flag = ISAL_GZIP; /* with header, checksum and length */
	return 0;
}

static int gzip_failed(struct decompressor *d, int r)
{
	if (r == ISAL_INVALID_WRAPPER || r == ISAL_UNSUPPORTED_METHOD)
		return damaged(d, "no gzip");
	return damaged(d, r == ISAL_INCORRECT_CHECKSUM ? "its checksum is wrong"
						       : "its blocks make no sense");
}

static int gzip_step(struct decompressor *d)
{
	struct inflate_state *z = &d->state.gzip;
	int r;

	z->next_in = (unsigned char *)d->next;
	z->avail_in = (uint32_t)d->left;
	z->next_out = d->plain;
	z->avail_out = (uint32_t)d->room;
	r = isal_inflate(z);
	took(d, z->avail_in, z->avail_out);
	if (r < 0)
		return gzip_failed(d, r);
	return z->block_state == ISAL_BLOCK_FINISH ? STEP_END : STEP_MORE;
}

static void gzip_end(_unused_ struct decompressor *d) {}

/* ---- bzip2 ----------------------------------------------------------------------------------- */

static int bzip2_begin(struct decompressor *d)
{
	d->state.bzip2 = (bz_stream){ 0 };
	return BZ2_bzDecompressInit(&d->state.bzip2, 0, 0) == BZ_OK ? 0 : no_memory(d);
}

static int bzip2_step(struct decompressor *d)
{
	bz_stream *z = &d->state.bzip2;
	int r;

	z->next_in = (char *)d->next;
	z->avail_in = (unsigned)d->left;
	z->next_out = (char *)d->plain;
	z->avail_out = (uint32_t)d->room;
	r = BZ2_bzDecompress(z);
	took(d, z->avail_in, z->avail_out);
	if (r == BZ_STREAM_END)
		return STEP_END;
	if (r == BZ_MEM_ERROR)
		return no_memory(d);
	return r == BZ_OK ? STEP_MORE
			  : damaged(d, r == BZ_DATA_ERROR_MAGIC ? "no bzip2"
								: "its checksum is wrong");
}

static void bzip2_end(struct decompressor *d)
{
	BZ2_bzDecompressEnd(&d->state.bzip2);
}

/* ---- xz -------------------------------------------------------------------------------------- */

static int xz_begin(struct decompressor *d)
{
	d->state.xz = (lzma_stream)LZMA_STREAM_INIT;
	return lzma_stream_decoder(&d->state.xz, LIMIT_ARCHIVE_MEMORY, 0) == LZMA_OK ? 0
										     : no_memory(d);
}

static int xz_failed(struct decompressor *d, lzma_ret r)
{
	if (r == LZMA_MEM_ERROR)
		return no_memory(d);
	if (r == LZMA_MEMLIMIT_ERROR)
		return error_set(
			d->err, -EBADMSG,
			"the archive needs more than %d MiB of memory to be decompressed (LIMIT_ARCHIVE_MEMORY): compress it again with xz -8 or less.",
			LIMIT_ARCHIVE_MEMORY >> 20);
	return damaged(d, r == LZMA_FORMAT_ERROR ? "no xz" : "its checksum is wrong");
}

static int xz_step(struct decompressor *d)
{
	lzma_stream *z = &d->state.xz;
	lzma_ret r;

	z->next_in = d->next;
	z->avail_in = d->left;
	z->next_out = d->plain;
	z->avail_out = (uint32_t)d->room;
	r = lzma_code(z, LZMA_RUN);
	took(d, z->avail_in, z->avail_out);
	if (r == LZMA_STREAM_END)
		return STEP_END;
	return r == LZMA_OK || r == LZMA_BUF_ERROR ? STEP_MORE : xz_failed(d, r);
}

static void xz_end(struct decompressor *d)
{
	lzma_end(&d->state.xz);
}

/* ---- zstd ------------------------------------------------------------------------------------ */

/* The library takes the window as a power of two. */
enum { WINDOW_LOG = 25, LATER_WINDOW_LOG = 23 };
_Static_assert(LIMIT_ARCHIVE_WINDOW == 1 << WINDOW_LOG, "not the window's logarithm");
_Static_assert(LIMIT_LATER_WINDOW == 1 << LATER_WINDOW_LOG, "not the window's logarithm");

static int zstd_begin(struct decompressor *d)
{
	int window = d->sink->small_window ? LATER_WINDOW_LOG : WINDOW_LOG;

	if (!d->zstd)
		d->zstd = ZSTD_createDCtx();
	if (!d->zstd || ZSTD_isError(ZSTD_DCtx_reset(d->zstd, ZSTD_reset_session_only)) ||
	    ZSTD_isError(ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, window)))
		return no_memory(d);
	return 0;
}

static int zstd_window_too_large(struct decompressor *d)
{
	if (d->sink->small_window)
		return error_set(
			d->err, -EBADMSG,
			"a later frame's window has more than %d MiB, and the first frame's had not (LIMIT_LATER_WINDOW): compress the archive again as one frame.",
			LIMIT_LATER_WINDOW >> 20);
	return error_set(
		d->err, -EBADMSG,
		"the archive's window has more than %d MiB (LIMIT_ARCHIVE_WINDOW): compress it again with zstd -19 or less, without --long.",
		LIMIT_ARCHIVE_WINDOW >> 20);
}

static int zstd_failed(struct decompressor *d, size_t r)
{
	/* what the library knows is more than "damaged" only in these two */
	if (ZSTD_getErrorCode(r) == ZSTD_error_memory_allocation)
		return no_memory(d);
	if (ZSTD_getErrorCode(r) == ZSTD_error_frameParameter_windowTooLarge)
		return zstd_window_too_large(d);
	return damaged(d, ZSTD_getErrorName(r));
}

/* A frame, or one that is to be skipped, which has no content. */
static int zstd_step(struct decompressor *d)
{
	ZSTD_inBuffer in = { .src = d->next, .size = d->left };
	ZSTD_outBuffer out = { .dst = d->plain, .size = d->room };
	size_t r = ZSTD_decompressStream(d->zstd, &out, &in);

	took(d, in.size - in.pos, out.size - out.pos);
	if (ZSTD_isError(r))
		return zstd_failed(d, r);
	return r == 0 ? STEP_END : STEP_MORE;
}

static void zstd_end(_unused_ struct decompressor *d) {}

/* ---- all ------------------------------------------------------------------------------------- */

static const struct compression compressions[] = {
	{ "\x1f\x8b", 2, gzip_begin, gzip_step, gzip_end },
	{ "BZh", 3, bzip2_begin, bzip2_step, bzip2_end },
	{ "\xfd"
	  "7zXZ\0",
	  6, xz_begin, xz_step, xz_end },
	{ "\x28\xb5\x2f\xfd", 4, zstd_begin, zstd_step, zstd_end },
	{ "\x50\x2a\x4d\x18", 4, zstd_begin, zstd_step, zstd_end }, /* to be skipped: pzstd */
};

/* Some bytes of the file when none are left: 1, 0 at its end, or a negative errno. */
static int fill(struct decompressor *d)
{
	const void *next = NULL;
	ssize_t n;

	if (d->left)
		return 1;
	n = d->in->next(d->in->arg, &next);
	if (n < 0)
		return error_set(d->err, (int)n, "cannot read the archive");
	d->next = next;
	d->left = (size_t)n;
	return n > 0;
}

/* As much as there is input or room for. */
static int step(struct decompressor *d, const struct compression *c)
{
	int more = fill(d), next, r;

	if (more < 0)
		return more;
	r = d->sink->room(d->sink->arg, &d->plain, &d->room, d->err);
	if (r < 0)
		return r;
	/* at the end of the file there may still be something to come out of what was read */
	next = c->step(d);
	if (next < 0)
		return next;
	if (more == 0 && next == STEP_MORE && d->made == 0)
		return damaged(d, "it is cut short");
	r = d->made ? d->sink->put(d->sink->arg, d->made, d->err) : 0;
	return r < 0 ? r : next;
}

/* One member to its end. */
static int decompress_member(struct decompressor *d, const struct compression *c)
{
	int r = STEP_MORE;

	while (r == STEP_MORE)
		r = step(d, c);
	return r < 0 ? r : 0;
}

static int decompress(struct decompressor *d, const struct compression *c)
{
	int r;

	while ((r = fill(d)) > 0) {
		r = c->begin(d);
		if (r < 0)
			return r;
		r = decompress_member(d, c);
		c->end(d);
		if (r < 0)
			return r;
	}
	return r;
}

static void decompressor_free(struct decompressor **d)
{
	if (*d)
		ZSTD_freeDCtx((*d)->zstd);
	free(*d);
}

int decompress_run(const struct source *in, const struct decompress_sink *sink, struct error *err)
{
	_cleanup_(decompressor_free) struct decompressor *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return error_set(err, -ENOMEM, "out of memory");
	d->in = in;
	d->sink = sink;
	d->err = err;
	r = fill(d);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(compressions); i++)
		if (d->left >= compressions[i].magic_len &&
		    memcmp(d->next, compressions[i].magic, compressions[i].magic_len) == 0)
			return decompress(d, &compressions[i]);
	return error_set(err, -EBADMSG,
			 "the archive is compressed by none of gzip, bzip2, xz and zstd.");
}

/* ---- to a descriptor ------------------------------------------------------------------------- */

struct to_fd {
	int fd;
	unsigned char block[256 << 10];
};

static int room_of_fd(void *arg, unsigned char **ret, size_t *ret_size, _unused_ struct error *err)
{
	struct to_fd *t = arg;

	*ret = t->block;
	*ret_size = sizeof(t->block);
	return 0;
}

static int put_to_fd(void *arg, size_t n, struct error *err)
{
	struct to_fd *t = arg;
	int r = write_all(t->fd, t->block, n);

	return r < 0 ? error_set(err, r, "cannot pass on the decompressed archive") : 0;
}

int decompress_to_fd(const struct source *in, int out, struct error *err)
{
	_free_ struct to_fd *t = malloc(sizeof(*t));
	const struct decompress_sink sink = { room_of_fd, put_to_fd, t };

	if (!t)
		return error_set(err, -ENOMEM, "out of memory");
	t->fd = out;
	return decompress_run(in, &sink, err);
}
