/*
 * Memory that runs out: everything is done again and again, each time with another allocation
 * failing. Each time it is an error and never half a success; with the address sanitizer nothing
 * may leak. Our own calls are wrapped by the linker; those inside of libraries go on.
 */
#include "bench.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "images/unpack/reader.h"

/* Allocations until one fails; negative: none does. */
static long countdown = -1;

static bool fails(void)
{
	return countdown >= 0 && countdown-- == 0;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
char *__wrap_strndup(const char *s, size_t n);
int __real_vasprintf(char **ret, const char *fmt, va_list ap) _printf_(2, 0);
int __wrap_vasprintf(char **ret, const char *fmt, va_list ap) _printf_(2, 0);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return fails() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n)
{
	return fails() ? NULL : __real_strndup(s, n);
}

int __wrap_vasprintf(char **ret, const char *fmt, va_list ap)
{
	return fails() ? -1 : __real_vasprintf(ret, fmt, ap);
}

/* Does it with the first, the second, ... allocation failing, until none does. */
static void torture(struct bench *b, void (*prepare)(struct bench *b, long round),
		    int (*attempt)(struct bench *b), unsigned at_least)
{
	unsigned failures = 0;

	for (long round = 0;; round++) {
		int r;

		prepare(b, round);
		countdown = round;
		r = attempt(b);
		if (countdown >= 0) { /* there was no such allocation any more */
			countdown = -1;
			assert_ok(b, r);
			break;
		}
		countdown = -1;
		failures += r < 0;
	}
	assert_true(failures >= at_least);
}

static void prepare_nothing(_unused_ struct bench *b, _unused_ long round) {}

/* ---- the reader ---------------------------------------------------------------------------- */

static const char *archive;

static ssize_t give(void *arg, const void **ret)
{
	static char block[256 << 10];

	*ret = block;
	return read_all(*(int *)arg, block, sizeof(block));
}

static bool is_done(const struct report *report)
{
	struct unpack_record last = { 0 };

	for (size_t at = 0; at < report->records.len;
	     at += sizeof(last) + last.path_len + last.text_len)
		memcpy(&last, report->records.data + at, sizeof(last));
	return last.kind == UNPACK_DONE;
}

static int read_archive(struct bench *b)
{
	_report_ struct report report = REPORT_INIT;
	_close_ int fd = open(archive, O_RDONLY | O_CLOEXEC);
	const struct source source = { give, &fd };
	int r = reader_run(&image_rules, &source, -1, &report, &b->err);

	assert_true(fd >= 0);
	if (r == 0)
		assert_true(is_done(&report));
	return r;
}

static void test_reader(void **state)
{
	static const char *const names[] = { "plain", "child-before-directory", "hardlinks",
					     "xattr-selinux", "sparse" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_free_ char *path = str_printf("%s/%s.aci", getenv("CAROB_ARCHIVES"), names[i]);

		archive = path;
		torture(*state, prepare_nothing, read_archive, 3);
	}
}

/* ---- laying down --------------------------------------------------------------------------- */

static void prepare_trees(struct bench *b, _unused_ long round)
{
	static bool made;

	assert_int_equal(path_remove_tree(b->dirfd, "dst"), 0);
	assert_int_equal(mkdirat(b->dirfd, "dst", 0755), 0);
	put(b->dirfd, "dst/etc/deep/down", "old");
	put(b->dirfd, "dst/x/y", "old");
	if (made)
		return;
	made = true;
	put(b->dirfd, "src/etc/deep", "new");
	put(b->dirfd, "src/etc/a", "new");
	assert_int_equal(linkat(b->dirfd, "src/etc/a", b->dirfd, "src/b", 0), 0);
	assert_int_equal(symlinkat("/etc", b->dirfd, "src/x"), 0);
}

static int lay_down(struct bench *b)
{
	_close_ int src = openat(b->dirfd, "src", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_close_ int dst = openat(b->dirfd, "dst", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct lay l = { .src = src, .dst = dst, .implied = "etc", .implied_len = 4 };
	int r = lay_tree(&l, &b->err);
	long left = countdown;

	countdown = -1;
	if (r == 0) {
		assert_file(dst, "etc/deep", "new");
		assert_file(dst, "b", "new");
	}
	countdown = left;
	return r;
}

static void test_lay(void **state)
{
	torture(*state, prepare_trees, lay_down, 10);
}

/* ---- the store ----------------------------------------------------------------------------- */

/* Whatever the failed attempt left is put right by store_collect(). */
static void prepare_store(struct bench *b, long round)
{
	char id[STORE_ID_TEXT];
	int r;

	assert_ok(b, store_collect(b->im.store, NULL, &b->err));
	assert_int_equal(count_entries(b->dirfd, "store/staging"), 0);
	id_of(id, 'a');
	if (round % 3 == 0) { /* also over one that is there */
		r = store_remove(b->im.store, id, &b->err);
		assert_true(r == 0 || r == STORE_MISSING);
	}
}

static int use_store(struct bench *b)
{
	struct store_info info = { .name = (char *)"app",
				   .labels = (char *)"version=1",
				   .imported_ns = 1,
				   .source = (char *)"x" };
	_store_info_ struct store_info got = { 0 };
	struct store_staged staged = STORE_STAGED_NONE;
	char id[STORE_ID_TEXT];
	int r;

	id_of(info.id, 'a');
	r = store_stage(b->im.store, &staged, &b->err);
	if (r == 0)
		r = file_write(staged.fd, "aci", "x", 1, 0600, 0);
	if (r == 0)
		r = store_adopt(b->im.store, &staged, &info, "{}", 2, &b->err);
	store_discard(b->im.store, &staged);
	if (r >= 0)
		r = store_find_name(b->im.store, "app", "version=1", id, &b->err);
	if (r == 0)
		r = store_info(b->im.store, id, &got, &b->err);
	if (r == 0)
		r = store_collect(b->im.store, NULL, &b->err);
	return r;
}

static void test_store(void **state)
{
	torture(*state, prepare_store, use_store, 5);
}

/* ---- dependencies -------------------------------------------------------------------------- */

static int resolve(struct bench *b)
{
	_chain_ struct chain chain = { 0 };
	char id[STORE_ID_TEXT];
	int r = images_resolve(&b->im, NULL, "app", id, NULL, &b->err);

	if (r == 0)
		r = chain_resolve(&chain, &b->im, id, &b->err);
	if (r == 0)
		assert_int_equal(chain.n, 2);
	return r;
}

static void test_chain(void **state)
{
	struct bench *b = *state;

	adopt(b, 'a', "base", "", "");
	adopt(b, 'b', "app", "", ",\"dependencies\":[{\"imageName\":\"base\"}]");
	torture(b, prepare_nothing, resolve, 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reader),
		TEST(lay),
		TEST(store),
		TEST(chain),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
