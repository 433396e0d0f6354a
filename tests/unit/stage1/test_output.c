/* What apps write -> log and caller: lines, parts of lines, prefixes, slow callers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "stage1/stage1.h"

struct fixture {
	struct supervisor s;
	struct app app;
	struct appc_pod_app manifest;
	struct pod_launch_app launch;
	int in;  /* the app's end */
	int out; /* the caller's end */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(loop_init(&f->s.loop), 0);
	f->manifest.name = (char *)"web";
	f->s.n_apps = 1;
	f->app.s = &f->s;
	f->app.manifest = &f->manifest;
	f->launch.input = POD_STDIN_TTY; /* lines end in \r\n there */
	f->app.launch = &f->launch;
	f->app.log = memfd_create("log", MFD_CLOEXEC);
	f->in = in[1];
	f->out = out[0];
	sink_init(&f->s.out, &f->s, out[1]);
	assert_int_equal(output_start(&f->app.out, &f->app, "stdout", in[0], &f->s.out), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	output_drain(&f->app.out);
	output_flush(&f->app.out);
	close(f->app.log);
	if (f->s.out.fd >= 0)
		close(f->s.out.fd);
	close(f->out);
	if (f->in >= 0)
		close(f->in);
	loop_deinit(&f->s.loop);
	free(f);
	return 0;
}

/* Writes text as the app, runs the stream to its end, and returns the log. */
static char *log_of(struct fixture *f, const char *text, size_t len)
{
	char *log = NULL;

	assert_int_equal(write_all(f->in, text, len), 0);
	close(take_fd(&f->in));
	output_drain(&f->app.out);
	assert_int_equal(file_read_fd(f->app.log, 1 << 20, &log, NULL), 0);
	return log;
}

/* The text of a log without the times. */
static void without_times(char *log)
{
	char *to = log;

	for (char *line = log, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		char *space = strchr(line, ' ');

		assert_non_null(space);
		assert_int_equal(space - line, TIME_TEXT - 1);
		memmove(to, space + 1, (size_t)(end - space));
		to += end - space;
	}
	*to = '\0';
}

static void test_lines(void **state)
{
	_free_ char *log = log_of(*state, "one\ntwo\r\n\nlast", 14);

	without_times(log);
	assert_string_equal(log, "stdout F one\nstdout F two\nstdout F \nstdout P last\n");
}

static void test_long_line_is_split(void **state)
{
	static char text[LIMIT_LOG_LINE_BYTES + 10];
	struct fixture *f = *state;
	_free_ char *log = NULL;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\n';
	log = log_of(f, text, sizeof(text));
	without_times(log);
	assert_int_equal(strlen(log), sizeof(text) - 1 + 2 * strlen("stdout F \n"));
	assert_true(str_starts(log, "stdout P xxx"));
	assert_non_null(strstr(log, "\nstdout F xxxxxxxxx\n"));
}

static void test_caller_gets_the_bytes(void **state)
{
	struct fixture *f = *state;
	char got[64] = "";

	free(log_of(f, "a\nb", 3));
	output_flush(&f->app.out);
	assert_int_equal(read(f->out, got, sizeof(got)), 3);
	assert_string_equal(got, "a\nb");
}

static void test_prefix_when_apps_share(void **state)
{
	struct fixture *f = *state;
	char got[64] = "";

	f->s.n_apps = 2;
	free(log_of(f, "a\nb\n", 4));
	output_flush(&f->app.out);
	assert_true(read(f->out, got, sizeof(got)) > 0);
	assert_string_equal(got, "[web] a\n[web] b\n");
}

static void test_caller_gone(void **state)
{
	struct fixture *f = *state;
	_free_ char *log = NULL;

	signal(SIGPIPE, SIG_IGN);
	close(f->out);
	f->out = -1;
	log = log_of(f, "still logged\n", 13);
	output_flush(&f->app.out);
	assert_int_equal(f->s.out.fd, -1);
	without_times(log);
	assert_string_equal(log, "stdout F still logged\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_line_is_split, setup, teardown),
		cmocka_unit_test_setup_teardown(test_caller_gets_the_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_prefix_when_apps_share, setup, teardown),
		cmocka_unit_test_setup_teardown(test_caller_gone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
