/*
 * Filters, run by an interpreter of the instructions that they are made of: what they decide for a call
 * by any architecture can be asked without making it. test_seccomp_load.c asks the kernel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "base/base.h"
#include "kernel/caps.h"
#include "kernel/seccomp_private.h"

enum { X32 = 0x40000000 };

struct program {
	struct sock_filter *code;
	size_t n;
	unsigned steps; /* that the last run took */
};

static uint32_t run(struct program *p, const struct seccomp_data *data)
{
	uint32_t a = 0;

	p->steps = 0;
	for (size_t pc = 0; pc < p->n; pc++) {
		const struct sock_filter *f = &p->code[pc];

		p->steps++;
		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(f->k % 4 == 0 && f->k < sizeof(*data));
			memcpy(&a, (const char *)data + f->k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= f->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JA:
			pc += f->k;
			break;
		case BPF_RET | BPF_K:
			return f->k;
		default:
			fail_msg("unknown instruction %x", f->code);
		}
	}
	fail_msg("the program has no end");
	return 0;
}

static struct program compile(const struct seccomp_rule *rules, size_t n, enum seccomp_action action, int number)
{
	const struct seccomp_spec spec = { action, number, rules, n };
	struct program p = { 0 };
	struct error err = { 0 };
	void *code = NULL;

	if (seccomp_compile(&spec, &code, &p.n, &err) < 0)
		fail_msg("%s", err.text);
	p.code = code;
	return p;
}

static struct program compile_default(uint64_t capabilities)
{
	struct seccomp_rule *rules = calloc(SECCOMP_DEFAULT_MAX, sizeof(*rules));
	size_t n = seccomp_default_rules(capabilities, rules, SECCOMP_DEFAULT_MAX);
	struct program p;

	assert_true(n <= SECCOMP_DEFAULT_MAX);
	p = compile(rules, n, SECCOMP_ACTION_ERRNO, SECCOMP_DEFAULT_ERRNO);
	free(rules);
	return p;
}

/* What the rules say, told in the plainest way. */
static uint32_t expected(const struct seccomp_rule *rules, size_t n, uint32_t otherwise, const char *name,
			 const uint64_t *args)
{
	for (size_t i = 0; i < n; i++) {
		bool holds = str_eq(rules[i].syscall, name);

		for (unsigned j = 0; j < rules[i].n_compare; j++) {
			const struct seccomp_compare *c = &rules[i].compare[j];

			holds = holds && (args[c->argument] & c->mask) == c->value;
		}
		if (!holds)
			continue;
		if (rules[i].action == SECCOMP_ACTION_ERRNO)
			return SECCOMP_RET_ERRNO | (uint32_t)rules[i].errno_value;
		return rules[i].action == SECCOMP_ACTION_ALLOW ? SECCOMP_RET_ALLOW : SECCOMP_RET_KILL_PROCESS;
	}
	return otherwise;
}

/* ---- the compiler -------------------------------------------------------------------------------- */

/* Calls of every table, far apart and side by side. */
static const char *const some_names[] = {
	"read",	 "write",  "open",    "close",	"stat",	   "fstat",   "lstat",	"poll",	     "lseek",	"mmap",	     "mprotect",
	"munmap", "brk",   "ioctl",   "pread64", "access", "pipe",    "select", "mremap",    "msync",	"dup",	     "dup2",
	"pause", "socket", "connect", "bind",	"listen",  "execve",  "exit",	"kill",	     "uname",	"semget",    "shmat",
	"fcntl", "flock",  "fsync",   "getcwd", "chdir",   "rename",  "mkdir",	"rmdir",     "openat",	"mkdirat",   "statx",
	"prctl", "mount",  "reboot",  "gettid", "futex",   "waitid",  "tee",	"splice",    "clone3",	"close_range",
	"openat2", "faccessat2", "epoll_pwait2", "mount_setattr", "landlock_create_ruleset", "no_such_call",
};

static uint64_t state = 88172645463325252ULL;

static uint64_t any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Few values, so that they meet. */
static uint64_t any_word(void)
{
	static const uint64_t words[] = { 0, 1, 0x5412, 0xffffffff, 1ULL << 32, 0x500005412, UINT64_MAX };

	return words[any() % ARRAY_SIZE(words)];
}

