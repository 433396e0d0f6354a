#include "scratch.h"

/*
 * root/            the tree that is walked
 *   dir/file
 *   in -> /dir     absolute: inside the root when the root is "/"
 *   up -> ../../outside
 *   deep -> dir/../dir
 *   loop -> loop
 *   self -> /proc/self/fd
 *   dangling -> missing
 * outside/secret   what must not be reached
 */
static int make_tree(const struct scratch *s)
{
	int root;

	assert_int_equal(mkdirat(s->fd, "outside", 0755), 0);
	scratch_put(s->fd, "outside/secret", "secret");
	assert_int_equal(mkdirat(s->fd, "root", 0755), 0);
	root = openat(s->fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(root >= 0);
	assert_int_equal(mkdirat(root, "dir", 0755), 0);
	scratch_put(root, "dir/file", "inside");
	assert_int_equal(symlinkat("/dir", root, "in"), 0);
	assert_int_equal(symlinkat("../../outside", root, "up"), 0);
	assert_int_equal(symlinkat("dir/../dir", root, "deep"), 0);
	assert_int_equal(symlinkat("loop", root, "loop"), 0);
	assert_int_equal(symlinkat("missing", root, "dangling"), 0);
	return root;
}

static int walk(int root, const char *path, enum path_walk how)
{
	int fd = path_open(root, path, how, O_RDONLY, 0);
	char text[8] = "";

	if (fd < 0)
		return fd;
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	if (read(fd, text, sizeof(text) - 1) > 0)
		assert_string_equal(text, "inside");
	close(fd);
	return 0;
}

static void walks_stay_below_their_root(void **state)
{
	static const struct {
		const char *path;
		int in_root, beneath, no_links;
	} cases[] = {
		{ "dir/file", 0, 0, 0 },
		{ "/dir/file", 0, 0, 0 },
		{ "//dir//file", 0, 0, 0 },
		{ "", 0, 0, 0 },
		{ "/", 0, 0, 0 },
		{ "missing", -ENOENT, -ENOENT, -ENOENT },
		{ "dir/file/x", -ENOTDIR, -ENOTDIR, -ENOTDIR },
		{ "deep/file", 0, 0, -ELOOP },
		{ "in/file", 0, -EXDEV, -ELOOP },
		{ "up/secret", -ENOENT, -EXDEV, -ELOOP },
		{ "..", 0, -EXDEV, -EXDEV },
		{ "../outside/secret", -ENOENT, -EXDEV, -EXDEV },
		{ "dir/../../outside/secret", -ENOENT, -EXDEV, -EXDEV },
		{ "dir/../dir/file", 0, 0, 0 },
		{ "loop", -ELOOP, -ELOOP, -ELOOP },
		{ "dangling", -ENOENT, -ENOENT, -ELOOP },
	};
	_close_ int root = make_tree(*state);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(walk(root, cases[i].path, PATH_IN_ROOT), cases[i].in_root);
		assert_int_equal(walk(root, cases[i].path, PATH_BENEATH), cases[i].beneath);
		assert_int_equal(walk(root, cases[i].path, PATH_NO_LINKS), cases[i].no_links);
		assert_int_equal(walk(root, cases[i].path, PATH_NO_MOUNTS), cases[i].no_links);
	}
}

static void magic_links_are_never_followed(void **state)
{
	const struct scratch *s = *state;
	_close_ int proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char name[32];

	snprintf(name, sizeof(name), "fd/%d", s->fd);
	assert_true(proc >= 0);
	assert_int_equal(walk(proc, name, PATH_IN_ROOT), -ELOOP);
	assert_int_equal(walk(proc, name, PATH_BENEATH), -ELOOP);
	assert_int_equal(walk(proc, name, PATH_NO_LINKS), -ELOOP);
}

/* /proc is a mount wherever tests run. */
static void a_walk_can_stay_on_its_mount(void **state _unused_)
{
	_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_true(root >= 0);
	assert_int_equal(walk(root, "proc", PATH_NO_LINKS), 0);
	assert_int_equal(walk(root, "proc", PATH_NO_MOUNTS), -EXDEV);
	assert_int_equal(walk(root, "etc/..", PATH_NO_MOUNTS), 0);
}

