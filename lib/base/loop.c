#include "base/loop.h"

#include <sys/signalfd.h>

#include "base/clock.h"

int loop_init(struct loop *l)
{
	*l = (struct loop){ .epfd = epoll_create1(EPOLL_CLOEXEC) };
	return l->epfd < 0 ? -errno : 0;
}

void loop_deinit(struct loop *l)
{
	if (l->epfd >= 0)
		close(l->epfd);
	l->epfd = -1;
}

static int control(struct loop *l, int op, struct loop_source *s, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = s };

	return epoll_ctl(l->epfd, op, s->fd, &event) < 0 ? -errno : 0;
}

int loop_add(struct loop *l, struct loop_source *s, int fd, uint32_t events)
{
	int r;

	s->fd = fd;
	r = control(l, EPOLL_CTL_ADD, s, events);
	if (r < 0)
		s->fd = -1;
	return r;
}

int loop_modify(struct loop *l, struct loop_source *s, uint32_t events)
{
	return control(l, EPOLL_CTL_MOD, s, events);
}

void loop_remove(struct loop *l, struct loop_source *s)
{
	if (s->fd < 0)
		return;
	epoll_ctl(l->epfd, EPOLL_CTL_DEL, s->fd, NULL);
	s->fd = -1;
	/* events that were fetched already must not reach an object that may be gone */
	for (int i = l->batch_at; i < l->batch_len; i++)
		if (l->batch[i].data.ptr == s)
			l->batch[i].data.ptr = NULL;
}

void loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
	if (!t->armed)
		return;
	for (struct loop_timer **at = &l->timers; *at; at = &(*at)->next) {
		if (*at != t)
			continue;
		*at = t->next;
		break;
	}
	t->armed = false;
}

void loop_timer_arm(struct loop *l, struct loop_timer *t, int64_t after_ns)
{
	struct loop_timer **at = &l->timers;

	loop_timer_cancel(l, t);
	t->deadline_ns = time_boot_ns() + after_ns;
	while (*at && (*at)->deadline_ns <= t->deadline_ns)
		at = &(*at)->next;
	t->next = *at;
	*at = t;
	t->armed = true;
}

/* Milliseconds until the first timer, rounded up; -1 without one. */
static int timeout_ms(const struct loop *l)
{
	int64_t left;

	if (!l->timers)
		return -1;
	left = l->timers->deadline_ns - time_boot_ns();
	if (left <= 0)
		return 0;
	return left / 1000000 >= INT32_MAX ? INT32_MAX : (int)((left + 999999) / 1000000);
}

static int run_timers(struct loop *l)
{
	/* one moment for the whole turn: a timer that is armed anew meanwhile waits for the next */
	int64_t now = time_boot_ns();

	while (l->timers && l->timers->deadline_ns <= now) {
		struct loop_timer *t = l->timers;
		int r;

		loop_timer_cancel(l, t);
		r = t->fn(t);
		if (r != 0)
			return r;
	}
	return 0;
}

int loop_run(struct loop *l)
{
	for (;;) {
		int n = epoll_wait(l->epfd, l->batch, LOOP_BATCH, timeout_ms(l));
		int r;

		if (n < 0 && errno != EINTR)
			return -errno;
		l->batch_len = n < 0 ? 0 : n;
		for (int i = 0; i < l->batch_len; i++) {
			struct loop_source *s = l->batch[i].data.ptr;

			l->batch_at = i + 1;
			if (!s)
				continue;
			r = s->fn(s, l->batch[i].events);
			if (r != 0)
				return r;
		}
		l->batch_len = 0;
		r = run_timers(l);
		if (r != 0)
			return r;
	}
}

int loop_signalfd(const sigset_t *set)
{
	int fd;

	if (sigprocmask(SIG_BLOCK, set, NULL) < 0)
		return -errno;
	fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}
