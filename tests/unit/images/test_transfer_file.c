/* Answers into a file that outlives who asked: what goes on where, and what ends it. */
#include "web.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

static void open_partial(struct web *w, struct store_partial *p)
{
	assert_int_equal(store_partial_open(w->bench->im.store, w->t.url, p, &w->err), 0);
}

/* As a process would that begins and ends; the result of the transfer. */
static int get_file(struct web *w)
{
	_store_partial_ struct store_partial p = STORE_PARTIAL_NONE;

	transfer_result_deinit(&w->result);
	w->err = (struct error){ 0 };
	open_partial(w, &p);
	return transfer_file(&w->net, &w->t, &p, &w->result, NULL, &w->err);
}

static void get_file_well(struct web *w, const char *text)
{
	_store_partial_ struct store_partial p = STORE_PARTIAL_NONE;
	_free_ char *data = NULL;
	int r = get_file(w);

	if (r < 0)
		fail_msg("%d: %s", r, w->err.text);
	open_partial(w, &p);
	assert_int_equal(file_read_fd(p.data, 1 << 20, &data, NULL), 0);
	assert_string_equal(data, text);
	assert_int_equal(w->result.status, 200);
	assert_int_equal(w->result.bytes, strlen(text));
}

static void test_file(void **state)
{
	struct web *w = *state;

	script(w, "status 302\nheader location: https://cdn.example/x\ndone\n");
	script(w, "status 200\nheader content-type: a/b\nheader etag: \"1\"\n"
		  "header docker-content-digest: sha256:1\nstart 0\ntotal 5\nwrite hello\ndone\n");
	get_file_well(w, "hello");
	assert_null(w->result.body);
	assert_int_equal(asked(w), 2);
	for (int i = 0; i < 2; i++) { /* now, and when it is there already */
		assert_string_equal(w->result.url, "https://cdn.example/x");
		assert_string_equal(w->result.content_type, "a/b");
		assert_string_equal(w->result.validator, "\"1\"");
		assert_string_equal(w->result.digest, "sha256:1");
		get_file_well(w, "hello");
		assert_int_equal(asked(w), 2);
	}
}

static void test_file_other_status(void **state)
{
	struct web *w = *state;

	script(w, "status 404\nbody none\ndone\n");
	assert_int_equal(get_file(w), 0);
	assert_int_equal(w->result.status, 404);
	assert_string_equal(w->result.body, "none");
	script(w, "status 200\nstart 0\nwrite now\ndone\n");
	get_file_well(w, "now");
}

static const char *const beginning =
	"status 200\nheader etag: \"1\"\nstart 0\ntotal 5\nwrite he\nprogress\nfail 2 cut\n";

static void test_goes_on(void **state)
{
	struct web *w = *state;

	script(w, beginning);
	script(w, "status 206\nheader etag: \"1\"\nstart 2\ntotal 5\nwrite l\nkill\n");
	script(w, "status 206\nstart 3\ntotal 5\nwrite lo\ndone\n");
	get_file_well(w, "hello");
	assert_string_equal(w->result.validator, "\"1\"");
	assert_job(w, 1, "offset=0", false);
	assert_job(w, 2, "offset=2", true);
	assert_job(w, 2, "validator=\"1\"", true);
	assert_job(w, 3, "offset=3", true);
}

/* The same by another process, after the first had to give up. */
static void test_goes_on_later(void **state)
{
	struct web *w = *state;

	w->config->retries = 0;
	script(w, beginning);
	assert_int_equal(get_file(w), -EHOSTUNREACH);
	script(w, "status 206\nheader etag: \"1\"\nstart 2\ntotal 5\nwrite llo\ndone\n");
	get_file_well(w, "hello");
	assert_job(w, 2, "offset=2", true);
	assert_job(w, 2, "validator=\"1\"", true);
}

static void test_other_content(void **state)
{
	struct web *w = *state;

	script(w, beginning);
	script(w, "status 200\nheader etag: \"2\"\nstart 0\ntotal 3\nwrite b\nfail 2 cut\n");
	script(w, "status 206\nheader etag: \"2\"\nstart 1\ntotal 3\nwrite ye\ndone\n");
	get_file_well(w, "bye");
	assert_job(w, 3, "offset=1", true);
	assert_job(w, 3, "validator=\"2\"", true);
	assert_string_equal(w->result.validator, "\"2\"");
}

/* A server that does not care for If-Range. */
static void test_wrong_part(void **state)
{
	struct web *w = *state;

	script(w, beginning);
	script(w, "status 206\nheader etag: \"2\"\nstart 2\ntotal 5\nwrite XXX\ndone\n");
	script(w, "status 200\nheader etag: \"2\"\nstart 0\nwrite whole\ndone\n");
	get_file_well(w, "whole");
	assert_job(w, 3, "offset=2", false);
	w->config->retries = 1;
	w->t.url = "https://example.com/other";
	script(w, beginning);
	script(w, "status 206\nheader etag: \"2\"\nstart 2\ntotal 5\nwrite XXX\ndone\n");
	assert_int_equal(get_file(w), -ESTALE);
	assert_non_null(strstr(w->err.text, "something else than it began with"));
}

