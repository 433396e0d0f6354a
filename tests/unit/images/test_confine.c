/* What is left to carob-unpack when it begins to read: seen from outside, while it waits for
 * its first byte. */
#include "bench.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "images/unpack/unpack.h"

struct process {
	int pidfd, proc; /* /proc/PID */
	int in;          /* where its archive comes from */
	int says;
};

/* Starts it with a pipe as the archive, so that it waits, and with descriptors that it should
 * not keep. */
static void start(struct bench *b, struct process *p, const char *option, int tree)
{
	_close_ int in = -1, say = -1, out = open("/dev/null", O_WRONLY | O_CLOEXEC);
	const char *argv[] = { "carob-unpack", option, NULL }, *envp[] = { "LD_PRELOAD=", NULL };
	_free_ char *exe = str_printf("%s/carob-unpack", b->libexec);
	_close_ int exe_fd = open(exe, O_PATH | O_CLOEXEC),
		    host = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char path[32];
	int more[3];
	pid_t pid;
	struct process_spec spec = {
		.exe_fd = exe_fd,
		.argv = argv,
		.envp = envp,
		.cgroup_fd = -1,
		.keep_fd = tree >= 0 ? tree : host,
		.more_fds = more,
		.n_more_fds = ARRAY_SIZE(more),
	};

	assert_ok(b, helper_pipe(&in, &p->in, &b->err));
	assert_ok(b, helper_pipe(&p->says, &say, &b->err));
	more[0] = say;
	more[1] = host; /* somebody forgot to close these */
	more[2] = b->dirfd;
	spec.stdio[0] = in;
	spec.stdio[1] = out;
	spec.stdio[2] = host;
	p->pidfd = process_spawn(&spec, &pid);
	assert_true(p->pidfd >= 0);
	snprintf(path, sizeof(path), "/proc/%d", pid);
	p->proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(p->proc >= 0);
}

static void finish(struct process *p)
{
	int status;

	close(p->in);
	close(p->says);
	close(p->proc);
	assert_int_equal(process_signal(p->pidfd, SIGKILL), 0);
	assert_int_equal(process_wait(p->pidfd, &status), 0);
	close(p->pidfd);
}

/* The rest of the line of /proc/PID/status that begins with key. */
static char *status_line(const struct process *p, const char *key)
{
	_free_ char *text = NULL;
	char *at;

	assert_int_equal(file_read(p->proc, "status", 1 << 16, &text, NULL), 0);
	at = strstr(text, key);
	assert_non_null(at);
	at += strlen(key);
	at += strspn(at, " \t");
	return strndup(at, strcspn(at, "\n"));
}

static void assert_status(const struct process *p, const char *key, const char *value)
{
	_free_ char *line = status_line(p, key);

	if (!str_eq(line, value))
		fail_msg("%s is %s and should be %s", key, line, value);
}

/* The filter is the last step: with it, everything is done. */
static void wait_until_confined(const struct process *p)
{
	for (int i = 0; i < 1000; i++) {
		_free_ char *mode = status_line(p, "\nSeccomp:");

		if (str_eq(mode, "2"))
			return;
		usleep(10000);
	}
	fail_msg("there is no filter after ten seconds");
}

static void read_link(int dirfd, const char *name, char *target, size_t size)
{
	ssize_t n = readlinkat(dirfd, name, target, size - 1);

	assert_true(n >= 0);
	target[n] = '\0';
}

static void assert_other_namespace(const struct process *p, const char *name, bool other)
{
	_free_ char *theirs = str_printf("ns/%s", name),
		    *ours = str_printf("/proc/self/ns/%s", name);
	char a[64], b[64];

	read_link(p->proc, theirs, a, sizeof(a));
	read_link(AT_FDCWD, ours, b, sizeof(b));
	if (str_eq(a, b) == other)
		fail_msg("the %s namespace is %s", name, other ? "the host's" : "another one");
}

static int note_fd(_unused_ int dirfd, const char *name, void *arg)
{
	uint64_t fd;

	assert_int_equal(str_to_u64(name, 63, &fd), 0);
	*(uint64_t *)arg |= 1ULL << fd;
	return 0;
}

