#include "images/feed.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "images/forked.h"
#include "images/internal.h"

enum {
	AT_ONCE = 4 << 20, /* what is copied before anything is read */
	STEP = 1 << 20,
	PIECE = 64 << 10, /* the position of the copy is behind the pipe by no more than this */
	UNKNOWN = 126,    /* an exit code: errno does not fit */
};

static bool is_unsupported(int code)
{
	return code == EXDEV || code == EINVAL || code == EOPNOTSUPP || code == ENOSYS;
}

/* Some bytes, from and to where both descriptors are. Between file systems that cannot do this
 * together sendfile() copies. */
static ssize_t copy_some(int from, int to, size_t len)
{
	ssize_t n;

	do {
		n = copy_file_range(from, NULL, to, NULL, len, 0);
		if (n < 0 && is_unsupported(errno))
			n = sendfile(to, from, NULL, len);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* So many bytes that were copied, from where the descriptor of the copy is. */
static int hand_on(int copy, size_t len, int out)
{
	while (len > 0) {
		ssize_t n = splice(copy, NULL, out, NULL, len < PIECE ? len : PIECE, 0);

		if (n == 0)
			return -EIO; /* somebody else cut it short */
		if (n < 0 && errno != EINTR)
			return -errno;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* In a process of its own. */
static int copy_and_feed(void)
{
	enum { FROM, OUT, COPY, TO };
	ssize_t n = lseek(TO, 0, SEEK_CUR);
	int r = n < 0 ? -errno : hand_on(COPY, (size_t)n, OUT);

	while (r == 0 && (n = copy_some(FROM, TO, STEP)) != 0)
		r = n < 0 ? (int)n : hand_on(COPY, (size_t)n, OUT);
	close(OUT);
	/* it has to be on the disk in the end, and may go there now */
	if (r == 0)
		(void)sync_file_range(TO, 0, 0, SYNC_FILE_RANGE_WRITE);
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

	while (n > 0 && at < AT_ONCE) {
		n = copy_some(from, to, (size_t)(AT_ONCE - at));
		at += n > 0 ? n : 0;
	}
	if (n < 0)
		return fail((int)n, err);
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
