/* Telling what happens, and following it; the file between the two is event_log.h's. */
#include <fcntl.h>
#include <limits.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>

#include "base/base.h"
#include "mosaic/driver.h"
#include "mosaic/event_log.h"

enum { READ_BYTES = 32 << 10, FIND_TRIES = 50 };

void volume_event(struct mosaic *m, enum mosaic_event_kind kind, const char *volume,
		  const char *other)
{
	struct mosaic_event e = { .kind = kind };
	int r;

	mosaic_log(MOSAIC_LOG_INFO, "%s: %s %s%s%s", m->location, mosaic_event_name(kind), volume,
		   other && *other ? ", " : "", other ? other : "");

	/* the one system call where nobody follows */
	if (faccessat(m->dirfd, EVENT_LOG, F_OK, 0) < 0 && errno == ENOENT)
		return;
	e.time_ns = time_now_ns();
	e.pid = getpid();
	snprintf(e.volume, sizeof(e.volume), "%s", volume);
	snprintf(e.other, sizeof(e.other), "%s", other ? other : "");
	r = event_log_append(m->dirfd, &e);
	if (r < 0)
		mosaic_log(MOSAIC_LOG_WARNING, "cannot tell that volume %s: %s: %s", volume,
			   mosaic_event_name(kind), strerror(-r));
}

struct mosaic_events {
	int dirfd;
	int notify; /* of the directory: the file in it grows, or is replaced */
	int fd;     /* the file that is read */
	uint64_t number;
	char *data; /* READ_BYTES: read and not given away, from start to end */
	size_t start, end;
	bool passing; /* over a line that is too long to be one */
};

void mosaic_events_close(struct mosaic_events *e)
{
	if (!e)
		return;
	cleanup_close(&e->fd);
	cleanup_close(&e->notify);
	cleanup_close(&e->dirfd);
	free(e->data);
	free(e);
}

static void events_closep(struct mosaic_events **e)
{
	mosaic_events_close(*e);
}

