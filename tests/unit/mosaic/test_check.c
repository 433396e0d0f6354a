/* mosaic_check(), words, limits: on the plain driver, no privileges needed. */
#include "scratch.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "mosaic/driver.h"

static int plain_setup(void **state)
{
	struct error err = { 0 };
	struct scratch *s;

	scratch_setup(state);
	s = *state;
	assert_ok(mosaic_open(&s->mosaic, s->location, "plain", MOSAIC_OPEN_CREATE, &err), &err);
	return 0;
}

struct problems {
	char text[4096];
	unsigned n, mended;
	int end;
};

static int note(const struct mosaic_problem *p, void *arg)
{
	struct problems *all = arg;
	size_t used = strlen(all->text);

	snprintf(all->text + used, sizeof(all->text) - used, "%s: %s\n", p->where, p->text);
	all->n++;
	all->mended += p->mended;
	return all->end;
}

/* What is wrong still; what was told is in *p. */
static unsigned check(struct scratch *s, unsigned flags, struct problems *p)
{
	struct error err = { 0 };
	unsigned n = 99;

	*p = (struct problems){ 0 };
	assert_ok(mosaic_check(s->mosaic, flags, note, p, &n, &err), &err);
	return n;
}

static void whole_mosaic_has_no_problem(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	struct problems p;

	assert_ok(mosaic_create(s->mosaic, "a b", NULL, &err), &err);
	commit_hello(s, "tree");
	assert_ok(mosaic_clone(s->mosaic, "clone", "tree", &err), &err);
	assert_int_equal(check(s, 0, &p), 0);
	assert_string_equal(p.text, "");
	assert_int_equal(check(s, MOSAIC_CHECK_REPAIR, &p), 0);
	assert_int_equal(p.n, 0);
}

static void leftovers_are_told_then_removed(void **state)
{
	struct scratch *s = *state;
	int dir = s->mosaic->dirfd;
	struct problems p;

	assert_int_equal(mkdirat(dir, "staging/one", 0700), 0);
	put(dir, "staging/one/file", "x");
	assert_int_equal(mkdirat(dir, "volumes/half", 0700), 0);
	put(dir, ".type.4194305", "pla");
	assert_int_equal(check(s, 0, &p), 3);
	assert_non_null(strstr(p.text, "staging/one: was never finished"));
	assert_non_null(strstr(p.text, "volumes/half: was never finished"));
	assert_non_null(strstr(p.text, ".type.4194305: a file that was never finished"));
	assert_int_equal(p.mended, 0);
	assert_file(dir, "staging/one/file", "x");
	assert_int_equal(check(s, MOSAIC_CHECK_REPAIR, &p), 0);
	assert_int_equal(p.mended, 3);
	assert_int_equal(count_entries(s, "staging"), 0);
	assert_int_equal(count_entries(s, "volumes"), 0);
	assert_missing(dir, ".type.4194305");
	assert_int_equal(check(s, 0, &p), 0);
	assert_int_equal(p.n, 0);
}

static void what_lives_is_left_alone(void **state)
{
	struct scratch *s = *state;
	struct mosaic_staged staged = MOSAIC_STAGED_NONE;
	struct error err = { 0 };
	struct problems p;
	char mine[32];
	int fd = -1;

	assert_ok(mosaic_stage(s->mosaic, &staged, &fd, &err), &err);
	snprintf(mine, sizeof(mine), ".events.%d", getpid());
	put(s->mosaic->dirfd, mine, "x");
	assert_int_equal(check(s, MOSAIC_CHECK_REPAIR, &p), 0);
	assert_string_equal(p.text, "");
	close(fd);
	assert_ok(mosaic_commit(s->mosaic, &staged, "v", &err), &err);
	assert_file(s->mosaic->dirfd, mine, "x");
}

static void finished_volumes_are_never_removed(void **state)
{
	struct scratch *s = *state;
	int dir = s->mosaic->dirfd;
	struct error err = { 0 };
	struct problems p;

	assert_ok(mosaic_create(s->mosaic, "orphan", NULL, &err), &err);
	assert_ok(mosaic_create(s->mosaic, "odd", NULL, &err), &err);
	commit_hello(s, "layer");
	assert_int_equal(symlinkat("gone", dir, "volumes/orphan/parent"), 0);
	assert_int_equal(symlinkat("a/b", dir, "volumes/odd/parent"), 0);
	assert_int_equal(symlinkat("gone", dir, "volumes/layer/below"), 0);
	put(dir, "volumes/file", "");
	assert_int_equal(mkdirat(dir, "volumes/a\nb", 0700), 0);
	assert_int_equal(check(s, MOSAIC_CHECK_REPAIR, &p), 5);
	assert_non_null(strstr(p.text, "volumes/orphan: needs volume gone, which is not there"));
	assert_non_null(strstr(p.text, "volumes/layer: needs volume gone, which is not there"));
	assert_non_null(strstr(p.text, "volumes/odd: is damaged: "));
	assert_non_null(strstr(p.text, "volumes/file: is no directory"));
	assert_non_null(strstr(p.text, "volumes/a\\x0ab: no volume can have that name"));
	assert_int_equal(p.mended, 0);
	assert_int_equal(count_entries(s, "volumes"), 5);
}

