/*
 * The default filter in the kernel, asked by all three doors of x86_64: syscall, int $0x80, and
 * the x32 bit. Needs no rights: the child gives up new privileges.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/base.h"
#include "kernel/caps.h"
#include "kernel/seccomp_private.h"

/* In the order of seccomp_arch_list(). */
enum door { NATIVE, X32, I386, DOORS };

static long call_32(long number, uint64_t a, uint64_t b)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(a), "c"(b), "d"(0), "S"(0), "D"(0)
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}

/* The raw result: a negative errno. */
static long call(enum door door, long number, uint64_t a, uint64_t b)
{
	long r;

	if (door == I386)
		return call_32(number, a, b);
	r = syscall(number, a, b, 0, 0, 0, 0);
	return r < 0 ? -errno : r;
}

static const struct row {
	const char *name;
	uint64_t a, b;
	int error;
	unsigned doors; /* bits; 0: all */
} rows[] = {
	/* asked with values that could do no harm if they got through */
	{ "mount", 0, 0, EPERM, 0 },
	{ "umount2", 0, 0, EPERM, 0 },
	{ "pivot_root", 0, 0, EPERM, 0 },
	{ "fsopen", 0, 0, EPERM, 0 },
	{ "open_tree", 0, 0, EPERM, 0 },
	{ "unshare", 0x10000000, 0, EPERM, 0 },
	{ "setns", 0, 0, EPERM, 0 },
	{ "bpf", 0, 0, EPERM, 0 },
	{ "perf_event_open", 0, 0, EPERM, 0 },
	{ "userfaultfd", 0, 0, EPERM, 0 },
	{ "io_uring_setup", 0, 0, EPERM, 0 },
	{ "keyctl", 0, 0, EPERM, 0 },
	{ "add_key", 0, 0, EPERM, 0 },
	{ "request_key", 0, 0, EPERM, 0 },
	{ "init_module", 0, 0, EPERM, 0 },
	{ "swapon", 0, 0, EPERM, 0 },
	{ "open_by_handle_at", 0, 0, EPERM, 0 },
	{ "socket", 38, 5, EPERM, 0 },
	{ "socket", 40, 1, EPERM, 0 },
	{ "socket", 38 | 1ULL << 32, 5, EPERM, 0 },
	{ "socketcall", 1, 0, EPERM, 1 << I386 },
	{ "ioctl", 0, 0x5412, EPERM, 0 },
	{ "ioctl", 0, 0x5412 | 1ULL << 32, EPERM, 0 },
	{ "ioctl", 0, 0x541c, EPERM, 0 },
	{ "personality", 0x40000, 0, EPERM, 0 },
	{ "clone3", 0, 0, ENOSYS, 0 },
	{ "personality", 0xffffffff, 0, 0, 1 << NATIVE | 1 << I386 },
	{ "unshare", 0x200, 0, 0, 1 << NATIVE | 1 << I386 },
	{ "socket", 1, 1, 0, 1 << NATIVE | 1 << I386 },
	{ "getppid", 0, 0, 0, 1 << NATIVE | 1 << I386 },
};

/* Loads the default filter in this process. */
static int load(void)
{
	static struct seccomp_rule rules[SECCOMP_DEFAULT_MAX];
	struct seccomp_spec spec = { SECCOMP_ACTION_ERRNO, SECCOMP_DEFAULT_ERRNO, rules, 0 };
	struct sock_fprog program = { 0 };
	struct error err = { 0 };
	void *code = NULL;
	size_t n;

	spec.n_rules = seccomp_default_rules(CAPS_APP_DEFAULT, rules, ARRAY_SIZE(rules));
	if (seccomp_compile(&spec, &code, &n, &err) < 0)
		return -1;
	program.len = (unsigned short)n;
	program.filter = code;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

/* Runs fn in a child that has the filter. */
static int in_child(int (*fn)(void *arg), void *arg)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(load() < 0 ? 99 : fn(arg));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* What the child saw, in memory that both have. */
static struct seen {
	bool asked;
	long result;
} (*seen)[ARRAY_SIZE(rows)];

static int ask_everything(void *arg)
{
	struct seccomp_arch list[SECCOMP_ARCH_MAX];
	enum door last = *(bool *)arg ? I386 : X32;

	seccomp_arch_list(list);
	for (enum door door = NATIVE; door <= last; door++) {
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			int64_t number = seccomp_arch_number(&list[door], rows[i].name);

			if (number < 0 || (rows[i].doors && !(rows[i].doors & 1U << door)))
				continue;
			seen[door][i].result = call(door, number, rows[i].a, rows[i].b);
			seen[door][i].asked = true;
		}
	}
	return 0;
}

/* int $0x80 is a fault in kernels without 32-bit programs. */
static bool has_32bit(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(call_32(20 /* getpid */, 0, 0) == getpid() ? 0 : 1);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void all_doors_have_the_same_rules(void **unused)
{
	bool wide = has_32bit();
	unsigned asked[DOORS] = { 0 };

	(void)unused;
	if (!wide)
		print_message("this kernel runs no 32-bit programs\n");
	seen = mmap(NULL, sizeof(*seen) * DOORS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		    -1, 0);
	assert_true(seen != MAP_FAILED);
	assert_int_equal(in_child(ask_everything, &wide), 0);
	for (enum door door = NATIVE; door < DOORS; door++) {
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			const struct seen *s = &seen[door][i];

			asked[door] += s->asked;
			if (s->asked &&
			    (rows[i].error ? s->result != -rows[i].error : s->result < 0))
				fail_msg("%s(%llx) by door %d: %ld", rows[i].name,
					 (unsigned long long)rows[i].a, door, s->result);
		}
	}
	assert_true(asked[NATIVE] >= ARRAY_SIZE(rows) - 1);
	assert_true(asked[X32] >= 20);
	assert_true(!wide || asked[I386] >= ARRAY_SIZE(rows) - 1);
	munmap(seen, sizeof(*seen) * DOORS);
}

static int ask_for_9999(void *arg)
{
	(void)arg;
	if (call(NATIVE, 9999, 0, 0) != -ENOSYS)
		return 1;
	return call(NATIVE, 0x40000000 + 9999, 0, 0) == -ENOSYS ? 0 : 2;
}

static void unknown_calls_are_missing(void **unused)
{
	(void)unused;
	assert_int_equal(in_child(ask_for_9999, NULL), 0);
}

static int spawn_true(void *arg)
{
	char *argv[] = { "true", NULL }, *envp[] = { NULL };
	pid_t pid;
	int status;

	(void)arg;
	if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, envp) != 0)
		return 1;
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 2;
}

static void programs_start_under_it(void **unused)
{
	(void)unused;
	assert_int_equal(in_child(spawn_true, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_doors_have_the_same_rules),
		cmocka_unit_test(unknown_calls_are_missing),
		cmocka_unit_test(programs_start_under_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