static int open_log(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* IN_ATTRIB is what mosaic_events_open() does itself, so that the descriptor is readable once. */
static int watch(struct mosaic_events *e)
{
	char path[64];

	e->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (e->notify < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", e->dirfd);
	if (inotify_add_watch(e->notify, path, IN_MODIFY | IN_MOVED_TO | IN_ATTRIB | IN_ONLYDIR) <
	    0)
		return -errno;
	return 0;
}

/* The file before the present one, if that is still there and all is wanted. */
static int open_first(struct mosaic_events *e, bool all)
{
	for (int i = 0; i < FIND_TRIES; i++) {
		_close_ int fd = open_log(e->dirfd, EVENT_LOG), old = -1;
		uint64_t number;

		if (fd < 0)
			return fd;
		number = event_log_number(fd);
		old = all ? open_log(e->dirfd, EVENT_LOG_OLD) : -ENOENT;
		if (old == -ENOENT || (old >= 0 && event_log_number(old) + 1 == number)) {
			e->fd = old >= 0 ? take_fd(&old) : take_fd(&fd);
			e->number = event_log_number(e->fd);
			return 0;
		}
		if (old < 0)
			return old;
		if (event_log_number(old) == number || i == FIND_TRIES - 1) { /* one file */
			e->fd = take_fd(&fd);
			e->number = number;
			return 0;
		}
	}
	return -EAGAIN;
}

static int begin(struct mosaic_events *e, const struct mosaic *m, bool all)
{
	int r;

	e->dirfd = fcntl(m->dirfd, F_DUPFD_CLOEXEC, 3);
	e->data = malloc(READ_BYTES);
	if (e->dirfd < 0 || !e->data)
		return e->dirfd < 0 ? -errno : -ENOMEM;
	r = event_log_create(e->dirfd);
	if (r == 0)
		r = watch(e);
	if (r == 0)
		r = open_first(e, all);
	if (r < 0)
		return r;
	if (!all)
		return lseek(e->fd, 0, SEEK_END) < 0 ? -errno : 0;
	return fchmod(e->fd, 0600) < 0 ? -errno : 0;
}

int mosaic_events_open(struct mosaic *m, unsigned flags, struct mosaic_events **ret,
		       struct error *err)
{
	_cleanup_(events_closep) struct mosaic_events *e = calloc(1, sizeof(*e));
	int r = -ENOMEM;

	if (e) {
		e->dirfd = e->notify = e->fd = -1;
		r = begin(e, m, flags & MOSAIC_EVENTS_ALL);
	}
	if (r < 0)
		return error_set(err, r, "cannot follow the events of %s", m->location);
	*ret = take_ptr(&e);
	return 0;
}

int mosaic_events_fd(const struct mosaic_events *e)
{
	return e->notify;
}

/* Takes one whole line out of what was read. 1: *ret is one; 0: there is none. */
static int take_line(struct mosaic_events *e, struct mosaic_event *ret)
{
	while (e->start < e->end) {
		const char *line = e->data + e->start;
		const char *end = memchr(line, '\n', e->end - e->start);
		bool passing = e->passing;

		if (!end) {
			if (e->end - e->start > EVENT_LINE_MAX)
				e->passing = true;
			if (e->passing)
				e->start = e->end = 0;
			return 0;
		}
		e->start = (size_t)(end - e->data) + 1;
		e->passing = false;
		if (!passing && event_parse(line, (size_t)(end - line), ret) == 0)
			return 1;
	}
	e->start = e->end = 0;
	return 0;
}

/* How much more of the file there is in memory. */
static ssize_t fill(struct mosaic_events *e)
{
	ssize_t n;

	memmove(e->data, e->data + e->start, e->end - e->start);
	e->end -= e->start;
	e->start = 0;
	n = read_all(e->fd, e->data + e->end, READ_BYTES - e->end);
	if (n > 0)
		e->end += (size_t)n;
	return n;
}

/* The file that comes after this one. 1: *ret_fd; 0: there is none yet. */
static int find_next(const struct mosaic_events *e, int *ret_fd)
{
	static const struct timespec moment = { 0, 1000000 };

	for (int i = 0; i < FIND_TRIES; i++) {
		_close_ int fd = open_log(e->dirfd, EVENT_LOG), old = -1;
		uint64_t number;

		if (fd < 0)
			return fd;
		number = event_log_number(fd);
		if (number <= e->number)
			return 0;
		if (number == e->number + 1) {
			*ret_fd = take_fd(&fd);
			return 1;
		}
		old = open_log(e->dirfd, EVENT_LOG_OLD);
		if (old >= 0 && event_log_number(old) == e->number + 1) {
			*ret_fd = take_fd(&old);
			return 1;
		}
		nanosleep(&moment, NULL); /* it is being replaced */
	}
	return -EOVERFLOW;
}

/* Goes on with whatever is there, after some was lost. */
static int fall_behind(struct mosaic_events *e, struct error *err)
{
	int r;

	cleanup_close(&e->fd);
	e->start = e->end = 0;
	r = open_first(e, true);
	return r < 0 ? error_set(err, r, "cannot follow the events of a mosaic")
		     : error_set(err, -EOVERFLOW,
				 "events were lost: they were not read for too long.");
}

/* 1: there is more; 0: all is read. */
static int advance(struct mosaic_events *e, struct error *err)
{
	int next = -1, r = find_next(e, &next);
	ssize_t n;

	if (r == -EOVERFLOW)
		return fall_behind(e, err);
	if (r < 0)
		return error_set(err, r, "cannot follow the events of a mosaic");
	if (r == 0)
		return 0;
	/* what was written between the end and the replacement; nothing comes after that */
	n = fill(e);
	if (n != 0) {
		close(next);
		return n < 0 ? error_set(err, (int)n, "cannot read the events of a mosaic") : 1;
	}
	close(e->fd);
	e->fd = next;
	e->number++;
	e->start = e->end = 0;
	e->passing = false;
	return 1;
}

static bool drain(int notify)
{
	char events[4096];
	bool any = false;

	while (read(notify, events, sizeof(events)) > 0)
		any = true;
	return any;
}

int mosaic_events_next(struct mosaic_events *e, struct mosaic_event *ret, struct error *err)
{
	for (;;) {
		int r = take_line(e, ret);
		ssize_t n;

		if (r != 0)
			return r;
		n = fill(e);
		if (n < 0)
			return error_set(err, (int)n, "cannot read the events of a mosaic");
		if (n > 0)
			continue;
		r = advance(e, err);
		if (r < 0)
			return r;
		/* the descriptor stays readable until all that it told of was looked at */
		if (r == 0 && !drain(e->notify))
			return 0;
	}
}
