#pragma once
/*
 * The event loop: one thread, epoll, sources that the caller owns.
 *
 * A source is embedded in the object that it serves. loop_add() starts watching its fd, and the
 * callback runs with the events that came. A callback may remove its own or any other source.
 * Signals come as a source too (signalfd), processes as pidfds (readable once they ended), time by
 * one deadline a timer.
 *
 * A callback returns 0 to go on; anything else ends loop_run(), which returns that value.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/cleanup.h"

struct loop;
struct loop_source;
struct loop_timer;

typedef int (*loop_fn)(struct loop_source *source, uint32_t events);
typedef int (*loop_timer_fn)(struct loop_timer *timer);

struct loop_source {
	int fd; /* -1: not watched */
	loop_fn fn;
	void *data;
};

struct loop_timer {
	int64_t deadline_ns; /* CLOCK_BOOTTIME */
	loop_timer_fn fn;
	void *data;
	struct loop_timer *next;
	bool armed;
};

enum { LOOP_BATCH = 16 };

struct loop {
	int epfd;
	struct loop_timer *timers; /* earliest first */
	struct epoll_event batch[LOOP_BATCH];
	int batch_at, batch_len;
};

int loop_init(struct loop *l) _must_check_;
void loop_deinit(struct loop *l);
int loop_run(struct loop *l) _must_check_;

/* events: EPOLLIN, EPOLLOUT, ... The fd stays the caller's. */
int loop_add(struct loop *l, struct loop_source *s, int fd, uint32_t events) _must_check_;
int loop_modify(struct loop *l, struct loop_source *s, uint32_t events) _must_check_;
void loop_remove(struct loop *l, struct loop_source *s); /* does not close the fd */

void loop_timer_arm(struct loop *l, struct loop_timer *t, int64_t after_ns);
void loop_timer_cancel(struct loop *l, struct loop_timer *t);

/* Blocks the signals of the set and returns a signalfd for them. */
int loop_signalfd(const sigset_t *set) _must_check_;
