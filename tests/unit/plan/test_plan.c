#include <linux/filter.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/base.h"
#include "plan/plan.h"

/* A plan with something in every table. */
struct sample {
	struct plan plan;
	const char *argv[3], *envp[3], *options[6], *masks[2], *readonly[1];
	struct plan_join joins[2];
	uint32_t cgroup_fds[2], gids[3];
	struct plan_mount mounts[3];
	struct plan_device devices[2];
	struct plan_link links[1];
	struct plan_rlimit rlimits[1];
	struct sock_filter seccomp[2];
};

#define TABLE(member, rows) s->plan.member = s->member, s->plan.n_##member = (rows)

static void make_sample(struct sample *s)
{
	*s = (struct sample){
		.argv = { "/bin/true", "-x", "" },
		.envp = { "PATH=/bin", "EMPTY=", "TWO==" },
		.options = { "mode", "755", "size", "64k", "flag", "" },
		.masks = { "/proc/kcore", "/sys/firmware" },
		.readonly = { "/proc/sys" },
		.joins = { { 0, CLONE_NEWNS | CLONE_NEWNET }, { 1, CLONE_NEWIPC } },
		.cgroup_fds = { 2, 3 },
		.gids = { 1, 2, 4294967294U },
		.mounts = { { .source = PLAN_SOURCE_NEW,
			      .fstype = "tmpfs",
			      .option_n = 2,
			      .target = "/dev",
			      .attributes = 6 },
			    { .source = PLAN_SOURCE_FD,
			      .fd = 4,
			      .fstype = "",
			      .target = "/data",
			      .flags = 6 },
			    { .source = PLAN_SOURCE_POD,
			      .fstype = "/shm",
			      .target = "/dev/shm",
			      .option_first = 6 } },
		.devices = { { "null", 0666, 1, 3, 0, 0 }, { "net/tun", 0600, 10, 200, 5, 6 } },
		.links = { { "fd", "/proc/self/fd" } },
		.rlimits = { { 7, 1024, UINT64_MAX } },
		.seccomp = { BPF_STMT(BPF_RET | BPF_K, 0x7fff0000), BPF_STMT(BPF_RET | BPF_K, 0) },
	};
	s->plan = (struct plan){
		.flags = PLAN_BUILD_ROOT | PLAN_STDIO_FDS,
		.app = "app",
		.user = "root",
		.group = "0",
		.directory = "/dev",
		.root = "/root",
		.root_fd = 5,
		.capabilities = 0xa80425fb,
		.oom_score_adj = -999,
		.umask = 022,
		.stdio_fds = { 0, 1, 5 },
		.rows = 25,
		.columns = 80,
		.unshare = CLONE_NEWNS,
		.n_fds = 6,
	};
	TABLE(argv, 3);
	TABLE(envp, 3);
	TABLE(joins, 2);
	TABLE(cgroup_fds, 2);
	TABLE(gids, 3);
	TABLE(mounts, 3);
	TABLE(options, 6);
	TABLE(devices, 2);
	TABLE(links, 1);
	TABLE(masks, 2);
	TABLE(readonly, 1);
	TABLE(rlimits, 1);
	TABLE(seccomp, 2);
}

static void *encode(const struct plan *p, size_t *len)
{
	void *block;

	assert_int_equal(plan_encode(p, &block, len), 0);
	return block;
}

static void assert_strings(const char *const *a, const char *const *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		assert_string_equal(a[i], b[i]);
}

