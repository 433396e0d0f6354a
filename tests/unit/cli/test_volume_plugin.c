#include "cmocka_all.h"

#include <fcntl.h>
#include <stdlib.h>

#include "cli/volume-plugin/protocol.h"
#include "cli/volume-plugin/users.h"

enum { ALL = PLUGIN_NAME | PLUGIN_ID | PLUGIN_OPTIONS };

const char cli_program[] = "test";

/* ---- requests -------------------------------------------------------------------------------- */

static int read_text(const char *text, unsigned needs, struct plugin_request *q, struct error *err)
{
	*err = (struct error){ 0 };
	return plugin_request_read(text, strlen(text), needs, q, err);
}

static void a_request_says_everything(void **state _unused_)
{
	_plugin_request_ struct plugin_request q = { 0 };
	struct error err;

	assert_int_equal(read_text("{\"Name\":\"web\",\"ID\":\"4f2a\",\"Opts\":{\"size\":\"1.5G\","
				   "\"fs\":\"xfs\",\"from\":\"web.yesterday\"}}",
				   ALL, &q, &err),
			 0);
	assert_string_equal(q.name, "web");
	assert_string_equal(q.id, "4f2a");
	assert_string_equal(q.fs, "xfs");
	assert_string_equal(q.from, "web.yesterday");
	assert_true(q.size == 3ULL << 29);
}

static void what_a_call_does_not_need_is_not_read(void **state _unused_)
{
	_plugin_request_ struct plugin_request q = { 0 }, none = { 0 };
	struct error err;

	assert_int_equal(read_text("{\"Name\":\"a\",\"ID\":7,\"Opts\":3,\"New\":[]}", PLUGIN_NAME,
				   &q, &err),
			 0);
	assert_string_equal(q.name, "a");
	assert_null(q.id);
	assert_int_equal(read_text("no JSON at all", 0, &none, &err), 0);
}

static void options_may_be_absent(void **state _unused_)
{
	static const char *const bodies[] = { "{\"Name\":\"a\"}", "{\"Name\":\"a\",\"Opts\":null}",
					      "{\"Name\":\"a\",\"Opts\":{}}" };
	struct error err;

	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		_plugin_request_ struct plugin_request q = { 0 };

		assert_int_equal(read_text(bodies[i], PLUGIN_NAME | PLUGIN_OPTIONS, &q, &err), 0);
		assert_true(q.size == 0 && !q.fs && !q.from);
	}
}

static void what_is_wrong_is_named(void **state _unused_)
{
	static const struct {
		const char *body, *words;
	} bad[] = {
		{ "", "expected" },
		{ "[]", "object" },
		{ "{}", "Name: is missing" },
		{ "{\"Name\":null,\"ID\":\"x\"}", "Name: is missing" },
		{ "{\"Name\":\"a\"}", "ID: is missing" },
		{ "{\"Name\":\"a\",\"ID\":\"\"}", "ID: must have" },
		{ "{\"Name\":7,\"ID\":\"x\"}", "Name: " },
		{ "{\"Name\":\"a\",\"Name\":\"b\",\"ID\":\"x\"}", "duplicate" },
		{ "{\"Name\":\"a\\u0000b\",\"ID\":\"x\"}", "" },
		{ "{\"Name\":\"a\",\"ID\":\"x\"} {}", "" },
		{ "{\"Name\":\"..\",\"ID\":\"x\"}", "Name: is no name" },
		{ "{\"Name\":\"a/b\",\"ID\":\"x\"}", "Name: is no name" },
		{ "{\"Name\":\"a\",\"ID\":\"x\",\"Opts\":[]}", "Opts: " },
		{ "{\"Name\":\"a\",\"ID\":\"x\",\"Opts\":{\"Size\":\"1G\"}}",
		  "Opts.Size: there is no such option; there are size, fs and from" },
		{ "{\"Name\":\"a\",\"ID\":\"x\",\"Opts\":{\"size\":\"1X\"}}",
		  "Opts.size: is no size: 1X" },
		{ "{\"Name\":\"a\",\"ID\":\"x\",\"Opts\":{\"size\":\"0\"}}", "Opts.size: " },
		{ "{\"Name\":\"a\",\"ID\":\"x\",\"Opts\":{\"size\":1024}}", "Opts.size: " },
		{ "{\"Name\":\"a\",\"ID\":\"x\",\"Opts\":{\"from\":\"\"}}", "Opts.from: is empty" },
	};
	struct error err;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_plugin_request_ struct plugin_request q = { 0 };

		assert_int_equal(read_text(bad[i].body, ALL, &q, &err), -EBADMSG);
		assert_says(&err, bad[i].words);
	}
}

static void a_long_id_is_refused(void **state _unused_)
{
	_plugin_request_ struct plugin_request q = { 0 };
	char body[PLUGIN_ID_MAX + 64];
	struct error err;

	snprintf(body, sizeof(body), "{\"Name\":\"a\",\"ID\":\"%0*d\"}", PLUGIN_ID_MAX, 1);
	assert_int_equal(read_text(body, PLUGIN_NAME | PLUGIN_ID, &q, &err), 0);
	plugin_request_deinit(&q);
	snprintf(body, sizeof(body), "{\"Name\":\"a\",\"ID\":\"%0*d\"}", PLUGIN_ID_MAX + 1, 1);
	assert_int_equal(read_text(body, PLUGIN_NAME | PLUGIN_ID, &q, &err), -EBADMSG);
}

