/* What a process sees: mounts, devices, volumes, the rest of the pod. */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "harness.h"

/* ---- the view -------------------------------------------------------------------------------- */

static void mounts(void **state)
{
	struct trial t;

	fixture_app(
		state, &t,
		"while read -r id parent dev root point options rest; do echo $point $options; done < "
		"/proc/self/mountinfo | grep -v -E '^/(proc|sys)/'; hostname");
	trial_expect(
		&t,
		"/ rw,relatime\n/proc rw,nosuid,nodev,noexec,relatime\n/sys ro,nosuid,nodev,noexec,relatime\n"
		"/dev rw,nosuid,noexec,relatime\n/dev/pts rw,nosuid,noexec,relatime\n"
		"/dev/mqueue rw,nosuid,nodev,noexec,relatime\n/dev/shm rw,nosuid,nodev,relatime\ncarob-test\n");
}

/* Also when whoever starts the pod has a umask that denies everything. */
static void devices(void **state)
{
	mode_t old = umask(0777);
	struct trial t;

	fixture_app(
		state, &t,
		"cd /dev; stat -c '%n %t:%T %a %U' null zero full random urandom tty console; readlink ptmx; readlink fd; "
		"echo x > null; cat null; stat -c %a /dev/shm /dev/mqueue .; ls -d /dev/shm /dev/mqueue /dev/pts/ptmx");
	trial_expect(
		&t,
		"null 1:3 666 root\nzero 1:5 666 root\nfull 1:7 666 root\nrandom 1:8 666 root\n"
		"urandom 1:9 666 root\ntty 5:0 666 root\nconsole 1:3 620 root\npts/ptmx\n/proc/self/fd\n"
		"1777\n1777\n755\n/dev/mqueue\n/dev/pts/ptmx\n/dev/shm\n");
	umask(old);
}

static void hidden_paths(void **state)
{
	struct fixture *f = *state;
	static const char *const masks[] = { "/home/secret",   "/home/dir",  "/home/dir2",
					     "/home/dir/none", "/home/link", "/home/secret/x" };
	static const char *const readonly[] = { "/home", "/proc/sys", "/nowhere" };
	struct trial t;

	rootfs_put(&f->rootfs, "home/secret", "secret", 0644);
	rootfs_put(&f->rootfs, "home/linked", "secret", 0644);
	assert_int_equal(symlinkat("/home/linked", f->rootfs.fd, "home/link"), 0);
	assert_int_equal(mkdirat(f->rootfs.fd, "home/dir", 0755), 0);
	assert_int_equal(mkdirat(f->rootfs.fd, "home/dir2", 0755), 0);
	rootfs_put(&f->rootfs, "home/dir/file", "secret", 0644);
	fixture_app(
		state, &t,
		"cat /home/secret /home/link; ls -a /home/dir /home/dir2 | grep -v '^[.:]'; touch /home/dir/x; "
		"touch /home/x; echo x > /home/secret; echo 1 > /proc/sys/kernel/domainname; touch /x && echo made");
	t.plan.masks = masks;
	t.plan.n_masks = ARRAY_SIZE(masks);
	t.plan.readonly = readonly;
	t.plan.n_readonly = ARRAY_SIZE(readonly);
	trial_expect(&t,
		     "/home/dir:\n\n/home/dir2:\ntouch: /home/dir/x: Read-only file system\n"
		     "touch: /home/x: Read-only file system\n"
		     "sh: can't create /proc/sys/kernel/domainname: Read-only file system\nmade\n");
}

static void false_null_masks_nothing(void **state)
{
	static const char *const mask = "/etc/passwd";
	struct trial t;

	fixture_app(state, &t, "true");
	t.plan.masks = &mask;
	t.plan.n_masks = 1;
	t.devices[0].minor = 5;
	trial_expect_refusal(&t, PLAN_STEP_MASK, 0, ENODEV);
}

