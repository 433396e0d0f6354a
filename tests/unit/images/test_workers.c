#include "images/workers.h"

#include <fcntl.h>
#include <setjmp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

enum { JOBS = 9 };

struct table {
	size_t ended[JOBS];
	size_t n_ended;
	int results[JOBS];
	uint64_t done[JOBS];
	unsigned reports;
	pid_t pids[JOBS];
	int gate[2]; /* a pipe that all of them have: a byte for each; it ends with the last */
};

static int set_up(void **state)
{
	struct table *t = calloc(1, sizeof(*t));

	*state = t;
	return t && pipe2(t->gate, O_CLOEXEC) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	struct table *t = *state;

	close(t->gate[0]);
	close(t->gate[1]);
	free(t);
	return 0;
}

static int keep(void *arg, size_t index, int r, const struct buf *result,
		struct error *err _unused_)
{
	struct table *t = arg;

	t->ended[t->n_ended++] = index;
	t->results[index] = r;
	if (result->len == sizeof(pid_t))
		memcpy(&t->pids[index], result->data, sizeof(pid_t));
	return 0;
}

static void progressed(void *arg, size_t index, uint64_t done, uint64_t total)
{
	struct table *t = arg;

	t->done[index] = done;
	t->reports++;
	assert_int_equal(total, 100);
}

/* Nobody has the gate open but we: it is at its end once we have closed our side. */
static void assert_gate_closes(struct table *t)
{
	struct pollfd fd = { .fd = t->gate[0], .events = POLLIN };
	char bytes[64];

	close(t->gate[1]);
	t->gate[1] = -1;
	assert_true(read(t->gate[0], bytes, sizeof(bytes)) > 0);
	assert_int_equal(poll(&fd, 1, 10000), 1);
	assert_int_equal(read(t->gate[0], bytes, sizeof(bytes)), 0);
}

/* ---- what they do ---------------------------------------------------------------------------- */

static int own_pid(struct buf *result)
{
	pid_t pid = getpid();

	return buf_add(result, &pid, sizeof(pid));
}

static int run_well(void *arg _unused_, size_t index, const struct images_progress *progress,
		    struct buf *result, struct error *err _unused_)
{
	for (uint64_t done = 0; done <= 100; done += 50)
		progress->report(progress->arg, "a job", done, 100);
	return own_pid(result) < 0 ? -ENOMEM : (int)index;
}

static void test_all_of_them(void **state)
{
	struct table *t = *state;
	struct workers w = { JOBS, 3, t, run_well, keep, progressed, false };
	struct error err = { 0 };

	assert_int_equal(workers_run(&w, NULL, &err), 0);
	assert_int_equal(t->n_ended, JOBS);
	assert_int_equal(t->reports, 3 * JOBS);
	for (int i = 0; i < JOBS; i++) {
		assert_int_equal(t->results[i], i);
		assert_int_equal(t->done[i], 100);
		assert_true(t->pids[i] > 0 && t->pids[i] != getpid());
		assert_int_equal(kill(t->pids[i], 0), -1);
	}
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left */
}

static void test_none(void **state)
{
	struct workers w = { 0, 3, *state, run_well, keep, NULL, false };
	struct error err = { 0 };

	assert_int_equal(workers_run(&w, NULL, &err), 0);
}

static void count_report(void *arg, const char *what, uint64_t done _unused_, uint64_t total)
{
	assert_string_equal(what, "a job");
	assert_int_equal(total, 100);
	++*(unsigned *)arg;
}

static void test_progress_as_it_comes(void **state)
{
	unsigned reports = 0;
	const struct images_progress progress = { count_report, &reports };
	struct workers w = { JOBS, 0, *state, run_well, NULL, NULL, false };
	struct error err = { 0 };

	assert_int_equal(workers_run(&w, &progress, &err), 0);
	assert_int_equal(reports, 3 * JOBS);
}

/* Waits until `parallel` of them are here, so it only ends when they run at once. */
static int run_together(void *arg, size_t index _unused_, const struct images_progress *p _unused_,
			struct buf *result _unused_, struct error *err)
{
	struct table *t = arg;
	int n = 0;

	if (write(t->gate[1], "x", 1) != 1)
		return -EIO;
	for (int i = 0; i < 2000; i++) {
		struct timespec tick = { .tv_nsec = 5000000 };

		if (ioctl(t->gate[0], FIONREAD, &n) == 0 && n >= 3)
			return n > 3 ? error_set(err, -E2BIG, "%d at once", n) : 0;
		nanosleep(&tick, NULL);
	}
	return error_set(err, -ETIMEDOUT, "only %d at once", n);
}