static void names_are_one_component(void **state _unused_)
{
	static const char *const good[] = { "a", "web-1", "a b", "a.b", "a..", "\xc3\xa4", "-" };
	static const char *const bad[] = { "", ".", "..", ".users", "a/b", "/", "a\nb", "\x7f" };
	char longest[PLUGIN_NAME_MAX + 2];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(plugin_is_name(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(plugin_is_name(bad[i]));
	memset(longest, 'n', sizeof(longest));
	longest[PLUGIN_NAME_MAX] = '\0';
	assert_true(plugin_is_name(longest));
	longest[PLUGIN_NAME_MAX] = 'n';
	longest[PLUGIN_NAME_MAX + 1] = '\0';
	assert_false(plugin_is_name(longest));
}

/* ---- users ----------------------------------------------------------------------------------- */

struct place {
	char path[32];
	int dirfd;
};

static int place_setup(void **state)
{
	struct place *p = malloc(sizeof(*p));

	snprintf(p->path, sizeof(p->path), "/tmp/users.XXXXXX");
	if (!mkdtemp(p->path))
		return -1;
	p->dirfd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = p;
	return p->dirfd < 0;
}

static int place_teardown(void **state)
{
	struct place *p = *state;

	unlinkat(p->dirfd, ".users", 0);
	close(p->dirfd);
	if (rmdir(p->path) < 0)
		return -1; /* something was left beside the file */
	free(p);
	return 0;
}

/* As a plugin that is started again sees them. */
static void reload(struct users *u, int dirfd)
{
	struct error err = { 0 };

	users_deinit(u);
	assert_int_equal(users_load(u, dirfd, &err), 0);
}

static void nobody_at_first(void **state)
{
	struct place *p = *state;
	struct users u = { 0 };

	reload(&u, p->dirfd);
	assert_int_equal(u.n, 0);
	assert_int_equal(users_remove(&u, "a", "1", NULL), 0);
	assert_int_equal(faccessat(p->dirfd, ".users", F_OK, 0), -1);
}

static void users_are_counted_once_and_remembered(void **state)
{
	struct place *p = *state;
	struct users u = { 0 };

	reload(&u, p->dirfd);
	assert_int_equal(users_add(&u, "a", "1", NULL), 0);
	assert_int_equal(users_add(&u, "a", "2", NULL), 0);
	assert_int_equal(users_add(&u, "a", "1", NULL), 0);
	assert_int_equal(users_add(&u, "b", "1", NULL), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(users_count(&u, "a"), 2);
		assert_int_equal(users_count(&u, "b"), 1);
		assert_int_equal(users_count(&u, "c"), 0);
		assert_true(users_has(&u, "a", "2"));
		assert_false(users_has(&u, "b", "2"));
		reload(&u, p->dirfd);
	}
	assert_int_equal(users_remove(&u, "a", "1", NULL), 0);
	assert_int_equal(users_remove(&u, "a", "1", NULL), 0);
	assert_int_equal(users_count(&u, "a"), 1);
	reload(&u, p->dirfd);
	assert_int_equal(users_count(&u, "a"), 1);
	assert_int_equal(users_remove_all(&u, "a", NULL), 0);
	reload(&u, p->dirfd);
	assert_int_equal(u.n, 1);
	assert_true(users_has(&u, "b", "1"));
	users_deinit(&u);
}

static void a_change_that_cannot_be_written_is_none(void **state)
{
	struct place *p = *state;
	struct error err = { 0 };
	struct users u = { 0 };

	reload(&u, p->dirfd);
	assert_int_equal(users_add(&u, "a", "1", &err), 0);
	u.dirfd = -1;
	assert_int_equal(users_add(&u, "a", "2", &err), -EBADF);
	assert_says(&err, "cannot write down");
	assert_int_equal(users_remove(&u, "a", "1", &err), -EBADF);
	assert_int_equal(u.n, 1);
	assert_true(users_has(&u, "a", "1"));
	users_deinit(&u);
}

static void users_of_another_boot_are_gone(void **state)
{
	static const char text[] = "{\"version\":1,\"boot\":\"0d9a\",\"users\":[{\"name\":\"a\","
				   "\"id\":\"1\"}]}";
	struct place *p = *state;
	struct users u = { 0 };

	assert_int_equal(file_write(p->dirfd, ".users", text, strlen(text), 0600, 0), 0);
	reload(&u, p->dirfd);
	assert_int_equal(u.n, 0);
	users_deinit(&u);
}

static void a_damaged_file_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"{\"version\":2,\"boot\":\"x\",\"users\":[]}",
		"{\"version\":1,\"users\":[]}",
		"{\"version\":1,\"boot\":\"x\",\"users\":[{\"name\":\"a\"}]}",
		"{\"version\":1,\"boot\":\"x\",\"users\":[{\"name\":\"../a\",\"id\":\"1\"}]}",
	};
	struct place *p = *state;
	struct users u = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = { 0 };

		assert_int_equal(file_write(p->dirfd, ".users", bad[i], strlen(bad[i]), 0600, 0),
				 0);
		assert_int_equal(users_load(&u, p->dirfd, &err), -EBADMSG);
		assert_says(&err, "who has what mounted, .users");
		assert_int_equal(u.n, 0);
	}
}

#define WITH_PLACE(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_says_everything),
		cmocka_unit_test(what_a_call_does_not_need_is_not_read),
		cmocka_unit_test(options_may_be_absent),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(a_long_id_is_refused),
		cmocka_unit_test(names_are_one_component),
		WITH_PLACE(nobody_at_first),
		WITH_PLACE(users_are_counted_once_and_remembered),
		WITH_PLACE(a_change_that_cannot_be_written_is_none),
		WITH_PLACE(users_of_another_boot_are_gone),
		WITH_PLACE(a_damaged_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
