/*
 * gzip goes through zlib itself: libarchive passes over its checksum. bzip2 and xz go through
 * libarchive, with that one filter and no format ("raw").
 */
#include "images/unpack/decompress.h"

#include <archive.h>
#include <archive_entry.h>
#include <zlib.h>

enum { BLOCK = 256 << 10, MAGIC = 6 };

struct decompressor {
	int in, out;
	struct error *err;
	size_t len;    /* bytes in buffer that were read ahead to look at the magic */
	uint64_t read; /* bytes of the file so far */
	char buffer[BLOCK];
	unsigned char plain[BLOCK];
};

static ssize_t read_block(struct decompressor *d)
{
	ssize_t n = (ssize_t)d->len;

	d->len = 0;
	while (n == 0) {
		n = read(d->in, d->buffer, sizeof(d->buffer));
		if (n >= 0)
			break;
		if (errno != EINTR)
			return error_set(d->err, -errno, "cannot read the archive");
		n = 0;
	}
	d->read += (uint64_t)n;
	return n;
}

static int put(struct decompressor *d, const void *data, size_t len)
{
	int r = write_all(d->out, data, len);

	return r < 0 ? error_set(d->err, r, "cannot pass on the decompressed archive") : 0;
}

static int damaged(struct decompressor *d, const char *text)
{
	return error_set(d->err, -EBADMSG, "the compressed archive is damaged: %s.", text);
}

/* ---- gzip -------------------------------------------------------------------------------------- */

/* Inflates what is in z until it wants more. Z_OK, Z_STREAM_END, or a negative errno. */
static int inflate_block(struct decompressor *d, z_stream *z)
{
	for (;;) {
		int r, e;

		z->next_out = d->plain;
		z->avail_out = sizeof(d->plain);
		r = inflate(z, Z_NO_FLUSH);
		e = put(d, d->plain, sizeof(d->plain) - z->avail_out);
		if (e < 0)
			return e;
		if (r == Z_STREAM_END)
			return Z_STREAM_END;
		if (r == Z_MEM_ERROR)
			return error_set(d->err, -ENOMEM, "out of memory");
		if (r != Z_OK && r != Z_BUF_ERROR)
			return damaged(d, z->msg ? z->msg : "not what gzip writes");
		if (z->avail_in == 0 && z->avail_out > 0)
			return Z_OK;
	}
}

/* A gzip file is one or more members, one behind the other. */
static int gunzip(struct decompressor *d, z_stream *z)
{
	bool in_member = false;
	ssize_t n;

	while ((n = read_block(d)) > 0) {
		z->next_in = (unsigned char *)d->buffer;
		z->avail_in = (unsigned)n;
		while (z->avail_in > 0) {
			int r;

			if (!in_member && inflateReset(z) != Z_OK)
				return damaged(d, "not what gzip writes");
			r = inflate_block(d, z);
			if (r < 0)
				return r;
			in_member = r != Z_STREAM_END;
		}
	}
	if (n < 0)
		return (int)n;
	return in_member ? damaged(d, "it is cut short") : 0;
}

static int run_gzip(struct decompressor *d, _unused_ const void *arg)
{
	z_stream z = { 0 };
	int r;

	if (inflateInit2(&z, 15 + 16) != Z_OK) /* with a gzip header */
		return error_set(d->err, -ENOMEM, "out of memory");
	r = gunzip(d, &z);
	inflateEnd(&z);
	return r;
}

/* ---- bzip2, xz --------------------------------------------------------------------------------- */

static ssize_t fill(struct archive *a, void *data, const void **ret)
{
	struct decompressor *d = data;
	ssize_t n = read_block(d);

	if (n < 0) {
		archive_set_error(a, (int)-n, "cannot read the archive");
		return -1;
	}
	*ret = d->buffer;
	return n;
}

static int filter_fault(struct decompressor *d, struct archive *a)
{
	const char *text = archive_error_string(a);

	if (archive_errno(a) == ENOMEM)
		return error_set(d->err, -ENOMEM, "the archive needs too much memory to be decompressed");
	return damaged(d, text ? text : "not what it says it is");
}

static int pass_on(struct decompressor *d, struct archive *a)
{
	struct archive_entry *entry;
	const void *data;
	int64_t offset;
	size_t len;
	int got, r;

	if (archive_read_open2(a, d, NULL, fill, NULL, NULL) != ARCHIVE_OK ||
	    archive_read_next_header(a, &entry) != ARCHIVE_OK)
		return filter_fault(d, a);
	while ((got = archive_read_data_block(a, &data, &len, &offset)) == ARCHIVE_OK) {
		r = put(d, data, len);
		if (r < 0)
			return r;
	}
	if (got != ARCHIVE_EOF)
		return filter_fault(d, a);
	/* what the filter left is no part of the stream that it understood */
	if (d->read != (uint64_t)archive_filter_bytes(a, -1) || read_block(d) != 0)
		return damaged(d, "something follows it");
	return 0;
}

typedef int (*filter_fn)(struct archive *);

static int run_filter(struct decompressor *d, const void *arg)
{
	filter_fn add = *(const filter_fn *)arg;
	struct archive *a = archive_read_new();
	int r;

	if (!a)
		return error_set(d->err, -ENOMEM, "out of memory");
	if (add(a) != ARCHIVE_OK || archive_read_support_format_raw(a) != ARCHIVE_OK)
		r = filter_fault(d, a);
	else
		r = pass_on(d, a);
	archive_read_free(a);
	return r;
}

/* ---- which ------------------------------------------------------------------------------------- */

static const filter_fn bzip2_filter = archive_read_support_filter_bzip2;
static const filter_fn xz_filter = archive_read_support_filter_xz;

static const struct {
	const char *magic;
	size_t len;
	int (*run)(struct decompressor *d, const void *arg);
	const void *arg;
} compressions[] = {
	{ "\x1f\x8b", 2, run_gzip, NULL },
	{ "BZh", 3, run_filter, &bzip2_filter },
	{ "\xfd" "7zXZ\0", 6, run_filter, &xz_filter },
};

int decompress_run(int in, int out, struct error *err)
{
	_free_ struct decompressor *d = calloc(1, sizeof(*d));
	ssize_t n;

	if (!d)
		return error_set(err, -ENOMEM, "out of memory");
	d->in = in;
	d->out = out;
	d->err = err;
	n = read_all(in, d->buffer, MAGIC);
	if (n < 0)
		return error_set(err, (int)n, "cannot read the archive");
	d->len = (size_t)n;
	for (size_t i = 0; i < ARRAY_SIZE(compressions); i++)
		if (d->len >= compressions[i].len &&
		    memcmp(d->buffer, compressions[i].magic, compressions[i].len) == 0)
			return compressions[i].run(d, compressions[i].arg);
	return error_set(err, -EBADMSG, "the archive is compressed by none of gzip, bzip2 and xz.");
}