static void comes_back(void **state)
{
	_free_ char *block = NULL;
	struct sample s;
	struct plan p;
	size_t len;

	(void)state;
	make_sample(&s);
	block = encode(&s.plan, &len);
	assert_int_equal(plan_decode(&p, block, len), 0);
	assert_string_equal(p.app, "app");
	assert_string_equal(p.user, "root");
	assert_string_equal(p.group, "0");
	assert_string_equal(p.directory, "/dev");
	assert_string_equal(p.root, "/root");
	assert_int_equal(p.flags, s.plan.flags);
	assert_int_equal(p.root_fd, 5);
	assert_int_equal(p.capabilities, 0xa80425fb);
	assert_int_equal(p.oom_score_adj, -999);
	assert_int_equal(p.umask, 022);
	assert_memory_equal(p.stdio_fds, s.plan.stdio_fds, sizeof(p.stdio_fds));
	assert_int_equal(p.rows, 25);
	assert_int_equal(p.columns, 80);
	assert_int_equal(p.unshare, CLONE_NEWNS);
	assert_int_equal(p.n_fds, 6);
	assert_int_equal(p.n_argv, 3);
	assert_strings(p.argv, s.argv, 3);
	assert_null(p.argv[3]);
	assert_int_equal(p.n_envp, 3);
	assert_strings(p.envp, s.envp, 3);
	assert_null(p.envp[3]);
	assert_int_equal(p.n_options, 6);
	assert_strings(p.options, s.options, 6);
	assert_int_equal(p.n_masks, 2);
	assert_strings(p.masks, s.masks, 2);
	assert_int_equal(p.n_readonly, 1);
	assert_strings(p.readonly, s.readonly, 1);
	assert_int_equal(p.n_joins, 2);
	assert_memory_equal(p.joins, s.joins, sizeof(s.joins));
	assert_memory_equal(p.cgroup_fds, s.cgroup_fds, sizeof(s.cgroup_fds));
	assert_memory_equal(p.gids, s.gids, sizeof(s.gids));
	assert_memory_equal(p.rlimits, s.rlimits, sizeof(s.rlimits));
	assert_int_equal(p.n_seccomp, 2);
	assert_memory_equal(p.seccomp, s.seccomp, sizeof(s.seccomp));
	assert_int_equal(p.n_mounts, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_string_equal(p.mounts[i].fstype, s.mounts[i].fstype);
		assert_string_equal(p.mounts[i].target, s.mounts[i].target);
		assert_int_equal(p.mounts[i].attributes, s.mounts[i].attributes);
		assert_int_equal(p.mounts[i].fd, s.mounts[i].fd);
		assert_int_equal(p.mounts[i].option_n, s.mounts[i].option_n);
	}
	assert_string_equal(p.devices[1].path, "net/tun");
	assert_int_equal(p.devices[1].minor, 200);
	assert_string_equal(p.links[0].target, "/proc/self/fd");
}

static void equal_strings_are_one(void **state)
{
	_free_ char *block = NULL;
	struct sample s;
	struct plan p;
	size_t len;

	(void)state;
	make_sample(&s);
	block = encode(&s.plan, &len);
	assert_int_equal(plan_decode(&p, block, len), 0);
	assert_ptr_equal(p.directory, p.mounts[0].target);
	assert_ptr_equal(p.argv[2], p.options[5]);
}

/* What is least: the strings that may be absent are empty then. */
static void smallest_plan(void **state)
{
	const char *const argv[] = { "x" };
	struct plan small = { .user = "0", .group = "0", .argv = argv, .n_argv = 1 }, p;
	_free_ char *block = NULL;
	size_t len;

	(void)state;
	block = encode(&small, &len);
	assert_int_equal(plan_decode(&p, block, len), 0);
	assert_string_equal(p.app, "");
	assert_string_equal(p.directory, "");
	assert_int_equal(p.n_mounts, 0);
	assert_null(p.envp[0]);
}

