#include "images/feed.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "images/internal.h"

enum { LARGE = 16 << 20, SMALL = 100 << 10, BLOCK = 64 << 10 };

struct files {
	int from, to, copy;
	struct feed feed;
	struct error err;
};

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

/* Reads the copy as it grows to its end; *ret_same: it is the content that the original had. */
static size_t read_grown(const struct files *f, bool *ret_same)
{
	unsigned char came[BLOCK], expected[BLOCK];
	struct growing g;
	size_t at = 0;
	ssize_t n;

	*ret_same = true;
	growing_init(&g, f->copy, f->feed.told);
	while ((n = growing_read(&g, came, BLOCK)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			expected[i] = (unsigned char)((at + (size_t)i) / BLOCK);
		*ret_same = *ret_same && memcmp(came, expected, (size_t)n) == 0;
		at += (size_t)n;
	}
	assert_int_equal(n, 0);
	return at;
}

static void a_small_file_is_copied_at_once(_unused_ void **state)
{
	struct stat st;
	struct files f;

	set_up(&f, SMALL);
	assert_int_equal(feed_begin(&f.feed, f.from, f.to, &f.err), 0);
	assert_int_equal(f.feed.told, -1);
	assert_int_equal(fstat(f.copy, &st), 0);
	assert_int_equal(st.st_size, SMALL);
	assert_int_equal(lseek(f.copy, 0, SEEK_CUR), 0);
	assert_int_equal(feed_finish(&f.feed, &f.err), 0);
	tear_down(&f);
	assert_no_child();
}

static void a_large_file_comes_whole(_unused_ void **state)
{
	struct stat st;
	bool same;
	struct files f;

	set_up(&f, LARGE);
	assert_int_equal(feed_begin(&f.feed, f.from, f.to, &f.err), 0);
	assert_true(f.feed.told >= 0);
	assert_int_equal(f.feed.size, LARGE);
	assert_int_equal(read_grown(&f, &same), LARGE);
	assert_true(same);
	assert_int_equal(feed_finish(&f.feed, &f.err), 0);
	assert_int_equal(fstat(f.copy, &st), 0);
	assert_int_equal(st.st_size, LARGE);
	assert_int_equal(lseek(f.copy, 0, SEEK_CUR), LARGE);
	tear_down(&f);
	assert_no_child();
}

static void a_copy_that_fails_in_the_middle_is_no_end(_unused_ void **state)
{
	struct rlimit old, half = { .rlim_cur = LARGE / 2 };
	bool same;
	struct files f;

	set_up(&f, LARGE);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	half.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &half), 0);
	assert_int_equal(feed_begin(&f.feed, f.from, f.to, &f.err), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_true(read_grown(&f, &same) <= LARGE / 2);
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

/* It has all it wanted; the copy is complete nevertheless. */
static void who_stops_reading_stops_nothing(_unused_ void **state)
{
	struct stat st;
	struct files f;

	set_up(&f, LARGE);
	assert_int_equal(feed_begin(&f.feed, f.from, f.to, &f.err), 0);
	assert_int_equal(feed_finish(&f.feed, &f.err), 0);
	assert_int_equal(fstat(f.copy, &st), 0);
	assert_int_equal(st.st_size, LARGE);
	assert_no_child();
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_file_is_copied_at_once),
		cmocka_unit_test(a_large_file_comes_whole),
		cmocka_unit_test(a_copy_that_fails_in_the_middle_is_no_end),
		cmocka_unit_test(a_reader_that_fails_ends_the_copying),
		cmocka_unit_test(who_stops_reading_stops_nothing),
	};

	return cmocka_run_group_tests_name("images/feed", tests, NULL, NULL);
}
