#include "scratch.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

#define MS 1000000LL

enum { DONE = 42 };

struct counter {
	struct loop *loop;
	struct loop_source source, *other;
	struct loop_timer timer, *victim;
	int calls, limit;
};

static int drain(struct loop_source *source, uint32_t events)
{
	struct counter *c = source->data;
	uint64_t value;

	assert_int_equal(events, EPOLLIN);
	assert_int_equal(read(source->fd, &value, sizeof(value)), sizeof(value));
	return ++c->calls == c->limit ? DONE : 0;
}

static int tick(struct loop_timer *timer)
{
	struct counter *c = timer->data;

	assert_false(timer->armed);
	return ++c->calls == c->limit ? DONE : 0;
}

static int never(struct loop_source *source _unused_, uint32_t events _unused_)
{
	fail_msg("a callback that must not run");
	return -EINVAL;
}

static int never_timer(struct loop_timer *timer _unused_)
{
	fail_msg("a timer that must not run");
	return -EINVAL;
}

/* Ends a loop that would otherwise stay for ever: a test fails, it does not hang. */
static int too_late(struct loop_timer *timer _unused_)
{
	return -ETIME;
}

static void start(struct loop *l, struct loop_timer *guard)
{
	assert_int_equal(loop_init(l), 0);
	assert_int_equal(fcntl(l->epfd, F_GETFD), FD_CLOEXEC);
	*guard = (struct loop_timer){ .fn = too_late };
	loop_timer_arm(l, guard, 10000 * MS);
}

static int ready_fd(void)
{
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}

static void descriptors(void **state _unused_)
{
	struct loop l;
	struct loop_timer guard;
	_close_ int fd = ready_fd(), quiet = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct counter c = { .source = { .fd = -1, .fn = drain }, .limit = 2 };
	struct loop_source idle = { .fd = -1, .fn = never };
	uint64_t one = 1;

	start(&l, &guard);
	c.source.data = &c;
	assert_int_equal(loop_add(&l, &c.source, fd, EPOLLIN), 0);
	assert_int_equal(loop_add(&l, &idle, quiet, EPOLLIN), 0);
	c.limit = 1;
	assert_int_equal(loop_run(&l), DONE);
	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
	c.limit = 2;
	assert_int_equal(loop_run(&l), DONE);
	assert_int_equal(loop_modify(&l, &idle, EPOLLIN | EPOLLPRI), 0);
	loop_remove(&l, &c.source);
	assert_int_equal(c.source.fd, -1);
	loop_remove(&l, &c.source); /* twice is fine */
	assert_int_equal(loop_add(&l, &c.source, fd, EPOLLIN), 0);
	loop_deinit(&l);
	loop_deinit(&l);
}

static void bad_descriptors_are_refused(void **state _unused_)
{
	struct loop l;
	struct loop_timer guard;
	struct loop_source s = { .fd = -1, .fn = never };
	_close_ int plain = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

	start(&l, &guard);
	assert_int_equal(loop_add(&l, &s, -1, EPOLLIN), -EBADF);
	assert_int_equal(s.fd, -1);
	assert_int_equal(loop_add(&l, &s, plain, EPOLLIN), -EPERM); /* a plain file has no events */
	assert_int_equal(s.fd, -1);
	loop_deinit(&l);
}

static int remove_other(struct loop_source *source, uint32_t events)
{
	struct counter *c = source->data;

	loop_remove(c->loop, source);
	loop_remove(c->loop, c->other);
	/* whatever comes of the object now would be use after free */
	c->other->fn = never;
	assert_int_equal(events, EPOLLIN);
	c->calls++;
	return DONE;
}

/* Both are ready in one batch; whichever comes first removes the other. */
static void a_callback_removes_itself_and_others(void **state _unused_)
{
	struct loop l;
	struct loop_timer guard, stop = { .fn = tick };
	struct counter a = { .loop = &l }, b = { .loop = &l }, end = { .limit = 1 };
	_close_ int fd_a = ready_fd(), fd_b = ready_fd();

	start(&l, &guard);
	a.source = (struct loop_source){ .fd = -1, .fn = remove_other, .data = &a };
	b.source = (struct loop_source){ .fd = -1, .fn = remove_other, .data = &b };
	a.other = &b.source;
	b.other = &a.source;
	stop.data = &end;
	assert_int_equal(loop_add(&l, &a.source, fd_a, EPOLLIN), 0);
	assert_int_equal(loop_add(&l, &b.source, fd_b, EPOLLIN), 0);
	assert_int_equal(loop_run(&l), DONE);
	loop_timer_arm(&l, &stop, 5 * MS);
	assert_int_equal(loop_run(&l), DONE);
	assert_int_equal(a.calls + b.calls, 1);
	loop_deinit(&l);
}

