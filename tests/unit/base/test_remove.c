#include "scratch.h"

#include <linux/fs.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static void missing_is_success(void **state)
{
	const struct scratch *s = *state;

	assert_int_equal(path_remove_tree(s->fd, "missing"), 0);
}

static void removes_what_is_no_directory(void **state)
{
	const struct scratch *s = *state;

	scratch_put(s->fd, "file", "x");
	assert_int_equal(fchmodat(s->fd, "file", 0, 0), 0);
	assert_int_equal(mkfifoat(s->fd, "fifo", 0600), 0);
	assert_int_equal(path_remove_tree(s->fd, "file"), 0);
	assert_int_equal(path_remove_tree(s->fd, "fifo"), 0);
	assert_false(scratch_has(s->fd, "file"));
	assert_false(scratch_has(s->fd, "fifo"));
}

/* A directory with one of each kind. */
static void fill(int dirfd)
{
	scratch_put(dirfd, "file", "x");
	scratch_put(dirfd, "read-only", "x");
	assert_int_equal(fchmodat(dirfd, "read-only", 0400, 0), 0);
	assert_int_equal(mkfifoat(dirfd, "fifo", 0600), 0);
	assert_int_equal(mkdirat(dirfd, "empty", 0755), 0);
	assert_int_equal(symlinkat("nowhere", dirfd, "dangling"), 0);
	assert_int_equal(linkat(dirfd, "file", dirfd, "hard", 0), 0);
	scratch_put(dirfd, "..odd\n\xff", "x");
	scratch_put(dirfd, ".removed-0", "x"); /* a name that the removal makes itself */
}

static void removes_every_kind(void **state)
{
	const struct scratch *s = *state;
	char name[16];

	assert_int_equal(mkdirat(s->fd, "tree", 0755), 0);
	for (int i = 0; i < 20; i++) {
		_close_ int fd = -1;

		snprintf(name, sizeof(name), "tree/%d", i);
		assert_int_equal(mkdirat(s->fd, name, 0755), 0);
		fd = openat(s->fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		assert_true(fd >= 0);
		fill(fd);
	}
	assert_int_equal(path_remove_tree(s->fd, "tree"), 0);
	assert_false(scratch_has(s->fd, "tree"));
}

static void links_are_not_followed(void **state)
{
	const struct scratch *s = *state;
	char absolute[sizeof(s->path) + 16];

	assert_int_equal(mkdirat(s->fd, "canary", 0755), 0);
	scratch_put(s->fd, "canary/bird", "alive");
	assert_int_equal(mkdirat(s->fd, "tree", 0755), 0);
	snprintf(absolute, sizeof(absolute), "%s/canary", s->path);
	assert_int_equal(symlinkat(absolute, s->fd, "tree/absolute"), 0);
	assert_int_equal(symlinkat("../canary", s->fd, "tree/relative"), 0);
	assert_int_equal(symlinkat("../canary/bird", s->fd, "tree/file"), 0);
	assert_int_equal(path_remove_tree(s->fd, "tree"), 0);
	assert_false(scratch_has(s->fd, "tree"));
	/* a link instead of the tree itself goes, not what it points to */
	assert_int_equal(symlinkat("canary", s->fd, "tree"), 0);
	assert_int_equal(path_remove_tree(s->fd, "tree"), 0);
	assert_false(scratch_has(s->fd, "tree"));
	scratch_expect(s->fd, "canary/bird", "alive");
}

static void only_one_component_is_taken(void **state)
{
	const struct scratch *s = *state;

	assert_int_equal(mkdirat(s->fd, "a", 0755), 0);
	scratch_put(s->fd, "a/b", "alive");
	assert_int_equal(path_remove_tree(s->fd, "a/b"), -EINVAL);
	assert_int_equal(path_remove_tree(s->fd, "a/."), -EINVAL);
	assert_int_equal(path_remove_tree(AT_FDCWD, s->path), -EINVAL);
	assert_int_equal(path_remove_tree(s->fd, "."), -EINVAL);
	assert_int_equal(path_remove_tree(s->fd, ".."), -EINVAL);
	assert_int_equal(path_remove_tree(s->fd, ""), -EINVAL);
	scratch_expect(s->fd, "a/b", "alive");
}

/* /proc is a mount, and lets nobody remove anything should this ever fail. */
static void another_mount_is_left_alone(void **state _unused_)
{
	_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(path_remove_tree(root, "proc"), -EBUSY);
}

enum { DEEP = 5000 };

static void depth_costs_nothing(void **state)
{
	const struct scratch *s = *state;
	int fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 3), next;

	for (int i = 0; i < DEEP; i++) {
		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		if (i % 100 == 0)
			scratch_put(next, ".removed-1", "taken");
		close(fd);
		fd = next;
	}
	fill(fd);
	close(fd);
	assert_int_equal(path_remove_tree(s->fd, "d"), 0);
	assert_false(scratch_has(s->fd, "d"));
}

