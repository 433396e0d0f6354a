/* The compiler of filters, and the names that they are written with. */
#include "filter.h"

enum { X32 = 0x40000000 };

/* What the rules say, told in the plainest way. */
static uint32_t expected(const struct seccomp_rule *rules, size_t n, uint32_t otherwise,
			 const char *name, const uint64_t *args)
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
		return rules[i].action == SECCOMP_ACTION_ALLOW ? SECCOMP_RET_ALLOW
							       : SECCOMP_RET_KILL_PROCESS;
	}
	return otherwise;
}

/* ---- the compiler ---------------------------------------------------------------------------- */

/* Calls of every table, far apart and side by side. */
static const char *const some_names[] = {
	"read",
	"write",
	"open",
	"close",
	"stat",
	"fstat",
	"lstat",
	"poll",
	"lseek",
	"mmap",
	"mprotect",
	"munmap",
	"brk",
	"ioctl",
	"pread64",
	"access",
	"pipe",
	"select",
	"mremap",
	"msync",
	"dup",
	"dup2",
	"pause",
	"socket",
	"connect",
	"bind",
	"listen",
	"execve",
	"exit",
	"kill",
	"uname",
	"semget",
	"shmat",
	"fcntl",
	"flock",
	"fsync",
	"getcwd",
	"chdir",
	"rename",
	"mkdir",
	"rmdir",
	"openat",
	"mkdirat",
	"statx",
	"prctl",
	"mount",
	"reboot",
	"gettid",
	"futex",
	"waitid",
	"tee",
	"splice",
	"clone3",
	"close_range",
	"openat2",
	"faccessat2",
	"epoll_pwait2",
	"mount_setattr",
	"landlock_create_ruleset",
	"no_such_call",
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
	static const uint64_t words[] = { 0,          1,           0x5412,    0xffffffff,
					  1ULL << 32, 0x500005412, UINT64_MAX };

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

static void compare_with_rules(struct program *p, const struct seccomp_rule *rules, size_t n,
			       uint32_t otherwise)
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
			assert_int_equal(run(p, &data), expected(rules, n, otherwise, some_names[i],
								 (uint64_t *)data.args));
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
	static const struct seccomp_rule rules[] = { { "read", SECCOMP_ACTION_ALLOW },
						     { "openat", SECCOMP_ACTION_ALLOW } };
	static const int numbers[] = { 1,       2,       256,        258, 511, 9999,
				       X32 - 1, X32 + 1, 0x7fffffff, -1,  -2 };
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

/* Not the same rules for every door, but one door. */
static void other_architectures_can_be_shut_out(void **unused)
{
	static const struct seccomp_rule rules[] = { { "read", SECCOMP_ACTION_ALLOW } };
	const struct seccomp_spec spec = { .default_action = SECCOMP_ACTION_ERRNO,
					   .default_errno = 38,
					   .rules = rules,
					   .n_rules = ARRAY_SIZE(rules),
					   .native_only = true };
	struct seccomp_arch list[SECCOMP_ARCH_MAX];
	unsigned n = seccomp_arch_list(list);
	struct error err = { 0 };
	struct program p = { 0 };
	void *code = NULL;

	(void)unused;
	assert_int_equal(seccomp_compile(&spec, &code, &p.n, &err), 0);
	p.code = code;
	for (unsigned i = 0; i < n; i++) {
		const struct seccomp_data data = {
			.arch = list[i].audit,
			.nr = (int)seccomp_arch_number(&list[i], "read"),
		};
		uint32_t refused = list[i].audit == list[0].audit ? SECCOMP_RET_ERRNO | 38
								  : SECCOMP_RET_KILL_PROCESS;

		assert_int_equal(run(&p, &data), i == 0 ? SECCOMP_RET_ALLOW : refused);
	}
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
		rules[i] = (struct seccomp_rule){
			"read", SECCOMP_ACTION_KILL, 0, { { 0, UINT64_MAX, i } }, 1
		};
	assert_int_equal(seccomp_compile(&spec, &code, &n, &err), -E2BIG);
	assert_non_null(strstr(err.text, "4096"));
}

/* ---- names ----------------------------------------------------------------------------------- */

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
	const struct seccomp_rule one[] = { { "read", SECCOMP_ACTION_ERRNO, 1, { { 1, 2, 2 } }, 1 },
					    { "open", SECCOMP_ACTION_ALLOW } };
	struct seccomp_rule other[] = { one[0], one[1] };
	struct seccomp_spec a = { SECCOMP_ACTION_ERRNO, 1, one, 2 },
			    b = { SECCOMP_ACTION_ERRNO, 1, other, 2 };
	char first[SECCOMP_DIGEST_TEXT], second[SECCOMP_DIGEST_TEXT];

	(void)unused;
	seccomp_spec_digest(&a, first);
	assert_true(hex_is(first, 64));
	seccomp_spec_digest(&b, second);
	assert_string_equal(first, second);
#define DIFFERS(change)                                 \
	do {                                            \
		change;                                 \
		seccomp_spec_digest(&b, second);        \
		assert_string_not_equal(first, second); \
		other[0] = one[0];                      \
		other[1] = one[1];                      \
		b = a;                                  \
		b.rules = other;                        \
	} while (0)
	DIFFERS(b.default_errno = 2);
	DIFFERS(b.default_action = SECCOMP_ACTION_KILL);
	DIFFERS(b.n_rules = 1);
	DIFFERS(b.native_only = true);
	DIFFERS(other[0].syscall = "write");
	DIFFERS(other[0].errno_value = 2);
	DIFFERS(other[0].compare[0].value = 0);
	DIFFERS(other[0].compare[0].mask = 3);
	DIFFERS(other[0].compare[0].argument = 2);
	DIFFERS(other[0].n_compare = 0);
	DIFFERS(other[0] = one[1]; other[1] = one[0]);
#undef DIFFERS
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_decide_as_the_rules_say),
		cmocka_unit_test(numbers_between_get_the_default),
		cmocka_unit_test(other_architectures_can_be_shut_out),
		cmocka_unit_test(nothing_but_a_default_is_a_filter_too),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(calls_and_errors_have_names),
		cmocka_unit_test(digest_names_the_filter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