static void random_rules(struct seccomp_rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		rules[i] = (struct seccomp_rule){
			.syscall = some_names[any() % ARRAY_SIZE(some_names)],
			.action = (enum seccomp_action)(any() % 3),
			.errno_value = (int)(any() % 40),
			.n_compare = (unsigned)(any() % 3),
		};
		for (unsigned j = 0; j < rules[i].n_compare; j++) {
			rules[i].compare[j].argument = (unsigned)(any() % 6);
			rules[i].compare[j].mask = any_word();
			rules[i].compare[j].value = any_word() & rules[i].compare[j].mask;
		}
	}
}

static void compare_with_rules(struct program *p, const struct seccomp_rule *rules, size_t n, uint32_t otherwise)
{
	struct seccomp_arch list[SECCOMP_ARCH_MAX];
	unsigned archs = seccomp_arch_list(list);

	for (unsigned a = 0; a < archs; a++) {
		for (size_t i = 0; i < ARRAY_SIZE(some_names); i++) {
			int64_t number = seccomp_arch_number(&list[a], some_names[i]);
			struct seccomp_data data = { .nr = (int)number, .arch = list[a].audit };

			if (number < 0)
				continue;
			for (int j = 0; j < 6; j++)
				data.args[j] = any_word();
			assert_int_equal(run(p, &data), expected(rules, n, otherwise, some_names[i], (uint64_t *)data.args));
		}
	}
}

static void programs_decide_as_the_rules_say(void **unused)
{
	static struct seccomp_rule rules[400];

	(void)unused;
	for (int round = 0; round < 600; round++) {
		size_t n = any() % (round % 10 == 0 ? ARRAY_SIZE(rules) : 40);
		struct program p;

		random_rules(rules, n);
		p = compile(rules, n, SECCOMP_ACTION_ERRNO, 99);
		for (int i = 0; i < 5; i++)
			compare_with_rules(&p, rules, n, SECCOMP_RET_ERRNO | 99);
		free(p.code);
	}
}

static void numbers_between_get_the_default(void **unused)
{
	static const struct seccomp_rule rules[] = { { "read", SECCOMP_ACTION_ALLOW }, { "openat", SECCOMP_ACTION_ALLOW } };
	static const int numbers[] = { 1, 2, 256, 258, 511, 9999, X32 - 1, X32 + 1, 0x7fffffff, -1, -2 };
	struct program p = compile(rules, ARRAY_SIZE(rules), SECCOMP_ACTION_ERRNO, 38);
	struct seccomp_arch list[SECCOMP_ARCH_MAX];
	struct seccomp_data data = { 0 };

	(void)unused;
	seccomp_arch_list(list);
	data.arch = list[0].audit;
	data.nr = (int)seccomp_arch_number(&list[0], "read");
	assert_int_equal(run(&p, &data), SECCOMP_RET_ALLOW);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		data.nr = numbers[i];
		assert_int_equal(run(&p, &data), SECCOMP_RET_ERRNO | 38);
	}
	data.arch = AUDIT_ARCH_S390X;
	assert_int_equal(run(&p, &data), SECCOMP_RET_KILL_PROCESS);
	free(p.code);
}

static void nothing_but_a_default_is_a_filter_too(void **unused)
{
	struct program p = compile(NULL, 0, SECCOMP_ACTION_ALLOW, 0);
	struct seccomp_arch list[SECCOMP_ARCH_MAX];
	struct seccomp_data data = { .nr = 17 };

	(void)unused;
	seccomp_arch_list(list);
	data.arch = list[0].audit;
	assert_int_equal(run(&p, &data), SECCOMP_RET_ALLOW);
	free(p.code);
}

static void nonsense_is_refused(void **unused)
{
	static const struct seccomp_rule bad[] = {
		{ "read", SECCOMP_ACTION_ERRNO, 4096 },
		{ "read", SECCOMP_ACTION_ERRNO, -1 },
		{ "read", SECCOMP_ACTION_ALLOW, 0, { { 0 } }, 3 },
		{ "read", SECCOMP_ACTION_ALLOW, 0, { { 6, 1, 1 } }, 1 },
		{ "read", SECCOMP_ACTION_ALLOW, 0, { { 0, 1, 2 } }, 1 },
	};
	struct error err = { 0 };
	void *code = NULL;
	size_t n;

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct seccomp_spec spec = { SECCOMP_ACTION_ALLOW, 0, &bad[i], 1 };

		assert_int_equal(seccomp_compile(&spec, &code, &n, &err), -EINVAL);
		assert_non_null(strstr(err.text, "read"));
		assert_null(code);
	}
}

