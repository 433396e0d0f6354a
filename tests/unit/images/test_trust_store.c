/* The directory of keys: what is taken, what is passed over, what is refused. */
#include <fcntl.h>
#include <sys/stat.h>

#include "trust_files.h"

static char *directory(struct bench *b)
{
	char *dir = str_printf("%s/trust.d", b->path);

	assert_non_null(dir);
	return dir;
}

static void nothing_there_is_nothing_trusted(void **state)
{
	_free_ char *dir = directory(*state);
	_trust_keys_ struct trust_keys keys = { 0 };
	unsigned n = 1;

	assert_int_equal(trust_list(dir, &keys, NULL), 0);
	assert_int_equal(keys.n, 0);
	assert_int_equal(trust_remove(dir, KEY, NULL, &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(access(dir, F_OK), -1);
}

static void rules_are_listed_in_order(void **state)
{
	_free_ char *dir = directory(*state);
	_trust_keys_ struct trust_keys keys = { 0 };

	put_key(dir, "prefix.d/example.com=app", "key.asc", KEY);
	put_key(dir, "prefix.d/example.com", "key.asc", KEY);
	put_key(dir, "prefix.d/example.com", "other.asc", OTHER);
	put_key(dir, "root.d", "other.asc", OTHER);
	assert_ok((struct bench *)*state, trust_list(dir, &keys, &((struct bench *)*state)->err));
	assert_int_equal(keys.n, 4);
	assert_int_equal(keys.n_remarks, 0);
	assert_string_equal(keys.list[0].prefix, "");
	assert_string_equal(keys.list[0].fingerprint, OTHER);
	assert_string_equal(keys.list[1].prefix, "example.com");
	assert_string_equal(keys.list[1].fingerprint, OTHER);
	assert_string_equal(keys.list[2].fingerprint, KEY);
	assert_string_equal(keys.list[3].prefix, "example.com/app");
	assert_string_equal(keys.list[3].user, "Fixture <fixture@example.com>");
	assert_true(keys.list[3].added_ns > 0);
	assert_true(str_ends(keys.list[3].path, "/prefix.d/example.com=app/" KEY));
}

static void what_is_no_key_is_remarked_upon(void **state)
{
	struct bench *b = *state;
	_free_ char *dir = directory(b);
	_trust_keys_ struct trust_keys keys = { 0 };
	static const char *const odd[] = { "README",
					   "prefix.d/Upper",
					   "prefix.d/file",
					   "prefix.d/example.com/key.asc",
					   "prefix.d/example.com/" OTHER,
					   "prefix.d/link" };

	put_key(dir, "prefix.d/example.com", "key.asc", KEY);
	put(b->dirfd, "trust.d/README", "x");
	put(b->dirfd, "trust.d/prefix.d/Upper/" KEY, "x");
	put(b->dirfd, "trust.d/prefix.d/file", "x");
	put(b->dirfd, "trust.d/prefix.d/example.com/key.asc", "x");
	put(b->dirfd, "trust.d/prefix.d/example.com/." OTHER ".17", "half");
	assert_int_equal(symlinkat(KEY, b->dirfd, "trust.d/prefix.d/example.com/" OTHER), 0);
	assert_int_equal(symlinkat("example.com", b->dirfd, "trust.d/prefix.d/link"), 0);
	assert_ok(b, trust_list(dir, &keys, &b->err));
	assert_int_equal(keys.n, 1);
	assert_int_equal(keys.n_remarks, ARRAY_SIZE(odd));
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		bool said = false;

		for (size_t k = 0; k < keys.n_remarks; k++) {
			const char *at = strstr(keys.remarks[k], odd[i]);

			said |= at && at[strlen(odd[i])] == ' ';
		}
		if (!said)
			fail_msg("nothing is said of %s", odd[i]);
	}
}

/* The error names the file. */
static void refuse(struct bench *b, const char *dir, int code, const char *named)
{
	_trust_keys_ struct trust_keys keys = { 0 };
	struct error err = { 0 };

	assert_int_equal(trust_list(dir, &keys, &err), code);
	assert_int_equal(keys.n, 0);
	if (!strstr(err.text, named))
		fail_msg("%s is not named in: %s", named, err.text);
	(void)b;
}

static void what_others_may_write_is_refused(void **state)
{
	struct bench *b = *state;
	_free_ char *dir = directory(b);
	_trust_keys_ struct trust_keys keys = { 0 };
	static const char *const places[] = { "trust.d", "trust.d/prefix.d",
					      "trust.d/prefix.d/example.com",
					      "trust.d/prefix.d/example.com/" KEY };

	put_key(dir, "prefix.d/example.com", "key.asc", KEY);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		for (mode_t more = 02; more <= 020; more <<= 3) {
			assert_int_equal(fchmodat(b->dirfd, places[i], 0755 | more, 0), 0);
			refuse(b, dir, -EPERM, places[i]);
			refuse(b, dir, -EPERM, "chmod go-w");
			assert_int_equal(fchmodat(b->dirfd, places[i], 0755, 0), 0);
		}
	assert_ok(b, trust_list(dir, &keys, &b->err));
	assert_int_equal(keys.n, 1);
}

static void a_file_holds_what_its_name_says(void **state)
{
	struct bench *b = *state;
	_free_ char *dir = directory(b);

	put_key(dir, "prefix.d/example.com", "other.asc", KEY);
	refuse(b, dir, -EBADMSG, "prefix.d/example.com/" KEY);
	refuse(b, dir, -EBADMSG, OTHER);
	put_key(dir, "prefix.d/example.com", "key.asc", KEY);
	put(b->dirfd, "trust.d/root.d/" OTHER, "no key");
	refuse(b, dir, -EBADMSG, "root.d/" OTHER);
}

static void rules_are_removed(void **state)
{
	struct bench *b = *state;
	_free_ char *dir = directory(b);
	_trust_keys_ struct trust_keys keys = { 0 };
	unsigned n = 0;

	put_key(dir, "prefix.d/example.com=app", "key.asc", KEY);
	put_key(dir, "prefix.d/example.com", "key.asc", KEY);
	put_key(dir, "prefix.d/example.com", "other.asc", OTHER);
	put_key(dir, "root.d", "key.asc", KEY);
	put(b->dirfd, "trust.d/prefix.d/example.com/." KEY ".17", "half");
	assert_int_equal(trust_remove(dir, "07B2BA07", NULL, &n, &b->err), -EINVAL);
	assert_ok(b, trust_remove(dir, "1111111111111111", NULL, &n, &b->err));
	assert_int_equal(n, 0);
	assert_ok(b, trust_remove(dir, "a9a0d26107b2ba07", "example.com/app", &n, &b->err));
	assert_int_equal(n, 1);
	assert_missing(b->dirfd, "trust.d/prefix.d/example.com=app");
	assert_ok(b, trust_remove(dir, KEY, "", &n, &b->err));
	assert_int_equal(n, 1);
	assert_int_equal(count_entries(b->dirfd, "trust.d/root.d"), 0);
	assert_ok(b, trust_remove(dir, KEY, NULL, &n, &b->err));
	assert_int_equal(n, 1);
	assert_missing(b->dirfd, "trust.d/prefix.d/example.com/." KEY ".17");
	assert_ok(b, trust_list(dir, &keys, &b->err));
	assert_int_equal(keys.n, 1);
	assert_string_equal(keys.list[0].fingerprint, OTHER);
}

#define with_bench(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_bench(nothing_there_is_nothing_trusted),
		with_bench(rules_are_listed_in_order),
		with_bench(what_is_no_key_is_remarked_upon),
		with_bench(what_others_may_write_is_refused),
		with_bench(a_file_holds_what_its_name_says),
		with_bench(rules_are_removed),
	};

	return cmocka_run_group_tests_name("trust_store", tests, NULL, NULL);
}
