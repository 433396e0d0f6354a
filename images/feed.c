#include "images/feed.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "images/forked.h"
#include "images/internal.h"

enum {
	AT_ONCE = 4 << 20, /* what is copied before anything is read */
	ROOM = 2 << 20,    /* between the copy and whoever reads */
	PIECE = 512 << 10,
	AHEAD = 512 << 10, /* given, and not yet taken */
	FLUSH = 8 << 20,   /* goes on its way to the disk */

	/* exit codes that are no errno */
	UNREAD = 125, /* whoever read has gone */
	UNKNOWN = 126,
};

enum { FROM, SOCK, TO, TO_DIRECT }; /* descriptors */

/* Bytes since the beginning. */
struct copying {
	struct ring ring;
	uint64_t copied; /* to the file */
	uint64_t staged; /* and to the ring, where the reader knows of ring.written of them */
	uint64_t flushed;
	bool direct, ended;
};

/* The copy has to be on the disk in the end. What was sent there the time before has arrived, or
 * goes the next time. */
static void flush(struct copying *c)
{
	(void)sync_file_range(TO, (off_t)c->flushed, (off_t)(c->copied - c->flushed),
			      SYNC_FILE_RANGE_WRITE);
	if (c->flushed)
		(void)posix_fadvise(TO, 0, (off_t)c->flushed, POSIX_FADV_DONTNEED);
	c->flushed = c->copied;
}

/* Past the page cache as long as that works: not with a file system that cannot, and not with the
 * file's last bytes, which are no whole blocks. */
static int store(struct copying *c, const unsigned char *piece, size_t n)
{
	ssize_t done = c->direct ? pwrite(TO_DIRECT, piece, n, (off_t)c->copied) : 0;
	int r;

	done = done < 0 ? 0 : done;
	c->direct = c->direct && (size_t)done == n;
	r = pwrite_all(TO, piece + done, n - (size_t)done, c->copied + (uint64_t)done);
	if (r < 0)
		return r;
	c->copied += n;
	if (!c->direct && c->copied - c->flushed >= FLUSH)
		flush(c);
	return 0;
}

static bool has_room(const struct copying *c)
{
	return c->staged + PIECE - c->ring.released <= ROOM;
}

/* One piece more: what is in the file already, else bytes of the original. */
static int stage(struct copying *c)
{
	unsigned char *piece = c->ring.memory + c->staged % ROOM;
	bool is_copied = c->staged < c->copied;
	ssize_t n = is_copied ? pread(TO, piece, PIECE, (off_t)c->staged)
			      : read_all(FROM, piece, PIECE);
	int r = 0;

	if (is_copied && n != PIECE)
		return n < 0 ? -errno : -EIO;
	if (n < 0)
		return (int)n;
	if (!is_copied)
		r = store(c, piece, (size_t)n);
	c->staged += (uint64_t)n;
	c->ended = n < PIECE;
	return r;
}

static int hear_what_came(struct copying *c)
{
	struct pollfd p = { .fd = SOCK, .events = POLLIN };
	int r = 0;

	while (r == 0 && poll(&p, 1, 0) > 0)
		r = ring_hear(&c->ring);
	return r;
}

static int give(struct copying *c)
{
	uint64_t most = c->ring.released + AHEAD, to = c->staged < most ? c->staged : most;
	size_t n = (size_t)(to - c->ring.written);

	if (n == 0)
		return 0;
	return lseek(TO, (off_t)to, SEEK_SET) < 0 ? -errno : ring_written(&c->ring, n);
}

static int step(struct copying *c)
{
	int r = hear_what_came(c);

	if (r == 0)
		r = give(c);
	if (r < 0)
		return r;
	if (!c->ended && has_room(c))
		return stage(c);
	return c->ring.written < c->staged ? ring_hear(&c->ring) : 0;
}

/* In a process of its own. */
static int copy_and_give(void *arg)
{
	struct copying *c = arg;
	int r = 0;

	signal(SIGPIPE, SIG_IGN);
	c->ring.sock = SOCK;
	while (r == 0 && !(c->ended && c->ring.written == c->staged))
		r = step(c);
	if (r == -EPIPE)
		return UNREAD;
	return -r < UNREAD ? -r : UNKNOWN;
}

static int fail(int code, struct error *err)
{
	return error_set(err, code, "cannot copy the archive into the store");
}

/* The same file past the page cache; -1 where that cannot be. */
static int open_direct(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_WRONLY | O_DIRECT | O_CLOEXEC);
}

static int start(struct feed *f, int from, int to, uint64_t copied, struct error *err)
{
	_close_ int direct = open_direct(to);
	struct copying c = { .copied = copied, .direct = direct >= 0 };
	int r = ring_make(&c.ring, ROOM, &f->ends);

	if (r < 0)
		return error_set(err, r, "cannot make memory to be shared");
	r = forked_start((const int[]){ from, c.ring.sock, to, c.direct ? direct : to },
			 copy_and_give, &c);
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
	return start(f, from, to, (uint64_t)at, err);
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