static void too_much_is_refused(void **unused)
{
	static struct seccomp_rule rules[4000];
	const struct seccomp_spec spec = { SECCOMP_ACTION_ALLOW, 0, rules, ARRAY_SIZE(rules) };
	struct error err = { 0 };
	void *code = NULL;
	size_t n;

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		rules[i] = (struct seccomp_rule){ "read", SECCOMP_ACTION_KILL, 0, { { 0, UINT64_MAX, i } }, 1 };
	assert_int_equal(seccomp_compile(&spec, &code, &n, &err), -E2BIG);
	assert_non_null(strstr(err.text, "4096"));
}

/* ---- names ------------------------------------------------------------------------------------------ */

static void calls_and_errors_have_names(void **unused)
{
	(void)unused;
	assert_true(seccomp_knows("read"));
	assert_true(seccomp_knows("clone3"));
	assert_false(seccomp_knows("no_such_call"));
	assert_false(seccomp_knows(""));
	assert_int_equal(seccomp_errno("EPERM"), 1);
	assert_int_equal(seccomp_errno("ENOSYS"), 38);
	assert_int_equal(seccomp_errno("EWOULDBLOCK"), EAGAIN);
	assert_int_equal(seccomp_errno("ENOTSUP"), EOPNOTSUPP);
	assert_int_equal(seccomp_errno("EHWPOISON"), 133);
	assert_int_equal(seccomp_errno("EPER"), -1);
	assert_int_equal(seccomp_errno("eperm"), -1);
	assert_int_equal(seccomp_errno(""), -1);
}

static void digest_names_the_filter(void **unused)
{
	const struct seccomp_rule one[] = { { "read", SECCOMP_ACTION_ERRNO, 1, { { 1, 2, 2 } }, 1 }, { "open", SECCOMP_ACTION_ALLOW } };
	struct seccomp_rule other[] = { one[0], one[1] };
	struct seccomp_spec a = { SECCOMP_ACTION_ERRNO, 1, one, 2 }, b = { SECCOMP_ACTION_ERRNO, 1, other, 2 };
	char first[SECCOMP_DIGEST_TEXT], second[SECCOMP_DIGEST_TEXT];

	(void)unused;
	seccomp_spec_digest(&a, first);
	assert_true(hex_is(first, 64));
	seccomp_spec_digest(&b, second);
	assert_string_equal(first, second);
#define DIFFERS(change)                                \
	do {                                           \
		change;                                \
		seccomp_spec_digest(&b, second);       \
		assert_string_not_equal(first, second); \
		other[0] = one[0];                     \
		other[1] = one[1];                     \
		b = a;                                 \
		b.rules = other;                       \
	} while (0)
	DIFFERS(b.default_errno = 2);
	DIFFERS(b.default_action = SECCOMP_ACTION_KILL);
	DIFFERS(b.n_rules = 1);
	DIFFERS(other[0].syscall = "write");
	DIFFERS(other[0].errno_value = 2);
	DIFFERS(other[0].compare[0].value = 0);
	DIFFERS(other[0].compare[0].mask = 3);
	DIFFERS(other[0].compare[0].argument = 2);
	DIFFERS(other[0].n_compare = 0);
	DIFFERS(other[0] = one[1]; other[1] = one[0]);
#undef DIFFERS
}

/* ---- the default filter -------------------------------------------------------------------------------- */

enum { ALLOWED = 0 }; /* besides errno values */

