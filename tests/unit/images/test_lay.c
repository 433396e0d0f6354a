/* One tree over another: appc's rules of dependencies and path white lists. Needs no privileges. */
#include "bench.h"

#include <fcntl.h>
#include <sys/stat.h>

struct trees {
	char path[64];
	int dirfd, dst;
	struct error err;
};

static int setup(void **state)
{
	struct trees *t = calloc(1, sizeof(*t));

	umask(022);
	snprintf(t->path, sizeof(t->path), "/tmp/test-lay-XXXXXX");
	assert_non_null(mkdtemp(t->path));
	t->dirfd = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(t->dirfd, "dst", 0755), 0);
	t->dst = openat(t->dirfd, "dst", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct trees *t = *state;
	_close_ int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	close(t->dst);
	close(t->dirfd);
	assert_int_equal(path_remove_tree(tmp, t->path + strlen("/tmp/")), 0);
	free(t);
	return 0;
}

/* The directory for an image's tree. */
static int tree(struct trees *t, const char *name)
{
	int fd;

	assert_int_equal(mkdirat(t->dirfd, name, 0755), 0);
	fd = openat(t->dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* lists: up to two white lists, each a NULL-terminated array sorted by bytes, or NULL. */
static void lay(struct trees *t, int src, const char *const *one, const char *const *two)
{
	struct appc_strings lists[2] = { { 0 } };
	const struct appc_strings *whitelists[2];
	struct lay l = { .src = src, .dst = t->dst, .whitelists = whitelists };
	const char *const *given[] = { one, two };

	for (size_t i = 0; i < 2; i++) {
		if (!given[i])
			continue;
		lists[i].list = (char **)given[i];
		while (given[i][lists[i].n])
			lists[i].n++;
		whitelists[l.n_whitelists++] = &lists[i];
	}
	if (lay_tree(&l, &t->err) < 0)
		fail_msg("%s", t->err.text);
}

static void lay_all(struct trees *t, int src)
{
	lay(t, src, NULL, NULL);
}

static mode_t mode_of(int dirfd, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode;
}

static void assert_link(int dirfd, const char *path, const char *target)
{
	char text[256];
	ssize_t n = readlinkat(dirfd, path, text, sizeof(text) - 1);

	assert_true(n >= 0);
	text[n] = '\0';
	assert_string_equal(text, target);
}

static void test_later_wins(void **state)
{
	struct trees *t = *state;
	_close_ int a = tree(t, "a"), b = tree(t, "b");

	put(a, "etc/one", "a");
	put(a, "etc/two", "a");
	put(a, "only/a", "a");
	put(b, "etc/two", "b");
	put(b, "etc/three", "b");
	assert_int_equal(fchmodat(a, "etc", 0700, 0), 0);
	assert_int_equal(fchmodat(b, "etc", 0711, 0), 0);
	lay_all(t, a);
	lay_all(t, b);
	assert_file(t->dst, "etc/one", "a");
	assert_file(t->dst, "etc/two", "b");
	assert_file(t->dst, "etc/three", "b");
	assert_file(t->dst, "only/a", "a");
	assert_int_equal(mode_of(t->dst, "etc") & 07777, 0711);
}

/* Every kind of thing over every other. */
static void test_kinds_replace_each_other(void **state)
{
	static const char *const kinds[] = { "file", "directory", "link", "fifo" };
	struct trees *t = *state;
	_close_ int a = tree(t, "a"), b = tree(t, "b");

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
			const struct {
				int fd;
				const char *kind;
			} made[] = { { a, kinds[i] }, { b, kinds[k] } };
			_free_ char *name = str_printf("%s-%s", kinds[i], kinds[k]);
			_free_ char *inside = str_printf("%s/inside", name);

			for (size_t m = 0; m < 2; m++) {
				if (str_eq(made[m].kind, "file"))
					put(made[m].fd, name, m ? "new" : "old");
				else if (str_eq(made[m].kind, "directory"))
					put(made[m].fd, inside, m ? "new" : "old");
				else if (str_eq(made[m].kind, "link"))
					assert_int_equal(symlinkat(m ? "new" : "/etc", made[m].fd,
								   name),
							 0);
				else
					assert_int_equal(mkfifoat(made[m].fd, name, 0600), 0);
			}
		}
	lay_all(t, a);
	lay_all(t, b);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		static const mode_t formats[] = { S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO };

		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
			_free_ char *name = str_printf("%s-%s", kinds[i], kinds[k]);
			_free_ char *inside = str_printf("%s/inside", name);

			assert_int_equal(mode_of(t->dst, name) & S_IFMT, formats[k]);
			if (formats[k] == S_IFDIR)
				assert_file(t->dst, inside, "new");
			if (formats[k] == S_IFREG)
				assert_file(t->dst, name, "new");
			if (formats[k] == S_IFLNK)
				assert_link(t->dst, name, "new");
		}
	}
}

