#include "scratch.h"

static void a_sentence_gets_the_systems_word(void **state _unused_)
{
	struct error err = { 0 };

	assert_int_equal(error_set(&err, -ENOENT, "cannot open %s", "x"), -ENOENT);
	assert_int_equal(err.code, -ENOENT);
	assert_string_equal(err.text, "cannot open x: No such file or directory");
}

static void a_full_stop_means_complete(void **state _unused_)
{
	struct error err = { 0 };

	assert_int_equal(error_set(&err, -EINVAL, "%s is no number.", "x"), -EINVAL);
	assert_string_equal(err.text, "x is no number");
}

static void nobody_has_to_listen(void **state _unused_)
{
	assert_int_equal(error_set(NULL, -EIO, "lost"), -EIO);
	assert_int_equal(error_context(NULL, -EIO, "step", "object"), -EIO);
	assert_int_equal(error_prefix(NULL, -EIO, "words"), -EIO);
}

static void the_innermost_context_stays(void **state _unused_)
{
	struct error err = { 0 };
	char line[128];

	error_set(&err, -EACCES, "no way.");
	assert_int_equal(error_context(&err, -EACCES, "open", NULL), -EACCES);
	error_context(&err, -EACCES, "outer", "thing");
	error_context(&err, -EACCES, NULL, "later");
	error_format(&err, line, sizeof(line));
	assert_string_equal(line, "open thing: no way");
}

static void a_new_error_forgets_the_old_context(void **state _unused_)
{
	struct error err = { 0 };
	char line[128];

	error_set(&err, -EACCES, "first.");
	error_context(&err, -EACCES, "step", "object");
	error_set(&err, -EIO, "second.");
	error_format(&err, line, sizeof(line));
	assert_string_equal(line, "second");
}

static void a_prefix_comes_first(void **state _unused_)
{
	struct error err = { 0 };

	error_set(&err, -EPERM, "inner.");
	assert_int_equal(error_prefix(&err, -EPERM, "volume %d", 3), -EPERM);
	error_prefix(&err, -EPERM, "app web");
	assert_string_equal(err.text, "app web: volume 3: inner");
}

static void what_is_too_long_is_cut(void **state _unused_)
{
	char text[2000], line[sizeof(text)], little[8];
	struct error err = { 0 };

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(error_set(&err, -EIO, "%s", text), -EIO);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	error_prefix(&err, -EIO, "%s", text);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	error_context(&err, -EIO, text, text);
	assert_int_equal(strlen(err.step), sizeof(err.step) - 1);
	assert_int_equal(strlen(err.object), sizeof(err.object) - 1);
	error_format(&err, line, sizeof(line));
	assert_int_equal(strlen(line),
			 strlen(err.step) + 1 + strlen(err.object) + 2 + strlen(err.text));
	error_format(&err, little, sizeof(little));
	assert_string_equal(little, "xxxxxxx");
}

static void a_terminal_is_safe(void **state _unused_)
{
	struct error err = { 0 };
	char line[128];

	error_set(&err, -EINVAL, "bad name \033[2J\n.");
	error_format(&err, line, sizeof(line));
	assert_string_equal(line, "bad name \\x1b[2J\\x0a");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sentence_gets_the_systems_word),
		cmocka_unit_test(a_full_stop_means_complete),
		cmocka_unit_test(nobody_has_to_listen),
		cmocka_unit_test(the_innermost_context_stays),
		cmocka_unit_test(a_new_error_forgets_the_old_context),
		cmocka_unit_test(a_prefix_comes_first),
		cmocka_unit_test(what_is_too_long_is_cut),
		cmocka_unit_test(a_terminal_is_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
