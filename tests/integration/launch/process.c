/* What a process is and has: its program, user, rights, limits, terminal. */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "harness.h"

/* ---- exec ------------------------------------------------------------------------------------ */

static void exit_codes(void **state)
{
	static const struct {
		const char *script;
		int status;
	} table[] = {
		{ "exit 0", 0 }, { "exit 7", 7 }, { "kill -9 $$", 137 }, { "kill -15 $$", 143 }
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct outcome o;
		struct trial t;

		fixture_app(state, &t, table[i].script);
		trial_run(&t, &o);
		assert_int_equal(o.report.step, PLAN_STEP_EXEC);
		assert_int_equal(o.report.error, 0);
		assert_int_equal(o.status, table[i].status);
		outcome_deinit(&o);
		trial_deinit(&t);
	}
}

static void program_lookup(void **state)
{
	static const struct {
		const char *program, *path, *directory;
		int error; /* 0: it runs */
	} table[] = {
		{ "no-such-program", "PATH=/bin", "", ENOENT },
		{ "/bin/no-such-program", "PATH=/bin", "", ENOENT },
		{ "/etc/passwd", "PATH=/bin", "", EACCES },
		{ "", "PATH=/bin", "", ENOENT },
		{ "denied", "PATH=/etc:/bin", "", EACCES }, /* there, but remembered as forbidden */
		{ "hello", "PATH=/etc:/bin", "", 0 },       /* forbidden in /etc, found in /bin */
		{ "hello", "PATH=/etc/passwd:/nowhere:/bin", "", 0 },
		{ "hello", "PATH=/nowhere:", "/bin",
		  0 },                             /* an empty part is the working directory */
		{ "hello", "OTHER=x", "/bin", 0 }, /* no PATH: the working directory first */
		{ "./hello", "PATH=/nowhere", "/bin", 0 },
		{ "bin/hello", "PATH=/nowhere", "", 0 },
		{ "hello", "PATH=", "/etc", EACCES },
		{ "text", "PATH=/bin", "", ENOEXEC }, /* no shell is asked */
	};
	struct fixture *f = *state;

	rootfs_put(&f->rootfs, "bin/hello", "#!/bin/sh\necho hello\n", 0755);
	rootfs_put(&f->rootfs, "bin/text", "echo text\n", 0755);
	rootfs_put(&f->rootfs, "etc/hello", "#!/bin/sh\necho wrong\n", 0644);
	rootfs_put(&f->rootfs, "etc/denied", "#!/bin/sh\necho wrong\n", 0644);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct trial t;

		fixture_app(state, &t, "");
		t.argv[0] = table[i].program;
		t.plan.n_argv = 1;
		t.envp[0] = table[i].path;
		t.plan.directory = table[i].directory;
		if (table[i].error)
			trial_expect_refusal(&t, PLAN_STEP_EXEC, 0, table[i].error);
		else
			trial_expect(&t, "hello\n");
	}
}

static void arguments_and_environment(void **state)
{
	struct outcome o;
	struct trial t;

	fixture_app(state, &t, "echo \"$0 $1\"; umask; readlink /proc/self/cwd");
	t.argv[t.plan.n_argv++] = "zero";
	t.argv[t.plan.n_argv++] = "";
	t.plan.umask = 027;
	t.plan.directory = "/home/";
	trial_expect(&t, "zero \n0027\n/home\n");
	fixture_app(state, &t, "");
	t.argv[0] = "cat";
	t.argv[1] = "/proc/self/environ";
	t.plan.n_argv = 2;
	trial_run(&t, &o);
	assert_memory_equal(o.output, "PATH=/bin\0A=b\0", sizeof("PATH=/bin\0A=b\0"));
	outcome_deinit(&o);
	trial_deinit(&t);
}

