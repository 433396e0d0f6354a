/* Control groups of this host, below carob-test-PID; nothing of it remains. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/base.h"
#include "kernel/cgroup_private.h"
#include "kernel/kernel.h"

/* The host as it is, and as it would be with one version only. */
static struct cgroup_host host, v1_host, v2_host;
static char top[64];

static struct cgroup_host only(bool v2)
{
	struct cgroup_host h = { .v2_controllers = host.v2_controllers };

	for (unsigned i = 0; i < host.n; i++)
		if (host.list[i].v2 == v2)
			h.list[h.n++] = host.list[i];
	h.mode = h.n == 0 ? CGROUP_NONE : v2 ? CGROUP_V2 : CGROUP_V1;
	return h;
}

/* No host has everything. */
static bool is_there(const struct cgroup_host *h)
{
	if (h->n == 0)
		print_message("this host has no cgroup v%d\n", h == &v1_host ? 1 : 2);
	return h->n > 0;
}

static int open_host(void **state)
{
	struct error err = { 0 };

	(void)state;
	if (cgroup_host_open(&host, &err) < 0) {
		print_error("%s\n", err.text);
		return -1;
	}
	v1_host = only(false);
	v2_host = only(true);
	snprintf(top, sizeof(top), "carob-test-%d", getpid());
	return 0;
}

static int close_host(void **state)
{
	(void)state;
	cgroup_host_close(&host);
	return 0;
}

static int clean_up(void **state)
{
	struct error err = { 0 };

	(void)state;
	if (cgroup_kill(&host, top, 5000, &err) < 0 || cgroup_remove(&host, top, &err) < 0) {
		print_error("%s\n", err.text);
		return -1;
	}
	return 0;
}

static void ok(int r, const struct error *err)
{
	if (r < 0)
		print_error("%d: %s\n", r, err->text);
	assert_true(r >= 0);
}

static struct cgroup make(const struct cgroup_host *h, const char *name)
{
	struct error err = { 0 };
	struct cgroup g;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", top, name);
	ok(cgroup_create(&g, h, path, false, &err), &err);
	return g;
}

/* A child in the group that runs fn; in v2 it is born there, in v1 it goes there itself. */
static pid_t run(const struct cgroup *g, int (*fn)(void))
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	int v2, tasks[CGROUP_MAX];
	struct error err = { 0 };
	unsigned n;
	pid_t pid;

	ok(cgroup_open_for_spawn(g, &v2, tasks, &n, &err), &err);
	if (v2 >= 0) {
		args.flags = CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)v2;
	}
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		for (unsigned i = 0; i < n; i++)
			if (write(tasks[i], "0", 1) != 1)
				_exit(99);
		_exit(fn());
	}
	assert_true(pid > 0);
	cleanup_close(&v2);
	while (n > 0)
		close(tasks[--n]);
	return pid;
}

