/*
 * What apps write. Each stream is a pipe (or the master of a terminal) that is read in chunks; a
 * chunk goes into the app's log with time and stream (docs/formats.md) and, in the foreground, to
 * the caller. A caller that does not read stops that stream, not us: without room in the sink the
 * stream is not read any more, so the app comes to wait as it would without us.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "stage1/stage1.h"

enum {
	CHUNK = 16 << 10,
	ATOMIC_WRITE = 4096, /* what a pipe that polls writable takes without blocking (PIPE_BUF) */
	DRAIN_MS = 50,
	PENDING_MAX = 4 << 20,
};

int output_open_log(struct app *app, struct error *err)
{
	char name[LIMIT_NAME_BYTES + 16];
	int dir = app->s->dir;

	snprintf(name, sizeof(name), "apps/%s", app->manifest->name);
	/* lint: path ok: the pod directory is ours alone */
	if (mkdirat(dir, "apps", 0700) < 0 && errno != EEXIST)
		return error_set(err, -errno, "cannot make the directory of logs");
	/* lint: path ok: the pod directory is ours alone */
	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return error_set(err, -errno, "cannot make the directory of logs");
	snprintf(name, sizeof(name), "apps/%s/log", app->manifest->name);
	app->log = path_open(dir, name, PATH_NO_LINKS, O_WRONLY | O_CREAT | O_APPEND, 0600);
	return app->log < 0 ? error_set(err, app->log, "cannot open the log") : 0;
}

static int log_line(struct buf *out, const struct stream *st, const char *time, bool whole,
		    const char *text, size_t n)
{
	if (n > 0 && whole && text[n - 1] == '\r' && st->app->launch->input == POD_STDIN_TTY)
		n--; /* a terminal ends lines that way */
	if (buf_addf(out, "%s %s %c ", time, st->tag, whole ? 'F' : 'P') < 0 ||
	    buf_add(out, text, n) < 0)
		return -ENOMEM;
	return buf_add(out, "\n", 1);
}

/* Adds the text to the line begun; a line that ends, or grows too long, goes out. */
static int log_piece(struct buf *out, struct stream *st, const char *time, const char *text,
		     size_t n, bool ends)
{
	int r = 0;

	while (r == 0 && st->line.len + n > LIMIT_LOG_LINE_BYTES) {
		size_t part = LIMIT_LOG_LINE_BYTES - st->line.len;

		r = buf_add(&st->line, text, part);
		if (r == 0)
			r = log_line(out, st, time, false, st->line.data, st->line.len);
		st->line.len = 0;
		text += part;
		n -= part;
	}
	if (r == 0 && !ends)
		return buf_add(&st->line, text, n);
	if (r == 0 && st->line.len == 0)
		return log_line(out, st, time, true, text, n);
	if (r == 0)
		r = buf_add(&st->line, text, n);
	if (r == 0)
		r = log_line(out, st, time, true, st->line.data, st->line.len);
	st->line.len = 0;
	return r;
}

/* A full disk must not stop the app: what cannot be logged is lost, and the status says so. */
static void log_chunk(struct stream *st, const char *data, size_t n)
{
	_buf_ struct buf out = BUF_INIT(64 << 20);
	char time[TIME_TEXT];
	int r = 0;

	if (st->app->log < 0)
		return;
	time_format(time, time_now_ns());
	while (n > 0 && r == 0) {
		const char *end = memchr(data, '\n', n);
		size_t part = end ? (size_t)(end - data) : n;

		r = log_piece(&out, st, time, data, part, end != NULL);
		data += part + (end != NULL);
		n -= part + (end != NULL);
	}
	if (r == 0 && out.len > 0)
		r = write_all(st->app->log, out.data, out.len);
	if (r < 0) {
		close(take_fd(&st->app->log));
		r = supervisor_note(st->app->s, "app %s: its log ends here: %s",
				    st->app->manifest->name, strerror(-r));
	}
}

/* Copies data to pending, each line after the app's name when several apps share a sink. */
static int add_pending(struct stream *st, const char *data, size_t n)
{
	int r = 0;

	if (st->app->s->n_apps == 1)
		return buf_add(&st->pending, data, n);
	while (n > 0 && r == 0) {
		const char *end = memchr(data, '\n', n);
		size_t part = end ? (size_t)(end - data) + 1 : n;

		if (!st->mid_line)
			r = buf_addf(&st->pending, "[%s] ", st->app->manifest->name);
		if (r == 0)
			r = buf_add(&st->pending, data, part);
		st->mid_line = !end;
		data += part;
		n -= part;
	}
	return r;
}