static void test_no_validator(void **state)
{
	struct web *w = *state;

	script(w,
	       "status 200\nheader etag: W/\"1\"\nstart 0\ntotal 5\nwrite he\nprogress\nfail 2 cut\n");
	script(w, "status 200\nstart 0\ntotal 5\nwrite hello\ndone\n");
	get_file_well(w, "hello");
	assert_job(w, 2, "offset=2", false);

	w->t.url = "https://example.com/sha256:1";
	w->t.immutable = true;
	script(w, "status 200\nstart 0\ntotal 5\nwrite he\nprogress\nfail 2 cut\n");
	script(w, "status 206\nheader etag: \"new\"\nstart 2\ntotal 5\nwrite llo\ndone\n");
	get_file_well(w, "hello");
	assert_job(w, 4, "offset=2", true);
}

/* Everything came, and who took it was killed before it could say so: one byte is asked for. */
static void test_almost_complete(void **state)
{
	struct web *w = *state;

	script(w,
	       "status 200\nheader etag: \"1\"\nstart 0\ntotal 5\nwrite hello\nprogress\nkill\n");
	script(w, "status 206\nheader etag: \"1\"\nstart 4\ntotal 5\nwrite o\ndone\n");
	get_file_well(w, "hello");
	assert_job(w, 2, "offset=4", true);
	/* how long it is was not known */
	w->t.url = "https://example.com/other";
	script(w, "status 200\nheader etag: \"1\"\nstart 0\nwrite hello\nprogress\nkill\n");
	script(w, "status 416\ntotal 5\ndone\n");
	script(w, "status 206\nheader etag: \"1\"\nstart 4\ntotal 5\nwrite o\ndone\n");
	get_file_well(w, "hello");
	assert_job(w, 4, "offset=5", true);
	assert_job(w, 5, "offset=4", true);
	/* and now it is something shorter */
	w->t.url = "https://example.com/third";
	script(w, "status 200\nheader etag: \"1\"\nstart 0\nwrite hello\nprogress\nkill\n");
	script(w, "status 416\ntotal 2\ndone\n");
	script(w, "status 200\nheader etag: \"2\"\nstart 0\nwrite hi\ndone\n");
	get_file_well(w, "hi");
	assert_job(w, 8, "offset=5", false);
}

/* Changes a text of the state file. */
static void edit_state(struct web *w, const char *from, const char *to)
{
	_store_partial_ struct store_partial p = STORE_PARTIAL_NONE;
	_free_ char *text = NULL, *edited = NULL;
	const char *at;
	size_t len;

	open_partial(w, &p);
	assert_int_equal(store_partial_read(&p, &text, &len, &w->err), 0);
	assert_non_null(text);
	at = strstr(text, from);
	assert_non_null(at);
	edited = str_printf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	assert_int_equal(store_partial_write(&p, edited, strlen(edited), &w->err), 0);
}

static void test_reboot(void **state)
{
	struct web *w = *state;

	w->config->retries = 0;
	w->t.max_bytes = 64 << 20;
	/* what is durable is counted in steps of 32 MiB */
	script(w, "status 200\nheader etag: \"1\"\nstart 0\nfill 33554432 a\nprogress\n"
		  "write bcd\nprogress\nfail 2 cut\n");
	assert_int_equal(get_file(w), -EHOSTUNREACH);
	script(w, "fail 2 cut\n");
	assert_int_equal(get_file(w), -EHOSTUNREACH);
	assert_job(w, 2, "offset=33554435", true);
	edit_state(w, "\"boot\":\"", "\"boot\":\"x");
	script(w, "status 206\nheader etag: \"1\"\nstart 33554432\nwrite end\ndone\n");
	assert_int_equal(get_file(w), 0);
	assert_job(w, 3, "offset=33554432", true);
	assert_int_equal(w->result.bytes, 33554435);
	/* what is complete is durable */
	edit_state(w, "\"boot\":\"", "\"boot\":\"x");
	assert_int_equal(get_file(w), 0);
	assert_int_equal(asked(w), 3);
}

static void test_bad_state(void **state)
{
	static const struct {
		const char *from, *to;
	} edits[] = {
		{ "{", "" },
		{ "https://example.com/app", "https://example.com/other" },
		{ "\"durable\":0", "\"durable\":-1" },
		{ "\"complete\":false", "\"complete\":\"no\"" },
		{ "\"validator\"", "\"other\"" },
		{ "\"complete\":false", "\"complete\":true" }, /* of another size */
	};
	struct web *w = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(edits); i++) {
		_store_partial_ struct store_partial p = STORE_PARTIAL_NONE;

		w->config->retries = 0;
		script(w, beginning);
		assert_int_equal(get_file(w), -EHOSTUNREACH);
		edit_state(w, edits[i].from, edits[i].to);
		script(w, "status 200\nstart 0\nwrite new\ndone\n");
		get_file_well(w, "new");
		assert_job(w, 2 * i + 2, "offset=2", false);
		open_partial(w, &p);
		store_partial_remove(w->bench->im.store, &p);
	}
}