static int wait_for(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void assert_value(const struct cgroup *g, const char *name, const char *value)
{
	char path[256];
	_free_ char *text = NULL;

	snprintf(path, sizeof(path), "%s/%s", g->path, name);
	for (unsigned i = 0; i < g->host->n; i++)
		if (file_read(g->host->list[i].fd, path, 4096, &text, NULL) == 0)
			break;
	assert_non_null(text);
	text[strcspn(text, "\n")] = '\0';
	assert_string_equal(text, value);
}

static int do_nothing(void)
{
	return 7;
}

static int sleep_long(void)
{
	signal(SIGTERM, SIG_IGN);
	for (;;)
		pause();
	return 0;
}

static void groups_are_everywhere_and_then_nowhere(void **state)
{
	struct cgroup g = make(&host, "here");
	struct error err = { 0 };

	(void)state;
	assert_true(host.n > 0);
	for (unsigned i = 0; i < host.n; i++)
		assert_int_equal(faccessat(host.list[i].fd, g.path, F_OK, 0), 0);
	assert_int_equal(wait_for(run(&g, do_nothing)), 7);
	ok(cgroup_remove(&host, g.path, &err), &err);
	for (unsigned i = 0; i < host.n; i++)
		assert_int_equal(faccessat(host.list[i].fd, g.path, F_OK, 0), -1);
	assert_int_equal(cgroup_create(&g, &host, top, false, &err), -EEXIST);
}

static void limits_arrive(void **state)
{
	const struct cgroup_limits limits = {
		.memory_max = 64 << 20, .cpu_milli = 500, .cpu_weight = 200, .pids_max = 9
	};
	struct cgroup g = make(&host, "limits");
	struct error err = { 0 };

	(void)state;
	ok(cgroup_limit(&g, &limits, &err), &err);
	assert_value(&g, "pids.max", "9");
	if (host.mode == CGROUP_V2) {
		assert_value(&g, "memory.max", "67108864");
		assert_value(&g, "cpu.max", "50000 100000");
		assert_value(&g, "cpu.weight", "200");
	} else {
		assert_value(&g, "memory.limit_in_bytes", "67108864");
		assert_value(&g, "cpu.cfs_quota_us", "50000");
		assert_value(&g, "cpu.shares", "2048");
	}
	ok(cgroup_limit(&g, &(struct cgroup_limits){ .cpu_milli = 5 }, &err), &err);
}

static void limits_of_a_group_below_arrive(void **state)
{
	struct error err = { 0 };
	struct cgroup pod, app;
	char path[96];

	(void)state;
	snprintf(path, sizeof(path), "%s/pod", top);
	ok(cgroup_create(&pod, &host, path, true, &err), &err);
	app = make(&host, "pod/app");
	ok(cgroup_limit(&app, &(struct cgroup_limits){ .pids_max = 5, .memory_max = 32 << 20 },
			&err),
	   &err);
	assert_value(&app, "pids.max", "5");
	assert_int_equal(wait_for(run(&app, do_nothing)), 7);
}

/* Who makes the group above first enables v2's controllers a moment later. */
static void limits_do_not_depend_on_who_made_the_group_above(void **state)
{
	struct error err = { 0 };
	struct cgroup g;

	(void)state;
	for (unsigned i = 0; i < host.n; i++)
		assert_int_equal(mkdirat(host.list[i].fd, top, 0755), 0);
	g = make(&host, "early");
	ok(cgroup_limit(&g, &(struct cgroup_limits){ .pids_max = 5 }, &err), &err);
	assert_value(&g, "pids.max", "5");
}

static int fork_twice(void)
{
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(sleep_long());
		if (pid < 0)
			return errno;
	}
	return 0;
}

static void number_of_processes_is_limited(void **state)
{
	struct cgroup g = make(&host, "pids");
	struct error err = { 0 };

	(void)state;
	ok(cgroup_limit(&g, &(struct cgroup_limits){ .pids_max = 2 }, &err), &err);
	assert_int_equal(wait_for(run(&g, fork_twice)), EAGAIN);
}

static int use_memory(void)
{
	size_t size = 64 << 20;
	char *p = malloc(size);

	if (!p)
		return 1;
	for (size_t i = 0; i < size; i += 4096)
		((volatile char *)p)[i] = 1;
	free(p);
	return 0;
}

static void memory_is_limited_and_told(void **state)
{
	struct cgroup g = make(&host, "memory");
	struct error err = { 0 };
	struct cgroup_stats s;

	(void)state;
	ok(cgroup_limit(&g, &(struct cgroup_limits){ .memory_max = 16 << 20 }, &err), &err);
	assert_int_equal(wait_for(run(&g, use_memory)), 128 + SIGKILL);
	assert_int_equal(cgroup_stats(&host, g.path, &s), 0);
	assert_true(s.oom_kills >= 1);
	assert_true(s.memory_peak_bytes > 8 << 20 && s.memory_peak_bytes <= 16 << 20);
	assert_true(s.cpu_ns > 0);
	assert_int_equal(s.pids, 0);
}