static void test_parallel(void **state)
{
	struct table *t = *state;
	struct workers w = { 3, 8, t, run_together, NULL, NULL, false };
	struct error err = { 0 };

	if (workers_run(&w, NULL, &err) < 0)
		fail_msg("%s", err.text);
}

/* No more than `parallel`: each leaves a byte while it is there. */
static int run_counted(void *arg, size_t index _unused_, const struct images_progress *p _unused_,
		       struct buf *result _unused_, struct error *err)
{
	struct table *t = arg;
	struct timespec tick = { .tv_nsec = 20000000 };
	char byte;
	int n = 0;

	if (write(t->gate[1], "x", 1) != 1 || ioctl(t->gate[0], FIONREAD, &n) < 0)
		return -EIO;
	if (n > 2)
		return error_set(err, -E2BIG, "%d at once", n);
	nanosleep(&tick, NULL);
	return read(t->gate[0], &byte, 1) == 1 ? 0 : -EIO;
}

static void test_not_too_many(void **state)
{
	struct table *t = *state;
	struct workers w = { JOBS, 2, t, run_counted, NULL, NULL, false };
	struct error err = { 0 };

	if (workers_run(&w, NULL, &err) < 0)
		fail_msg("%s", err.text);
}

/* Number 1 fails; the others would stay for ever, each with a child of its own. */
static int run_badly(void *arg, size_t index, const struct images_progress *p _unused_,
		     struct buf *result _unused_, struct error *err)
{
	struct table *t = arg;
	int n = 0;

	if (index != 1) {
		if (fork() >= 0 && write(t->gate[1], "x", 1) == 1)
			for (;;)
				pause();
		return -EIO;
	}
	while (ioctl(t->gate[0], FIONREAD, &n) == 0 && n < 4)
		usleep(1000);
	error_set(err, -EBADMSG, "it is broken.");
	return error_context(err, -EBADMSG, "job", "one");
}

static void test_first_error_wins(void **state)
{
	struct table *t = *state;
	struct workers w = { JOBS, 3, t, run_badly, keep, NULL, false };
	struct error err = { 0 };

	assert_int_equal(workers_run(&w, NULL, &err), -EBADMSG);
	assert_string_equal(err.text, "it is broken");
	assert_string_equal(err.object, "one");
	assert_int_equal(t->n_ended, 1);
	assert_gate_closes(t);
}

static int run_dead(void *arg _unused_, size_t index, const struct images_progress *p _unused_,
		    struct buf *result _unused_, struct error *err)
{
	if (index == 2)
		kill(getpid(), SIGKILL);
	return index == 4 ? error_set(err, -EPERM, "four.") : 0;
}

static void test_killed_and_going_on(void **state)
{
	struct table *t = *state;
	struct workers w = { JOBS, 1, t, run_dead, keep, NULL, true };
	struct error err = { 0 };

	assert_int_equal(workers_run(&w, NULL, &err), -EIO);
	assert_non_null(strstr(err.text, "signal 9"));
	assert_int_equal(t->n_ended, JOBS);
	assert_int_equal(t->results[2], -EIO);
	assert_int_equal(t->results[4], -EPERM);
	assert_int_equal(t->results[5], 0);
}

/* When the caller is killed nobody of his stays: the gate has no writer but us. */
static int run_forever(void *arg, size_t index _unused_, const struct images_progress *p _unused_,
		       struct buf *result _unused_, struct error *err _unused_)
{
	struct table *t = arg;

	if (fork() < 0 || write(t->gate[1], "x", 1) != 1)
		return -EIO;
	for (;;)
		pause();
}

static void test_caller_dies(void **state)
{
	struct table *t = *state;
	struct workers w = { 2, 2, t, run_forever, NULL, NULL, false };
	struct error err = { 0 };
	pid_t pid = fork();
	int n = 0;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(workers_run(&w, NULL, &err) < 0);
	while (ioctl(t->gate[0], FIONREAD, &n) == 0 && n < 4)
		usleep(1000);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_gate_closes(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_of_them, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_progress_as_it_comes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_parallel, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_too_many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_first_error_wins, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_killed_and_going_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_caller_dies, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("workers", tests, NULL, NULL);
}