static void opens_to_create(void **state)
{
	_close_ int root = make_tree(*state);
	_close_ int fd = path_open(root, "in/new", PATH_IN_ROOT, O_WRONLY | O_CREAT | O_EXCL, 0640);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstatat(root, "dir/new", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(path_open(root, "in/new", PATH_IN_ROOT, O_WRONLY | O_CREAT | O_EXCL, 0640),
			 -EEXIST);
}

static void expect_same(int fd, int dirfd, const char *path)
{
	struct stat a, b;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &a), 0);
	assert_int_equal(fstatat(dirfd, path, &b, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(a.st_dev == b.st_dev && a.st_ino == b.st_ino);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

static void makes_directories(void **state)
{
	_close_ int root = make_tree(*state);
	struct stat st;

	umask(022);
	expect_same(path_make_dirs(root, "/a/b/c"), root, "a/b/c");
	assert_int_equal(fstatat(root, "a/b", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
	expect_same(path_make_dirs(root, "a//b/./d/"), root, "a/b/d");
	expect_same(path_make_dirs(root, "/a/b/c"), root, "a/b/c"); /* again */
	expect_same(path_make_dirs(root, "/"), root, ".");
	expect_same(path_make_dirs(root, ""), root, ".");
	expect_same(path_make_dirs(root, "one"), root, "one");
	expect_same(path_make_dirs(root, "in/below"), root,
		    "dir/below"); /* by a link, inside the root */
}

static void directories_are_not_made_elsewhere(void **state)
{
	const struct scratch *s = *state;
	_close_ int root = make_tree(s);

	assert_int_equal(path_make_dirs(root, "../escape"), -EINVAL);
	assert_int_equal(path_make_dirs(root, "dir/../x"), -EINVAL);
	assert_int_equal(path_make_dirs(root, "dir/.."), -EINVAL);
	assert_int_equal(path_make_dirs(root, "dangling/x"), -ELOOP);
	assert_int_equal(path_make_dirs(root, "dangling"), -ELOOP);
	assert_int_equal(path_make_dirs(root, "loop/x"), -ELOOP);
	assert_int_equal(path_make_dirs(root, "dir/file/x"), -ENOTDIR);
	assert_int_equal(path_make_dirs(root, "dir/file"), -ENOTDIR);
	assert_false(scratch_has(s->fd, "escape"));
	assert_false(scratch_has(root, "missing"));
	/* "..x" is a name like any other */
	expect_same(path_make_dirs(root, "..x/y.."), root, "..x/y..");
	/* a link that leads out ends at the root instead */
	assert_int_equal(symlinkat("../../..", root, "top"), 0);
	expect_same(path_make_dirs(root, "top/made"), root, "made");
}

static void makes_files(void **state)
{
	_close_ int root = make_tree(*state);
	struct stat st;

	umask(022);
	expect_same(path_make_file(root, "/x/y/z"), root, "x/y/z");
	assert_int_equal(fstatat(root, "x/y/z", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0644);
	assert_int_equal(st.st_size, 0);
	expect_same(path_make_file(root, "top"), root, "top");
	expect_same(path_make_file(root, "/abs"), root, "abs");
	expect_same(path_make_file(root, "in/file"), root, "dir/file"); /* exists */
	scratch_expect(root, "dir/file", "inside");
	expect_same(path_make_file(root, "in/new"), root, "dir/new");
	assert_int_equal(mkfifoat(root, "fifo", 0600), 0);
	expect_same(path_make_file(root, "fifo"), root, "fifo");
	assert_int_equal(path_make_file(root, "/"), -EISDIR);
	assert_int_equal(path_make_file(root, "in"), -EISDIR);
	assert_int_equal(path_make_file(root, "dangling"), -EEXIST);
	assert_false(scratch_has(root, "missing"));
	assert_int_equal(path_make_file(root, "dir/file/x"), -ENOTDIR);
	assert_int_equal(path_make_file(root, "no/../x"), -EINVAL);
}

static void cleans(void **state _unused_)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "." },
		{ ".", "." },
		{ "./", "." },
		{ "/", "/" },
		{ "///", "/" },
		{ "/.", "/" },
		{ "a", "a" },
		{ "a/", "a" },
		{ "./a", "a" },
		{ "//a//b/", "/a/b" },
		{ "a/./b", "a/b" },
		{ "/..", "/.." },
		{ "a/../b", "a/../b" },
		{ "/.a/..b/c.", "/.a/..b/c." },
	};
	char clean[LIMIT_PATH_BYTES], longest[LIMIT_PATH_BYTES + 1];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(path_clean(clean, cases[i].in), 0);
		assert_string_equal(clean, cases[i].out);
	}
	memset(longest, 'a', sizeof(longest));
	longest[0] = '/';
	longest[LIMIT_PATH_BYTES - 1] = '\0';
	assert_int_equal(path_clean(clean, longest), 0);
	assert_string_equal(clean, longest);
	longest[LIMIT_PATH_BYTES - 1] = 'a';
	longest[LIMIT_PATH_BYTES] = '\0';
	assert_int_equal(path_clean(clean, longest), -ENAMETOOLONG);
}

static void knows_clean_absolute_paths(void **state _unused_)
{
	static const char *const good[] = { "/", "/a", "/a/b", "/..a", "/a..", "/a/...", "/.a" };
	static const char *const bad[] = { "",     "a",    ".",   "/a/",   "//a",  "/a//b",
					   "/./a", "/a/.", "/..", "/a/..", "/../a" };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(path_is_clean_absolute(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(path_is_clean_absolute(bad[i]));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		scratch_test(walks_stay_below_their_root),
		scratch_test(magic_links_are_never_followed),
		cmocka_unit_test(a_walk_can_stay_on_its_mount),
		scratch_test(opens_to_create),
		scratch_test(makes_directories),
		scratch_test(directories_are_not_made_elsewhere),
		scratch_test(makes_files),
		cmocka_unit_test(cleans),
		cmocka_unit_test(knows_clean_absolute_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
