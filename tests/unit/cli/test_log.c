#include "../base/scratch.h"

#include <sys/mman.h>

#include "cli/log.h"

static void lines(void **state _unused_)
{
	static const char good[] = "2026-11-22T12:00:00.5Z stderr P some text ";
	static const char *const bad[] = {
		"",
		" ",
		"2026-11-22T12:00:00Z",
		"2026-11-22T12:00:00Z stdout",
		"2026-11-22T12:00:00Z stdout F",
		"2026-11-22T12:00:00Z stdin F x",
		"2026-11-22T12:00:00Z stdout X x",
		"yesterday stdout F x",
		"2026-11-22T12:00:00Z stdout FF x",
		" 2026-11-22T12:00:00Z stdout F x",
		"2026-11-22T12:00:00Z  stdout F x",
	};
	struct log_line l;

	assert_int_equal(log_line_parse(&l, good, strlen(good)), 0);
	assert_true(l.is_error && l.is_part);
	assert_int_equal(l.len, 10);
	assert_memory_equal(l.text, "some text ", 10);
	assert_int_equal(l.time_ns % 1000000000, 500000000);
	assert_int_equal(log_line_parse(&l, "2026-11-22T12:00:00Z stdout F ", 30), 0);
	assert_int_equal(l.len, 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(log_line_parse(&l, bad[i], strlen(bad[i])), -EBADMSG);
}

static void put_log(const struct scratch *s, const char *app, const char *text)
{
	char path[LIMIT_PATH_BYTES];

	snprintf(path, sizeof(path), "%s/apps/%s", s->path, app);
	assert_int_equal(make_dirs(path, 0700), 0);
	snprintf(path, sizeof(path), "apps/%s/log", app);
	scratch_put(s->fd, path, text);
}

/* What is printed, standard output and standard error into two buffers. */
struct printed {
	char out[8192], err[8192];
};

static void print(struct log_set *set, const struct scratch *s, struct printed *p)
{
	int files[] = { memfd_create("out", MFD_CLOEXEC), memfd_create("err", MFD_CLOEXEC) };
	int before[] = { fcntl(1, F_DUPFD_CLOEXEC, 3), fcntl(2, F_DUPFD_CLOEXEC, 3) };
	struct error err = { 0 };
	ssize_t n;
	int r;

	fflush(stdout);
	for (int i = 0; i < 2; i++)
		assert_true(dup2(files[i], i + 1) >= 0);
	r = log_set_open(set, s->fd, &err);
	if (r == 0)
		r = log_set_print(set, &err);
	for (int i = 0; i < 2; i++) {
		assert_true(dup2(before[i], i + 1) >= 0);
		close(before[i]);
	}
	assert_int_equal(r, 0);
	n = pread(files[0], p->out, sizeof(p->out) - 1, 0);
	p->out[n] = '\0';
	n = pread(files[1], p->err, sizeof(p->err) - 1, 0);
	p->err[n] = '\0';
	close(files[0]);
	close(files[1]);
}

#define T(seconds) "2026-11-22T12:00:" seconds "Z "

static void streams_stay_apart_and_parts_are_joined(void **state)
{
	_cleanup_(log_set_deinit) struct log_set set = { 0 };
	struct printed p;

	put_log(*state, "one",
		T("01") "stdout F hello\n" T("02") "stderr F oops\n" T("03") "stdout P a long\n" T(
			"04") "stdout P er\n" T("05") "stdout F  line\n"
						      "damaged\n" T("06") "stdout F \n" T(
							      "07") "stdout F not finis");
	assert_int_equal(log_set_add(&set, "one"), 0);
	print(&set, *state, &p);
	assert_string_equal(p.out, "hello\na longer line\n\n");
	assert_string_equal(p.err, "oops\n");
	print(&set, *state, &p); /* what was printed is not printed again */
	assert_string_equal(p.out, "");
}

static void logs_are_merged_by_time(void **state)
{
	_cleanup_(log_set_deinit) struct log_set set = { .prefix = true, .timestamps = true };
	struct printed p;

	put_log(*state, "one", T("01") "stdout F a\n" T("04") "stdout F d\n");
	put_log(*state, "two", T("02") "stdout F b\n" T("03") "stdout F c\n");
	assert_int_equal(log_set_add(&set, "one"), 0);
	assert_int_equal(log_set_add(&set, "two"), 0);
	assert_int_equal(log_set_add(&set, "not-yet"), 0);
	print(&set, *state, &p);
	assert_string_equal(
		p.out,
		"2026-11-22T12:00:01.000000000Z [one] a\n2026-11-22T12:00:02.000000000Z [two] b\n"
		"2026-11-22T12:00:03.000000000Z [two] c\n2026-11-22T12:00:04.000000000Z [one] d\n");
	put_log(*state, "not-yet", T("05") "stdout F e\n");
	print(&set, *state, &p);
	assert_string_equal(p.out, "2026-11-22T12:00:05.000000000Z [not-yet] e\n");
}

/* A line that has not ended is not run into by another app's. */
static void lines_of_several_logs_do_not_mix(void **state)
{
	_cleanup_(log_set_deinit) struct log_set set = { .prefix = true };
	struct printed p;

	put_log(*state, "one",
		T("01") "stdout P a\n" T("03") "stdout F c\n" T("04") "stdout P x\n" T(
			"05") "stdout F y\n");
	put_log(*state, "two", T("02") "stdout F b\n" T("02") "stderr F e\n");
	assert_int_equal(log_set_add(&set, "one"), 0);
	assert_int_equal(log_set_add(&set, "two"), 0);
	print(&set, *state, &p);
	assert_string_equal(p.out, "[one] a\n[two] b\n[one] c\n[one] xy\n");
	assert_string_equal(p.err, "[two] e\n");
}

static void the_tail_is_of_all_logs(void **state)
{
	for (unsigned n = 0; n < 6; n++) {
		_cleanup_(log_set_deinit) struct log_set set = { 0 };
		struct error err = { 0 };
		struct printed p;

		if (n == 0) {
			put_log(*state, "one",
				T("01") "stdout F a\n" T("03") "stdout P c\n" T(
					"04") "stdout F d\n");
			put_log(*state, "two", T("02") "stdout F b\n");
		}
		assert_int_equal(log_set_add(&set, "one"), 0);
		assert_int_equal(log_set_add(&set, "two"), 0);
		assert_int_equal(log_set_open(&set, ((struct scratch *)*state)->fd, &err), 0);
		assert_int_equal(log_set_skip_to_tail(&set, n, &err), 0);
		print(&set, *state, &p);
		assert_string_equal(p.out, n == 0   ? ""
					   : n == 1 ? "cd\n"
					   : n == 2 ? "b\ncd\n"
						    : "a\nb\ncd\n");
	}
}

static void since_passes_over_what_is_older(void **state)
{
	_cleanup_(log_set_deinit) struct log_set set = { 0 };
	struct printed p;

	put_log(*state, "one",
		T("01") "stdout F a\n" T("02") "stdout F b\n" T("03") "stdout F c\n");
	assert_int_equal(time_parse("2026-11-22T12:00:02Z", &set.since_ns), 0);
	assert_int_equal(log_set_add(&set, "one"), 0);
	print(&set, *state, &p);
	assert_string_equal(p.out, "b\nc\n");
}

static void a_terminal_gets_no_control_characters(void **state)
{
	_cleanup_(log_set_deinit) struct log_set set = { .escape = true };
	const struct scratch *s = *state;
	_close_ int fd = -1;
	struct printed p;

	put_log(s, "one", T("01") "stdout F a\tb\033]52;c;x\a\rz\n");
	fd = openat(s->fd, "apps/one/log", O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write_all(fd, T("02") "stdout F x\0y\n", 34), 0);
	assert_int_equal(log_set_add(&set, "one"), 0);
	print(&set, s, &p);
	assert_string_equal(p.out, "a\tb\\x1b]52;c;x\\x07\\x0dz\nx\\x00y\n");
}

/* More than any buffer in between, and a line that no limit allows. */
static void a_long_log(void **state)
{
	_cleanup_(log_set_deinit) struct log_set set = { 0 };
	const struct scratch *s = *state;
	_buf_ struct buf b = BUF_INIT(64 << 20);
	struct printed p;
	_close_ int fd = -1;

	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(buf_addf(&b, T("01") "stderr F %0600u\n", i), 0);
	assert_int_equal(buf_addf(&b, "%0300000u\n", 1), 0);
	assert_int_equal(buf_addf(&b, T("02") "stdout F end\n"), 0);
	put_log(s, "one", "");
	fd = openat(s->fd, "apps/one/log", O_WRONLY | O_CLOEXEC);
	assert_int_equal(write_all(fd, b.data, b.len), 0);
	assert_int_equal(log_set_add(&set, "one"), 0);
	print(&set, s, &p);
	assert_string_equal(p.out, "end\n");
}

/* A link that an app could not have made, but who knows: never followed. */
static void a_link_is_not_followed(void **state)
{
	_cleanup_(log_set_deinit) struct log_set set = { 0 };
	const struct scratch *s = *state;
	struct error err = { 0 };

	put_log(s, "one", "");
	assert_int_equal(unlinkat(s->fd, "apps/one/log", 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", s->fd, "apps/one/log"), 0);
	assert_int_equal(log_set_add(&set, "one"), 0);
	assert_int_equal(log_set_open(&set, s->fd, &err), -ELOOP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		scratch_test(streams_stay_apart_and_parts_are_joined),
		scratch_test(logs_are_merged_by_time),
		scratch_test(lines_of_several_logs_do_not_mix),
		scratch_test(the_tail_is_of_all_logs),
		scratch_test(since_passes_over_what_is_older),
		scratch_test(a_terminal_gets_no_control_characters),
		scratch_test(a_long_log),
		scratch_test(a_link_is_not_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
