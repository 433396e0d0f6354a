/* Root is needed: carob-pod-init and carob-stage3 for real, without stage1. */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "harness.h"

struct fixture {
	struct pod pod;
	struct rootfs rootfs;
};

static int setup(void **state)
{
	static struct fixture f;

	rootfs_make(&f.rootfs);
	pod_start(&f.pod);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pod_end(&f->pod);
	rootfs_remove(&f->rootfs);
	return 0;
}

/* An ordinary app of the fixture. */
static void app(void **state, struct trial *t, const char *script)
{
	struct fixture *f = *state;

	trial_init(t, &f->pod, &f->rootfs, script);
}

/* The output of the trial, which has to come to its exec. */
static void expect(struct trial *t, const char *output)
{
	struct outcome o;

	trial_run(t, &o);
	if (o.report.step != PLAN_STEP_EXEC || o.report.error)
		fail_msg("step %s[%u]: %s", plan_step_name(o.report.step), o.report.index,
			 strerror(o.report.error));
	assert_string_equal(o.output, output);
	outcome_deinit(&o);
	trial_deinit(t);
}

/* ---- exec --------------------------------------------------------------------------------------- */

static void exit_codes(void **state)
{
	static const struct {
		const char *script;
		int status;
	} table[] = { { "exit 0", 0 }, { "exit 7", 7 }, { "kill -9 $$", 137 }, { "kill -15 $$", 143 } };

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct outcome o;
		struct trial t;

		app(state, &t, table[i].script);
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
		{ "hello", "PATH=/etc:/bin", "", 0 },	    /* forbidden in /etc, found in /bin */
		{ "hello", "PATH=/etc/passwd:/nowhere:/bin", "", 0 },
		{ "hello", "PATH=/nowhere:", "/bin", 0 }, /* an empty part is the working directory */
		{ "hello", "OTHER=x", "/bin", 0 },	  /* no PATH: the working directory first */
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

		app(state, &t, "");
		t.argv[0] = table[i].program;
		t.plan.n_argv = 1;
		t.envp[0] = table[i].path;
		t.plan.directory = table[i].directory;
		if (table[i].error)
			expect_refusal(&t, PLAN_STEP_EXEC, 0, table[i].error);
		else
			expect(&t, "hello\n");
	}
}

static void arguments_and_environment(void **state)
{
	struct outcome o;
	struct trial t;

	app(state, &t, "echo \"$0 $1\"; umask; readlink /proc/self/cwd");
	t.argv[t.plan.n_argv++] = "zero";
	t.argv[t.plan.n_argv++] = "";
	t.plan.umask = 027;
	t.plan.directory = "/home/";
	expect(&t, "zero \n0027\n/home\n");
	app(state, &t, "");
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
		{ "/nowhere", ENOENT },	 { "/etc/passwd", ENOTDIR }, { "/loop", ELOOP },
		{ "/proc/self/fd/0", ELOOP }, { "/proc/self/cwd", ELOOP }, { "/proc/self/root", ELOOP },
		{ "/proc/self/fd/4", ELOOP },
	};
	struct fixture *f = *state;
	struct trial t;

	assert_int_equal(symlinkat("loop", f->rootfs.fd, "loop"), 0);
	assert_int_equal(symlinkat("../../../../../../home", f->rootfs.fd, "out"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		app(state, &t, "true");
		t.plan.directory = table[i].path;
		expect_refusal(&t, PLAN_STEP_DIRECTORY, 0, table[i].error);
	}
	app(state, &t, "pwd -P");
	t.plan.directory = "/out";
	expect(&t, "/home\n");
}

/* ---- identity ----------------------------------------------------------------------------------- */

#define STATUS "grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups|Uid|Gid)' /proc/self/status"

static struct sock_filter allow_all[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };

static void root_has_the_bounding_set(void **state)
{
	struct trial t;

	app(state, &t, STATUS);
	expect(&t, "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t0 \n"
		   "CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n"
		   "CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t0\n");
	/* CAP_SYS_ADMIN, kept for the filter, does not survive the execve */
	app(state, &t, STATUS);
	t.plan.seccomp = allow_all;
	t.plan.n_seccomp = 1;
	t.plan.capabilities = CAP_BIT(0);
	expect(&t, "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t0 \n"
		   "CapInh:\t0000000000000000\nCapPrm:\t0000000000000001\nCapEff:\t0000000000000001\n"
		   "CapBnd:\t0000000000000001\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t2\n");
}