/* rkt followed the link: what is below goes into the directory that replaces it. */
static void test_link_to_directory_is_replaced(void **state)
{
	struct trees *t = *state;
	_close_ int a = tree(t, "a"), b = tree(t, "b");

	put(a, "app/old", "a");
	assert_int_equal(symlinkat("app", a, "www"), 0);
	put(b, "www/new", "b");
	lay_all(t, a);
	lay_all(t, b);
	assert_file(t->dst, "www/new", "b");
	assert_file(t->dst, "app/old", "a");
	assert_missing(t->dst, "app/new");
	assert_missing(t->dst, "www/old");
}

static nlink_t links_of(int dirfd, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_nlink;
}

/* Within one image they stay links; a name that another image overrides does not take the
 * others along. */
static void test_hard_links(void **state)
{
	struct trees *t = *state;
	_close_ int a = tree(t, "a"), b = tree(t, "b");

	put(a, "bin/one", "a");
	assert_int_equal(linkat(a, "bin/one", a, "bin/two", 0), 0);
	assert_int_equal(linkat(a, "bin/one", a, "three", 0), 0);
	put(b, "bin/one", "b");
	lay_all(t, a);
	assert_int_equal(links_of(t->dst, "three"), 3);
	lay_all(t, b);
	assert_file(t->dst, "bin/one", "b");
	assert_file(t->dst, "bin/two", "a");
	assert_file(t->dst, "three", "a");
	assert_int_equal(links_of(t->dst, "bin/one"), 1);
	assert_int_equal(links_of(t->dst, "three"), 2);
}