static int remove_and_go_on(struct loop_source *source, uint32_t events _unused_)
{
	struct counter *c = source->data;

	loop_remove(c->loop, c->other);
	memset(c->other, 0xa5, sizeof(*c->other)); /* as if it had been freed */
	loop_remove(c->loop, source);
	c->calls++;
	return 0;
}

static void removed_sources_are_not_touched_again(void **state _unused_)
{
	struct loop l;
	struct loop_timer guard, stop = { .fn = tick };
	struct counter a = { .loop = &l }, b = { .loop = &l }, end = { .limit = 1 };
	_close_ int fd_a = ready_fd(), fd_b = ready_fd();

	start(&l, &guard);
	a.source = (struct loop_source){ .fd = -1, .fn = remove_and_go_on, .data = &a };
	b.source = (struct loop_source){ .fd = -1, .fn = remove_and_go_on, .data = &b };
	a.other = &b.source;
	b.other = &a.source;
	stop.data = &end;
	assert_int_equal(loop_add(&l, &a.source, fd_a, EPOLLIN), 0);
	assert_int_equal(loop_add(&l, &b.source, fd_b, EPOLLIN), 0);
	loop_timer_arm(&l, &stop, 5 * MS);
	assert_int_equal(loop_run(&l), DONE);
	assert_int_equal(a.calls + b.calls, 1);
	loop_deinit(&l);
}

static void more_sources_than_a_batch(void **state _unused_)
{
	enum { N = 3 * LOOP_BATCH + 1 };
	struct loop l;
	struct loop_timer guard;
	struct counter c = { .limit = N };
	struct loop_source sources[N];
	int fds[N];

	start(&l, &guard);
	for (int i = 0; i < N; i++) {
		fds[i] = ready_fd();
		sources[i] = (struct loop_source){ .fd = -1, .fn = drain, .data = &c };
		assert_int_equal(loop_add(&l, &sources[i], fds[i], EPOLLIN), 0);
	}
	assert_int_equal(loop_run(&l), DONE);
	for (int i = 0; i < N; i++)
		close(fds[i]);
	loop_deinit(&l);
}

struct named_timer {
	struct loop_timer timer;
	char name;
	char **at;
};

static int write_name(struct loop_timer *timer)
{
	struct named_timer *t = timer->data;

	*(*t->at)++ = t->name;
	return t->name == '!' ? DONE : 0;
}

static void timers_run_in_order(void **state _unused_)
{
	static const struct {
		char name;
		int64_t after;
	} plan[] = { { 'd', 30 * MS }, { 'b', 10 * MS }, { '!', 40 * MS },
		     { 'a', 0 },       { 'x', 15 * MS }, { 'c', 20 * MS } };
	struct named_timer timers[ARRAY_SIZE(plan)];
	char order[16] = "", *at = order;
	struct loop_timer guard;
	struct loop l;
	int64_t begin;

	start(&l, &guard);
	begin = time_boot_ns();
	for (size_t i = 0; i < ARRAY_SIZE(plan); i++) {
		timers[i] = (struct named_timer){ .name = plan[i].name, .at = &at };
		timers[i].timer = (struct loop_timer){ .fn = write_name, .data = &timers[i] };
		loop_timer_arm(&l, &timers[i].timer, plan[i].after);
	}
	loop_timer_cancel(&l, &timers[4].timer);
	loop_timer_cancel(&l, &timers[4].timer);
	assert_int_equal(loop_run(&l), DONE);
	assert_string_equal(order, "abcd!");
	assert_true(time_boot_ns() - begin >= 40 * MS);
	loop_deinit(&l);
}

static void arming_again_moves_a_timer(void **state _unused_)
{
	struct loop l;
	struct loop_timer guard;
	struct counter c = { .limit = 1 };
	int64_t begin = time_boot_ns();

	start(&l, &guard);
	c.timer = (struct loop_timer){ .fn = tick, .data = &c };
	loop_timer_arm(&l, &c.timer, 0);
	loop_timer_arm(&l, &c.timer, 20 * MS);
	assert_int_equal(loop_run(&l), DONE);
	assert_int_equal(c.calls, 1);
	assert_true(time_boot_ns() - begin >= 20 * MS);
	loop_deinit(&l);
}