/* The node is made where we may: mknod is allowed in the group, opening is not. */
static int open_devices(void)
{
	char path[] = "/tmp/test-cgroup-XXXXXX", node[64];
	int r = 0;

	if (!mkdtemp(path))
		return 90;
	snprintf(node, sizeof(node), "%s/mem", path);
	if (open("/dev/null", O_RDWR | O_CLOEXEC) < 0 ||
	    open("/dev/urandom", O_RDONLY | O_CLOEXEC) < 0)
		r = 91;
	else if (mknod(node, S_IFCHR | 0600, makedev(1, 1)) < 0)
		r = 92;
	else if (open(node, O_RDONLY | O_CLOEXEC) >= 0)
		r = 93;
	else
		r = errno;
	unlink(node);
	if (r == EPERM && mknod(node, S_IFBLK | 0600, makedev(7, 200)) == 0) {
		r = open(node, O_RDONLY | O_CLOEXEC) >= 0 ? 94 : errno;
		unlink(node);
	}
	rmdir(path);
	return r;
}

static void limit_devices(const struct cgroup_host *h, const char *name)
{
	struct cgroup g = make(h, name);
	struct error err = { 0 };

	assert_int_not_equal(wait_for(run(&g, open_devices)), EPERM);
	ok(cgroup_limit(&g, &(struct cgroup_limits){ .devices = true }, &err), &err);
	assert_int_equal(wait_for(run(&g, open_devices)), EPERM);
}

static void devices_are_limited_by_v1(void **state)
{
	(void)state;
	if (is_there(&v1_host))
		limit_devices(&v1_host, "devices1");
}

static void devices_are_limited_by_v2(void **state)
{
	(void)state;
	if (is_there(&v2_host))
		limit_devices(&v2_host, "devices2");
}

static int breed(void)
{
	for (int i = 0; i < 3; i++)
		if (fork() == 0)
			sleep_long();
	return sleep_long();
}

static int count_pid(pid_t pid, void *arg)
{
	(void)pid;
	(*(unsigned *)arg)++;
	return 0;
}

static unsigned count(const struct cgroup_host *h, const char *path)
{
	unsigned n = 0;

	assert_int_equal(cgroup_each_pid(h, path, count_pid, &n), 0);
	return n;
}

/* Two groups of four processes each; all end with one call, and the group can go. */
static void kill_tree(const struct cgroup_host *h)
{
	struct cgroup one = make(h, "one"), two = make(h, "one/two");
	struct error err = { 0 };
	pid_t first, second;

	/* v2 allows no processes in a group with controllers and children; here it has no
	 * controllers */
	first = run(&one, breed);
	second = run(&two, breed);
	for (int i = 0; i < 500 && count(h, one.path) < 8; i++)
		usleep(10000);
	assert_int_equal(count(h, one.path), 8);
	assert_int_equal(cgroup_remove(h, one.path, &err), -EBUSY);
	assert_non_null(strstr(err.text, "process "));
	ok(cgroup_kill(h, one.path, 5000, &err), &err);
	assert_int_equal(count(h, one.path), 0);
	assert_int_equal(wait_for(first), 128 + SIGKILL);
	assert_int_equal(wait_for(second), 128 + SIGKILL);
	ok(cgroup_remove(h, one.path, &err), &err);
	ok(cgroup_kill(h, one.path, 0, &err), &err); /* a missing group has no processes */
	ok(cgroup_remove(h, one.path, &err), &err);
}

static void everything_is_killed(void **state)
{
	(void)state;
	kill_tree(&host);
}

static void everything_is_killed_by_v1(void **state)
{
	(void)state;
	if (is_there(&v1_host))
		kill_tree(&v1_host);
}

static void everything_is_killed_by_v2(void **state)
{
	(void)state;
	if (is_there(&v2_host))
		kill_tree(&v2_host);
}

