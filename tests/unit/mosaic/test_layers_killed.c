/* The overlay driver's layers: who makes one is killed at any system call, and nothing is lost. */
#include "layers.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "mosaic/overlay.h"

/* Only what changes something on disk matters. */
static bool changes(uint64_t nr)
{
	static const uint64_t calls[] = {
		SYS_mkdirat,   SYS_unlinkat, SYS_renameat,        SYS_renameat2, SYS_symlinkat,
		SYS_linkat,    SYS_mknodat,  SYS_setxattr,        SYS_fsetxattr, SYS_fchmod,
		SYS_fchmodat,  SYS_fchownat, SYS_copy_file_range, SYS_write,     SYS_utimensat,
		SYS_ftruncate, SYS_ioctl,    SYS_openat,
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i] == nr)
			return true;
	return false;
}

static bool is_change(pid_t pid)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY || !changes(info.entry.nr))
		return false;
	return info.entry.nr != SYS_openat || info.entry.args[2] & O_CREAT;
}

/* A child that does it is killed when it enters its n-th system call that changes something. False
 * when it ended first. */
static bool killed_at(const struct scratch *s, unsigned n, void (*fn)(const struct scratch *s))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		fn(s);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, NULL,
				PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD),
			 0);
	while (n > 0) {
		assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFSTOPPED(status)) {
			assert_int_equal(WEXITSTATUS(status), 0);
			return false;
		}
		if (is_change(pid))
			n--;
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return true;
}

static void clone_in_child(const struct scratch *s)
{
	struct mosaic *m = NULL;
	struct error err = { 0 };
	int r = mosaic_open(&m, s->location, NULL, 0, &err);

	if (r == 0)
		r = mosaic_clone(m, "clone", "data", &err);
	if (r < 0)
		_exit(1);
}

static int must_not(const struct mosaic_problem *p, void *arg)
{
	(void)arg;
	fail_msg("%s %s", p->where, p->text);
	return 0;
}

/* Whatever is left of the clone: it has the content, or is not there. */
static void assert_content(struct scratch *s)
{
	struct error err = { 0 };
	unsigned n;
	int fd;

	reopen(s);
	fd = mount_here(s, "data", MOSAIC_MOUNT_READONLY);
	assert_file(fd, "file", "content");
	umount_here(s, &fd, "data");
	fd = mount_here(s, "data", 0);
	assert_file(fd, "file", "content");
	assert_missing(fd, "hello");
	put(fd, "mark", "x");
	assert_int_equal(unlinkat(fd, "mark", 0), 0);
	umount_here(s, &fd, "data");
	reopen(s);
	if (mosaic_have(s->mosaic, "clone")) {
		assert_in(s, "clone", "file", "content");
		assert_in(s, "clone", "hello", NULL);
		drop(s, "clone");
	}
	assert_ok(mosaic_check(s->mosaic, MOSAIC_CHECK_REPAIR, NULL, NULL, &n, &err), &err);
	assert_int_equal(n, 0);
	assert_ok(mosaic_check(s->mosaic, 0, must_not, NULL, &n, &err), &err);
	drop(s, "data");
	if (mosaic_have(s->mosaic, "tree"))
		drop(s, "tree");
	assert_nothing_left(s);
}

static void start_from_data(struct scratch *s)
{
	make_volume(s, "data");
	write_to(s, "data", "file", "content");
}

static void start_from_clone(struct scratch *s)
{
	if (!mosaic_have(s->mosaic, "tree"))
		commit_hello(s, "tree");
	clone_volume(s, "data", "tree");
	write_to(s, "data", "file", "content");
	write_to(s, "data", "hello", NULL);
}

static void start_from_deep(struct scratch *s)
{
	start_from_clone(s);
	for (unsigned i = 1; i < OVERLAY_LAYERS; i++) {
		char name[32];

		clone_volume(s, "other", "data");
		drop(s, "other");
		snprintf(name, sizeof(name), "file-%u", i % 3);
		write_to(s, "data", name, "more");
	}
	assert_int_equal(depth_of(s, "data"), OVERLAY_LAYERS);
}

static void kill_everywhere(struct scratch *s, void (*start)(struct scratch *s), unsigned step)
{
	unsigned n = 1, points = 0;

	for (;; n += step) {
		start(s);
		if (!killed_at(s, n, clone_in_child))
			break;
		points++;
		assert_content(s);
	}
	print_message("%u points\n", points);
	assert_true(points > 10);
	assert_in(s, "clone", "file", "content");
}

static void clone_of_data_is_killed_everywhere(void **state)
{
	kill_everywhere(*state, start_from_data, 1);
}

static void clone_of_a_clone_is_killed_everywhere(void **state)
{
	kill_everywhere(*state, start_from_clone, 1);
}

static void fold_is_killed_everywhere(void **state)
{
	kill_everywhere(*state, start_from_deep, 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(clone_of_data_is_killed_everywhere),
		TEST(clone_of_a_clone_is_killed_everywhere),
		TEST(fold_is_killed_everywhere),
	};

	if (!layers_own_mounts())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