static void test_times(void **state)
{
	static const struct timespec old[] = { { 1000, 1 }, { 2000, 2 } },
				     newer[] = { { 3000, 3 }, { 4000, 4 } };
	struct trees *t = *state;
	_close_ int a = tree(t, "a"), b = tree(t, "b");
	struct stat st;

	put(a, "d/x", "a");
	put(a, "e/x", "a");
	put(b, "d/y", "b");
	assert_int_equal(utimensat(a, "d/x", old, 0), 0);
	assert_int_equal(utimensat(a, "d", old, 0), 0);
	assert_int_equal(utimensat(a, "e", old, 0), 0);
	assert_int_equal(utimensat(b, "d", newer, 0), 0);
	assert_int_equal(utimensat(b, ".", newer, 0), 0);
	lay_all(t, a);
	lay_all(t, b);
	assert_int_equal(fstatat(t->dst, "d", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 4000);
	assert_int_equal(fstatat(t->dst, "d/x", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_nsec, 2);
	assert_int_equal(fstatat(t->dst, "e", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
	assert_int_equal(fstatat(t->dst, ".", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 4000);
}

/* A directory that an archive only implies has no attributes to give. */
static void test_implied(void **state)
{
	static const struct timespec old[] = { { 1000, 1 }, { 2000, 2 } };
	struct trees *t = *state;
	_close_ int a = tree(t, "a"), b = tree(t, "b");
	struct lay l = { .dst = t->dst, .implied = "etc\0new", .implied_len = 8 };
	struct stat st;

	put(a, "etc/x", "a");
	assert_int_equal(fchmodat(a, "etc", 0700, 0), 0);
	assert_int_equal(utimensat(a, "etc", old, 0), 0);
	put(b, "etc/y", "b");
	put(b, "new/y", "b");
	lay_all(t, a);
	l.src = b;
	assert_int_equal(lay_tree(&l, &t->err), 0);
	assert_file(t->dst, "etc/y", "b");
	assert_int_equal(mode_of(t->dst, "etc") & 07777, 0700);
	assert_int_equal(mode_of(t->dst, "new") & 07777, 0755);
	assert_int_equal(fstatat(t->dst, "etc", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
}

static void test_whitelist(void **state)
{
	static const char *const list[] = { "/bin/kept", "/empty",         "/etc/deep/down/kept",
					    "/link",     "/nothing/there", NULL };
	struct trees *t = *state;
	_close_ int a = tree(t, "a");

	put(a, "bin/kept", "1");
	put(a, "bin/gone", "1");
	put(a, "empty/gone", "1");
	put(a, "etc/deep/down/kept", "1");
	put(a, "etc/deep/gone", "1");
	put(a, "nothing/else", "1");
	put(a, "whole/gone", "1");
	assert_int_equal(symlinkat("bin", a, "link"), 0);
	assert_int_equal(fchmodat(a, "etc/deep", 0710, 0), 0);
	lay(t, a, list, NULL);
	assert_file(t->dst, "bin/kept", "1");
	assert_missing(t->dst, "bin/gone");
	assert_int_equal(mode_of(t->dst, "empty") & S_IFMT,
			 S_IFDIR); /* listed: but not what is in it */
	assert_missing(t->dst, "empty/gone");
	assert_file(t->dst, "etc/deep/down/kept", "1");
	assert_missing(t->dst, "etc/deep/gone");
	assert_int_equal(mode_of(t->dst, "etc/deep") & 07777,
			 0710); /* not listed: kept with its own mode */
	assert_link(t->dst, "link", "bin");
	assert_missing(t->dst, "nothing"); /* nothing of it is kept */
	assert_missing(t->dst, "whole");
}

static void test_whitelists_of_all_ancestors(void **state)
{
	static const char *const own[] = { "/a", "/b", "/d/x", NULL }, *const above[] = {
		"/b", "/c", "/d/x", NULL
	};
	struct trees *t = *state;
	_close_ int a = tree(t, "a");

	put(a, "a", "1");
	put(a, "b", "1");
	put(a, "c", "1");
	put(a, "d/x", "1");
	put(a, "d/y", "1");
	lay(t, a, own, above);
	assert_missing(t->dst, "a");
	assert_file(t->dst, "b", "1");
	assert_missing(t->dst, "c");
	assert_file(t->dst, "d/x", "1");
	assert_missing(t->dst, "d/y");
}

/* The name that is kept has the content, whichever of them it is. */
static void test_whitelist_and_hard_links(void **state)
{
	static const char *const list[] = { "/b", "/c", NULL };
	struct trees *t = *state;
	_close_ int a = tree(t, "a");

	put(a, "a", "1");
	assert_int_equal(linkat(a, "a", a, "b", 0), 0);
	assert_int_equal(linkat(a, "a", a, "c", 0), 0);
	lay(t, a, list, NULL);
	assert_missing(t->dst, "a");
	assert_file(t->dst, "b", "1");
	assert_int_equal(links_of(t->dst, "c"), 2);
}

static void test_deep(void **state)
{
	enum { DEPTH = 500 };
	struct trees *t = *state;
	_close_ int a = tree(t, "a");
	char path[2 * DEPTH + 8] = "";

	for (int i = 0; i < DEPTH; i++)
		memcpy(path + 2 * i, "d/", 3);
	memcpy(path + 2 * (size_t)DEPTH, "x", 2);
	put(a, path, "deep");
	lay_all(t, a);
	assert_file(t->dst, path, "deep");
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(later_wins),
		TEST(kinds_replace_each_other),
		TEST(link_to_directory_is_replaced),
		TEST(hard_links),
		TEST(times),
		TEST(implied),
		TEST(whitelist),
		TEST(whitelists_of_all_ancestors),
		TEST(whitelist_and_hard_links),
		TEST(deep),
	};

	return cmocka_run_group_tests_name("lay", tests, NULL, NULL);
}
