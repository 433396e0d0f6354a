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
	BLOCK = 256 << 10, /* stays in a processor's cache between its two uses */
	FLUSH = 16 << 20,  /* goes on its way to the disk */
	UNKNOWN = 126,     /* an exit code: errno does not fit */
};

/* In a process of its own. Whoever reads may stop before the end, for reasons of its own. */
static int copy_and_tell(void)
{
	enum { FROM, TELL, TO };
	static char block[BLOCK];
	uint64_t at = 0, flushed = 0;
	off_t begun = lseek(TO, 0, SEEK_CUR);
	int r = begun < 0 ? -errno : 0;
	ssize_t n = 1;

	signal(SIGPIPE, SIG_IGN);
	at = begun > 0 ? (uint64_t)begun : 0;
	while (r == 0 && n > 0) {
		(void)!write(TELL, &at, sizeof(at));
		n = read_all(FROM, block, BLOCK);
		r = n < 0 ? (int)n : write_all(TO, block, (size_t)n);
		at += n > 0 ? (uint64_t)n : 0;
		/* it has to be on the disk in the end */
		if (r == 0 && (n == 0 || at - flushed >= FLUSH)) {
			(void)sync_file_range(TO, (off_t)flushed, (off_t)(at - flushed),
					      SYNC_FILE_RANGE_WRITE);
			flushed = at;
		}
	}
	return -r < UNKNOWN ? -r : UNKNOWN;
}

static int fail(int code, struct error *err)
{
	return error_set(err, code, "cannot copy the archive into the store");
}

static int start(struct feed *f, int from, int to, struct error *err)
{
	_close_ int told = -1, tell = -1;
	int r = helper_pipe(&told, &tell, err);

	if (r < 0)
		return r;
	r = forked_start((const int[]){ from, tell, to, to }, copy_and_tell);
	if (r < 0)
		return error_set(err, r, "cannot start a process");
	f->pidfd = r;
	f->told = take_fd(&told);
	return 0;
}

int feed_begin(struct feed *f, int from, int to, struct error *err)
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
	return start(f, from, to, err);
}

int feed_finish(struct feed *f, struct error *err)
{
	int status = 0, r;

	if (f->pidfd < 0)
		return 0;
	cleanup_close(&f->told);
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

/* Who is killed here has no failure of its own. */
int feed_failed(struct feed *f, int r, struct error *err)
{
	int status = 0;

	if (f->pidfd < 0)
		return r;
	cleanup_close(&f->told);
	if (process_signal(f->pidfd, SIGKILL) < 0 || helper_wait(&f->pidfd, &status) < 0)
		return r;
	return status > 0 && status < UNKNOWN ? fail(-status, err) : r;
}

void feed_end(struct feed *f)
{
	cleanup_close(&f->told);
	helper_reap(&f->pidfd);
}