static int cancel_victim(struct loop_timer *timer)
{
	struct counter *c = timer->data;

	loop_timer_cancel(c->loop, c->victim);
	return 0;
}

static void a_timer_cancels_another(void **state _unused_)
{
	struct loop l;
	struct loop_timer guard, victim = { .fn = never_timer };
	struct counter first = { .loop = &l, .victim = &victim }, last = { .limit = 1 };

	start(&l, &guard);
	first.timer = (struct loop_timer){ .fn = cancel_victim, .data = &first };
	last.timer = (struct loop_timer){ .fn = tick, .data = &last };
	loop_timer_arm(&l, &first.timer, 0);
	loop_timer_arm(&l, &victim, 0);
	loop_timer_arm(&l, &last.timer, 5 * MS);
	assert_int_equal(loop_run(&l), DONE);
	loop_deinit(&l);
}

static int arm_again(struct loop_timer *timer)
{
	struct counter *c = timer->data;

	uint64_t one = 1;

	if (c->calls == 0)
		assert_int_equal(write(c->other->fd, &one, sizeof(one)), sizeof(one));
	if (++c->calls == 1000)
		return -ETIME; /* the descriptor is ready and never gets its turn */
	loop_timer_arm(c->loop, timer, 0);
	return 0;
}

static void a_busy_timer_starves_nobody(void **state _unused_)
{
	struct loop l;
	struct loop_timer guard;
	struct counter busy = { .loop = &l }, reader = { .limit = 1 };
	_close_ int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	start(&l, &guard);
	busy.other = &reader.source;
	busy.timer = (struct loop_timer){ .fn = arm_again, .data = &busy };
	reader.source = (struct loop_source){ .fd = -1, .fn = drain, .data = &reader };
	assert_int_equal(loop_add(&l, &reader.source, fd, EPOLLIN), 0);
	loop_timer_arm(&l, &busy.timer, 0);
	assert_int_equal(loop_run(&l), DONE);
	loop_deinit(&l);
}

static int process_ended(struct loop_source *source, uint32_t events _unused_)
{
	siginfo_t info = { 0 };

	assert_int_equal(waitid(P_PIDFD, (id_t)source->fd, &info, WEXITED), 0);
	assert_int_equal(info.si_code, CLD_EXITED);
	return info.si_status;
}

static void a_process_is_a_source(void **state _unused_)
{
	struct loop l;
	struct loop_timer guard;
	struct loop_source s = { .fd = -1, .fn = process_ended };
	_close_ int pidfd = -1;
	int hold[2];
	pid_t pid;
	char byte;

	start(&l, &guard);
	assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		close(hold[1]);
		_exit(read(hold[0], &byte, 1) == 0 ? DONE : 1);
	}
	close(hold[0]);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_int_equal(loop_add(&l, &s, pidfd, EPOLLIN), 0);
	close(hold[1]);
	assert_int_equal(loop_run(&l), DONE);
	loop_deinit(&l);
}

static int signal_came(struct loop_source *source, uint32_t events _unused_)
{
	struct signalfd_siginfo info;

	assert_int_equal(read(source->fd, &info, sizeof(info)), sizeof(info));
	return (int)info.ssi_signo;
}

static void a_signal_is_a_source(void **state _unused_)
{
	struct loop l;
	struct loop_timer guard;
	struct loop_source s = { .fd = -1, .fn = signal_came };
	_close_ int fd = -1;
	sigset_t set;

	start(&l, &guard);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	fd = loop_signalfd(&set);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(loop_add(&l, &s, fd, EPOLLIN), 0);
	kill(getpid(), SIGUSR1);
	assert_int_equal(loop_run(&l), SIGUSR1);
	loop_deinit(&l);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptors),
		cmocka_unit_test(bad_descriptors_are_refused),
		cmocka_unit_test(a_callback_removes_itself_and_others),
		cmocka_unit_test(removed_sources_are_not_touched_again),
		cmocka_unit_test(more_sources_than_a_batch),
		cmocka_unit_test(timers_run_in_order),
		cmocka_unit_test(arming_again_moves_a_timer),
		cmocka_unit_test(a_timer_cancels_another),
		cmocka_unit_test(a_busy_timer_starves_nobody),
		cmocka_unit_test(a_process_is_a_source),
		cmocka_unit_test(a_signal_is_a_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