static const struct call {
	const char *name;
	uint64_t args[2];
	int plain, admin; /* what an app gets, and one with CAP_SYS_ADMIN */
} calls[] = {
	{ "read", { 0 }, ALLOWED, ALLOWED },
	{ "execve", { 0 }, ALLOWED, ALLOWED },
	{ "execveat", { 0 }, ALLOWED, ALLOWED },
	{ "ptrace", { 0 }, ALLOWED, ALLOWED },
	{ "socket", { 1 }, ALLOWED, ALLOWED },
	{ "socket", { 2 }, ALLOWED, ALLOWED },
	{ "socket", { 38 }, EPERM, EPERM },
	{ "socket", { 38 | 1ULL << 32 }, EPERM, EPERM },
	{ "socket", { 40 }, EPERM, EPERM },
	{ "ioctl", { 0, 0x5401 }, ALLOWED, ALLOWED },
	{ "ioctl", { 0, 0x5412 }, EPERM, EPERM },
	{ "ioctl", { 0, 0x5412 | 1ULL << 32 }, EPERM, EPERM },
	{ "ioctl", { 0, 0x5412 | 0xffffffffULL << 32 }, EPERM, EPERM },
	{ "ioctl", { 0, 0x541c }, EPERM, EPERM },
	{ "ioctl", { 0, 0x541c | 1ULL << 63 }, EPERM, EPERM },
	{ "personality", { 0 }, ALLOWED, ALLOWED },
	{ "personality", { 0xffffffff }, ALLOWED, ALLOWED },
	{ "personality", { 0x40000 }, EPERM, EPERM }, /* ADDR_NO_RANDOMIZE */
	{ "personality", { 0x400000 }, EPERM, EPERM }, /* READ_IMPLIES_EXEC */
	{ "clone", { 17 }, ALLOWED, ALLOWED },
	{ "clone", { 0x3d0f00 }, ALLOWED, ALLOWED }, /* a thread of glibc */
	{ "clone", { 0x20000 }, EPERM, ALLOWED },
	{ "clone", { 0x2000000 }, EPERM, ALLOWED },
	{ "clone", { 0x4000000 }, EPERM, ALLOWED },
	{ "clone", { 0x8000000 }, EPERM, ALLOWED },
	{ "clone", { 0x10000000 }, EPERM, ALLOWED },
	{ "clone", { 0x20000000 }, EPERM, ALLOWED },
	{ "clone", { 0x40000000 }, EPERM, ALLOWED },
	{ "clone", { 0x10000011 | 1ULL << 40 }, EPERM, ALLOWED },
	{ "unshare", { 0x200 }, ALLOWED, ALLOWED }, /* CLONE_FS */
	{ "unshare", { 0x80 }, EPERM, ALLOWED },
	{ "unshare", { 0x10000000 }, EPERM, ALLOWED },
	{ "clone3", { 0 }, ENOSYS, ALLOWED },
	{ "mount", { 0 }, EPERM, ALLOWED },
	{ "umount2", { 0 }, EPERM, ALLOWED },
	{ "fsopen", { 0 }, EPERM, ALLOWED },
	{ "fsconfig", { 0 }, EPERM, ALLOWED },
	{ "fsmount", { 0 }, EPERM, ALLOWED },
	{ "fspick", { 0 }, EPERM, ALLOWED },
	{ "open_tree", { 0 }, EPERM, ALLOWED },
	{ "move_mount", { 0 }, EPERM, ALLOWED },
	{ "mount_setattr", { 0 }, EPERM, ALLOWED },
	{ "pivot_root", { 0 }, EPERM, ALLOWED },
	{ "setns", { 0 }, EPERM, ALLOWED },
	{ "bpf", { 0 }, EPERM, ALLOWED },
	{ "perf_event_open", { 0 }, EPERM, ALLOWED },
	{ "userfaultfd", { 0 }, EPERM, EPERM },
	{ "io_uring_setup", { 0 }, EPERM, EPERM },
	{ "io_uring_enter", { 0 }, EPERM, EPERM },
	{ "io_uring_register", { 0 }, EPERM, EPERM },
	{ "keyctl", { 0 }, EPERM, EPERM },
	{ "add_key", { 0 }, EPERM, EPERM },
	{ "request_key", { 0 }, EPERM, EPERM },
	{ "kexec_load", { 0 }, EPERM, EPERM },
	{ "kexec_file_load", { 0 }, EPERM, EPERM },
	{ "open_by_handle_at", { 0 }, EPERM, EPERM },
	{ "init_module", { 0 }, EPERM, EPERM },
	{ "finit_module", { 0 }, EPERM, EPERM },
	{ "reboot", { 0 }, EPERM, EPERM },
	{ "swapon", { 0 }, EPERM, EPERM },
	{ "settimeofday", { 0 }, EPERM, EPERM },
	{ "clock_settime", { 0 }, EPERM, EPERM },
	{ "socketcall", { 0 }, EPERM, EPERM },
	{ "iopl", { 0 }, EPERM, EPERM },
	{ "nfsservctl", { 0 }, ENOSYS, ENOSYS },
};