/* As long as it goes on it is no failure, however often it is cut. */
static void test_many_cuts(void **state)
{
	struct web *w = *state;
	char text[256];

	w->config->retries = 1;
	w->t.max_bytes = 64 << 20;
	for (int i = 0; i < 5; i++) {
		snprintf(text, sizeof(text),
			 "status %d\nheader etag: \"1\"\nstart %d\nfill 2097152 a\nfail 2 cut\n",
			 i ? 206 : 200, i * 2097152);
		script(w, text);
	}
	script(w, "status 206\nheader etag: \"1\"\nstart 10485760\nwrite x\ndone\n");
	assert_int_equal(get_file(w), 0);
	assert_int_equal(w->result.bytes, 10485761);
	assert_int_equal(asked(w), 6);
}

static void test_file_over_http(void **state)
{
	static const char *const insecure[] = { "example.com" };
	struct web *w = *state;

	w->policy.insecure_hosts = insecure;
	w->policy.n_insecure_hosts = 1;
	w->config->retries = 0;
	w->t.url = "http://example.com/app";
	script(w, beginning);
	assert_int_equal(get_file(w), -EHOSTUNREACH);
	/* the rest comes by another way: some of it is still what anybody could have changed */
	edit_state(w, "\"url\":\"http:", "\"url\":\"https:");
	{
		_store_partial_ struct store_partial from = STORE_PARTIAL_NONE;
		_store_partial_ struct store_partial to = STORE_PARTIAL_NONE;
		_free_ char *text = NULL;
		size_t len;

		open_partial(w, &from);
		w->t.url = "https://example.com/app";
		open_partial(w, &to);
		assert_int_equal(store_partial_read(&from, &text, &len, &w->err), 0);
		assert_int_equal(write_all(to.data, "he", 2), 0);
		assert_int_equal(store_partial_write(&to, text, len, &w->err), 0);
	}
	script(w, "status 206\nheader etag: \"1\"\nstart 2\ntotal 5\nwrite llo\ndone\n");
	get_file_well(w, "hello");
	assert_true(w->result.over_http);
	get_file_well(w, "hello");
	assert_true(w->result.over_http);
}

struct seen {
	unsigned n;
	uint64_t last, total;
};

static void on_progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
	struct seen *seen = arg;

	assert_string_equal(what, "app");
	seen->n++;
	seen->last = done;
	seen->total = total;
}

static void test_progress(void **state)
{
	struct seen seen = { 0 };
	const struct images_progress progress = { on_progress, &seen };
	_store_partial_ struct store_partial p = STORE_PARTIAL_NONE;
	struct web *w = *state;

	script(w, "status 200\nstart 0\ntotal 6\nwrite abc\nprogress\nwrite def\nprogress\ndone\n");
	open_partial(w, &p);
	assert_int_equal(transfer_file(&w->net, &w->t, &p, &w->result, &progress, &w->err), 0);
	assert_int_equal(seen.n, 4);
	assert_int_equal(seen.last, 6);
	assert_int_equal(seen.total, 6);
}

/* ---- signals --------------------------------------------------------------------------------- */

static volatile sig_atomic_t came;

static void on_signal(_unused_ int number)
{
	came = 1;
}

/* A process of its own gets SIGTERM after a while. */
static void interrupt(struct web *w, unsigned after_ms)
{
	struct sigaction action = { .sa_handler = on_signal }; /* no SA_RESTART */
	int64_t began = time_boot_ns();
	pid_t pid, self = getpid();
	sigset_t mask;

	came = 0;
	assert_int_equal(sigaction(SIGTERM, &action, NULL), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		usleep(after_ms * 1000);
		kill(self, SIGTERM);
		_exit(0);
	}
	assert_int_equal(get_file(w), -EINTR);
	assert_non_null(strstr(w->err.text, "interrupted"));
	assert_true(came);
	assert_true(time_boot_ns() - began < 5 * SECOND);
	/* nobody but the one that sent it is left */
	assert_int_equal(waitpid(-1, NULL, 0), pid);
	assert_int_equal(waitpid(-1, NULL, 0), -1);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	assert_int_equal(sigismember(&mask, SIGTERM), 0);
}

static void test_interrupted(void **state)
{
	struct web *w = *state;

	script(w, "status 200\nheader etag: \"1\"\nstart 0\nwrite he\nprogress\nhang\n");
	interrupt(w, 300);
	script(w, "status 503\nheader retry-after: 60\ndone\n");
	interrupt(w, 300);
	assert_job(w, 2, "offset=2", true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_file),          test(test_file_other_status), test(test_goes_on),
		test(test_goes_on_later), test(test_other_content),     test(test_wrong_part),
		test(test_no_validator),  test(test_almost_complete),   test(test_reboot),
		test(test_bad_state),     test(test_many_cuts),         test(test_file_over_http),
		test(test_progress),      test(test_interrupted),
	};

	return web_run(tests, ARRAY_SIZE(tests), "transfer_file");
}
