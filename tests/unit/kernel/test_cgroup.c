/* Control groups on hosts of paper: canned mountinfo, and directories that stand for
 * hierarchies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/base.h"
#include "kernel/cgroup_private.h"

static const char v1_host[] =
	"22 27 0:20 / /sys rw,nosuid - sysfs sysfs rw\n"
	"31 22 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
	"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
	"34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"
	"35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:1 master:2 - cgroup cgroup rw,memory\n"
	"36 31 0:33 / /sys/fs/cgroup/hugetlb rw,relatime - cgroup cgroup rw,hugetlb\n"
	"40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/memory,name=systemd\n"
	"41 31 0:38 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer\n"
	/* a second mount of what is known, and a part of a hierarchy in a chroot */
	"50 31 0:32 / /mnt/memory rw,relatime - cgroup cgroup rw,memory\n"
	"51 31 0:39 /docker/1234 /chroot/sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n";

static const char hybrid_host[] =
	"31 22 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
	"32 31 0:29 / /sys/fs/cgroup/unified rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	"33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
	"34 31 0:31 / /sys/fs/cgroup/odd\\040name rw - cgroup cgroup rw,pids\n";

static const char v2_host[] =
	"26 22 0:23 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate";

static char scratch[64];
static int rootfd = -1;

static void put(const char *name, const char *text)
{
	_close_ int fd = openat(rootfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_int_equal(write_all(fd, text, strlen(text)), 0);
}

static void assert_file(const char *name, const char *text)
{
	_free_ char *data = NULL;

	assert_int_equal(file_read(rootfd, name, 4096, &data, NULL), 0);
	assert_string_equal(data, text);
}

static bool is_dir(const char *name)
{
	struct stat st;

	return fstatat(rootfd, name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

static int setup(void **state)
{
	static const char *const directories[] = {
		"sys/fs/cgroup/cpu,cpuacct", "sys/fs/cgroup/memory",   "sys/fs/cgroup/freezer",
		"sys/fs/cgroup/unified",     "sys/fs/cgroup/odd name",
	};

	(void)state;
	snprintf(scratch, sizeof(scratch), "/tmp/test-cgroup-XXXXXX");
	assert_non_null(mkdtemp(scratch));
	rootfd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
		close(path_make_dirs(rootfd, directories[i]));
	put("sys/fs/cgroup/unified/cgroup.controllers", "hugetlb\n");
	put("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma misc\n");
	return 0;
}

static int teardown(void **state)
{
	_close_ int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	cleanup_close(&rootfd);
	return path_remove_tree(tmp, scratch + strlen("/tmp/"));
}

static struct cgroup_host parse(const char *text)
{
	struct cgroup_host h;
	struct error err = { 0 };
	int r = cgroup_host_parse(&h, text, rootfd, &err);

	if (r < 0)
		print_error("%s\n", err.text);
	assert_int_equal(r, 0);
	return h;
}

static void v1_is_found(void **state)
{
	_cleanup_(cgroup_host_close) struct cgroup_host h = parse(v1_host);

	(void)state;
	assert_int_equal(h.mode, CGROUP_V1);
	assert_int_equal(h.n, 3);
	assert_string_equal(h.list[0].controllers, "cpu,cpuacct");
	assert_string_equal(h.list[0].mount, "/sys/fs/cgroup/cpu,cpuacct");
	assert_int_equal(h.list[0].has, CGROUP_CPU | CGROUP_CPUACCT);
	assert_string_equal(h.list[1].mount, "/sys/fs/cgroup/memory");
	assert_string_equal(h.list[2].controllers, "freezer");
	for (unsigned i = 0; i < h.n; i++)
		assert_true(h.list[i].fd >= 0 && !h.list[i].v2);
	assert_ptr_equal(cgroup_with(&h, CGROUP_CPUACCT), &h.list[0]);
	assert_null(cgroup_with(&h, CGROUP_PIDS));
	assert_null(cgroup_with(&h, CGROUP_DEVICES));
}

static void hybrid_is_found(void **state)
{
	_cleanup_(cgroup_host_close) struct cgroup_host h = parse(hybrid_host);

	(void)state;
	assert_int_equal(h.mode, CGROUP_HYBRID);
	assert_int_equal(h.n, 3);
	assert_true(h.list[0].v2);
	assert_string_equal(h.list[0].controllers, "");
	assert_int_equal(h.v2_controllers, 0);
	assert_string_equal(h.list[2].mount, "/sys/fs/cgroup/odd name");
	assert_ptr_equal(cgroup_with(&h, CGROUP_MEMORY), &h.list[1]);
	assert_ptr_equal(cgroup_with(&h, CGROUP_DEVICES), &h.list[0]);
	assert_null(cgroup_with(&h, CGROUP_CPU));
}

static void v2_is_found(void **state)
{
	_cleanup_(cgroup_host_close) struct cgroup_host h = parse(v2_host);

	(void)state;
	assert_int_equal(h.mode, CGROUP_V2);
	assert_int_equal(h.n, 1);
	assert_int_equal(h.v2_controllers, CGROUP_CPU | CGROUP_BLKIO | CGROUP_MEMORY | CGROUP_PIDS);
}

static void nothing_is_found(void **state)
{
	static const char *const texts[] = {
		"",
		" - cgroup",
		"\n - cgroup cgroup rw,memory\n",
		"31 22 0:28 / /sys/fs/cgroup - cgroup",
		"31 22 0:28 / /sys/fs/cgroup rw - cgroupfs x memory\n",
		"31 22 0:28 /part /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
		"31 22 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=memory\n",
		"31 22 0:28 / /tmp/has\\040-\\040cgroup2 rw - ext4 /dev/sda rw\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_(cgroup_host_close) struct cgroup_host h = parse(texts[i]);

		assert_int_equal(h.mode, CGROUP_NONE);
		assert_int_equal(h.n, 0);
	}
}

static void hierarchy_that_cannot_be_opened_is_an_error(void **state)
{
	struct cgroup_host h = { .n = 77 };
	struct error err = { 0 };

	(void)state;
	assert_int_equal(cgroup_host_parse(&h, "1 2 0:3 / /nowhere rw - cgroup cgroup rw,memory\n",
					   rootfd, &err),
			 -ENOENT);
	assert_non_null(strstr(err.text, "/nowhere"));
	assert_int_equal(h.n, 77);
}

static void group_is_made_everywhere_or_nowhere(void **state)
{
	_cleanup_(cgroup_host_close) struct cgroup_host h = parse(v1_host);
	struct error err = { 0 };
	struct cgroup g = { 0 };

	(void)state;
	assert_int_equal(cgroup_create(&g, &h, "carob/one/app", false, &err), 0);
	assert_string_equal(g.path, "carob/one/app");
	assert_true(is_dir("sys/fs/cgroup/memory/carob/one/app"));
	assert_true(is_dir("sys/fs/cgroup/freezer/carob/one/app"));
	assert_true(is_dir("sys/fs/cgroup/cpu,cpuacct/carob/one/app"));
	assert_int_equal(cgroup_create(&g, &h, "carob/one/app", false, &err), -EEXIST);
	assert_true(is_dir("sys/fs/cgroup/cpu,cpuacct/carob/one/app"));

	assert_int_equal(mkdirat(rootfd, "sys/fs/cgroup/freezer/carob/two", 0755), 0);
	assert_int_equal(cgroup_create(&g, &h, "carob/two", false, &err), -EEXIST);
	assert_non_null(strstr(err.text, "/sys/fs/cgroup/freezer"));
	assert_false(is_dir("sys/fs/cgroup/memory/carob/two"));
	assert_true(is_dir("sys/fs/cgroup/freezer/carob/two"));

	assert_int_equal(cgroup_remove(&h, "carob/one/app", &err), 0);
	assert_int_equal(cgroup_remove(&h, "carob/one/app", &err), 0);
	assert_false(is_dir("sys/fs/cgroup/memory/carob/one/app"));
}

static void odd_paths_are_refused(void **state)
{
	static const char *const bad[] = { "",  "/",  "/a",   "a/",   "a//b",
					   ".", "..", "a/..", "../a", "a/./b" };
	_cleanup_(cgroup_host_close) struct cgroup_host h = parse(v1_host);
	struct error err = { 0 };
	struct cgroup g = { 0 };
	char longest[sizeof(g.path) + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(cgroup_create(&g, &h, bad[i], false, &err), -EINVAL);
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(g.path)] = '\0';
	assert_int_equal(cgroup_create(&g, &h, longest, false, &err), -EINVAL);
	longest[sizeof(g.path) - 1] = '\0';
	assert_int_equal(cgroup_create(&g, &h, longest, false, &err), 0);
	assert_string_equal(g.path, longest);
}

static void v1_limits_are_written(void **state)
{
	const struct cgroup_limits limits = {
		.memory_max = 64 << 20,
		.memory_low = 32 << 20,
		.cpu_milli = 1500,
		.cpu_weight = 50,
	};
	_cleanup_(cgroup_host_close) struct cgroup_host h = parse(v1_host);
	struct error err = { 0 };
	struct cgroup g;

	(void)state;
	assert_int_equal(cgroup_create(&g, &h, "g", false, &err), 0);
	put("sys/fs/cgroup/memory/g/memory.limit_in_bytes", "");
	put("sys/fs/cgroup/memory/g/memory.soft_limit_in_bytes", "");
	put("sys/fs/cgroup/cpu,cpuacct/g/cpu.cfs_period_us", "");
	put("sys/fs/cgroup/cpu,cpuacct/g/cpu.cfs_quota_us", "");
	put("sys/fs/cgroup/cpu,cpuacct/g/cpu.shares", "");
	assert_int_equal(cgroup_limit(&g, &limits, &err), 0);
	assert_file("sys/fs/cgroup/memory/g/memory.limit_in_bytes", "67108864");
	assert_file("sys/fs/cgroup/memory/g/memory.soft_limit_in_bytes", "33554432");
	assert_file("sys/fs/cgroup/cpu,cpuacct/g/cpu.cfs_period_us", "");
	assert_file("sys/fs/cgroup/cpu,cpuacct/g/cpu.cfs_quota_us", "150000");
	assert_file("sys/fs/cgroup/cpu,cpuacct/g/cpu.shares", "512");
	put("sys/fs/cgroup/cpu,cpuacct/g/cpu.cfs_quota_us", "");
	assert_int_equal(
		cgroup_limit(&g, &(struct cgroup_limits){ .cpu_milli = 3, .cpu_weight = 10000 },
			     &err),
		0);
	assert_file("sys/fs/cgroup/cpu,cpuacct/g/cpu.cfs_period_us", "1000000");
	assert_file("sys/fs/cgroup/cpu,cpuacct/g/cpu.cfs_quota_us", "3000");
	assert_file("sys/fs/cgroup/cpu,cpuacct/g/cpu.shares", "102400");
}

static void v2_limits_are_written(void **state)
{
	const struct cgroup_limits limits = {
		.memory_max = 1 << 20,
		.memory_low = 1 << 19,
		.cpu_milli = 250,
		.cpu_weight = 10000,
		.pids_max = 7,
	};
	_cleanup_(cgroup_host_close) struct cgroup_host h = parse(v2_host);
	struct error err = { 0 };
	struct cgroup g;

	(void)state;
	put("sys/fs/cgroup/cgroup.subtree_control", "");
	assert_int_equal(cgroup_create(&g, &h, "carob/g", true, &err), 0);
	/* "+cpu", "+memory", "+pids" and "+io" in four writes, which the kernel would have
	 * understood */
	assert_file("sys/fs/cgroup/cgroup.subtree_control", "+iodsry");
	put("sys/fs/cgroup/carob/g/memory.max", "");
	put("sys/fs/cgroup/carob/g/memory.low", "");
	put("sys/fs/cgroup/carob/g/memory.swap.max", "");
	put("sys/fs/cgroup/carob/g/cpu.max", "");
	put("sys/fs/cgroup/carob/g/cpu.weight", "");
	put("sys/fs/cgroup/carob/g/pids.max", "");
	assert_int_equal(cgroup_limit(&g, &limits, &err), 0);
	assert_file("sys/fs/cgroup/carob/g/memory.max", "1048576");
	assert_file("sys/fs/cgroup/carob/g/memory.low", "524288");
	assert_file("sys/fs/cgroup/carob/g/memory.swap.max", "0");
	assert_file("sys/fs/cgroup/carob/g/cpu.max", "25000 100000");
	assert_file("sys/fs/cgroup/carob/g/cpu.weight", "10000");
	assert_file("sys/fs/cgroup/carob/g/pids.max", "7");
}

static void limits_that_nothing_enforces_are_refused(void **state)
{
	_cleanup_(cgroup_host_close) struct cgroup_host h = parse(hybrid_host);
	_cleanup_(cgroup_host_close) struct cgroup_host none = parse("");
	struct error err = { 0 };
	struct cgroup g;

	(void)state;
	assert_int_equal(cgroup_create(&g, &h, "g", false, &err), 0);
	assert_int_equal(cgroup_limit(&g, &(struct cgroup_limits){ .cpu_milli = 100 }, &err),
			 -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "the cpu limit"));
	assert_non_null(strstr(err.text, "'cpu'"));
	/* the controller is there, its file is not */
	assert_int_equal(cgroup_limit(&g, &(struct cgroup_limits){ .memory_max = 1 << 20 }, &err),
			 -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "memory.limit_in_bytes"));

	assert_int_equal(cgroup_create(&g, &none, "g", false, &err), 0);
	assert_int_equal(cgroup_limit(&g, &(struct cgroup_limits){ 0 }, &err), 0);
	assert_int_equal(cgroup_limit(&g, &(struct cgroup_limits){ .devices = true }, &err),
			 -EOPNOTSUPP);
	assert_int_equal(cgroup_limit(&g, &(struct cgroup_limits){ .pids_max = 1 }, &err),
			 -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "pids"));
}

