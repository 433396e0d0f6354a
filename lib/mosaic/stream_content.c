/*
 * Data of one file or device in aligned chunks, by pages: those that are as before, or zero where
 * nothing was before, are not sent. Holes are skipped without being read; what is sent does not
 * depend on them, only on the bytes.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "mosaic/stream_tree.h"

enum page { PAGE_SAME, PAGE_ZERO, PAGE_DATA };

static const uint8_t zeros[STREAM_PAGE];

struct chunk {
	struct content *c;
	uint64_t at;
	size_t len;
	uint8_t *data, *old; /* old: NULL without one */
	bool begun;
};

static enum page page_kind(const struct chunk *k, size_t at, size_t len)
{
	if (k->old && memcmp(k->data + at, k->old + at, len) == 0)
		return PAGE_SAME;
	if (memcmp(k->data + at, zeros, len) == 0)
		return k->old ? PAGE_ZERO : PAGE_SAME;
	return PAGE_DATA;
}

static int write_run(struct chunk *k, enum page kind, size_t from, size_t to)
{
	struct stream_record r = { .offset = k->at + from };
	_buf_ struct buf b = BUF_INIT(64);
	struct content *c = k->c;
	int n = 0;

	if (!k->begun && c->begin)
		n = c->begin(c->arg);
	k->begun = true;
	if (n != 0)
		return n;
	r.type = kind == PAGE_DATA ? STREAM_DATA : STREAM_ZERO;
	r.size = to - from;
	n = stream_record_encode(&r, &b);
	if (n < 0)
		return error_set(c->err, n, "cannot write a frame");
	return kind == PAGE_DATA ? stream_write(c->w, r.type, &b, k->data + from, to - from, c->err)
				 : stream_write(c->w, r.type, &b, NULL, 0, c->err);
}

static int write_chunk(struct chunk *k)
{
	size_t from = 0;
	int r = 0;

	while (from < k->len && r == 0) {
		enum page kind = PAGE_SAME;
		size_t to = from;

		while (to < k->len) {
			size_t len = k->len - to < STREAM_PAGE ? k->len - to : STREAM_PAGE;
			enum page next = page_kind(k, to, len);

			if (to == from)
				kind = next;
			else if (next != kind)
				break;
			to += len;
		}
		if (kind != PAGE_SAME)
			r = write_run(k, kind, from, to);
		from = to;
	}
	return r;
}

/* Fills dst; what is behind the end of the file is zero when it may be. */
static int read_at(int fd, uint64_t at, uint8_t *dst, size_t len, bool may_end)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, dst + done, len - done, (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0 && !may_end)
			return -ESTALE;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	memset(dst + done, 0, len - done);
	return 0;
}

static uint64_t next_data(int fd, uint64_t at, uint64_t size)
{
	off_t next;

	if (at >= size)
		return UINT64_MAX;
	next = lseek(fd, (off_t)at, SEEK_DATA);
	if (next < 0)
		return errno == ENXIO ? UINT64_MAX : at;
	return (uint64_t)next;
}

/* Where the next chunk that is not a hole on both sides begins; c->size when there is none. */
static uint64_t skip_holes(const struct content *c, uint64_t at)
{
	uint64_t next = next_data(c->fd, at, c->size);

	if (c->old >= 0 && next > at) {
		uint64_t old = next_data(c->old, at, c->old_size);

		next = old < next ? old : next;
	}
	if (next >= c->size)
		return c->size;
	next -= next % LIMIT_STREAM_CHUNK;
	return next > at ? next : at;
}

static int write_chunks(struct content *c, struct chunk *k)
{
	uint64_t at = 0;
	int r = 0;

	while (at < c->size && r == 0) {
		k->at = skip_holes(c, at);
		k->len = c->size - k->at < LIMIT_STREAM_CHUNK ? (size_t)(c->size - k->at)
							      : LIMIT_STREAM_CHUNK;
		r = read_at(c->fd, k->at, k->data, k->len, false);
		if (r == 0 && k->old)
			r = read_at(c->old, k->at, k->old, k->len, true);
		if (r < 0)
			return error_set(c->err, r, "cannot read it");
		r = write_chunk(k);
		if (r == 0 && c->w && c->w->progress)
			r = stream_progress(c->w->progress, k->at + k->len - at, false);
		if (r == -ECANCELED)
			return error_set(c->err, r, "the sending was stopped.");
		at = k->at + k->len;
	}
	return r;
}

int content_write(struct content *c)
{
	_free_ uint8_t *data = malloc(LIMIT_STREAM_CHUNK), *old = NULL;
	struct chunk k = { .c = c, .data = data };

	if (c->old >= 0)
		old = k.old = malloc(LIMIT_STREAM_CHUNK);
	if (!data || (c->old >= 0 && !old))
		return error_set(c->err, -ENOMEM, "cannot read it");
	return write_chunks(c, &k);
}

int content_size(int fd, uint64_t *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISBLK(st.st_mode))
		return ioctl(fd, BLKGETSIZE64, ret) < 0 ? -errno : 0;
	*ret = (uint64_t)st.st_size;
	return 0;
}
