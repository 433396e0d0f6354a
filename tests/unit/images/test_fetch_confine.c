/* What the walls of carob-fetch hold: a child shuts itself in and then tries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/base.h"
#include "images/fetch/confine.h"
#include "images/fetch/fetch.h"
#include "images/fetch/landlock.h"

enum {
	NO_WALLS = 100, /* confinement itself failed */
	FILE_MAX = 1 << 20,
};

struct attempt {
	int (*shut)(unsigned port, struct error *err);
	int (*run)(unsigned port); /* 0, or the errno that it got */
	unsigned port;
};

static int shut_all(unsigned port, struct error *err)
{
	int r = confine_rights(err);

	return r < 0 ? r : confine_reach(port, FILE_MAX, err);
}

static int shut_landlock(unsigned port, struct error *err)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : landlock_restrict(port, err);
}

/* The child's descriptors are those of carob-fetch: a file of root's, and a report nobody reads. */
static _noreturn_ void child(const struct attempt *a)
{
	int file = memfd_create("file", MFD_CLOEXEC);
	int high = fcntl(file, F_DUPFD_CLOEXEC, 20);

	dup3(high, FETCH_FILE_FD, O_CLOEXEC);
	dup3(high, FETCH_REPORT_FD, O_CLOEXEC);
	signal(SIGXFSZ, SIG_IGN);
	syscall(SYS_exit_group, a->shut(a->port, NULL) < 0 ? NO_WALLS : a->run(a->port));
	abort();
}

/* The exit code, or 128 + the signal. */
static int attempt(const struct attempt *a)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		child(a);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int attempt_all(int (*run)(unsigned port))
{
	const struct attempt a = { .shut = shut_all, .run = run, .port = 1 };

	return attempt(&a);
}

static int try_open(const char *path, int flags)
{
	return syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600) < 0 ? errno : 0;
}

static int open_passwd(_unused_ unsigned port)
{
	return try_open("/etc/passwd", O_RDONLY);
}

static int open_null(_unused_ unsigned port)
{
	return try_open("/dev/null", O_WRONLY);
}

static int make_file(_unused_ unsigned port)
{
	return try_open("/tmp/never-made", O_WRONLY | O_CREAT);
}

static int list_root(_unused_ unsigned port)
{
	return try_open("/", O_RDONLY | O_DIRECTORY);
}

static int make_dir(_unused_ unsigned port)
{
	return syscall(SYS_mkdirat, AT_FDCWD, "/tmp/never-made", 0700) < 0 ? errno : 0;
}

static int execute(_unused_ unsigned port)
{
	char *const argv[] = { (char *)"/bin/true", NULL };

	return syscall(SYS_execve, argv[0], argv, NULL) < 0 ? errno : 0;
}

static int fork_once(_unused_ unsigned port)
{
	return syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) < 0 ? errno : 0;
}

static int map_executable(_unused_ unsigned port)
{
	syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return 0;
}

static int make_unix_socket(_unused_ unsigned port)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0 ? errno : 0;
}

static int make_raw_socket(_unused_ unsigned port)
{
	return socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 0) < 0 ? errno : 0;
}

static int make_udp_socket(_unused_ unsigned port)
{
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) < 0 ? errno : 0;
}

static int trace_parent(_unused_ unsigned port)
{
	return syscall(SYS_ptrace, 16 /* PTRACE_ATTACH */, getppid(), 0, 0) < 0 ? errno : 0;
}

static int become_root(_unused_ unsigned port)
{
	return syscall(SYS_setuid, 0) < 0 ? errno : 0;
}

static int write_file(_unused_ unsigned port)
{
	return pwrite(FETCH_FILE_FD, "x", 1, FILE_MAX - 1) < 0 ? errno : 0;
}

static int write_too_much(_unused_ unsigned port)
{
	return pwrite(FETCH_FILE_FD, "x", 1, FILE_MAX) < 0 ? errno : 0;
}

static void test_files(_unused_ void **state)
{
	struct stat st;

	assert_int_equal(attempt_all(open_passwd), EACCES);
	assert_int_equal(attempt_all(open_null), EACCES);
	assert_int_equal(attempt_all(make_file), EACCES);
	assert_int_equal(attempt_all(list_root), EACCES);
	assert_int_equal(attempt_all(make_dir), 128 + SIGSYS);
	assert_int_equal(fstatat(AT_FDCWD, "/tmp/never-made", &st, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(attempt_all(write_file), 0);
	assert_int_equal(attempt_all(write_too_much), EFBIG);
}

static void test_programs(_unused_ void **state)
{
	assert_int_equal(attempt_all(execute), 128 + SIGSYS);
	assert_int_equal(attempt_all(fork_once), EACCES);
	assert_int_equal(attempt_all(map_executable), 128 + SIGSYS);
	assert_int_equal(attempt_all(trace_parent), 128 + SIGSYS);
	assert_int_equal(attempt_all(become_root), 128 + SIGSYS);
}

static void test_sockets(_unused_ void **state)
{
	assert_int_equal(attempt_all(make_unix_socket), 128 + SIGSYS);
	assert_int_equal(attempt_all(make_raw_socket), 128 + SIGSYS);
	assert_int_equal(attempt_all(make_udp_socket), EAFNOSUPPORT);
}

/* ---- landlock alone -------------------------------------------------------------------------- */

static long landlock_version(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0,
		       1 /* LANDLOCK_CREATE_RULESET_VERSION */);
}

static int connect_to(unsigned port)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)port),
	};
	_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 || connect(fd, (const void *)&to, sizeof(to)) < 0 ? errno : 0;
}

static int connect_to_next(unsigned port)
{
	return connect_to(port + 1);
}

static int attempt_landlocked(int (*run)(unsigned port), unsigned port)
{
	const struct attempt a = { .shut = shut_landlock, .run = run, .port = port };

	return attempt(&a);
}

/* Without it the rest has to hold, and nothing here may fail. */
static void test_landlock(_unused_ void **state)
{
	long version = landlock_version();
	bool files = version >= 1, ports = version >= 4;

	assert_int_equal(attempt_landlocked(open_passwd, 1), files ? EACCES : 0);
	assert_int_equal(attempt_landlocked(list_root, 1), files ? EACCES : 0);
	assert_int_equal(attempt_landlocked(open_null, 1), files ? EACCES : 0);
	assert_int_equal(attempt_landlocked(write_file, 1), 0);
	/* nobody listens there: a refusal of the port's own is as good as a connection */
	assert_int_equal(attempt_landlocked(connect_to, 1), ECONNREFUSED);
	assert_int_equal(attempt_landlocked(connect_to_next, 1), ports ? EACCES : ECONNREFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_programs),
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_landlock),
	};

	return cmocka_run_group_tests_name("fetch_confine", tests, NULL, NULL);
}
