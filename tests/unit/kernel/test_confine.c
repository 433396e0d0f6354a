/* Each step of shutting a process in, taken by a child: what it can do then, and what not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/base.h"
#include "kernel/kernel.h"

enum { NOT_CONFINED = 99 };

/* Runs fn in a child: its result, or 128 and the signal that ended it. */
static int in_child(int (*fn)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		syscall(SYS_exit_group, fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- namespaces and files -------------------------------------------------------------------- */

static uint64_t namespace_of(const char *name)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	return stat(path, &st) == 0 ? st.st_ino : 0;
}

static int has_new_namespaces(void)
{
	static const char *const names[] = { "mnt", "net", "ipc", "uts" };
	uint64_t before[ARRAY_SIZE(names)];
	struct error err = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		before[i] = namespace_of(names[i]);
	if (confine_leave_namespaces(&err) < 0)
		return NOT_CONFINED;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (before[i] == 0 || namespace_of(names[i]) == before[i])
			return 1 + (int)i;
	return 0;
}

static int enter_empty_root(void)
{
	struct error err = { 0 };
	int root;

	if (confine_leave_namespaces(&err) < 0)
		return -1;
	root = mount_new("tmpfs", NULL, 0, MOUNT_READONLY, NULL, 0);
	return root < 0 ? root : confine_enter_root(root, &err);
}

static int count(_unused_ int dirfd, _unused_ const char *name, void *n)
{
	++*(int *)n;
	return 0;
}

static int sees_nothing(void)
{
	int dir, entries = 0;

	if (enter_empty_root() < 0)
		return NOT_CONFINED;
	if (access("/proc", F_OK) == 0 || access("/etc/passwd", F_OK) == 0)
		return 1;
	dir = open("..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || dir_each(dir, count, &entries) < 0 || entries > 0)
		return 2;
	return mkdir("/made", 0700) < 0 && errno == EROFS ? 0 : 3;
}

static int refuses_what_is_no_mount(void)
{
	struct error err = { 0 };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (confine_leave_namespaces(&err) < 0)
		return NOT_CONFINED;
	return confine_enter_root(null, &err) < 0 && err.code < 0 ? 0 : 1;
}

static void namespaces_and_files(_unused_ void **state)
{
	assert_int_equal(in_child(has_new_namespaces), 0);
	assert_int_equal(in_child(sees_nothing), 0);
	assert_int_equal(in_child(refuses_what_is_no_mount), 0);
	assert_int_equal(access("/etc/passwd", F_OK), 0);
}

/* ---- rights ---------------------------------------------------------------------------------- */

static int keeps_one_capability(void)
{
	struct error err = { 0 };
	uint64_t left;

	if (confine_drop_capabilities(CAP_BIT(0), &err) < 0)
		return NOT_CONFINED;
	if (caps_permitted(&left) < 0 || left != CAP_BIT(0))
		return 1;
	for (int i = 0; i <= 40; i++)
		if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
			return 2;
	return sethostname("x", 1) < 0 && errno == EPERM ? 0 : 3;
}

static void capabilities(_unused_ void **state)
{
	assert_int_equal(in_child(keeps_one_capability), 0);
}

static bool limit_is(int resource, rlim_t soft, rlim_t hard)
{
	struct rlimit l;

	return getrlimit((__rlimit_resource_t)resource, &l) == 0 && l.rlim_cur == soft &&
	       l.rlim_max == hard;
}

static int lowers_limits(void)
{
	static const struct process_limit limits[] = {
		{ RLIMIT_NOFILE, 20 },
		{ RLIMIT_CORE, 1000 },
		{ RLIMIT_CPU, 500 },
	};
	const struct rlimit core = { 10, 100 }, cpu = { 50, 1000 };
	struct error err = { 0 };

	if (setrlimit(RLIMIT_CORE, &core) < 0 || setrlimit(RLIMIT_CPU, &cpu) < 0)
		return NOT_CONFINED;
	if (confine_limit_resources(limits, ARRAY_SIZE(limits), &err) < 0)
		return NOT_CONFINED;
	if (!limit_is(RLIMIT_NOFILE, 20, 20))
		return 1;
	if (!limit_is(RLIMIT_CORE, 100, 100)) /* a lower one stays */
		return 2;
	return limit_is(RLIMIT_CPU, 500, 500) ? 0 : 3;
}

static int names_the_wrong_limit(void)
{
	static const struct process_limit limits[] = { { 4711, 1 } };
	struct error err = { 0 };
	int r = confine_limit_resources(limits, ARRAY_SIZE(limits), &err);

	return r == -EINVAL && strstr(err.text, "4711") ? 0 : 1;
}

static void limits(_unused_ void **state)
{
	assert_int_equal(in_child(lowers_limits), 0);
	assert_int_equal(in_child(names_the_wrong_limit), 0);
}

static int is_bound(void)
{
	struct error err = { 0 };
	int sig = 0;

	if (confine_bind_to_parent(&err) < 0)
		return NOT_CONFINED;
	if (prctl(PR_GET_PDEATHSIG, &sig, 0, 0, 0) < 0 || sig != SIGKILL)
		return 1;
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return 2;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 3;
}

/* A child that binds itself, says so by a byte and waits; its parent then ends. The end of the pipe
 * is the end of the child. */
static void ends_with_its_parent(_unused_ void **state)
{
	struct error err = { 0 };
	int fds[2], status;
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (fork() == 0) {
			if (confine_bind_to_parent(&err) < 0 || write(fds[1], "x", 1) != 1)
				_exit(NOT_CONFINED);
			for (;;)
				pause();
		}
		if (read(fds[0], &byte, 1) != 1)
			_exit(NOT_CONFINED);
		_exit(0);
	}
	close(fds[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(read(fds[0], &byte, 1), 0);
	close(fds[0]);
}

static void bound_to_the_parent(_unused_ void **state)
{
	assert_int_equal(in_child(is_bound), 0);
}

/* ---- system calls ---------------------------------------------------------------------------- */

static const char *const first[] = { "exit_group", NULL };
static const char *const second[] = { "getpid", "getppid", NULL };
static const char *const refused[] = { "uname", NULL };
static const struct seccomp_rule by_argument[] = {
	{ "lseek", SECCOMP_ACTION_ALLOW, .compare = { { 2, UINT32_MAX, SEEK_CUR } },
	  .n_compare = 1 },
	{ "lseek", SECCOMP_ACTION_ERRNO, EXDEV, .compare = { { 2, UINT32_MAX, SEEK_END } },
	  .n_compare = 1 },
};
static const struct confine_filter filter = {
	.allowed = { first, second },
	.refused = refused,
	.rules = by_argument,
	.n_rules = ARRAY_SIZE(by_argument),
};

/* The number of a call and its arguments, made with the filter: 0 or its errno. */
static struct call {
	long number;
	uint64_t args[6];
} asked;

static int ask(void)
{
	struct error err = { 0 };
	const uint64_t *a = asked.args;

	if (confine_bind_to_parent(&err) < 0 || confine_calls(&filter, &err) < 0)
		return NOT_CONFINED;
	return syscall(asked.number, a[0], a[1], a[2], a[3], a[4], a[5]) < 0 ? errno : 0;
}

static int result_of(struct call call)
{
	asked = call;
	return in_child(ask);
}

static void calls(_unused_ void **state)
{
	assert_int_equal(result_of((struct call){ SYS_getpid }), 0);
	assert_int_equal(result_of((struct call){ SYS_getppid }), 0);
	assert_int_equal(result_of((struct call){ SYS_uname }), EACCES);
	assert_int_equal(result_of((struct call){ SYS_getuid }), 128 + SIGSYS);
	assert_int_equal(result_of((struct call){ 9999 }), 128 + SIGSYS);
	/* by what the kernel reads of an argument */
	assert_int_equal(result_of((struct call){ SYS_lseek, { 999, 0, SEEK_CUR } }), EBADF);
	assert_int_equal(result_of((struct call){ SYS_lseek, { 999, 0, SEEK_END } }), EXDEV);
	assert_int_equal(result_of((struct call){ SYS_lseek, { 999, 0, 1ULL << 32 | SEEK_END } }),
			 EXDEV);
	assert_int_equal(result_of((struct call){ SYS_lseek, { 999, 0, SEEK_SET } }), 128 + SIGSYS);
}

static void memory(_unused_ void **state)
{
	const uint64_t data = PROT_READ | PROT_WRITE, code = PROT_READ | PROT_EXEC;
	const uint64_t how = MAP_PRIVATE | MAP_ANONYMOUS, no_fd = UINT64_MAX;
	struct call map = { SYS_mmap, { 0, 4096, data, how, no_fd } };
	struct call protect = { SYS_mprotect, { 0, 0, data } };

	assert_int_equal(result_of(map), 0);
	assert_int_equal(result_of(protect), 0);
	map.args[2] = protect.args[2] = code;
	assert_int_equal(result_of(map), 128 + SIGSYS);
	assert_int_equal(result_of(protect), 128 + SIGSYS);
}

static void too_many_names(_unused_ void **state)
{
	const char *names[CONFINE_RULES_MAX + 1];
	const struct confine_filter full = { .allowed = { names } };
	struct error err = { 0 };

	for (size_t i = 0; i < CONFINE_RULES_MAX; i++)
		names[i] = "read";
	names[CONFINE_RULES_MAX] = NULL;
	/* mmap and mprotect no longer fit, and nothing was loaded */
	assert_int_equal(confine_calls(&full, &err), -E2BIG);
	assert_non_null(strstr(err.text, "CONFINE_RULES_MAX"));
	assert_true(getuid() == geteuid());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(namespaces_and_files),
		cmocka_unit_test(capabilities),
		cmocka_unit_test(limits),
		cmocka_unit_test(bound_to_the_parent),
		cmocka_unit_test(ends_with_its_parent),
		cmocka_unit_test(calls),
		cmocka_unit_test(memory),
		cmocka_unit_test(too_many_names),
	};

	return cmocka_run_group_tests_name("confine", tests, NULL, NULL);
}
