/* Signatures through gpgv, which becomes nobody: archives that only root may read, archives of more
 * bytes than 31 bits count (S80). */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "trust_files.h"

enum { SIGNED = 1704067200 }; /* when the fixtures were */

static char *directory(const struct bench *b)
{
	return str_printf("%s/trust.d", b->path);
}

static int make_file(struct bench *b, const char *name)
{
	int fd = openat(b->dirfd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

static int archive(struct bench *b, const char *text)
{
	int fd = make_file(b, "archive");

	assert_int_equal(write_all(fd, text, strlen(text)), 0);
	return fd;
}

static int verify(struct bench *b, const char *name, int fd, const char *file,
		  struct trust_verdict *v)
{
	_free_ char *dir = directory(b);
	size_t len;
	_free_ char *signature = fixture(file, &len);

	b->err = (struct error){ 0 };
	return trust_verify(dir, &(struct trust_signed){ name, fd, signature, len }, v, &b->err);
}

static void trust(struct bench *b, const char *rule, const char *file, const char *fingerprint)
{
	_free_ char *dir = directory(b);

	put_key(dir, rule, file, fingerprint);
}

static void says(const struct bench *b, const char *words)
{
	if (!strstr(b->err.text, words))
		fail_msg("\"%s\" is not in: %s", words, b->err.text);
}

static void a_good_one_is_accepted_by_the_longest_rule(void **state)
{
	struct bench *b = *state;
	_close_ int fd = archive(b, SMALL);
	struct trust_verdict v = { 0 };

	trust(b, "root.d", "key.asc", KEY);
	trust(b, "prefix.d/example.com", "key.asc", KEY);
	assert_ok(b, verify(b, "example.com/a", fd, "small.sig.asc", &v));
	assert_string_equal(v.fingerprint, KEY);
	assert_string_equal(v.prefix, "example.com");
	assert_string_equal(v.user, "Fixture <fixture@example.com>");
	assert_int_equal(v.made_ns / 1000000000, SIGNED);
	trust_verdict_deinit(&v);
	/* the descriptor's position is its owner's */
	assert_int_equal(lseek(fd, 0, SEEK_CUR), (off_t)strlen(SMALL));
	assert_ok(b, verify(b, "example.org/a", fd, "small.sig.asc", &v));
	assert_string_equal(v.prefix, "");
	trust_verdict_deinit(&v);
}

static void a_changed_archive_is_refused(void **state)
{
	struct bench *b = *state;
	_close_ int fd = archive(b, "carob!");
	struct trust_verdict v = { 0 };

	trust(b, "root.d", "key.asc", KEY);
	trust(b, "root.d", "other.asc", OTHER);
	assert_int_equal(verify(b, "a", fd, "small.sig.asc", &v), -EKEYREJECTED);
	says(b, "is not what was signed");
	says(b, KEY);
	assert_int_equal(verify(b, "a", fd, "two.sig.asc", &v), -EKEYREJECTED);
	assert_null(v.prefix);
}

static void a_key_for_another_name_is_refused(void **state)
{
	struct bench *b = *state;
	_close_ int fd = archive(b, SMALL);
	struct trust_verdict v = { 0 };

	assert_int_equal(verify(b, "example.com/a", fd, "small.sig.asc", &v), -ENOKEY);
	says(b, "carob trust add");
	trust(b, "prefix.d/example.com=a", "key.asc", KEY);
	assert_int_equal(verify(b, "example.com/ab", fd, "small.sig.asc", &v), -ENOKEY);
	says(b, "trusted for example.com/a only");
	trust(b, "prefix.d/example.com=ab", "other.asc", OTHER);
	assert_int_equal(verify(b, "example.com/ab", fd, "small.sig.asc", &v), -EKEYREJECTED);
	says(b, "expected a signature by " OTHER);
	says(b, "came a good one by key " KEY);
	says(b, "trusted for example.com/a only");
	/* of two signatures, one by whom we know is enough */
	assert_ok(b, verify(b, "example.com/ab", fd, "two.sig.asc", &v));
	assert_string_equal(v.fingerprint, OTHER);
	trust_verdict_deinit(&v);
}

static void one_of_two_by_a_stranger_does_no_harm(void **state)
{
	struct bench *b = *state;
	_close_ int fd = archive(b, SMALL);
	struct trust_verdict v = { 0 };

	trust(b, "prefix.d/example.com", "other.asc", OTHER);
	assert_ok(b, verify(b, "example.com/a", fd, "two.sig.asc", &v));
	assert_string_equal(v.fingerprint, OTHER);
	trust_verdict_deinit(&v);
	assert_int_equal(verify(b, "example.com/a", fd, "small.sig.asc", &v), -EKEYREJECTED);
	says(b, "came one by key " SUB ", which is not trusted for anything");
}

static void the_rule_for_a_name_that_comes_later(void **state)
{
	struct bench *b = *state;
	_free_ char *dir = directory(b);
	_close_ int fd = archive(b, SMALL);
	struct trust_verdict v = { 0 };

	assert_int_equal(verify(b, NULL, fd, "small.sig.asc", &v), -ENOKEY);
	trust(b, "prefix.d/example.com", "key.asc", KEY);
	trust(b, "prefix.d/example.com=a", "key.asc", KEY);
	trust(b, "prefix.d/example.org", "other.asc", OTHER);
	assert_ok(b, verify(b, NULL, fd, "small.sig.asc", &v));
	assert_string_equal(v.fingerprint, KEY);
	assert_ok(b, trust_covers(dir, "example.com/b", &v, &b->err));
	assert_string_equal(v.prefix, "example.com");
	assert_ok(b, trust_covers(dir, "example.com/a/b", &v, &b->err));
	assert_string_equal(v.prefix, "example.com/a");
	assert_int_equal(trust_covers(dir, "example.org/a", &v, &b->err), -EKEYREJECTED);
	says(b, "expected a signature by " OTHER);
	says(b, "trusted for example.com, example.com/a only");
	assert_int_equal(trust_covers(dir, "example.net/a", &v, &b->err), -ENOKEY);
	says(b, "no key is trusted for example.net/a");
	assert_string_equal(v.prefix, "example.com/a");
	trust_verdict_deinit(&v);
}

static void a_store_that_others_may_write_trusts_nobody(void **state)
{
	struct bench *b = *state;
	_close_ int fd = archive(b, SMALL);
	struct trust_verdict v = { 0 };

	trust(b, "root.d", "key.asc", KEY);
	assert_int_equal(fchmodat(b->dirfd, "trust.d/root.d/" KEY, 0664, 0), 0);
	assert_int_equal(verify(b, "a", fd, "small.sig.asc", &v), -EPERM);
}

/* Every byte counts, those behind 2 GiB too. */
static void the_last_byte_of_a_large_one_counts(void **state)
{
	struct bench *b = *state;
	_close_ int good = make_file(b, "good"), bad = make_file(b, "bad");
	struct trust_verdict v = { 0 };
	int status = -1;
	pid_t other;

	trust(b, "root.d", "key.asc", KEY);
	assert_int_equal(ftruncate(good, (2LL << 30) + 1), 0);
	assert_int_equal(pwrite(bad, "x", 1, 2LL << 30), 1);
	other = fork(); /* both at once: it takes its time */
	assert_true(other >= 0);
	if (other == 0)
		_exit(verify(b, "a", good, "large.sig.asc", &v) == 0 ? 0 : 1);
	assert_int_equal(verify(b, "a", bad, "large.sig.asc", &v), -EKEYREJECTED);
	says(b, "is not what was signed");
	assert_int_equal(waitpid(other, &status, 0), other);
	assert_int_equal(status, 0);
}

#define with_bench(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_bench(a_good_one_is_accepted_by_the_longest_rule),
		with_bench(a_changed_archive_is_refused),
		with_bench(a_key_for_another_name_is_refused),
		with_bench(one_of_two_by_a_stranger_does_no_harm),
		with_bench(the_rule_for_a_name_that_comes_later),
		with_bench(a_store_that_others_may_write_trusts_nobody),
		with_bench(the_last_byte_of_a_large_one_counts),
	};

	return cmocka_run_group_tests_name("trust_verify", tests, NULL, NULL);
}
