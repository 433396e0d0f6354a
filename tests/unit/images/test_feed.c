#include "images/feed.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "images/internal.h"

enum { LARGE = 16 << 20, SMALL = 100 << 10, BLOCK = 64 << 10, AHEAD = 512 << 10 };

struct files {
	int from, to, copy;
	struct feed feed;
	struct error err;
};

/* A file system that has nothing but its page cache. */
static bool no_direct;
static int refused;
int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);

int __wrap_open64(const char *path, int flags, ...)
{
	va_list list;
	mode_t mode;

	va_start(list, flags);
	mode = flags & O_CREAT ? va_arg(list, mode_t) : 0;
	va_end(list);
	if (no_direct && flags & O_DIRECT) {
		refused++;
		errno = EINVAL;
		return -1;
	}
	return __real_open64(path, flags, mode);
}

/* A file without a name; *ret_again: the same, opened by itself. */
static int make_file(int *ret_again)
{
	char path[] = "/tmp/carob-feed.XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	if (ret_again) {
		*ret_again = open(path, O_RDONLY | O_CLOEXEC);
		assert_true(*ret_again >= 0);
	}
	assert_int_equal(unlink(path), 0);
	return fd;
}

/* Every block says which it is. */
static void fill(int fd, size_t size, unsigned char mark)
{
	unsigned char block[BLOCK];

	for (size_t at = 0; at < size; at += BLOCK) {
		memset(block, mark + (int)(at / BLOCK), sizeof(block));
		assert_int_equal(pwrite(fd, block, sizeof(block), (off_t)at), BLOCK);
	}
}

static void set_up(struct files *f, size_t size)
{
	*f = (struct files){ .feed = FEED_NONE };
	f->from = make_file(NULL);
	f->to = make_file(&f->copy);
	fill(f->from, size, 0);
	assert_int_equal(ftruncate(f->from, (off_t)size), 0);
}

static void tear_down(struct files *f)
{
	feed_end(&f->feed);
	close(f->from);
	close(f->to);
	close(f->copy);
}

static void assert_no_child(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* What the original has there, in came and in the copy. */
static bool is_same(const struct files *f, size_t at, const unsigned char *came, size_t n)
{
	_free_ unsigned char *copied = malloc(n);

	assert_non_null(copied);
	assert_int_equal(pread(f->copy, copied, n, (off_t)at), n);
	for (size_t i = 0; i < n; i++)
		if (came[i] != (unsigned char)((at + i) / BLOCK))
			return false;
	return memcmp(came, copied, n) == 0;
}

/* Reads what is given to its end. Each byte of it is in the copy already. */
static size_t read_given(struct files *f)
{
	struct ring_reader given;
	const void *came = NULL;
	size_t at = 0;
	ssize_t n;

	assert_int_equal(ring_open(&given, &f->feed.ends), 0);
	f->feed.ends.sock = -1;
	while ((n = ring_next(&given, &came)) > 0) {
		assert_true(given.there - given.said <= AHEAD);
		assert_true(is_same(f, at, came, (size_t)n));
		at += (size_t)n;
	}
	assert_int_equal(n, 0);
	ring_close(&given);
	return at;
}

static void a_small_file_is_copied_at_once(_unused_ void **state)
{
	struct stat st;
	struct files f;

	set_up(&f, SMALL);
	assert_int_equal(feed_begin(&f.feed, f.from, f.to, &f.err), 0);
	assert_int_equal(f.feed.pidfd, -1);
	assert_int_equal(fstat(f.copy, &st), 0);
	assert_int_equal(st.st_size, SMALL);
	assert_int_equal(lseek(f.to, 0, SEEK_CUR), 0);
	assert_int_equal(feed_finish(&f.feed, &f.err), 0);
	tear_down(&f);
	assert_no_child();
}

static void assert_comes_whole(size_t size)
{
	struct stat st;
	struct files f;

	set_up(&f, size);
	assert_int_equal(feed_begin(&f.feed, f.from, f.to, &f.err), 0);
	assert_true(f.feed.pidfd >= 0);
	assert_int_equal(f.feed.size, size);
	assert_int_equal(read_given(&f), size);
	assert_int_equal(feed_finish(&f.feed, &f.err), 0);
	assert_int_equal(fstat(f.copy, &st), 0);
	assert_int_equal(st.st_size, size);
	assert_int_equal(lseek(f.to, 0, SEEK_CUR), size);
	tear_down(&f);
	assert_no_child();
}

/* Whole blocks go past the page cache, the rest cannot. */
static void a_large_file_comes_whole(_unused_ void **state)
{
	assert_comes_whole(LARGE);
	assert_comes_whole(LARGE + 1);
	assert_comes_whole(LARGE - 4096);
}

static void it_comes_whole_by_the_page_cache(_unused_ void **state)
{
	no_direct = true;
	assert_comes_whole(LARGE + 1);
	assert_int_equal(refused, 1);
	no_direct = false;
}

static void a_copy_that_fails_in_the_middle_is_no_end(_unused_ void **state)
{
	struct rlimit old, half = { .rlim_cur = LARGE / 2 };
	struct files f;

	set_up(&f, LARGE);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	half.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &half), 0);
	assert_int_equal(feed_begin(&f.feed, f.from, f.to, &f.err), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_true(read_given(&f) <= LARGE / 2);
	assert_int_equal(feed_finish(&f.feed, &f.err), -EFBIG);
	tear_down(&f);
	assert_no_child();
}

/* The reader has a failure of its own: that is the one to tell. */
static void a_reader_that_fails_ends_the_copying(_unused_ void **state)
{
	struct files f;

	set_up(&f, LARGE);
	assert_int_equal(feed_begin(&f.feed, f.from, f.to, &f.err), 0);
	assert_int_equal(feed_failed(&f.feed, -EBADMSG, &f.err), -EBADMSG);
	assert_no_child();
	tear_down(&f);
}

/* What was read to its end is complete, and nothing else is. */
static void what_nobody_reads_is_not_complete(_unused_ void **state)
{
	struct files f;

	set_up(&f, LARGE);
	assert_int_equal(feed_begin(&f.feed, f.from, f.to, &f.err), 0);
	ring_ends_close(&f.feed.ends);
	assert_int_equal(feed_finish(&f.feed, &f.err), -EIO);
	assert_no_child();
	tear_down(&f);
}

/* That the reader has gone is no failure of the copying. */
static void a_reader_that_fails_and_goes(_unused_ void **state)
{
	struct files f;

	set_up(&f, LARGE);
	assert_int_equal(feed_begin(&f.feed, f.from, f.to, &f.err), 0);
	ring_ends_close(&f.feed.ends);
	assert_int_equal(poll(&(struct pollfd){ f.feed.pidfd, POLLIN, 0 }, 1, -1), 1);
	assert_int_equal(feed_failed(&f.feed, -EBADMSG, &f.err), -EBADMSG);
	assert_no_child();
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_file_is_copied_at_once),
		cmocka_unit_test(a_large_file_comes_whole),
		cmocka_unit_test(it_comes_whole_by_the_page_cache),
		cmocka_unit_test(a_copy_that_fails_in_the_middle_is_no_end),
		cmocka_unit_test(a_reader_that_fails_ends_the_copying),
		cmocka_unit_test(what_nobody_reads_is_not_complete),
		cmocka_unit_test(a_reader_that_fails_and_goes),
	};

	return cmocka_run_group_tests_name("images/feed", tests, NULL, NULL);
}