static void missing_directories_are_made(void **state)
{
	struct scratch *s = *state;
	struct problems p;

	assert_int_equal(unlinkat(s->mosaic->dirfd, "staging", AT_REMOVEDIR), 0);
	assert_int_equal(check(s, MOSAIC_CHECK_REPAIR, &p), 0);
	assert_string_equal(p.text, "staging: the directory is missing\n");
	assert_int_equal(p.mended, 1);
	assert_int_equal(check(s, 0, &p), 0);
	assert_int_equal(p.n, 0);
}

static void fn_may_end_it(void **state)
{
	struct scratch *s = *state;
	struct problems p = { .end = -7 };
	struct error err = { 0 };
	unsigned n = 99;

	put(s->mosaic->dirfd, "volumes/one", "");
	put(s->mosaic->dirfd, "volumes/two", "");
	assert_int_equal(mosaic_check(s->mosaic, 0, note, &p, &n, &err), -7);
	assert_int_equal(p.n, 1);
	assert_int_equal(n, 99);
}

/* ---- a driver that finds something ----------------------------------------------------------- */

static int driver_check(struct mosaic *m, const struct volume *v, struct check *c,
			struct error *err)
{
	(void)m;
	if (!v)
		return volume_problem(c, "device x", c->repair, "belongs to %s", "nobody");
	if (str_eq(v->name, "bad"))
		return error_set(err, -EIO, "cannot read it.");
	return 0;
}

static void drivers_are_asked(void **state)
{
	struct scratch *s = *state;
	const struct mosaic_driver *plain = s->mosaic->driver;
	struct mosaic_driver own = *plain;
	struct error err = { 0 };
	struct problems p;

	own.check = driver_check;
	s->mosaic->driver = &own;
	assert_ok(mosaic_create(s->mosaic, "bad", NULL, &err), &err);
	assert_ok(mosaic_create(s->mosaic, "good", NULL, &err), &err);
	assert_int_equal(check(s, 0, &p), 2);
	assert_non_null(strstr(p.text, "volumes/bad: cannot be checked: cannot read it\n"));
	assert_non_null(strstr(p.text, "device x: belongs to nobody\n"));
	assert_int_equal(check(s, MOSAIC_CHECK_REPAIR, &p), 1);
	assert_int_equal(p.mended, 1);
	s->mosaic->driver = plain;
}

/* ---- words and limits ------------------------------------------------------------------------ */

static void limits_are_those_of_the_file_system(void **state)
{
	struct scratch *s = *state;
	struct mosaic_limits l = { 0 };
	struct error err = { 0 };

	assert_ok(mosaic_limits(s->mosaic, &l, &err), &err);
	assert_true(l.total >= l.available && l.total > 0);
	assert_int_equal(l.size_min, 0);
	assert_int_equal(l.size_max, 0);
	assert_non_null(l.filesystems);
	assert_null(l.filesystems[0]);
}

static void features_have_names(void **state)
{
	(void)state;
	assert_string_equal(mosaic_feature_name(MOSAIC_CLONE), "clone");
	assert_string_equal(mosaic_feature_name(MOSAIC_EXCLUSIVE), "exclusive");
	for (uint32_t bit = 1; bit <= MOSAIC_EXCLUSIVE; bit <<= 1)
		assert_non_null(mosaic_feature_name(bit));
	assert_null(mosaic_feature_name(MOSAIC_EXCLUSIVE << 1));
	assert_null(mosaic_feature_name(MOSAIC_CLONE | MOSAIC_SNAPSHOT));
	assert_null(mosaic_feature_name(0));
}

static void keep_log(enum mosaic_log_level level, const char *text, void *arg)
{
	snprintf(arg, 128, "%d %s", level, text);
}

static void log_goes_to_who_asked(void **state)
{
	char last[128] = "";

	(void)state;
	mosaic_log(MOSAIC_LOG_ERROR, "nobody");
	mosaic_set_log(keep_log, MOSAIC_LOG_WARNING, last);
	errno = EXDEV;
	mosaic_log(MOSAIC_LOG_INFO, "too much");
	assert_string_equal(last, "");
	mosaic_log(MOSAIC_LOG_WARNING, "%s\n", "two\x1b");
	assert_string_equal(last, "2 two\\x1b\\x0a");
	assert_int_equal(errno, EXDEV);
	mosaic_set_log(NULL, 0, NULL);
	mosaic_log(MOSAIC_LOG_ERROR, "nobody");
	assert_string_equal(last, "2 two\\x1b\\x0a");
}

static void errors_are_one_line(void **state)
{
	struct error err = { .step = "mount", .object = "v", .text = "no\nway" };
	char text[64];

	(void)state;
	mosaic_error_format(&err, text, sizeof(text));
	assert_string_equal(text, "mount v: no\\x0away");
}

#define PLAIN(test) cmocka_unit_test_setup_teardown(test, plain_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLAIN(whole_mosaic_has_no_problem),
		PLAIN(leftovers_are_told_then_removed),
		PLAIN(what_lives_is_left_alone),
		PLAIN(finished_volumes_are_never_removed),
		PLAIN(missing_directories_are_made),
		PLAIN(fn_may_end_it),
		PLAIN(drivers_are_asked),
		PLAIN(limits_are_those_of_the_file_system),
		cmocka_unit_test(features_have_names),
		cmocka_unit_test(log_goes_to_who_asked),
		cmocka_unit_test(errors_are_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