/* Children die with their parent gone, forks go on for ever: only who stops the group wins. */
static int fork_on(void)
{
	for (;;) {
		pid_t pid = fork();

		if (pid < 0)
			usleep(1000);
		else if (pid > 0)
			_exit(0);
	}
	return 0;
}

static void who_forks_away_is_killed(void **state)
{
	const struct cgroup_host *hosts[] = { &v1_host, &v2_host };
	struct error err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		struct cgroup g;

		if (!is_there(hosts[i]))
			continue;
		g = make(hosts[i], "forks");
		assert_int_equal(wait_for(run(&g, fork_on)), 0);
		ok(cgroup_kill(hosts[i], g.path, 5000, &err), &err);
		ok(cgroup_remove(hosts[i], g.path, &err), &err);
	}
}

/* ---- standing still ------------------------------------------------------------------------- */

static volatile uint64_t *ticks;

static int tick(void)
{
	for (;;)
		++*ticks;
	return 0;
}

static bool goes_on(void)
{
	uint64_t before = *ticks;

	for (int i = 0; i < 100 && *ticks == before; i++)
		usleep(5000);
	return *ticks != before;
}

static void stand_still(const struct cgroup_host *h)
{
	struct cgroup above = make(h, "still");
	struct cgroup g = make(h, "still/one");
	struct error err = { 0 };
	uint64_t then;

	ticks = mmap(NULL, sizeof(*ticks), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	assert_ptr_not_equal(ticks, MAP_FAILED);
	(void)run(&g, tick);
	assert_true(goes_on());
	for (int i = 0; i < 5; i++) {
		ok(cgroup_freeze(h, above.path, 2000, &err), &err);
		then = *ticks;
		usleep(20000);
		assert_int_equal(*ticks, then);
		ok(cgroup_thaw(h, above.path), &err);
		assert_true(goes_on());
	}
	ok(cgroup_freeze(h, "carob-test-that-is-not-there", 2000, &err), &err);
	ok(cgroup_thaw(h, "carob-test-that-is-not-there"), &err);
	/* frozen ones can be killed */
	ok(cgroup_freeze(h, above.path, 2000, &err), &err);
	ok(cgroup_kill(h, above.path, 5000, &err), &err);
	munmap((void *)ticks, sizeof(*ticks));
}

/* On a hybrid host the freezer of v1 is left out: so as if there were no v2. */
static void groups_stand_still_by_v1(void **state)
{
	_free_ char *text = NULL;
	struct error err = { 0 };
	struct cgroup_host h;
	char *line;

	(void)state;
	ok(file_read(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &text, NULL), &err);
	while ((line = strstr(text, " - cgroup2 ")) != NULL)
		memcpy(line, " - none    ", strlen(" - none    "));
	ok(cgroup_host_parse(&h, text, AT_FDCWD, &err), &err);
	for (unsigned i = 0; i < h.n; i++)
		if (h.list[i].has & CGROUP_FREEZER)
			stand_still(&h);
	ok(cgroup_remove(&h, top, &err), &err);
	cgroup_host_close(&h);
}

static void groups_stand_still_by_v2(void **state)
{
	(void)state;
	if (is_there(&v2_host))
		stand_still(&v2_host);
}

#define TEST(f) cmocka_unit_test_teardown(f, clean_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(groups_are_everywhere_and_then_nowhere),
		TEST(limits_arrive),
		TEST(limits_of_a_group_below_arrive),
		TEST(limits_do_not_depend_on_who_made_the_group_above),
		TEST(number_of_processes_is_limited),
		TEST(memory_is_limited_and_told),
		TEST(devices_are_limited_by_v1),
		TEST(devices_are_limited_by_v2),
		TEST(everything_is_killed),
		TEST(everything_is_killed_by_v1),
		TEST(everything_is_killed_by_v2),
		TEST(who_forks_away_is_killed),
		TEST(groups_stand_still_by_v1),
		TEST(groups_stand_still_by_v2),
	};

	if (geteuid() != 0) {
		print_error("this test needs root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, open_host, close_host);
}