static void working_directory(void **state)
{
	static const struct {
		const char *path;
		int error;
	} table[] = {
		{ "/nowhere", ENOENT },       { "/etc/passwd", ENOTDIR },
		{ "/loop", ELOOP },           { "/proc/self/fd/0", ELOOP },
		{ "/proc/self/cwd", ELOOP },  { "/proc/self/root", ELOOP },
		{ "/proc/self/fd/4", ELOOP },
	};
	struct fixture *f = *state;
	struct trial t;

	assert_int_equal(symlinkat("loop", f->rootfs.fd, "loop"), 0);
	assert_int_equal(symlinkat("../../../../../../home", f->rootfs.fd, "out"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		fixture_app(state, &t, "true");
		t.plan.directory = table[i].path;
		trial_expect_refusal(&t, PLAN_STEP_DIRECTORY, 0, table[i].error);
	}
	fixture_app(state, &t, "pwd -P");
	t.plan.directory = "/out";
	trial_expect(&t, "/home\n");
	fixture_app(state, &t, "readlink /proc/self/cwd; cd ..; ls -d home");
	trial_expect(&t, "/\nhome\n");
}

/* ---- identity -------------------------------------------------------------------------------- */

static struct sock_filter allow_all[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };

static void root_has_the_bounding_set(void **state)
{
	struct trial t;

	fixture_app(state, &t, STATUS);
	trial_expect(
		&t,
		"Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t0 \n"
		"CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n"
		"CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t0\n");
	/* CAP_SYS_ADMIN, kept for the filter, does not survive the execve */
	fixture_app(state, &t, STATUS);
	t.plan.seccomp = allow_all;
	t.plan.n_seccomp = 1;
	t.plan.capabilities = CAP_BIT(0);
	trial_expect(
		&t,
		"Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t0 \n"
		"CapInh:\t0000000000000000\nCapPrm:\t0000000000000001\nCapEff:\t0000000000000001\n"
		"CapBnd:\t0000000000000001\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t2\n");
}

static void a_user_has_nothing(void **state)
{
	static const uint32_t gids[] = { 50, 7, 1001 };

	for (int nnp = 0; nnp < 2; nnp++) {
		struct trial t;

		fixture_app(state, &t, STATUS);
		t.plan.user = "web";
		t.plan.group = "staff";
		t.plan.gids = gids;
		t.plan.n_gids = ARRAY_SIZE(gids);
		t.plan.seccomp = allow_all;
		t.plan.n_seccomp = 1;
		t.plan.flags |= nnp ? PLAN_NO_NEW_PRIVS : 0;
		trial_expect(
			&t,
			nnp ? "Uid:\t1000\t1000\t1000\t1000\nGid:\t50\t50\t50\t50\nGroups:\t7 50 1001 \n"
			      "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
			      "CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n"
			    : "Uid:\t1000\t1000\t1000\t1000\nGid:\t50\t50\t50\t50\nGroups:\t7 50 1001 \n"
			      "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
			      "CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t2\n");
	}
}

static void users_of_the_image(void **state)
{
	struct fixture *f = *state;
	struct outcome o;
	struct trial t;

	assert_int_equal(fchownat(f->rootfs.fd, "home", 77, 78, 0), 0);
	fixture_app(state, &t, "id -u; id -g");
	t.plan.user = t.plan.group = "/home";
	trial_run(&t, &o);
	assert_string_equal(o.output, "77\n78\n");
	assert_int_equal(o.report.uid, 77);
	assert_int_equal(o.report.gid, 78);
	trial_deinit(&t);
	fixture_app(state, &t, "id -u; id -g");
	t.plan.user = "4"; /* a name of digits goes before the number */
	t.plan.group = "4";
	trial_expect(&t, "44\n4\n");
	fixture_app(state, &t, "true");
	t.plan.user = "nobody";
	trial_expect_refusal(&t, PLAN_STEP_USER, 0, ENOENT);
	fixture_app(state, &t, "true");
	t.plan.group = "4294967295";
	trial_expect_refusal(&t, PLAN_STEP_USER, 1, ERANGE);
}

/* The pipes that are an app's output can be opened again by name, as its user. */
static void stdout_is_the_users(void **state)
{
	struct trial t;

	fixture_app(state, &t, "echo out > /proc/self/fd/1; echo err > /proc/self/fd/2");
	t.plan.user = "web";
	trial_expect(&t, "out\nerr\n");
}

/* ---- limits, filter -------------------------------------------------------------------------- */

static void limits(void **state)
{
	static const struct plan_rlimit rlimits[] = { { RLIMIT_CORE, 0, 0 },
						      { RLIMIT_NOFILE, 50, 100 } };
	struct trial t;

	fixture_app(state, &t,
		    "grep -E 'core|open files' /proc/self/limits; cat /proc/self/oom_score_adj");
	t.plan.rlimits = rlimits;
	t.plan.n_rlimits = ARRAY_SIZE(rlimits);
	t.plan.oom_score_adj = 345;
	trial_expect(
		&t,
		"Max core file size        0                    0                    bytes     \n"
		"Max open files            50                   100                  files     \n345\n");
}

static void cgroup_files(void **state)
{
	uint32_t indices[2];
	struct outcome o;
	struct trial t;

	fixture_app(state, &t, "true");
	for (unsigned i = 0; i < 2; i++) {
		_close_ int tasks = memfd_create("tasks", MFD_CLOEXEC);

		indices[i] = trial_add_fd(&t, tasks);
	}
	t.plan.cgroup_fds = indices;
	t.plan.n_cgroup_fds = 2;
	trial_run(&t, &o);
	for (unsigned i = 0; i < 2; i++) {
		char text[8] = "";

		assert_int_equal(pread(t.fds[indices[i]], text, sizeof(text), 0), 1);
		assert_string_equal(text, "0");
	}
	outcome_deinit(&o);
	trial_deinit(&t);
}

static void cgroup_that_refuses(void **state)
{
	static const uint32_t index = 0;
	_close_ int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct trial t;

	fixture_app(state, &t, "true");
	close(t.fds[index]);
	t.fds[index] = fcntl(full, F_DUPFD_CLOEXEC, 3);
	t.plan.cgroup_fds = &index;
	t.plan.n_cgroup_fds = 1;
	trial_expect_refusal(&t, PLAN_STEP_CGROUP, 0, ENOSPC);
}

/* Descriptors of the plan instead of those that stage3 was started with. */
static void stdio_of_the_plan(void **state)
{
	_close_ int in = memfd_create("in", MFD_CLOEXEC), out = memfd_create("out", MFD_CLOEXEC);
	char text[8] = "";
	struct trial t;

	assert_int_equal(write_all(in, "abc\n", 4), 0);
	assert_int_equal(lseek(in, 0, SEEK_SET), 0);
	fixture_app(state, &t, "cat; echo error >&2");
	t.plan.flags |= PLAN_STDIO_FDS;
	t.plan.stdio_fds[0] = trial_add_fd(&t, in);
	t.plan.stdio_fds[1] = trial_add_fd(&t, out);
	t.plan.stdio_fds[2] = trial_add_fd(&t, 1);
	close(t.fds[t.plan.stdio_fds[2]]);
	t.fds[t.plan.stdio_fds[2]] = open("/dev/null", O_WRONLY | O_CLOEXEC);
	trial_expect(&t, "");
	assert_int_equal(pread(out, text, sizeof(text), 0), 4);
	assert_string_equal(text, "abc\n");
}

/* The filter allows nothing but execve, and answers all else with an error: also the exit. */
static void filter_may_forbid_all_else(void **state)
{
	static struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 59 /* execve on x86_64 */, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	struct outcome o;
	struct trial t;

	fixture_app(state, &t, "true");
	t.argv[0] = "/nowhere";
	t.plan.seccomp = filter;
	t.plan.n_seccomp = ARRAY_SIZE(filter);
	trial_run(&t, &o);
	assert_int_equal(o.report.step, PLAN_STEP_EXEC);
	assert_int_equal(o.report.error, ENOENT);
	assert_in_range(o.status, 128, 159); /* by a signal: it could not exit */
	outcome_deinit(&o);
	trial_deinit(&t);
}

static void filter_is_in_force(void **state)
{
	static struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 63 /* uname on x86_64 */, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct outcome o;
	struct trial t;

	fixture_app(state, &t, "hostname");
	t.plan.seccomp = filter;
	t.plan.n_seccomp = ARRAY_SIZE(filter);
	t.plan.user = "web";
	trial_run(&t, &o);
	assert_int_equal(o.status, 128 + 31);
	outcome_deinit(&o);
	trial_deinit(&t);
}

/* ---- terminal -------------------------------------------------------------------------------- */

static void terminal(void **state)
{
	struct outcome o;
	struct trial t;

	fixture_app(
		state, &t,
		"exec 2>&1; tty; stty size; stat -c '%U %t:%T' /dev/pts/0; test -t 0 && test -t 1 && echo all; "
		"echo console > /dev/console; echo ctty > /dev/tty; stat -c %T /dev/console");
	t.plan.flags |= PLAN_TERMINAL;
	t.plan.rows = 33;
	t.plan.columns = 99;
	t.plan.user = "web";
	trial_run(&t, &o);
	assert_int_equal(o.report.error, 0);
	assert_true(o.terminal >= 0);
	assert_string_equal(o.output,
			    "/dev/pts/0\r\n33 99\r\nweb 88:0\r\nall\r\nconsole\r\nctty\r\n0\r\n");
	outcome_deinit(&o);
	trial_deinit(&t);
}

/* A start has to be cheap: what stage3 costs in page faults, its exec included, and nothing but it
 * (the program is missing). */
static void page_faults(void **state)
{
	enum { BUDGET = 20 };
	struct rusage before, after;
	struct trial t;

	fixture_app(state, &t, "");
	t.argv[0] = "/nowhere";
	assert_int_equal(getrusage(RUSAGE_CHILDREN, &before), 0);
	trial_expect_refusal(&t, PLAN_STEP_EXEC, 0, ENOENT);
	assert_int_equal(getrusage(RUSAGE_CHILDREN, &after), 0);
	print_message("%ld page faults\n", after.ru_minflt - before.ru_minflt);
	assert_in_range(after.ru_minflt - before.ru_minflt, 1, BUDGET);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		LAUNCH_TEST(exit_codes),
		LAUNCH_TEST(program_lookup),
		LAUNCH_TEST(arguments_and_environment),
		LAUNCH_TEST(working_directory),
		LAUNCH_TEST(root_has_the_bounding_set),
		LAUNCH_TEST(a_user_has_nothing),
		LAUNCH_TEST(users_of_the_image),
		LAUNCH_TEST(stdout_is_the_users),
		LAUNCH_TEST(limits),
		LAUNCH_TEST(cgroup_files),
		LAUNCH_TEST(cgroup_that_refuses),
		LAUNCH_TEST(stdio_of_the_plan),
		LAUNCH_TEST(filter_may_forbid_all_else),
		LAUNCH_TEST(filter_is_in_force),
		LAUNCH_TEST(terminal),
		LAUNCH_TEST(page_faults),
	};

	return harness_main(argc, argv, tests, ARRAY_SIZE(tests));
}
