/* kernel/guard.h: what is to be undone is a file that is to be removed. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/guard.h"
#include "kernel/process.h"

struct note {
	char path[64];
	pid_t undone_by; /* only if it is undone in this process */
};

static void unlink_it(void *arg)
{
	struct note *note = arg;

	unlink(note->path);
	note->undone_by = getpid();
}

static struct note make_note(void)
{
	struct note note = { .path = "/tmp/test-guard-XXXXXX" };
	int fd = mkostemp(note.path, O_CLOEXEC);

	assert_true(fd >= 0);
	close(fd);
	return note;
}

static bool is_there(const struct note *note)
{
	return access(note->path, F_OK) == 0;
}

static void done_by_the_child(void **state)
{
	struct note note = make_note();
	struct guard g;

	(void)state;
	assert_int_equal(guard_start(&g, unlink_it, &note), 0);
	assert_true(is_there(&note));
	guard_end(&g);
	assert_false(is_there(&note));
	assert_int_equal(note.undone_by, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	guard_end(&g); /* there is none any more */
}

static void done_by_us(void **state)
{
	struct note note = make_note();
	struct guard g;

	(void)state;
	assert_int_equal(guard_start(&g, unlink_it, &note), 0);
	assert_int_equal(process_signal(g.pidfd, SIGKILL), 0);
	guard_end(&g);
	assert_false(is_there(&note));
	assert_int_equal(note.undone_by, getpid());
}

static void not_done(void **state)
{
	struct note note = make_note();
	struct guard g;

	(void)state;
	assert_int_equal(guard_start(&g, unlink_it, &note), 0);
	guard_cancel(&g);
	assert_true(is_there(&note));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	guard_end(&g);
	assert_true(is_there(&note));
	unlink(note.path);
}

/* The child tells by the pipe that the guard is there; that the guard ends is seen by the same. */
static void done_when_killed(void **state)
{
	struct note note = make_note();
	struct pollfd end = { .events = POLLIN };
	int ends[2];
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct guard g;

		if (guard_start(&g, unlink_it, &note) == 0 && write(ends[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &c, 1), 1);
	assert_true(is_there(&note));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	end.fd = ends[0];
	assert_int_equal(poll(&end, 1, 10000), 1);
	assert_int_equal(read(ends[0], &c, 1), 0);
	assert_false(is_there(&note));
	close(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(done_by_the_child),
		cmocka_unit_test(done_by_us),
		cmocka_unit_test(not_done),
		cmocka_unit_test(done_when_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
