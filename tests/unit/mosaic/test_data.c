/* Private data, usage, children: on the plain driver, no privileges needed. */
#include "scratch.h"

#include <fcntl.h>
#include <sys/stat.h>

static int plain_setup(void **state)
{
	struct error err = { 0 };
	struct scratch *s;

	scratch_setup(state);
	s = *state;
	assert_ok(mosaic_open(&s->mosaic, s->location, "plain", MOSAIC_OPEN_CREATE, &err), &err);
	assert_ok(mosaic_create(s->mosaic, "vol", NULL, &err), &err);
	return 0;
}

static int set(struct scratch *s, const char *key, const char *value, struct error *err)
{
	return mosaic_set_data(s->mosaic, "vol", key, value, value ? strlen(value) : 0, err);
}

static void assert_data(struct scratch *s, const char *volume, const char *key, const char *value)
{
	struct error err = { 0 };
	_free_ char *data = NULL;
	size_t len = 0;

	assert_ok(mosaic_get_data(s->mosaic, volume, key, &data, &len, &err), &err);
	assert_int_equal(len, strlen(value));
	assert_string_equal(data, value);
}

static int location_dir(const struct scratch *s, const char *path)
{
	_close_ int location = open(s->location, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = openat(location, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static int add_key(const char *key, void *arg)
{
	size_t used = strlen(arg);

	snprintf((char *)arg + used, 128 - used, "%s,", key);
	return 0;
}

static int stop(const char *key, void *arg)
{
	(void)key;
	return *(const int *)arg;
}

static void values_are_kept_replaced_and_removed(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	_free_ char *data = NULL;
	char keys[128] = "";

	assert_int_equal(mosaic_get_data(s->mosaic, "vol", "a", &data, NULL, &err), -ENODATA);
	assert_non_null(strstr(err.text, "'a'"));
	assert_ok(mosaic_each_data(s->mosaic, "vol", add_key, keys, &err), &err);
	assert_string_equal(keys, "");
	assert_ok(set(s, "a", NULL, &err), &err);
	assert_ok(set(s, "a", "one", &err), &err);
	assert_ok(set(s, "a", "three", &err), &err);
	assert_ok(set(s, "b c\xc3\xa4", "", &err), &err);
	assert_data(s, "vol", "a", "three");
	assert_data(s, "vol", "b c\xc3\xa4", "");
	assert_ok(set(s, "a", NULL, &err), &err);
	assert_int_equal(mosaic_get_data(s->mosaic, "vol", "a", &data, NULL, &err), -ENODATA);
	assert_ok(mosaic_each_data(s->mosaic, "vol", add_key, keys, &err), &err);
	assert_string_equal(keys, "b c\xc3\xa4,");
	for (int end = -7; end <= 7; end += 14)
		assert_int_equal(mosaic_each_data(s->mosaic, "vol", stop, &end, &err), end);
}

static void bytes_are_bytes(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	_free_ char *data = NULL, *big = calloc(1, MOSAIC_VALUE_MAX + 1);
	size_t len = 0;

	assert_ok(mosaic_set_data(s->mosaic, "vol", "k", "a\0b\n", 4, &err), &err);
	assert_ok(mosaic_get_data(s->mosaic, "vol", "k", &data, &len, &err), &err);
	assert_int_equal(len, 4);
	assert_memory_equal(data, "a\0b\n", 5);
	assert_ok(mosaic_set_data(s->mosaic, "vol", "k", big, MOSAIC_VALUE_MAX, &err), &err);
	assert_int_equal(mosaic_set_data(s->mosaic, "vol", "k", big, MOSAIC_VALUE_MAX + 1, &err),
			 -E2BIG);
	assert_non_null(strstr(err.text, "65536"));
}

static void keys_are_plain_components(void **state)
{
	static const char *const bad[] = { "", ".", "..", ".a", "a/b", "a\nb", "\x7f" };
	struct scratch *s = *state;
	char key[MOSAIC_NAME_MAX + 2];
	struct error err = { 0 };
	_free_ char *data = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(set(s, bad[i], "x", &err), -EINVAL);
		assert_non_null(strstr(err.text, "key of private data"));
		assert_int_equal(mosaic_get_data(s->mosaic, "vol", bad[i], &data, NULL, &err),
				 -EINVAL);
	}
	memset(key, 'k', sizeof(key));
	key[MOSAIC_NAME_MAX + 1] = '\0';
	assert_int_equal(set(s, key, "x", &err), -EINVAL);
	key[MOSAIC_NAME_MAX] = '\0';
	assert_ok(set(s, key, "x", &err), &err);
	assert_data(s, "vol", key, "x");
	assert_int_equal(mosaic_set_data(s->mosaic, "no", "k", "x", 1, &err), -ENOENT);
}

static void rollback_keeps_data_and_copies_have_none(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	_free_ char *data = NULL;

	assert_ok(set(s, "a", "before", &err), &err);
	assert_ok(mosaic_snapshot(s->mosaic, "snap", "vol", &err), &err);
	assert_ok(mosaic_clone(s->mosaic, "clone", "vol", &err), &err);
	assert_int_equal(mosaic_get_data(s->mosaic, "snap", "a", &data, NULL, &err), -ENODATA);
	assert_int_equal(mosaic_get_data(s->mosaic, "clone", "a", &data, NULL, &err), -ENODATA);
	assert_ok(set(s, "a", "after", &err), &err);
	assert_ok(mosaic_set_data(s->mosaic, "snap", "s", "1", 1, &err), &err);
	assert_ok(mosaic_rollback(s->mosaic, "vol", "snap", &err), &err);
	assert_data(s, "vol", "a", "after");
	assert_int_equal(mosaic_get_data(s->mosaic, "vol", "s", &data, NULL, &err), -ENODATA);
	assert_ok(set(s, "a", "later", &err), &err);
	assert_data(s, "vol", "a", "later");
}

static void who_died_writing_left_nothing_that_is_seen(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	char keys[128] = "";
	_close_ int dir = -1;
	unsigned n = 99;

	assert_ok(set(s, "a", "one", &err), &err);
	dir = location_dir(s, "volumes/vol/private");
	put(dir, ".a.4194305", "tw");
	assert_ok(mosaic_each_data(s->mosaic, "vol", add_key, keys, &err), &err);
	assert_string_equal(keys, "a,");
	assert_ok(mosaic_check(s->mosaic, 0, NULL, NULL, &n, &err), &err);
	assert_int_equal(n, 1);
	assert_file(dir, ".a.4194305", "tw");
	assert_ok(mosaic_check(s->mosaic, MOSAIC_CHECK_REPAIR, NULL, NULL, &n, &err), &err);
	assert_int_equal(n, 0);
	assert_missing(dir, ".a.4194305");
	assert_data(s, "vol", "a", "one");
}

/* ---- usage and children ---------------------------------------------------------------------- */

static uint64_t used(struct scratch *s, const char *name)
{
	struct error err = { 0 };
	struct mosaic_usage u = { 0 };

	assert_ok(mosaic_usage(s->mosaic, name, &u, &err), &err);
	assert_int_equal(u.exclusive, u.used);
	assert_int_equal(u.shared, 0);
	return u.used;
}

static void usage_is_blocks_and_links_count_once(void **state)
{
	enum { SIZE = 1 << 20 };
	struct scratch *s = *state;
	_close_ int dir = location_dir(s, "volumes/vol/data"), hole = -1;
	_free_ char *text = malloc(SIZE + 1);
	struct error err = { 0 };
	uint64_t empty = used(s, "vol"), one;
	struct stat st;

	memset(text, 'x', SIZE);
	text[SIZE] = '\0';
	put(dir, "file", text);
	assert_int_equal(fstatat(dir, "file", &st, 0), 0);
	one = used(s, "vol");
	assert_int_equal(one, empty + (uint64_t)st.st_blocks * 512);
	assert_int_equal(mkdirat(dir, "sub", 0755), 0);
	assert_int_equal(fstatat(dir, "sub", &st, 0), 0);
	assert_int_equal(linkat(dir, "file", dir, "sub/again", 0), 0);
	assert_int_equal(symlinkat("/", dir, "sub/link"), 0);
	assert_in_range(used(s, "vol"), one, one + (uint64_t)st.st_blocks * 512 + 4096);
	put(dir, "sub/other", text);
	assert_true(used(s, "vol") >= one + SIZE);
	/* holes take nothing */
	hole = openat(dir, "hole", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(ftruncate(hole, 1 << 30), 0);
	assert_in_range(used(s, "vol"), one + SIZE, one + 2 * SIZE);
	assert_int_equal(mosaic_usage(s->mosaic, "no", &(struct mosaic_usage){ 0 }, &err), -ENOENT);
}

static int add_name(const struct mosaic_volume *v, void *arg)
{
	size_t used = strlen(arg);

	snprintf((char *)arg + used, 128 - used, "%s", v->name);
	return 0;
}

static void children_are_what_was_copied(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	char names[128] = "";

	assert_ok(mosaic_snapshot(s->mosaic, "snap", "vol", &err), &err);
	assert_ok(mosaic_clone(s->mosaic, "clone", "snap", &err), &err);
	assert_ok(mosaic_each_child(s->mosaic, "vol", add_name, names, &err), &err);
	assert_string_equal(names, "snap");
	names[0] = '\0';
	assert_ok(mosaic_each_child(s->mosaic, "snap", add_name, names, &err), &err);
	assert_string_equal(names, "clone");
	names[0] = '\0';
	assert_ok(mosaic_each_child(s->mosaic, "clone", add_name, names, &err), &err);
	assert_string_equal(names, "");
	assert_int_equal(mosaic_each_child(s->mosaic, "no", add_name, names, &err), -ENOENT);
}

#define PLAIN(test) cmocka_unit_test_setup_teardown(test, plain_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLAIN(values_are_kept_replaced_and_removed),
		PLAIN(bytes_are_bytes),
		PLAIN(keys_are_plain_components),
		PLAIN(rollback_keeps_data_and_copies_have_none),
		PLAIN(who_died_writing_left_nothing_that_is_seen),
		PLAIN(usage_is_blocks_and_links_count_once),
		PLAIN(children_are_what_was_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