static void readonly_root(void **state)
{
	struct fixture *f = *state;
	int volume = mount_clone(f->rootfs.fd, "tmp", false);
	struct trial t;

	assert_true(volume >= 0);
	fixture_app(state, &t,
		    "touch /x; touch /new/place/x && echo made; ls /new/place; touch /dev/shm/x");
	trial_mount(&t, volume, "/new/place", 0);
	t.plan.flags |= PLAN_READONLY_ROOT;
	trial_expect(&t, "touch: /x: Read-only file system\nmade\nx\n");
	close(volume);
}

/* Where volumes go: the place is made, replaced, found through the image's links, never outside. */
static void volume_targets(void **state)
{
	struct fixture *f = *state;
	static const char *const targets[] = { "/a/b/c", "/file", "/var/run/x", "/dangling",
					       "/up" };
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
	fixture_app(
		state, &t,
		"ls /a/b/c /file /run/x /dangling /tmp /up; wc -l < /etc/new/file; wc -l < /etc/group");
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
		trial_mount(&t, volume, targets[i], 0);
	/* one descriptor is one mount: each needs its own clone */
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
		assert_int_equal(dup3(mount_clone(f->rootfs.fd, "tmp", false),
				      t.fds[t.mounts[t.plan.n_mounts - ARRAY_SIZE(targets) + i].fd],
				      O_CLOEXEC),
				 t.fds[t.mounts[t.plan.n_mounts - ARRAY_SIZE(targets) + i].fd]);
	trial_mount(&t, file, "/etc/new/file", PLAN_MOUNT_MAKE_FILE);
	trial_expect(&t,
		     "/a/b/c:\nmarker\n\n/dangling:\nmarker\n\n/file:\nmarker\n\n/run/x:\nmarker\n\n"
		     "/tmp:\nmarker\n\n/up:\nmarker\n3\n2\n");
	close(volume);
	close(file);
}

/* What the image's links make of a target may not be a place where we mount, or mask, ourselves. */
static void volumes_stay_on_the_root(void **state)
{
	static const char *const links[] = { "/dev", "/dev/new", "/proc/sys", "/sys",
					     "/dev/shm/x" };
	struct fixture *f = *state;
	int volume;
	struct trial t;

	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		assert_int_equal(symlinkat(links[i], f->rootfs.fd, "link"), 0);
		volume = mount_clone(f->rootfs.fd, "tmp", false);
		assert_true(volume >= 0);
		fixture_app(state, &t, "true");
		trial_mount(&t, volume, i % 2 ? "/link" : "/link/below", 0);
		trial_expect_refusal(&t, PLAN_STEP_MOUNT, 6, EXDEV);
		close(volume);
		assert_int_equal(unlinkat(f->rootfs.fd, "link", 0), 0);
	}
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
		fixture_app(state, &t, "true");
		trial_expect_refusal(&t, PLAN_STEP_MOUNT, table[i].index, ELOOP);
		assert_int_equal(unlinkat(f->rootfs.fd, table[i].name, 0), 0);
		rootfs_put(&f->rootfs, table[i].name, "", 0644);
		fixture_app(state, &t, "true");
		trial_expect_refusal(&t, PLAN_STEP_MOUNT, table[i].index, ENOTDIR);
		assert_int_equal(unlinkat(f->rootfs.fd, table[i].name, 0), 0);
		fixture_app(state, &t, "echo made"); /* missing: made */
		trial_expect(&t, "made\n");
	}
}

static void shared_memory_is_the_pods(void **state)
{
	fixture_expect(state, "echo from the other > /dev/shm/file", "");
	fixture_expect(state, "cat /dev/shm/file; stat -c %a /dev/shm", "from the other\n1777\n");
}

static void nothing_is_inherited(void **state)
{
	struct trial t;

	fixture_app(
		state, &t,
		"ls /proc/self/fd; grep SigIgn /proc/self/status; cat /sys/class/net/lo/flags; ls /sys/class/net");
	trial_expect(
		&t,
		"0\n1\n2\n3\nSigIgn:\t0000000000000000\n0x9\nlo\n"); /* 3 is that of ls itself */
}