static void assert_decision(struct program *p, const struct seccomp_arch *arch, const struct call *call, int decision)
{
	int64_t number = seccomp_arch_number(arch, call->name);
	struct seccomp_data data = { .arch = arch->audit, .nr = (int)number };
	uint32_t is, should = decision ? SECCOMP_RET_ERRNO | (uint32_t)decision : SECCOMP_RET_ALLOW;

	if (number < 0)
		return;
	memcpy(data.args, call->args, sizeof(call->args));
	if (arch->audit == AUDIT_ARCH_I386) /* the kernel passes 32 bits */
		for (int i = 0; i < 6; i++)
			data.args[i] = (uint32_t)data.args[i];
	is = run(p, &data);
	if (is != should)
		fail_msg("%s (%llx, %llx) on %x: %x, not %x", call->name, (unsigned long long)call->args[0],
			 (unsigned long long)call->args[1], arch->token, is, should);
}

static void default_filter_decides(void **unused)
{
	struct program plain = compile_default(CAPS_APP_DEFAULT), admin = compile_default(CAPS_APP_DEFAULT | CAPS_SYS_ADMIN);
	struct seccomp_arch list[SECCOMP_ARCH_MAX];
	unsigned n = seccomp_arch_list(list);

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		bool known = false;

		for (unsigned a = 0; a < n; a++) {
			known |= seccomp_arch_number(&list[a], calls[i].name) >= 0;
			assert_decision(&plain, &list[a], &calls[i], calls[i].plain);
			assert_decision(&admin, &list[a], &calls[i], calls[i].admin);
		}
		/* a row about nothing would test nothing */
		if (!known && strcmp(calls[i].name, "socketcall") != 0 && strcmp(calls[i].name, "iopl") != 0)
			fail_msg("libseccomp does not know %s", calls[i].name);
	}
	free(plain.code);
	free(admin.code);
}

static void capabilities_open_what_is_theirs(void **unused)
{
	static const struct { int capability; const char *name; } pairs[] = {
		{ 2, "open_by_handle_at" }, { 16, "finit_module" }, { 18, "chroot" }, { 19, "kcmp" }, { 20, "acct" },
		{ 22, "reboot" }, { 23, "mbind" }, { 25, "clock_settime" }, { 26, "vhangup" }, { 34, "syslog" },
		{ 38, "perf_event_open" }, { 39, "bpf" },
	};
	struct seccomp_arch list[SECCOMP_ARCH_MAX];

	(void)unused;
	seccomp_arch_list(list);
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		const struct call call = { .name = pairs[i].name };
		struct program with = compile_default(CAP_BIT(pairs[i].capability)), without = compile_default(0);

		assert_decision(&with, &list[0], &call, ALLOWED);
		assert_decision(&without, &list[0], &call, EPERM);
		free(with.code);
		free(without.code);
	}
}

static void every_name_of_the_default_is_listed_once(void **unused)
{
	struct seccomp_rule *rules = calloc(SECCOMP_DEFAULT_MAX, sizeof(*rules));
	size_t n = seccomp_default_rules(0, rules, SECCOMP_DEFAULT_MAX);

	(void)unused;
	assert_int_equal(seccomp_default_rules(0, NULL, 0), n);
	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			if (rules[i].n_compare == 0 && str_eq(rules[i].syscall, rules[j].syscall))
				fail_msg("%s comes twice", rules[i].syscall);
	free(rules);
}

/* A start loads it, every call runs it. */
static void default_filter_is_small(void **unused)
{
	struct program p = compile_default(CAPS_APP_DEFAULT);
	struct seccomp_arch list[SECCOMP_ARCH_MAX];
	struct seccomp_data data = { 0 };
	unsigned most = 0;

	(void)unused;
	seccomp_arch_list(list);
	data.arch = list[0].audit;
	for (data.nr = 0; data.nr < 500; data.nr++) {
		run(&p, &data);
		most = p.steps > most ? p.steps : most;
	}
	print_message("%zu instructions, at most %u for a native call\n", p.n, most);
	assert_true(p.n < 600);
	assert_true(most < 30);
	free(p.code);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_decide_as_the_rules_say),
		cmocka_unit_test(numbers_between_get_the_default),
		cmocka_unit_test(nothing_but_a_default_is_a_filter_too),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(calls_and_errors_have_names),
		cmocka_unit_test(digest_names_the_filter),
		cmocka_unit_test(default_filter_decides),
		cmocka_unit_test(capabilities_open_what_is_theirs),
		cmocka_unit_test(every_name_of_the_default_is_listed_once),
		cmocka_unit_test(default_filter_is_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
