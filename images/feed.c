#include "images/feed.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "images/forked.h"
#include "images/internal.h"

enum {
	AT_ONCE = 4 << 20, /* what is copied before anything is read */
	ROOM = 512 << 10,  /* between the copy and whoever reads */
	PIECE = 128 << 10,
	FLUSH = 8 << 20, /* goes on its way to the disk */

	/* exit codes that are no errno */
	UNREAD = 125, /* whoever read has gone */
	UNKNOWN = 126,
};

enum { FROM, SOCK, TO }; /* descriptors */

struct copying {
	struct ring ring;
	off_t copied, given, flushed;
};

/* The copy has to be on the disk in the end. What was sent there the time before has arrived, or
 * goes the next time. */
static void flush(struct copying *c)
{
	(void)sync_file_range(TO, c->flushed, c->copied - c->flushed, SYNC_FILE_RANGE_WRITE);
	if (c->flushed)
		(void)posix_fadvise(TO, 0, c->flushed, POSIX_FADV_DONTNEED);
	c->flushed = c->copied;
}

/* Bytes of the copy that the reader has not got yet; else new ones of the original, which become
 * part of the copy first. Their number, 0 at the end. */
static ssize_t next_piece(struct copying *c, unsigned char *piece, size_t max)
{
	ssize_t n;
	int r;

	if (c->given < c->copied) {
		off_t left = c->copied - c->given;

		n = pread(TO, piece, (off_t)max < left ? max : (size_t)left, c->given);
		return n < 0 ? -errno : n == 0 ? -EIO : n;
	}
	n = read_all(FROM, piece, max);
	r = n > 0 ? write_all(TO, piece, (size_t)n) : 0;
	c->copied += n > 0 ? n : 0;
	return r < 0 ? r : n;
}

/* *ret: its size, 0 at the end. */
static int copy_piece(struct copying *c, size_t *ret)
{
	unsigned char *piece;
	size_t room;
	ssize_t n;
	int r = 0;

	while (r == 0 && (room = ring_room(&c->ring, &piece)) == 0)
		r = ring_hear(&c->ring);
	if (r < 0)
		return r;
	n = next_piece(c, piece, room < PIECE ? room : PIECE);
	*ret = n > 0 ? (size_t)n : 0;
	if (n <= 0)
		return (int)n;
	c->given += n;
	/* at the beginning more is copied than given */
	return lseek(TO, c->given, SEEK_SET) < 0 ? -errno : ring_written(&c->ring, *ret);
}

/* In a process of its own. */
static int copy_and_give(void *arg)
{
	struct copying *c = arg;
	size_t n = 1;
	int r = 0;

	signal(SIGPIPE, SIG_IGN);
	c->ring.sock = SOCK;
	while (r == 0 && n) {
		r = copy_piece(c, &n);
		if (r == 0 && (n == 0 || c->copied - c->flushed >= FLUSH))
			flush(c);
	}
	if (r == -EPIPE)
		return UNREAD;
	return -r < UNREAD ? -r : UNKNOWN;
}

static int fail(int code, struct error *err)
{
	return error_set(err, code, "cannot copy the archive into the store");
}

static int start(struct feed *f, int from, int to, off_t copied, struct error *err)
{
	struct copying c = { .copied = copied };
	int r = ring_make(&c.ring, ROOM, &f->ends);

	if (r < 0)
		return error_set(err, r, "cannot make memory to be shared");
	r = forked_start((const int[]){ from, c.ring.sock, to, to }, copy_and_give, &c);
	ring_deinit(&c.ring);
	if (r < 0)
		return error_set(err, r, "cannot start a process");
	f->pidfd = r;
	return 0;
}

/* *ret_at: how far. *ret_all: that was all. */
static int copy_at_once(int from, int to, off_t *ret_at, bool *ret_all)
{
	off_t at = 0;
	ssize_t n = 1;

	while (n > 0 && at < AT_ONCE) {
		n = sendfile(to, from, NULL, (size_t)(AT_ONCE - at));
		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? n : 0;
		n = n < 0 ? 1 : n;
	}
	*ret_at = at;
	*ret_all = n == 0;
	return lseek(to, 0, SEEK_SET) < 0 ? -errno : 0;
}

int feed_begin(struct feed *f, int from, int to, struct error *err)
{
	struct stat st;
	bool all = false;
	off_t at = 0;
	int r;

	if (ioctl(to, FICLONE, from) == 0)
		return 0;
	r = copy_at_once(from, to, &at, &all);
	if (r < 0)
		return fail(r, err);
	if (all)
		return 0;
	if (fstat(from, &st) < 0)
		return fail(-errno, err);
	f->size = (uint64_t)st.st_size;
	return start(f, from, to, at, err);
}

int feed_finish(struct feed *f, struct error *err)
{
	int status = 0, r;

	if (f->pidfd < 0)
		return 0;
	r = helper_wait(&f->pidfd, &status);
	if (r < 0)
		return fail(r, err);
	if (status == 0)
		return 0;
	return status < UNREAD
		       ? fail(-status, err)
		       : error_set(err, -EIO,
				   "the copying of the archive into the store was cut short.");
}

/* Who is killed here has no failure of its own. */
int feed_failed(struct feed *f, int r, struct error *err)
{
	int status = 0;

	if (f->pidfd < 0)
		return r;
	if (process_signal(f->pidfd, SIGKILL) < 0 || helper_wait(&f->pidfd, &status) < 0)
		return r;
	return status > 0 && status < UNREAD ? fail(-status, err) : r;
}

void feed_end(struct feed *f)
{
	ring_ends_close(&f->ends);
	helper_reap(&f->pidfd);
}
