/* Copies of trees. What only root may make (devices, owners, capabilities) is in test_overlay.c. */
#include "scratch.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "mosaic/copy_tree.h"

struct trees {
	int src, dst;
	struct error err;
};

static struct trees make_trees(struct scratch *s)
{
	struct trees t = { 0 };

	assert_int_equal(mkdirat(s->dirfd, "src", 0755), 0);
	assert_int_equal(mkdirat(s->dirfd, "dst", 0700), 0);
	t.src = openat(s->dirfd, "src", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	t.dst = openat(s->dirfd, "dst", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return t;
}

static void copy(struct trees *t)
{
	assert_ok(copy_tree(t->src, t->dst, &t->err), &t->err);
}

static void close_trees(struct trees *t)
{
	close(t->src);
	close(t->dst);
}

static struct stat stat_of(int dirfd, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st;
}

static void modes_times_and_kinds_are_kept(void **state)
{
	static const struct {
		const char *name;
		mode_t mode;
	} names[] = {
		{ "", 0 },
		{ "dir", 01775 },
		{ "dir/closed", 01700 },
		{ "dir/closed/file", 0 },
		{ "setuid", 04755 },
		{ "fifo", 0600 },
		{ "link", 0777 },
		{ "socket", 0644 },
	};
	const struct timespec old[] = { { 1000000000, 123456789 }, { 1100000000, 987654321 } };
	struct trees t = make_trees(*state);

	assert_int_equal(mkdirat(t.src, "dir", 0755), 0);
	assert_int_equal(mkdirat(t.src, "dir/closed", 0755), 0);
	put(t.src, "dir/closed/file", "deep");
	put(t.src, "setuid", "s");
	assert_int_equal(mkfifoat(t.src, "fifo", 0600), 0);
	assert_int_equal(mknodat(t.src, "socket", S_IFSOCK | 0644, 0), 0);
	assert_int_equal(symlinkat("/etc/../nowhere", t.src, "link"), 0);
	for (size_t i = ARRAY_SIZE(names); i-- > 0;) {
		const char *name = *names[i].name ? names[i].name : ".";

		if (names[i].mode && !str_eq(name, "link"))
			assert_int_equal(fchmodat(t.src, name, names[i].mode, 0), 0);
		assert_int_equal(utimensat(t.src, name, old, AT_SYMLINK_NOFOLLOW), 0);
	}
	copy(&t);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *name = *names[i].name ? names[i].name : ".";
		struct stat a = stat_of(t.src, name), b = stat_of(t.dst, name);

		assert_int_equal(a.st_mode, b.st_mode);
		assert_int_equal(a.st_uid, b.st_uid);
		assert_int_equal(b.st_mtim.tv_sec, old[1].tv_sec);
		assert_int_equal(b.st_mtim.tv_nsec, old[1].tv_nsec);
	}
	assert_file(t.dst, "dir/closed/file", "deep");
	close_trees(&t);
}

static void links_point_and_stay_together(void **state)
{
	struct trees t = make_trees(*state);
	char target[64] = "";

	assert_int_equal(mkdirat(t.src, "a", 0755), 0);
	put(t.src, "a/one", "shared");
	assert_int_equal(linkat(t.src, "a/one", t.src, "two", 0), 0);
	assert_int_equal(symlinkat("../../outside", t.src, "link"), 0);
	assert_int_equal(linkat(t.src, "link", t.src, "a/link", 0), 0);
	copy(&t);
	assert_int_equal(stat_of(t.dst, "a/one").st_ino, stat_of(t.dst, "two").st_ino);
	assert_int_equal(stat_of(t.dst, "two").st_nlink, 2);
	assert_int_equal(stat_of(t.dst, "link").st_ino, stat_of(t.dst, "a/link").st_ino);
	assert_true(readlinkat(t.dst, "link", target, sizeof(target) - 1) > 0);
	assert_string_equal(target, "../../outside");
	assert_file(t.dst, "two", "shared");
	close_trees(&t);
}

static void holes_stay_holes(void **state)
{
	struct trees t = make_trees(*state);
	_close_ int fd = openat(t.src, "sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	_close_ int out = -1;
	char byte = 0;

	assert_int_equal(pwrite(fd, "x", 1, 64 << 20), 1);
	assert_int_equal(ftruncate(fd, 128 << 20), 0);
	copy(&t);
	assert_int_equal(stat_of(t.dst, "sparse").st_size, 128 << 20);
	assert_true(stat_of(t.dst, "sparse").st_blocks < 1024);
	out = openat(t.dst, "sparse", O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(out, &byte, 1, 64 << 20), 1);
	assert_int_equal(byte, 'x');
	close_trees(&t);
}

static void attributes_are_kept(void **state)
{
	struct trees t = make_trees(*state);
	char value[16] = "";

	put(t.src, "file", "x");
	assert_int_equal(fsetxattr(t.src, "user.root", "R", 1, 0), 0);
	{
		_close_ int fd = openat(t.src, "file", O_RDONLY | O_CLOEXEC);

		assert_int_equal(fsetxattr(fd, "user.colour", "red", 3, 0), 0);
		assert_int_equal(fsetxattr(fd, "user.empty", "", 0, 0), 0);
	}
	copy(&t);
	{
		_close_ int fd = openat(t.dst, "file", O_RDONLY | O_CLOEXEC);

		assert_int_equal(fgetxattr(fd, "user.colour", value, sizeof(value)), 3);
		assert_string_equal(value, "red");
		assert_int_equal(fgetxattr(fd, "user.empty", value, sizeof(value)), 0);
	}
	assert_int_equal(fgetxattr(t.dst, "user.root", value, sizeof(value)), 1);
	close_trees(&t);
}

static void xattr_prefix_stays_behind(void **state)
{
	struct trees t = make_trees(*state);
	char value[4];

	assert_int_equal(fsetxattr(t.src, "user.not.this", "1", 1, 0), 0);
	assert_int_equal(fsetxattr(t.src, "user.nothing", "2", 1, 0), 0);
	assert_int_equal(copy_xattrs(t.src, t.dst, "user.not."), 0);
	assert_int_equal(fgetxattr(t.dst, "user.not.this", value, sizeof(value)), -1);
	assert_int_equal(errno, ENODATA);
	assert_int_equal(fgetxattr(t.dst, "user.nothing", value, sizeof(value)), 1);
	close_trees(&t);
}

/* Makes DEPTH nested directories of that name, without a long path; returns the deepest. */
static int nest(int dirfd, const char *name, unsigned depth)
{
	int at = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);

	for (unsigned i = 0; i < depth; i++) {
		int next;

		assert_int_equal(mkdirat(at, name, 0755), 0);
		next = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(at);
		at = next;
	}
	return at;
}

static void depth_costs_no_descriptors(void **state)
{
	enum { DEPTH = 300 };
	struct rlimit before, few;
	struct trees t = make_trees(*state);
	_close_ int deepest = nest(t.src, "d", DEPTH), found = -1;
	char path[2 * DEPTH + 1] = "";

	put(deepest, "f", "bottom");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 40;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	copy(&t);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	for (unsigned i = 0; i < DEPTH; i++)
		memcpy(path + 2 * i, "d/", 3);
	found = openat(t.dst, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(found >= 0);
	assert_file(found, "f", "bottom");
	close_trees(&t);
}

static void too_deep_is_refused_by_name(void **state)
{
	struct trees t = make_trees(*state);
	_close_ int deepest = nest(t.src, "a-directory-with-a-long-name", 200);

	assert_true(deepest >= 0);
	assert_int_equal(copy_tree(t.src, t.dst, &t.err), -ENAMETOOLONG);
	assert_non_null(strstr(t.err.text, "4095"));
	close_trees(&t);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(modes_times_and_kinds_are_kept),
		TEST(links_point_and_stay_together),
		TEST(holes_stay_holes),
		TEST(attributes_are_kept),
		TEST(xattr_prefix_stays_behind),
		TEST(depth_costs_no_descriptors),
		TEST(too_deep_is_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