static uint64_t open_fds(const struct process *p)
{
	_close_ int dir = openat(p->proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t set = 0;

	assert_int_equal(dir_each(dir, note_fd, &set), 0);
	return set;
}

static unsigned count_mounts(const struct process *p)
{
	_free_ char *text = NULL;
	unsigned n = 0;

	assert_int_equal(file_read(p->proc, "mountinfo", 1 << 20, &text, NULL), 0);
	for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
		n++;
	return n;
}

static void check_common(const struct process *p)
{
	static const char *const others[] = { "mnt", "net", "ipc", "uts" };

	wait_until_confined(p);
	assert_status(p, "\nNoNewPrivs:", "1");
	assert_status(p, "\nCapInh:", "0000000000000000");
	assert_status(p, "\nCapBnd:", "0000000000000000");
	assert_status(p, "\nCapAmb:", "0000000000000000");
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_other_namespace(p, others[i], true);
	assert_int_equal(count_mounts(p), 1);
}

static void check_with_tree(struct bench *b, const char *option)
{
	_close_ int tree = -1, root = -1;
	struct stat theirs, ours;
	struct process p;

	put(b->dirfd, "tree/inside", "x");
	tree = openat(b->dirfd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	start(b, &p, option, tree);
	check_common(&p);
	/* CHOWN, DAC_OVERRIDE, FOWNER, FSETID, MKNOD, SETFCAP */
	assert_status(&p, "\nCapEff:", "000000008800001b");
	assert_status(&p, "\nCapPrm:", "000000008800001b");
	assert_int_equal(open_fds(&p), 1 << 0 | 1 << UNPACK_TREE_FD | 1 << UNPACK_REPORT_FD);
	assert_int_equal(fstatat(p.proc, "root", &theirs, 0), 0);
	assert_int_equal(fstat(tree, &ours), 0);
	assert_int_equal(theirs.st_ino, ours.st_ino);
	assert_int_equal(theirs.st_dev, ours.st_dev);
	root = openat(p.proc, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_file(root, "inside", "x");
	assert_file(root, "../../inside", "x"); /* nothing above */
	finish(&p);
}

static void test_extract(void **state)
{
	check_with_tree(*state, "--extract");
}

static void test_layer(void **state)
{
	check_with_tree(*state, "--layer");
}

static void test_files(void **state)
{
	check_with_tree(*state, "--files");
}

static void check_empty_place(struct bench *b, const char *option, uint64_t fds)
{
	struct process p;

	start(b, &p, option, -1);
	check_common(&p);
	assert_status(&p, "\nCapEff:", "0000000000000000");
	assert_status(&p, "\nCapPrm:", "0000000000000000");
	assert_int_equal(open_fds(&p), fds);
	assert_int_equal(count_entries(p.proc, "root"), 0);
	finish(&p);
}

static void test_decompress(void **state)
{
	check_empty_place(*state, "--decompress", 1 << 0 | 1 << 1 | 1 << UNPACK_REPORT_FD);
}

static void test_check(void **state)
{
	check_empty_place(*state, "--check", 1 << 0 | 1 << UNPACK_REPORT_FD);
}

/* Without a directory there is nothing to be shut into: not a byte is read. */
static void test_fails_closed(void **state)
{
	struct bench *b = *state;
	struct process p;
	char *record;
	int left;
	ssize_t n;
	int file = openat(b->dirfd, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	start(b, &p, "--extract", file);
	close(file);
	assert_int_equal(write_all(p.in, "untouched", 9), 0);
	record = calloc(1, 4096);
	n = read_all(p.says, record, 4096);
	/* one record: the failure */
	assert_true(n > (ssize_t)sizeof(struct unpack_record));
	assert_int_equal(((struct unpack_record *)record)->kind, UNPACK_FAILURE);
	free(record);
	assert_int_equal(ioctl(p.in, FIONREAD, &left), 0);
	assert_int_equal(left, 9);
	finish(&p);
}

/* Its parent's death is its own. */
static void test_dies_with_parent(void **state)
{
	struct bench *b = *state;
	int fds[2], pidfd;
	pid_t child, grandchild = 0;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		struct process p;
		char link[64];

		start(b, &p, "--check", -1);
		wait_until_confined(&p);
		read_link(p.proc, "exe", link, sizeof(link)); /* it runs */
		{
			_free_ char *pid = status_line(&p, "\nPid:");

			if (write_all(fds[1], pid, strlen(pid) + 1) < 0)
				_exit(1);
		}
		pause();
	}
	{
		char text[16] = "";
		uint64_t pid;

		assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
		assert_int_equal(str_to_u64(text, INT32_MAX, &pid), 0);
		grandchild = (pid_t)pid;
	}
	pidfd = (int)syscall(SYS_pidfd_open, grandchild, 0);
	assert_true(pidfd >= 0);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	{
		struct pollfd wait = { .fd = pidfd, .events = POLLIN };

		assert_int_equal(poll(&wait, 1, 10000), 1);
	}
	close(pidfd);
	close(fds[0]);
	close(fds[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(extract),          TEST(layer), TEST(files),
		TEST(decompress),       TEST(check), TEST(fails_closed),
		TEST(dies_with_parent),
	};

	return cmocka_run_group_tests_name("confine", tests, NULL, NULL);
}
