#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <cmocka.h>

#include "base/base.h"
#include "kernel/process.h"

struct run {
	struct process_spec spec;
	const char *argv[4], *envp[2];
	int exe;
};

/* sh -c script, with the pipe's end as stdout. */
static void make_run(struct run *r, const char *script, int out)
{
	*r = (struct run){ .argv = { "sh", "-c", script }, .envp = { "PATH=/bin:/usr/bin" } };
	r->exe = open("/bin/sh", O_PATH | O_CLOEXEC);
	assert_true(r->exe >= 0);
	r->spec = (struct process_spec){ .exe_fd = r->exe,
					 .argv = r->argv,
					 .envp = r->envp,
					 .cgroup_fd = -1,
					 .stdio = { -1, out, 2 },
					 .keep_fd = -1 };
}

static int status_of(int pidfd)
{
	int status;

	assert_true(pidfd >= 0);
	assert_int_equal(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(process_wait(pidfd, &status), 0);
	close(pidfd);
	return status;
}

/* Runs it and returns what it wrote; in *output, which the caller's buffer is. */
static void expect(const char *script, const char *output)
{
	char buf[1024];
	struct run r;
	int ends[2];
	ssize_t n;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	make_run(&r, script, ends[1]);
	assert_int_equal(status_of(process_spawn(&r.spec, NULL)), 0);
	close(ends[1]);
	n = read_all(ends[0], buf, sizeof(buf) - 1);
	assert_true(n >= 0);
	buf[n] = '\0';
	assert_string_equal(buf, output);
	close(ends[0]);
	close(r.exe);
}

static void how_it_ends(void **state)
{
	static const struct {
		const char *script;
		int status;
	} table[] = { { "exit 0", 0 },
		      { "exit 1", 1 },
		      { "exit 255", 255 },
		      { "kill -9 $$", 137 },
		      { "kill -15 $$", 143 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct run r;
		pid_t pid = 0;
		int pidfd;

		make_run(&r, table[i].script, 1);
		pidfd = process_spawn(&r.spec, &pid);
		assert_true(pid > 0);
		assert_int_equal(status_of(pidfd), table[i].status);
		close(r.exe);
	}
}

static void is_it_over(void **state)
{
	struct run r;
	int pidfd, status = -1;

	(void)state;
	make_run(&r, "exec sleep 100", 1); /* one process, so that none stays behind */
	pidfd = process_spawn(&r.spec, NULL);
	assert_true(pidfd >= 0);
	assert_int_equal(process_try_wait(pidfd, &status), 0);
	assert_int_equal(status, -1);
	assert_int_equal(process_signal(pidfd, SIGTERM), 0);
	assert_int_equal(process_wait(pidfd, &status), 0);
	assert_int_equal(status, 143);
	assert_int_equal(process_signal(pidfd, SIGTERM), -ESRCH);
	assert_int_equal(process_try_wait(pidfd, &status), -ECHILD);
	close(pidfd);
	close(r.exe);
}

static void exec_failure_is_ours(void **state)
{
	_close_ int text = memfd_create("text", MFD_CLOEXEC),
		    directory = open("/", O_PATH | O_CLOEXEC);
	struct run r;

	(void)state;
	assert_int_equal(write_all(text, "no program", 10), 0);
	make_run(&r, "true", 1);
	for (int i = 0; i < 3; i++) {
		static const int errors[] = { -ENOEXEC, -EACCES, -EBADF };
		const int fds[] = { text, directory, 1000 };

		r.spec.exe_fd = fds[i];
		assert_int_equal(process_spawn(&r.spec, NULL), errors[i]);
	}
	r.spec.exe_fd = r.exe;
	r.spec.stdio[1] = 1000;
	assert_int_equal(process_spawn(&r.spec, NULL), -EBADF);
	r.spec.stdio[1] = 1;
	r.spec.n_more_fds = 1000;
	assert_int_equal(process_spawn(&r.spec, NULL), -E2BIG);
	r.spec.n_more_fds = 0;
	r.spec.clone_flags = ~0ULL;
	assert_int_equal(process_spawn(&r.spec, NULL), -EINVAL);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* none was left behind */
	assert_int_equal(errno, ECHILD);
	close(r.exe);
}

static void has_what_it_was_given(void **state)
{
	(void)state;
	setenv("FOREIGN", "yes", 1);
	expect("env | grep -v ^_= | grep -v ^PWD= | sort", "PATH=/bin:/usr/bin\n");
	expect("readlink /proc/$$/fd/0", "/dev/null\n");
	expect("read x && echo input; ls /proc/self/fd | wc -l",
	       "4\n"); /* 0, 1, 2 and that of ls */
}

/* In a process of its own, whose descriptors are then in each other's way: stdin is to be what is
 * 4, 3 what is 0, 4 and 5 what is 5 and 3, and the program is in 2. */
static int spawn_crosswise(int out)
{
	static const int places[] = { 4, 0, 5, 3 }, more[] = { 5, 3 };
	struct run r;
	int status, pidfd;

	make_run(&r, "for i in 0 3 4 5; do cat <&$i; done; ls /proc/self/fd | wc -l", 60);
	if (dup3(out, 60, O_CLOEXEC) < 0)
		return 100;
	for (int i = 0; i < 4; i++) { /* "w" into 4, "x" into 0, ... */
		char text[] = { (char)('w' + i), '\n' };
		int fd = memfd_create("file", MFD_CLOEXEC);

		if (write_all(fd, text, 2) < 0 || lseek(fd, 0, SEEK_SET) < 0 ||
		    dup3(fd, 70 + i, O_CLOEXEC) < 0)
			return 101;
		close(fd);
	}
	if (dup3(r.exe, 75, O_CLOEXEC) < 0)
		return 102;
	if (syscall(SYS_close_range, 6, 59, 0) < 0)
		return 103;
	for (int i = 0; i < 4; i++)
		if (dup3(70 + i, places[i], O_CLOEXEC) < 0)
			return 104;
	if (dup3(75, 2, O_CLOEXEC) < 0)
		return 105;
	r.spec.exe_fd = 2;
	r.spec.stdio[0] = 4;
	r.spec.stdio[2] = 60;
	r.spec.keep_fd = 0;
	r.spec.more_fds = more;
	r.spec.n_more_fds = 2;
	pidfd = process_spawn(&r.spec, NULL);
	if (pidfd < 0)
		return 106;
	if (fcntl(0, F_GETFD) != FD_CLOEXEC ||
	    fcntl(3, F_GETFD) != FD_CLOEXEC) /* ours are as they were */
		return 107;
	return process_wait(pidfd, &status) < 0 ? 108 : status;
}

static void descriptors_are_moved_about(void **state)
{
	int ends[2], status;
	char buf[256];
	ssize_t n;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(spawn_crosswise(ends[1]));
	close(ends[1]);
	n = read_all(ends[0], buf, sizeof(buf) - 1);
	assert_true(n >= 0);
	buf[n] = '\0';
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_string_equal(buf, "w\nx\ny\nz\n7\n"); /* 0 to 5 and that of ls */
	close(ends[0]);
}

static void sessions(void **state)
{
	struct run r;
	int ends[2], pidfd;
	char buf[64] = "";
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	make_run(&r, "sed 's/.*) //' /proc/$$/stat | cut -d' ' -f4", ends[1]);
	r.spec.new_session = true;
	pidfd = process_spawn(&r.spec, &pid);
	assert_int_equal(status_of(pidfd), 0);
	close(ends[1]);
	assert_true(read_all(ends[0], buf, sizeof(buf) - 1) > 0);
	assert_int_equal(strtol(buf, NULL, 10), pid);
	close(ends[0]);
	close(r.exe);
}

/* What the parent has caught, ignored or blocked. */
static void signals(void **state)
{
	sigset_t all;

	(void)state;
	/* a shell's job in the background is begun with these ignored */
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	sigfillset(&all);
	assert_int_equal(sigprocmask(SIG_BLOCK, &all, NULL), 0);
	expect("grep -E 'Sig(Blk|Ign)' /proc/self/status",
	       "SigBlk:\t0000000000000000\nSigIgn:\t0000000000001200\n");
	assert_int_equal(process_reset_signals(), 0);
	assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &all), 0);
	assert_int_equal(sigismember(&all, SIGTERM), 1);
	sigemptyset(&all);
	assert_int_equal(sigprocmask(SIG_SETMASK, &all, NULL), 0);
	expect("grep -E 'Sig(Blk|Ign)' /proc/self/status",
	       "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

static void assert_sealed(int fd)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;

	assert_int_equal(fcntl(fd, F_GET_SEALS) & seals, seals);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
}

static void sealed_copy(void **state)
{
	_close_ int sh = open("/bin/sh", O_RDONLY | O_CLOEXEC),
		    copy = process_sealed_copy(sh, "sh");
	_free_ char *a = NULL, *b = NULL;
	size_t a_len, b_len;
	struct run r;

	(void)state;
	assert_true(copy >= 0);
	assert_sealed(copy);
	assert_int_equal(file_read_fd(sh, 16 << 20, &a, &a_len), 0);
	assert_int_equal(file_read_fd(copy, 16 << 20, &b, &b_len), 0);
	assert_int_equal(a_len, b_len);
	assert_memory_equal(a, b, a_len);
	make_run(&r, "exit 3", 1);
	r.spec.exe_fd = copy;
	assert_int_equal(status_of(process_spawn(&r.spec, NULL)), 3);
	close(r.exe);
}

static void sealed_bytes(void **state)
{
	_close_ int fd = process_sealed_bytes("bytes", "hello", 5);
	_free_ char *text = NULL;

	(void)state;
	assert_true(fd >= 0);
	assert_sealed(fd);
	assert_int_equal(file_read_fd(fd, 100, &text, NULL), 0);
	assert_string_equal(text, "hello");
}

/* Another user without groups, limits, no way to more rights. Needs root for the first of these;
 * else it stays who it is. */
static void confinement(void **state)
{
	static const char script[] =
		"sed -n 's/^\\(Uid\\|Gid\\|Groups\\|NoNewPrivs\\|CapEff\\):[ \t]*//p' "
		"/proc/self/status | tr -s ' \t\n' ,; ulimit -n; ulimit -Hc";
	const struct process_limit limits[] = { { RLIMIT_NOFILE, 20 }, { RLIMIT_CORE, 0 } };
	const struct process_confinement confine = {
		.change_user = geteuid() == 0,
		.uid = 65534,
		.gid = 65533,
		.limits = limits,
		.n_limits = ARRAY_SIZE(limits),
	};
	char buf[1024];
	struct run r;
	int ends[2];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	make_run(&r, script, ends[1]);
	r.spec.confine = &confine;
	assert_int_equal(status_of(process_spawn(&r.spec, NULL)), 0);
	close(ends[1]);
	n = read_all(ends[0], buf, sizeof(buf) - 1);
	assert_true(n >= 0);
	buf[n] = '\0';
	if (geteuid() == 0)
		assert_string_equal(buf, "65534,65534,65534,65534,65533,65533,65533,65533,"
					 "0000000000000000,1,20\n0\n");
	else
		assert_non_null(strstr(buf, ",1,20\n0\n"));
	close(ends[0]);
	close(r.exe);
}

/* What is confined does not outlive whoever started it. */
static void confined_ends_with_its_parent(void **state)
{
	const struct process_confinement confine = { .limits = NULL };
	struct run r;
	int ends[2];
	pid_t parent;
	char byte;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	parent = fork();
	assert_true(parent >= 0);
	if (parent == 0) {
		make_run(&r, "echo; exec sleep 60", ends[1]);
		r.spec.confine = &confine;
		if (process_spawn(&r.spec, NULL) < 0)
			_exit(1);
		close(ends[1]);
		(void)!read(ends[0], &byte, 1); /* it runs */
		_exit(0);
	}
	close(ends[1]);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	/* the end comes when the last writer is gone */
	assert_int_equal(read(ends[0], &byte, 1), 0);
	close(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(how_it_ends),
		cmocka_unit_test(is_it_over),
		cmocka_unit_test(exec_failure_is_ours),
		cmocka_unit_test(has_what_it_was_given),
		cmocka_unit_test(descriptors_are_moved_about),
		cmocka_unit_test(sessions),
		cmocka_unit_test(signals),
		cmocka_unit_test(confinement),
		cmocka_unit_test(confined_ends_with_its_parent),
		cmocka_unit_test(sealed_copy),
		cmocka_unit_test(sealed_bytes),
	};

	/* whoever runs the tests may have left more open than we want to see in a child */
	syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
