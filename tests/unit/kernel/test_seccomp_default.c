/* What the default filter decides. test_seccomp_load.c asks the kernel. */
#include "filter.h"

#include "kernel/caps.h"

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
	{ "personality", { 0x40000 }, EPERM, EPERM },  /* ADDR_NO_RANDOMIZE */
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

static void assert_decision(struct program *p, const struct seccomp_arch *arch,
			    const struct call *call, int decision)
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
		fail_msg("%s (%llx, %llx) on %x: %x, not %x", call->name,
			 (unsigned long long)call->args[0], (unsigned long long)call->args[1],
			 arch->token, is, should);
}

static void default_filter_decides(void **unused)
{
	struct program plain = compile_default(CAPS_APP_DEFAULT),
		       admin = compile_default(CAPS_APP_DEFAULT | CAPS_SYS_ADMIN);
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
		if (!known && strcmp(calls[i].name, "socketcall") != 0 &&
		    strcmp(calls[i].name, "iopl") != 0)
			fail_msg("libseccomp does not know %s", calls[i].name);
	}
	free(plain.code);
	free(admin.code);
}

static void capabilities_open_what_is_theirs(void **unused)
{
	static const struct {
		int capability;
		const char *name;
	} pairs[] = {
		{ 2, "open_by_handle_at" },
		{ 16, "finit_module" },
		{ 18, "chroot" },
		{ 19, "kcmp" },
		{ 20, "acct" },
		{ 22, "reboot" },
		{ 23, "mbind" },
		{ 25, "clock_settime" },
		{ 26, "vhangup" },
		{ 34, "syslog" },
		{ 38, "perf_event_open" },
		{ 39, "bpf" },
	};
	struct seccomp_arch list[SECCOMP_ARCH_MAX];

	(void)unused;
	seccomp_arch_list(list);
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		const struct call call = { .name = pairs[i].name };
		struct program with = compile_default(CAP_BIT(pairs[i].capability)),
			       without = compile_default(0);

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
		cmocka_unit_test(default_filter_decides),
		cmocka_unit_test(capabilities_open_what_is_theirs),
		cmocka_unit_test(every_name_of_the_default_is_listed_once),
		cmocka_unit_test(default_filter_is_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