static void stats_are_read(void **state)
{
	_cleanup_(cgroup_host_close) struct cgroup_host v1 = parse(v1_host);
	_cleanup_(cgroup_host_close) struct cgroup_host v2 = parse(v2_host);
	struct cgroup_stats s;

	(void)state;
	assert_int_equal(cgroup_stats(&v1, "g", &s), -ENOENT);
	assert_int_equal(mkdirat(rootfd, "sys/fs/cgroup/memory/g", 0755), 0);
	assert_int_equal(mkdirat(rootfd, "sys/fs/cgroup/cpu,cpuacct/g", 0755), 0);
	put("sys/fs/cgroup/cpu,cpuacct/g/cpuacct.usage", "123456789\n");
	put("sys/fs/cgroup/memory/g/memory.usage_in_bytes", "4096\n");
	put("sys/fs/cgroup/memory/g/memory.oom_control",
	    "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
	assert_int_equal(cgroup_stats(&v1, "g", &s), 0);
	assert_int_equal(s.cpu_ns, 123456789);
	assert_int_equal(s.memory_bytes, 4096);
	assert_int_equal(s.memory_peak_bytes, 0);
	assert_int_equal(s.oom_kills, 3);
	assert_int_equal(s.pids, 0);

	assert_int_equal(mkdirat(rootfd, "sys/fs/cgroup/g", 0755), 0);
	put("sys/fs/cgroup/g/cpu.stat", "usage_usec 17\nuser_usec 5\nsystem_usec 12\n");
	put("sys/fs/cgroup/g/memory.current", "8192\n");
	put("sys/fs/cgroup/g/memory.peak", "9000\n");
	put("sys/fs/cgroup/g/memory.events", "low 0\noom 2\noom_kill 1\noom_group_kill 0\n");
	put("sys/fs/cgroup/g/pids.current", "4\n");
	assert_int_equal(cgroup_stats(&v2, "g", &s), 0);
	assert_int_equal(s.cpu_ns, 17000);
	assert_int_equal(s.memory_bytes, 8192);
	assert_int_equal(s.memory_peak_bytes, 9000);
	assert_int_equal(s.oom_kills, 1);
	assert_int_equal(s.pids, 4);
}

static int add(pid_t pid, void *arg)
{
	*(int *)arg += pid;
	return pid == 1000 ? 42 : 0;
}

static void processes_of_the_whole_tree_are_listed(void **state)
{
	_cleanup_(cgroup_host_close) struct cgroup_host h = parse(hybrid_host);
	int sum = 0;

	(void)state;
	close(path_make_dirs(rootfd, "sys/fs/cgroup/unified/g/a/b"));
	put("sys/fs/cgroup/unified/g/cgroup.procs", "");
	put("sys/fs/cgroup/unified/g/a/cgroup.procs", "10\n20\n0\n");
	put("sys/fs/cgroup/unified/g/a/b/cgroup.procs", "300\n");
	assert_int_equal(cgroup_each_pid(&h, "missing", add, &sum), 0);
	assert_int_equal(cgroup_each_pid(&h, "g", add, &sum), 0);
	assert_int_equal(sum, 330);
	put("sys/fs/cgroup/unified/g/a/b/cgroup.procs", "1000\n");
	assert_int_equal(cgroup_each_pid(&h, "g", add, &sum), 42);
	put("sys/fs/cgroup/unified/g/a/b/cgroup.procs", "-5\n");
	assert_int_equal(cgroup_each_pid(&h, "g", add, &sum), -EBADMSG);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(v1_is_found),
		TEST(hybrid_is_found),
		TEST(v2_is_found),
		TEST(nothing_is_found),
		TEST(hierarchy_that_cannot_be_opened_is_an_error),
		TEST(group_is_made_everywhere_or_nowhere),
		TEST(odd_paths_are_refused),
		TEST(v1_limits_are_written),
		TEST(v2_limits_are_written),
		TEST(limits_that_nothing_enforces_are_refused),
		TEST(stats_are_read),
		TEST(processes_of_the_whole_tree_are_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