static void a_user_has_nothing(void **state)
{
	static const uint32_t gids[] = { 50, 7, 1001 };

	for (int nnp = 0; nnp < 2; nnp++) {
		struct trial t;

		app(state, &t, STATUS);
		t.plan.user = "web";
		t.plan.group = "staff";
		t.plan.gids = gids;
		t.plan.n_gids = ARRAY_SIZE(gids);
		t.plan.seccomp = allow_all;
		t.plan.n_seccomp = 1;
		t.plan.flags |= nnp ? PLAN_NO_NEW_PRIVS : 0;
		expect(&t, nnp ? "Uid:\t1000\t1000\t1000\t1000\nGid:\t50\t50\t50\t50\nGroups:\t7 50 1001 \n"
				 "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
				 "CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n" :
				 "Uid:\t1000\t1000\t1000\t1000\nGid:\t50\t50\t50\t50\nGroups:\t7 50 1001 \n"
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
	app(state, &t, "id -u; id -g");
	t.plan.user = t.plan.group = "/home";
	trial_run(&t, &o);
	assert_string_equal(o.output, "77\n78\n");
	assert_int_equal(o.report.uid, 77);
	assert_int_equal(o.report.gid, 78);
	trial_deinit(&t);
	app(state, &t, "id -u; id -g");
	t.plan.user = "4"; /* a name of digits goes before the number */
	t.plan.group = "4";
	expect(&t, "44\n4\n");
	app(state, &t, "true");
	t.plan.user = "nobody";
	expect_refusal(&t, PLAN_STEP_USER, 0, ENOENT);
	app(state, &t, "true");
	t.plan.group = "4294967295";
	expect_refusal(&t, PLAN_STEP_USER, 1, ERANGE);
}

/* The pipes that are an app's output can be opened again by name, as its user. */
static void stdout_is_the_users(void **state)
{
	struct trial t;

	app(state, &t, "echo out > /proc/self/fd/1; echo err > /proc/self/fd/2");
	t.plan.user = "web";
	expect(&t, "out\nerr\n");
}

/* ---- the view ----------------------------------------------------------------------------------- */

static void mounts(void **state)
{
	struct trial t;

	app(state, &t, "while read -r id parent dev root point options rest; do echo $point $options; done < "
		       "/proc/self/mountinfo | grep -v -E '^/(proc|sys)/'; hostname");
	expect(&t, "/ rw,relatime\n/proc rw,nosuid,nodev,noexec,relatime\n/sys ro,nosuid,nodev,noexec,relatime\n"
		   "/dev rw,nosuid,noexec,relatime\n/dev/pts rw,nosuid,noexec,relatime\n"
		   "/dev/mqueue rw,nosuid,nodev,noexec,relatime\n/dev/shm rw,nosuid,nodev,relatime\ncarob-test\n");
}

static void devices(void **state)
{
	struct trial t;

	app(state, &t, "cd /dev; stat -c '%n %t:%T %a %U' null zero full random urandom tty console; readlink ptmx; readlink fd; "
		       "echo x > null; cat null; ls -d /dev/shm /dev/mqueue /dev/pts/ptmx");
	expect(&t, "null 1:3 666 root\nzero 1:5 666 root\nfull 1:7 666 root\nrandom 1:8 666 root\n"
		   "urandom 1:9 666 root\ntty 5:0 666 root\nconsole 1:3 620 root\npts/ptmx\n/proc/self/fd\n"
		   "/dev/mqueue\n/dev/pts/ptmx\n/dev/shm\n");
}

static void hidden_paths(void **state)
{
	struct fixture *f = *state;
	static const char *const masks[] = { "/home/secret", "/home/dir", "/home/dir2", "/home/dir/none", "/home/link",
					     "/home/secret/x" };
	static const char *const readonly[] = { "/home", "/proc/sys", "/nowhere" };
	struct trial t;

	rootfs_put(&f->rootfs, "home/secret", "secret", 0644);
	rootfs_put(&f->rootfs, "home/linked", "secret", 0644);
	assert_int_equal(symlinkat("/home/linked", f->rootfs.fd, "home/link"), 0);
	assert_int_equal(mkdirat(f->rootfs.fd, "home/dir", 0755), 0);
	assert_int_equal(mkdirat(f->rootfs.fd, "home/dir2", 0755), 0);
	rootfs_put(&f->rootfs, "home/dir/file", "secret", 0644);
	app(state, &t, "cat /home/secret /home/link; ls -a /home/dir /home/dir2 | grep -v '^[.:]'; touch /home/dir/x; "
		       "touch /home/x; echo x > /home/secret; echo 1 > /proc/sys/kernel/domainname; touch /x && echo made");
	t.plan.masks = masks;
	t.plan.n_masks = ARRAY_SIZE(masks);
	t.plan.readonly = readonly;
	t.plan.n_readonly = ARRAY_SIZE(readonly);
	expect(&t, "/home/dir:\n\n/home/dir2:\ntouch: /home/dir/x: Read-only file system\n"
		   "touch: /home/x: Read-only file system\n"
		   "sh: can't create /proc/sys/kernel/domainname: Read-only file system\nmade\n");
}

static void false_null_masks_nothing(void **state)
{
	struct trial t;

	app(state, &t, "true");
	t.devices[0].minor = 5;
	expect_refusal(&t, PLAN_STEP_MASK, 2, ENODEV); /* the first file that is there */
}

static void readonly_root(void **state)
{
	struct fixture *f = *state;
	int volume = mount_clone(f->rootfs.fd, "tmp", false);
	struct trial t;

	assert_true(volume >= 0);
	app(state, &t, "touch /x; touch /new/place/x && echo made; ls /new/place; touch /dev/shm/x");
	trial_mount(&t, volume, "/new/place", 0);
	t.plan.flags |= PLAN_READONLY_ROOT;
	expect(&t, "touch: /x: Read-only file system\nmade\nx\n");
	close(volume);
}

/* Where volumes go: the place is made, replaced, found through the image's links, never outside. */
static void volume_targets(void **state)
{
	struct fixture *f = *state;
	static const char *const targets[] = { "/a/b/c", "/file", "/var/run/x", "/dangling", "/up" };
	int volume, file;
	struct trial t;

	rootfs_put(&f->rootfs, "tmp/marker", "", 0644);
	rootfs_put(&f->rootfs, "file", "a file", 0644);
	assert_int_equal(mkdirat(f->rootfs.fd, "run", 0755), 0);
	assert_int_equal(mkdirat(f->rootfs.fd, "var", 0755), 0);
	assert_int_equal(symlinkat("/run", f->rootfs.fd, "var/run"), 0);
	assert_int_equal(symlinkat("/no/where", f->rootfs.fd, "dangling"), 0);
	assert_int_equal(symlinkat("../../../../../../../../tmp", f->rootfs.fd, "up"), 0);
	volume = mount_clone(f->rootfs.fd, "tmp", false);
	file = mount_clone(f->rootfs.fd, "etc/passwd", false);
	assert_true(volume >= 0 && file >= 0);
	app(state, &t, "ls /a/b/c /file /run/x /dangling /tmp /up; wc -l < /etc/new/file; wc -l < /etc/group");
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
		trial_mount(&t, volume, targets[i], 0);
	/* one descriptor is one mount: each needs its own clone */
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
		assert_int_equal(dup3(mount_clone(f->rootfs.fd, "tmp", false),
				      t.fds[t.mounts[t.plan.n_mounts - ARRAY_SIZE(targets) + i].fd], O_CLOEXEC),
				 t.fds[t.mounts[t.plan.n_mounts - ARRAY_SIZE(targets) + i].fd]);
	trial_mount(&t, file, "/etc/new/file", PLAN_MOUNT_MAKE_FILE);
	expect(&t, "/a/b/c:\nmarker\n\n/dangling:\nmarker\n\n/file:\nmarker\n\n/run/x:\nmarker\n\n"
		   "/tmp:\nmarker\n\n/up:\nmarker\n3\n2\n");
	close(volume);
	close(file);
}

/* /proc, /sys and /dev have to be real directories of the root (CVE-2019-16884, CVE-2026-41579). */
static void system_targets_are_no_links(void **state)
{
	static const struct {
		const char *name;
		uint32_t index;
	} table[] = { { "proc", 0 }, { "sys", 1 }, { "dev", 2 } };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct trial t;

		assert_int_equal(unlinkat(f->rootfs.fd, table[i].name, AT_REMOVEDIR), 0);
		assert_int_equal(symlinkat("/etc", f->rootfs.fd, table[i].name), 0);
		app(state, &t, "true");
		expect_refusal(&t, PLAN_STEP_MOUNT, table[i].index, ELOOP);
		assert_int_equal(unlinkat(f->rootfs.fd, table[i].name, 0), 0);
		rootfs_put(&f->rootfs, table[i].name, "", 0644);
		app(state, &t, "true");
		expect_refusal(&t, PLAN_STEP_MOUNT, table[i].index, ENOTDIR);
		assert_int_equal(unlinkat(f->rootfs.fd, table[i].name, 0), 0);
		app(state, &t, "echo made"); /* missing: made */
		expect(&t, "made\n");
	}
}

static void shared_memory_is_the_pods(void **state)
{
	struct fixture *f = *state;

	expect_output(&f->pod, &f->rootfs, "echo from the other > /dev/shm/file", "");
	expect_output(&f->pod, &f->rootfs, "cat /dev/shm/file; stat -c %a /dev/shm", "from the other\n1777\n");
}

static void nothing_is_inherited(void **state)
{
	struct trial t;

	app(state, &t, "ls /proc/self/fd; grep SigIgn /proc/self/status; cat /sys/class/net/lo/flags; ls /sys/class/net");
	expect(&t, "0\n1\n2\n3\nSigIgn:\t0000000000000000\n0x9\nlo\n"); /* 3 is that of ls itself */
}

/* ---- limits, filter ----------------------------------------------------------------------------- */

static void limits(void **state)
{
	static const struct plan_rlimit rlimits[] = { { RLIMIT_CORE, 0, 0 }, { RLIMIT_NOFILE, 50, 100 } };
	struct trial t;

	app(state, &t, "grep -E 'core|open files' /proc/self/limits; cat /proc/self/oom_score_adj");
	t.plan.rlimits = rlimits;
	t.plan.n_rlimits = ARRAY_SIZE(rlimits);
	t.plan.oom_score_adj = 345;
	expect(&t, "Max core file size        0                    0                    bytes     \n"
		   "Max open files            50                   100                  files     \n345\n");
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

	app(state, &t, "true");
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

	app(state, &t, "hostname");
	t.plan.seccomp = filter;
	t.plan.n_seccomp = ARRAY_SIZE(filter);
	t.plan.user = "web";
	trial_run(&t, &o);
	assert_int_equal(o.status, 128 + 31);
	outcome_deinit(&o);
	trial_deinit(&t);
}

/* ---- terminal ----------------------------------------------------------------------------------- */

static void terminal(void **state)
{
	struct outcome o;
	struct trial t;

	app(state, &t, "exec 2>&1; tty; stty size; stat -c '%U %t:%T' /dev/pts/0; test -t 0 && test -t 1 && echo all; "
		       "echo console > /dev/console; echo ctty > /dev/tty; stat -c %T /dev/console");
	t.plan.flags |= PLAN_TERMINAL;
	t.plan.rows = 33;
	t.plan.columns = 99;
	t.plan.user = "web";
	trial_run(&t, &o);
	assert_int_equal(o.report.error, 0);
	assert_true(o.terminal >= 0);
	assert_string_equal(o.output, "/dev/pts/0\r\n33 99\r\nweb 88:0\r\nall\r\nconsole\r\nctty\r\n0\r\n");
	outcome_deinit(&o);
	trial_deinit(&t);
}

/* ---- joining ------------------------------------------------------------------------------------ */

static void join_a_namespace(void **state)
{
	struct fixture *f = *state;
	struct outcome o, joined;
	struct trial t;

	app(state, &t, "echo first > /dev/shm/file; cat /proc/self/mountinfo");
	t.plan.flags |= PLAN_SEND_NAMESPACE;
	trial_run(&t, &o);
	assert_true(o.namespace >= 0);
	trial_deinit(&t);

	trial_join(&t, &f->pod, o.namespace, "cat /proc/self/mountinfo");
	trial_run(&t, &joined);
	assert_int_equal(joined.report.error, 0);
	assert_string_equal(joined.output, o.output); /* the same mounts, to the id */
	trial_deinit(&t);

	trial_join(&t, &f->pod, o.namespace, "cat /dev/shm/file; pwd; cat /proc/self/oom_score_adj; " STATUS);
	t.plan.oom_score_adj = 777;
	t.plan.directory = "/home";
	t.plan.user = "web";
	expect(&t, "first\n/home\n777\nUid:\t1000\t1000\t1000\t1000\nGid:\t0\t0\t0\t0\nGroups:\t0 \n"
		   "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
		   "CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t0\n");

	trial_join(&t, &f->pod, o.namespace, "tty");
	t.plan.flags |= PLAN_TERMINAL;
	trial_run(&t, &joined);
	assert_string_equal(joined.output, "/dev/pts/0\r\n");
	outcome_deinit(&joined);
	trial_deinit(&t);
	outcome_deinit(&o);
}

/* ---- PID 1 -------------------------------------------------------------------------------------- */

static void orphans_are_reaped(void **state)
{
	struct fixture *f = *state;

	expect_output(&f->pod, &f->rootfs, "for i in 1 2 3; do (sleep 0.05 &); done", "");
	expect_output(&f->pod, &f->rootfs, "sleep 0.3; ps -o comm,stat | grep -E 'Z|sleep'; ps -o pid,comm | grep -c pod-init",
		      "1\n");
}

static void pid_1_is_confined(void **state)
{
	struct fixture *f = *state;

	expect_output(&f->pod, &f->rootfs,
		      "grep -E '^(Name|Cap|NoNewPrivs|Seccomp:)' /proc/1/status; for i in exe root cwd fd/0 ns/mnt; do readlink "
		      "/proc/1/$i; done; cat /proc/1/maps /proc/1/environ 2> /dev/null; ls /proc/1/root/ 2> /dev/null; kill -9 1; kill -15 1; sleep 0.1; echo alive",
		      "Name:\tcarob-pod-init\n"
		      "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
		      "CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\nalive\n");
}

static void the_lifeline_ends_the_pod(void **state)
{
	struct fixture *f = *state;
	struct pollfd pfd = { .events = POLLIN };
	struct outcome o;
	struct trial t;

	app(state, &t, "sleep 100");
	trial_start(&t, &o);
	pfd.fd = o.pidfd;
	assert_int_equal(poll(&pfd, 1, 100), 0);
	close(f->pod.lifeline);
	assert_int_equal(poll(&pfd, 1, 1000), 1);
	trial_finish(&o); /* PID 1 is not gone before all of its namespace are reaped, and this one is our child */
	assert_int_equal(o.status, 128 + 9);
	f->pod.lifeline = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(pod_end(&f->pod), 0);
	trial_deinit(&t);
}

/* A start has to be cheap: what stage3 costs in page faults, its exec included, and nothing but it
 * (the program is missing). */
static void page_faults(void **state)
{
	enum { BUDGET = 20 };
	struct rusage before, after;
	struct trial t;

	app(state, &t, "");
	t.argv[0] = "/nowhere";
	assert_int_equal(getrusage(RUSAGE_CHILDREN, &before), 0);
	expect_refusal(&t, PLAN_STEP_EXEC, 0, ENOENT);
	assert_int_equal(getrusage(RUSAGE_CHILDREN, &after), 0);
	print_message("%ld page faults\n", after.ru_minflt - before.ru_minflt);
	assert_in_range(after.ru_minflt - before.ru_minflt, 1, BUDGET);
}

#define LAUNCH_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
		LAUNCH_TEST(mounts),
		LAUNCH_TEST(devices),
		LAUNCH_TEST(hidden_paths),
		LAUNCH_TEST(false_null_masks_nothing),
		LAUNCH_TEST(readonly_root),
		LAUNCH_TEST(volume_targets),
		LAUNCH_TEST(system_targets_are_no_links),
		LAUNCH_TEST(shared_memory_is_the_pods),
		LAUNCH_TEST(nothing_is_inherited),
		LAUNCH_TEST(limits),
		LAUNCH_TEST(filter_may_forbid_all_else),
		LAUNCH_TEST(filter_is_in_force),
		LAUNCH_TEST(terminal),
		LAUNCH_TEST(join_a_namespace),
		LAUNCH_TEST(orphans_are_reaped),
		LAUNCH_TEST(pid_1_is_confined),
		LAUNCH_TEST(the_lifeline_ends_the_pod),
		LAUNCH_TEST(page_faults),
	};

	if (argc != 3)
		return 2;
	harness_stage3 = argv[1];
	harness_podinit = argv[2];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