/* Every change that makes a plan invalid, and what encode says to it. */
static void refused_by_encode(void **state)
{
	static const char *const no_argv[] = { NULL };
	struct sample s;
	_free_ void *block = NULL;
	size_t len;

	(void)state;
#define REFUSED(code, change)                                               \
	do {                                                                \
		make_sample(&s);                                            \
		change;                                                     \
		assert_int_equal(plan_encode(&s.plan, &block, &len), code); \
	} while (0)
	REFUSED(-EINVAL, s.plan.n_argv = 0);
	REFUSED(-EINVAL, s.plan.argv = NULL);
	REFUSED(-EINVAL, s.plan.argv = no_argv);
	REFUSED(-EINVAL, s.plan.flags |= 1U << 30);
	REFUSED(-EINVAL, s.plan.unshare = CLONE_VM);
	REFUSED(-EINVAL, s.plan.user = "");
	REFUSED(-EINVAL, s.plan.group = NULL);
	REFUSED(-EINVAL, s.plan.directory = "relative");
	REFUSED(-EINVAL, s.plan.root = "root");
	REFUSED(-EINVAL, s.plan.root_fd = 6);
	REFUSED(-EINVAL, s.plan.stdio_fds[1] = 6);
	REFUSED(-EINVAL, s.plan.n_fds = PLAN_MAX_FDS + 1);
	REFUSED(-EINVAL, s.plan.oom_score_adj = 1001);
	REFUSED(-EINVAL, s.plan.oom_score_adj = -1001);
	REFUSED(-EINVAL, s.plan.umask = 01000);
	REFUSED(-EINVAL, s.envp[1] = "NOVALUE");
	REFUSED(-EINVAL, s.envp[1] = "=value");
	REFUSED(-EINVAL, s.envp[1] = "");
	REFUSED(-EINVAL, s.gids[0] = UINT32_MAX);
	REFUSED(-EINVAL, s.joins[0].fd = 6);
	REFUSED(-EINVAL, s.joins[0].flags = 0);
	REFUSED(-EINVAL, s.joins[0].flags = CLONE_VM);
	REFUSED(-EINVAL, s.cgroup_fds[1] = 6);
	REFUSED(-EINVAL, s.rlimits[0].resource = 16);
	REFUSED(-EINVAL, (s.rlimits[0].soft = 2, s.rlimits[0].hard = 1));
	REFUSED(-EINVAL, s.mounts[0].source = 3);
	REFUSED(-EINVAL, s.mounts[0].fstype = "");
	REFUSED(-EINVAL, s.mounts[0].fstype = NULL);
	REFUSED(-EINVAL, s.mounts[0].target = "dev");
	REFUSED(-EINVAL, s.mounts[0].target = "/dev/../etc");
	REFUSED(-EINVAL, s.mounts[0].target = "/..");
	REFUSED(-EINVAL, s.mounts[0].flags = 8);
	REFUSED(-EINVAL, s.mounts[0].flags = PLAN_MOUNT_NO_LINKS | PLAN_MOUNT_MAKE_FILE);
	REFUSED(-EINVAL, (s.mounts[0].flags = PLAN_MOUNT_NO_LINKS, s.mounts[0].target = "/dev/"));
	REFUSED(-EINVAL, (s.mounts[0].flags = PLAN_MOUNT_NO_LINKS, s.mounts[0].target = "/"));
	REFUSED(-EINVAL, s.mounts[0].option_n = 4);
	REFUSED(-EINVAL, s.mounts[0].option_n = UINT32_MAX);
	REFUSED(-EINVAL, s.mounts[0].option_first = 7);
	REFUSED(-EINVAL, s.mounts[0].option_first = UINT32_MAX - 1);
	REFUSED(-EINVAL, s.mounts[1].fd = 6);
	REFUSED(-EINVAL, s.mounts[2].fstype = "shm");
	REFUSED(-EINVAL, s.devices[0].path = "");
	REFUSED(-EINVAL, s.devices[0].path = "/dev/null");
	REFUSED(-EINVAL, s.devices[0].path = "../null");
	REFUSED(-EINVAL, s.devices[0].path = "a/..");
	REFUSED(-EINVAL, s.devices[0].mode = 010000);
	REFUSED(-EINVAL, s.links[0].path = "..");
	REFUSED(-EINVAL, s.links[0].target = "");
	REFUSED(-EINVAL, s.masks[1] = "kcore");
	REFUSED(-EINVAL, s.readonly[0] = "/proc/..");
	REFUSED(-E2BIG, s.plan.n_argv = LIMIT_ARGS + 1);
	REFUSED(-E2BIG, s.plan.n_mounts = LIMIT_MOUNTS + 1);
	REFUSED(-E2BIG, s.plan.n_seccomp = BPF_MAXINSNS + 1);
	REFUSED(-E2BIG, s.plan.n_gids = PLAN_MAX_GIDS + 1);
#undef REFUSED
	assert_null(block);
	/* names that only look like a way up are fine */
	make_sample(&s);
	s.mounts[0].target = "/a..b/...";
	block = encode(&s.plan, &len);
}