/* ---- joining --------------------------------------------------------------------------------- */

static void join_a_namespace(void **state)
{
	struct fixture *f = *state;
	struct outcome o, joined;
	struct trial t;

	fixture_app(state, &t,
		    "echo first > /dev/shm/file; readlink /proc/self/cwd; cat /proc/self/mountinfo");
	t.plan.flags |= PLAN_SEND_NAMESPACE;
	trial_run(&t, &o);
	assert_true(o.namespace >= 0);
	trial_deinit(&t);

	trial_join(&t, &f->pod, o.namespace, "readlink /proc/self/cwd; cat /proc/self/mountinfo");
	trial_run(&t, &joined);
	assert_int_equal(joined.report.error, 0);
	assert_string_equal(joined.output, o.output); /* the same mounts, to the id */
	trial_deinit(&t);

	trial_join(&t, &f->pod, o.namespace,
		   "cat /dev/shm/file; pwd; cat /proc/self/oom_score_adj; " STATUS);
	t.plan.oom_score_adj = 777;
	t.plan.directory = "/home";
	t.plan.user = "web";
	trial_expect(
		&t,
		"first\n/home\n777\nUid:\t1000\t1000\t1000\t1000\nGid:\t0\t0\t0\t0\nGroups:\t0 \n"
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

/* ---- PID 1 ----------------------------------------------------------------------------------- */

static void orphans_are_reaped(void **state)
{
	fixture_expect(state, "for i in 1 2 3; do (sleep 0.05 &); done", "");
	fixture_expect(
		state,
		"sleep 0.3; ps -o comm,stat | grep -E 'Z|sleep'; ps -o pid,comm | grep -c pod-init",
		"1\n");
}

static void pid_1_is_confined(void **state)
{
	fixture_expect(
		state,
		"grep -E '^(Name|Cap[^B]|NoNewPrivs|Seccomp:)' /proc/1/status; for i in exe root cwd fd/0 ns/mnt; do readlink "
		"/proc/1/$i; done; cat /proc/1/maps /proc/1/environ 2> /dev/null; ls /proc/1/root/ 2> /dev/null; kill -9 1; kill -15 1; sleep 0.1; echo alive",
		"Name:\tcarob-pod-init\n"
		"CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
		"CapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\nalive\n");
}

static void the_lifeline_ends_the_pod(void **state)
{
	struct fixture *f = *state;
	struct pollfd pfd = { .events = POLLIN };
	struct outcome o;
	struct trial t;

	fixture_app(state, &t, "sleep 100");
	trial_start(&t, &o);
	pfd.fd = o.pidfd;
	assert_int_equal(poll(&pfd, 1, 100), 0);
	close(f->pod.lifeline);
	assert_int_equal(poll(&pfd, 1, 1000), 1);
	/* PID 1 is not gone before all of its namespace are reaped, and this one is our child */
	trial_finish(&o);
	assert_int_equal(o.status, 128 + 9);
	f->pod.lifeline = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(pod_end(&f->pod), 0);
	trial_deinit(&t);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		LAUNCH_TEST(mounts),
		LAUNCH_TEST(devices),
		LAUNCH_TEST(hidden_paths),
		LAUNCH_TEST(false_null_masks_nothing),
		LAUNCH_TEST(readonly_root),
		LAUNCH_TEST(volume_targets),
		LAUNCH_TEST(volumes_stay_on_the_root),
		LAUNCH_TEST(system_targets_are_no_links),
		LAUNCH_TEST(shared_memory_is_the_pods),
		LAUNCH_TEST(nothing_is_inherited),
		LAUNCH_TEST(join_a_namespace),
		LAUNCH_TEST(orphans_are_reaped),
		LAUNCH_TEST(pid_1_is_confined),
		LAUNCH_TEST(the_lifeline_ends_the_pod),
	};

	return harness_main(argc, argv, tests, ARRAY_SIZE(tests));
}
