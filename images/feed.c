#include "images/feed.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "images/forked.h"
#include "images/internal.h"

enum {
	AT_ONCE = 4 << 20, /* what is copied before anything is read */
	BLOCK = 256 << 10, /* stays in a processor's cache between its two writes */
	PIECE = 64 << 10,  /* the position of the copy is before the pipe by no more than this */
	FLUSH = 16 << 20,  /* goes on its way to the disk */
	UNKNOWN = 126,     /* an exit code: errno does not fit */
};

/* To the pipe, at the end of which no more is read than the position of the copy says. */
static int hand_on(int copy, const char *data, size_t len, int out)
{
	int r = 0;

	while (r == 0 && len > 0) {
		size_t n = len < PIECE ? len : PIECE;

		if (lseek(copy, (off_t)n, SEEK_CUR) < 0)
			return -errno;
		r = write_all(out, data, n);
		data += n;
		len -= n;
	}
	return r;
}

/* What was copied before this process began. */
static int hand_on_copied(int copy, off_t len, char *block, int out)
{
	off_t at = 0;
	int r = 0;

	while (r == 0 && at < len) {
		ssize_t n = pread(copy, block, BLOCK, at);

		if (n <= 0)
			return n < 0 ? -errno : -EIO; /* somebody else cut it short */
		r = hand_on(copy, block, (size_t)n, out);
		at += n;
	}
	return r;
}

/* In a process of its own. */
static int copy_and_feed(void)
{
	enum { FROM, OUT, COPY, TO };
	static char block[BLOCK];
	off_t at = lseek(TO, 0, SEEK_CUR), flushed = 0;
	int r = at < 0 ? -errno : hand_on_copied(COPY, at, block, OUT);
	ssize_t n = 1;

	while (r == 0 && n > 0) {
		n = read_all(FROM, block, BLOCK);
		r = n < 0 ? (int)n : write_all(TO, block, (size_t)n);
		if (r == 0)
			r = hand_on(COPY, block, (size_t)n, OUT);
		at += n;
		/* it has to be on the disk in the end */
		if (r == 0 && (n == 0 || at - flushed >= FLUSH)) {
			(void)sync_file_range(TO, flushed, at - flushed, SYNC_FILE_RANGE_WRITE);
			flushed = at;
		}
	}
	return -r < UNKNOWN ? -r : UNKNOWN;
}

static int fail(int code, struct error *err)
{
	return error_set(err, code, "cannot copy the archive into the store");
}

static int start(struct feed *f, int from, int to, int copy, struct error *err)
{
	_close_ int in = -1, out = -1;
	int r = helper_pipe(&out, &in, err);

	if (r < 0)
		return r;
	r = forked_start((const int[]){ from, in, copy, to }, copy_and_feed);
	if (r < 0)
		return error_set(err, r, "cannot start a process");
	f->pidfd = r;
	f->out = take_fd(&out);
	return 0;
}

int feed_begin(struct feed *f, int from, int to, int copy, struct error *err)
{
	struct stat st;
	off_t at = 0;
	ssize_t n = 1;

	if (ioctl(to, FICLONE, from) == 0)
		return 0;
	while (n > 0 && at < AT_ONCE) {
		n = sendfile(to, from, NULL, (size_t)(AT_ONCE - at));
		if (n < 0 && errno != EINTR)
			return fail(-errno, err);
		at += n > 0 ? n : 0;
		n = n < 0 ? 1 : n;
	}
	if (n == 0)
		return 0;
	if (fstat(from, &st) < 0)
		return fail(-errno, err);
	f->size = (uint64_t)st.st_size;
	return start(f, from, to, copy, err);
}

int feed_finish(struct feed *f, struct error *err)
{
	int status = 0, r;

	if (f->pidfd < 0)
		return 0;
	cleanup_close(&f->out);
	r = helper_wait(&f->pidfd, &status);
	if (r < 0)
		return fail(r, err);
	if (status == 0)
		return 0;
	return status < UNKNOWN
		       ? fail(-status, err)
		       : error_set(err, -EIO,
				   "the copying of the archive into the store was cut short.");
}

/* Who is killed here because its reader has gone has no failure of its own. */
int feed_failed(struct feed *f, int r, struct error *err)
{
	int status = 0;

	if (f->pidfd < 0)
		return r;
	cleanup_close(&f->out);
	if (process_signal(f->pidfd, SIGKILL) < 0 || helper_wait(&f->pidfd, &status) < 0)
		return r;
	return status > 0 && status < UNKNOWN ? fail(-status, err) : r;
}

void feed_end(struct feed *f)
{
	cleanup_close(&f->out);
	helper_reap(&f->pidfd);
}