static void wide_is_fine_too(void **state)
{
	const struct scratch *s = *state;
	char name[32];

	assert_int_equal(mkdirat(s->fd, "wide", 0755), 0);
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "wide/%d", i);
		if (i % 3)
			scratch_put(s->fd, name, "");
		else
			assert_int_equal(mkdirat(s->fd, name, 0755), 0);
	}
	assert_int_equal(path_remove_tree(s->fd, "wide"), 0);
	assert_false(scratch_has(s->fd, "wide"));
}

/* Swaps a directory of the tree and a link to the canary as fast as it can, until killed. */
static _noreturn_ void race(const struct scratch *s)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		syscall(SYS_renameat2, s->fd, "tree/sub", s->fd, "swap", RENAME_EXCHANGE);
}

/* Filled aside: the racer must not divert what the test itself writes. */
static int make_raced_tree(const struct scratch *s)
{
	_close_ int sub = -1;
	char name[16];

	if (mkdirat(s->fd, "fresh", 0755) < 0 || mkdirat(s->fd, "fresh/sub", 0755) < 0)
		return -errno;
	sub = openat(s->fd, "fresh/sub", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "%d", i);
		if (mkdirat(sub, name, 0755) < 0)
			return -errno;
	}
	return renameat(s->fd, "fresh", s->fd, "tree") < 0 ? -errno : 0;
}

/* The directory may have got away as "swap": then the link is put back. */
static int race_once(const struct scratch *s)
{
	int r = make_raced_tree(s);

	if (r == 0)
		r = path_remove_tree(s->fd, "tree");
	if (r == 0)
		r = path_remove_tree(s->fd, "swap");
	if (r == 0)
		r = symlinkat("canary", s->fd, "swap") < 0 ? -errno : 0;
	return r == 0 && scratch_has(s->fd, "tree") ? -EEXIST : r;
}

static void a_race_does_not_lead_out(void **state)
{
	const struct scratch *s = *state;
	int r = 0;
	pid_t pid;

	assert_int_equal(mkdirat(s->fd, "canary", 0755), 0);
	scratch_put(s->fd, "canary/bird", "alive");
	assert_int_equal(symlinkat("canary", s->fd, "swap"), 0);
	pid = fork();
	if (pid == 0)
		race(s);
	assert_true(pid > 0);
	for (int i = 0; i < 200 && r == 0; i++)
		r = race_once(s);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(r, 0);
	scratch_expect(s->fd, "canary/bird", "alive");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		scratch_test(missing_is_success),
		scratch_test(removes_what_is_no_directory),
		scratch_test(removes_every_kind),
		scratch_test(links_are_not_followed),
		scratch_test(only_one_component_is_taken),
		cmocka_unit_test(another_mount_is_left_alone),
		scratch_test(depth_costs_nothing),
		scratch_test(wide_is_fine_too),
		scratch_test(a_race_does_not_lead_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