static void too_long(void **state)
{
	_free_ char *long_string = malloc(PLAN_MAX_BYTES + 1);
	_free_ void *block = NULL;
	struct sample s;
	size_t len;

	(void)state;
	assert_non_null(long_string);
	memset(long_string, 'x', PLAN_MAX_BYTES);
	long_string[PLAN_MAX_BYTES] = '\0';
	make_sample(&s);
	s.argv[1] = long_string;
	assert_int_equal(plan_encode(&s.plan, &block, &len), -E2BIG);
	long_string[0] = '/';
	long_string[LIMIT_PATH_BYTES] = '\0';
	make_sample(&s);
	s.masks[0] = long_string;
	assert_int_equal(plan_encode(&s.plan, &block, &len), -EINVAL);
	long_string[LIMIT_PATH_BYTES - 1] = '\0';
	block = encode(&s.plan, &len);
}

/* Decodes a copy of exactly len bytes, so that AddressSanitizer sees one read too many. */
static int decode_copy(const char *block, size_t len)
{
	_free_ char *copy = malloc(len ? len : 1);
	struct plan p;

	assert_non_null(copy);
	memcpy(copy, block, len);
	return plan_decode(&p, copy, len);
}

static void every_truncation_is_refused(void **state)
{
	_free_ char *block = NULL;
	struct sample s;
	size_t len;

	(void)state;
	make_sample(&s);
	block = encode(&s.plan, &len);
	for (size_t i = 0; i < len; i++) {
		assert_int_equal(decode_copy(block, i), -EBADMSG);
		if (i >= 16) { /* also when the length says so */
			_free_ char *shorter = malloc(i);

			memcpy(shorter, block, i);
			memcpy(shorter + 8, &(uint64_t){ i }, sizeof(uint64_t));
			assert_int_equal(decode_copy(shorter, i), -EBADMSG);
		}
	}
}

/* Any byte of any value: refused, or a plan that is sound (the fuzzer looks closer). */
static void every_byte_changed(void **state)
{
	_free_ char *block = NULL;
	struct sample s;
	size_t len;

	(void)state;
	make_sample(&s);
	block = encode(&s.plan, &len);
	for (size_t i = 0; i < len; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			int r;

			block[i] ^= (char)(1U << bit);
			r = decode_copy(block, len);
			assert_true(r == 0 || r == -EBADMSG);
			if (i < 16 || i == len - 1)
				assert_int_equal(r, -EBADMSG);
			block[i] ^= (char)(1U << bit);
		}
	}
}

static void step_names(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PLAN_STEPS; i++) {
		assert_non_null(plan_step_name(i));
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(plan_step_name(i), plan_step_name(k));
	}
	assert_string_equal(plan_step_name(PLAN_STEP_SECCOMP), "seccomp");
	assert_string_equal(plan_step_name(PLAN_STEPS), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back),         cmocka_unit_test(equal_strings_are_one),
		cmocka_unit_test(smallest_plan),      cmocka_unit_test(refused_by_encode),
		cmocka_unit_test(too_long),           cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(every_byte_changed), cmocka_unit_test(step_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