/* Writes pending as far as the sink has room. True when all is out (or nobody listens). */
static bool pass_on(struct stream *st)
{
	struct sink *k = st->sink;
	size_t done = 0;

	while (k->fd >= 0 && done < st->pending.len) {
		struct pollfd pfd = { .fd = k->fd, .events = POLLOUT };
		size_t part = st->pending.len - done;
		ssize_t n;

		if (k->pollable &&
		    (poll(&pfd, 1, 0) <= 0 || !(pfd.revents & (POLLOUT | POLLERR | POLLHUP))))
			break;
		n = write(k->fd, st->pending.data + done,
			  k->pollable && part > ATOMIC_WRITE ? ATOMIC_WRITE : part);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			k->fd = -1; /* the caller closed it; the app goes on, its log too */
			break;
		}
		done += (size_t)n;
	}
	if (k->fd < 0)
		done = st->pending.len;
	buf_drop_front(&st->pending, done);
	return st->pending.len == 0;
}

static int on_sink_ready(struct loop_source *source, uint32_t events)
{
	struct sink *k = source->data;
	struct stream *waiting = k->waiting;

	(void)events;
	k->waiting = NULL;
	loop_remove(&k->s->loop, &k->source);
	for (struct stream *st = waiting, *next; st; st = next) {
		next = st->next;
		if (pass_on(st)) {
			if (st->fd >= 0 && loop_add(&k->s->loop, &st->source, st->fd, EPOLLIN) < 0)
				return -EIO;
			continue;
		}
		st->next = k->waiting;
		k->waiting = st;
	}
	return k->waiting ? loop_add(&k->s->loop, &k->source, k->fd, EPOLLOUT) : 0;
}

void sink_init(struct sink *k, struct supervisor *s, int fd)
{
	struct stat st;

	*k = (struct sink){ .s = s, .fd = fd, .source = { .fd = -1, .fn = on_sink_ready } };
	k->source.data = k;
	if (fd >= 0 && fstat(fd, &st) == 0)
		k->pollable = S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || S_ISCHR(st.st_mode);
}

/* Reads one chunk. 1: data came, 0: the end, or nothing there now (-EAGAIN). */
static int read_chunk(struct stream *st)
{
	static char chunk[CHUNK];
	ssize_t n;

	do
		n = read(st->fd, chunk, sizeof(chunk));
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	if (n <= 0)
		return 0; /* a terminal without a user says EIO */
	log_chunk(st, chunk, (size_t)n);
	if (st->sink->fd >= 0 && add_pending(st, chunk, (size_t)n) < 0)
		return 0;
	return 1;
}

static int on_stream_readable(struct loop_source *source, uint32_t events)
{
	struct stream *st = source->data;
	struct loop *loop = &st->app->s->loop;
	int r = read_chunk(st);

	(void)events;
	if (r == 0) {
		loop_remove(loop, &st->source);
		close(take_fd(&st->fd));
	}
	if (r == 1 && !pass_on(st)) {
		bool first = !st->sink->waiting;

		loop_remove(loop, &st->source);
		st->next = st->sink->waiting;
		st->sink->waiting = st;
		if (first)
			return loop_add(loop, &st->sink->source, st->sink->fd, EPOLLOUT);
	}
	return 0;
}

int output_start(struct stream *st, struct app *app, const char *tag, int fd, struct sink *sink)
{
	*st = (struct stream){ .app = app,
			       .tag = tag,
			       .fd = fd,
			       .sink = sink,
			       .source = { .fd = -1, .fn = on_stream_readable },
			       .line = BUF_INIT(LIMIT_LOG_LINE_BYTES + CHUNK),
			       .pending = BUF_INIT(PENDING_MAX) };
	st->source.data = st;
	return loop_add(&app->s->loop, &st->source, fd, EPOLLIN);
}

/* Reads to the end. Every writer is gone; should one not be, what it has written must do. What was
 * written to a terminal comes to its master through a worker of the kernel's, a moment later. */
static void read_rest(struct stream *st)
{
	struct pollfd pfd = { .fd = st->fd, .events = POLLIN };
	int r = 1;

	if (fcntl(st->fd, F_SETFL, O_NONBLOCK) < 0)
		return;
	while (r != 0 && poll(&pfd, 1, DRAIN_MS) > 0)
		r = read_chunk(st);
}

void output_drain(struct stream *st)
{
	if (!st->app)
		return;
	if (st->fd >= 0) {
		loop_remove(&st->app->s->loop, &st->source);
		read_rest(st);
		close(take_fd(&st->fd));
	}
	if (st->line.len > 0) {
		char time[TIME_TEXT];
		_buf_ struct buf out = BUF_INIT(2 * LIMIT_LOG_LINE_BYTES);

		time_format(time, time_now_ns());
		if (st->app->log >= 0 &&
		    log_line(&out, st, time, false, st->line.data, st->line.len) == 0 &&
		    write_all(st->app->log, out.data, out.len) < 0)
			close(take_fd(&st->app->log));
	}
	buf_deinit(&st->line);
}

void output_flush(struct stream *st)
{
	if (!st->app)
		return;
	if (st->sink->fd >= 0 && st->pending.len > 0 &&
	    write_all(st->sink->fd, st->pending.data, st->pending.len) < 0)
		st->sink->fd = -1;
	buf_deinit(&st->pending);
}
