/* A file that is read while it is written. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"

struct files {
	int to, from, tell, told;
	struct growing g;
};

static int begin(void **state)
{
	static struct files f;
	char path[] = "/tmp/carob-growing.XXXXXX";
	int fds[2];

	f.to = mkostemp(path, O_CLOEXEC);
	f.from = open(path, O_RDONLY | O_CLOEXEC);
	if (f.to < 0 || f.from < 0 || unlink(path) < 0 || pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	f.told = fds[0];
	f.tell = fds[1];
	growing_init(&f.g, f.from, f.told);
	*state = &f;
	return 0;
}

static int end(void **state)
{
	struct files *f = *state;

	close(f->to);
	close(f->from);
	close(f->told);
	cleanup_close(&f->tell);
	return 0;
}

static void grow(struct files *f, const char *text, uint64_t there)
{
	assert_int_equal(write(f->to, text, strlen(text)), strlen(text));
	assert_int_equal(write(f->tell, &there, sizeof(there)), sizeof(there));
}

static void assert_comes(struct files *f, const char *text)
{
	char came[16] = "";

	assert_int_equal(growing_read(&f->g, came, sizeof(came) - 1), strlen(text));
	assert_string_equal(came, text);
}

/* What is there and was not told of is not read: it may not be what it will be. */
static void no_more_than_was_told(void **state)
{
	struct files *f = *state;

	assert_false(growing_is_ready(&f->g));
	grow(f, "abcdef", 4);
	assert_comes(f, "abcd");
	assert_false(growing_is_ready(&f->g));
	grow(f, "gh", 6);
	grow(f, "ij", 8);
	assert_comes(f, "efgh");
	cleanup_close(&f->tell);
	assert_comes(f, "ij");
	assert_comes(f, "");
}

static void a_file_that_is_complete(void **state)
{
	struct files *f = *state;

	grow(f, "abc", 3);
	growing_init(&f->g, f->from, -1);
	assert_true(growing_is_ready(&f->g));
	assert_comes(f, "abc");
	assert_comes(f, "");
}

static void one_that_was_cut_short(void **state)
{
	struct files *f = *state;
	char came[8];

	grow(f, "abc", 300);
	assert_comes(f, "abc");
	assert_int_equal(growing_read(&f->g, came, sizeof(came)), -EIO);
}

static void half_a_word(void **state)
{
	struct files *f = *state;
	char came[8];

	assert_int_equal(write(f->tell, "abc", 3), 3);
	assert_int_equal(growing_read(&f->g, came, sizeof(came)), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_more_than_was_told, begin, end),
		cmocka_unit_test_setup_teardown(a_file_that_is_complete, begin, end),
		cmocka_unit_test_setup_teardown(one_that_was_cut_short, begin, end),
		cmocka_unit_test_setup_teardown(half_a_word, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
