/* What the server of images may do once it is shut in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ploop/server.h"

enum { NO_WALLS = 100 };

/* The exit code, or 128 + the signal, of a process that is shut in, speaks to nobody as the server
 * does, and then does that. */
static int attempt(int (*act)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		bool shut = dup2(open("/dev/null", O_RDWR | O_CLOEXEC), STDERR_FILENO) >= 0 &&
			    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
			    server_confine_calls(NULL) == 0;

		syscall(SYS_exit_group, shut ? act() : NO_WALLS);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* As libfuse does when a read or a write of its device fails. */
static int complain(void)
{
	errno = ECONNABORTED;
	perror("fuse: reading device");
	return 0;
}

static void complaint_is_no_end(void **state)
{
	(void)state;
	assert_int_equal(attempt(complain), 0);
}

static int open_file(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC) < 0;
}

static int start_process(void)
{
	return fork() < 0;
}

static void what_is_not_served_is_the_end(void **state)
{
	(void)state;
	assert_int_equal(attempt(open_file), 128 + SIGSYS);
	assert_int_equal(attempt(start_process), 128 + SIGSYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(complaint_is_no_end),
		cmocka_unit_test(what_is_not_served_is_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
