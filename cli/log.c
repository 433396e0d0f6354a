#include "cli/log.h"

#include <fcntl.h>
#include <string.h>

#include "cli/cli.h"

enum {
	LINE_MAX_BYTES = LIMIT_LOG_LINE_BYTES + 64, /* with time and stream */
	READ_BYTES = 64 << 10,
	OUT_BYTES = 64 << 10,
};

/* ---- one line -------------------------------------------------------------------------------- */

/* Copies the word at *at, up to the next blank, and moves *at behind that. */
static bool word_take(const char **at, const char *end, char *dst, size_t size)
{
	const char *blank = memchr(*at, ' ', (size_t)(end - *at));
	size_t n = blank ? (size_t)(blank - *at) : 0;

	if (n == 0 || n >= size)
		return false;
	memcpy(dst, *at, n);
	dst[n] = '\0';
	*at = blank + 1;
	return true;
}

int log_line_parse(struct log_line *ret, const char *line, size_t len)
{
	const char *at = line, *end = line + len;
	char time[TIME_TEXT + 8], stream[8], part[4];
	struct log_line l = { 0 };

	if (!word_take(&at, end, time, sizeof(time)) ||
	    !word_take(&at, end, stream, sizeof(stream)) ||
	    !word_take(&at, end, part, sizeof(part)))
		return -EBADMSG;
	if (time_parse(time, &l.time_ns) < 0)
		return -EBADMSG;
	if ((!str_eq(stream, "stdout") && !str_eq(stream, "stderr")) ||
	    (!str_eq(part, "F") && !str_eq(part, "P")))
		return -EBADMSG;
	l.is_error = str_eq(stream, "stderr");
	l.is_part = part[0] == 'P';
	l.text = at;
	l.len = (size_t)(end - at);
	*ret = l;
	return 0;
}

/* ---- the set --------------------------------------------------------------------------------- */

int log_set_add(struct log_set *set, const char *app)
{
	struct log *logs = realloc(set->logs, (set->n + 1) * sizeof(*logs));

	if (!logs)
		return -ENOMEM;
	set->logs = logs;
	logs[set->n] = (struct log){ .app = strdup(app),
				     .fd = -1,
				     .in = BUF_INIT(READ_BYTES + LINE_MAX_BYTES) };
	if (!logs[set->n].app)
		return -ENOMEM;
	set->n++;
	return 0;
}

void log_set_deinit(struct log_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		free(set->logs[i].app);
		cleanup_close(&set->logs[i].fd);
		buf_deinit(&set->logs[i].in);
	}
	free(set->logs);
	set->logs = NULL;
	set->n = 0;
}

int log_set_open(struct log_set *set, int dirfd, struct error *err)
{
	for (size_t i = 0; i < set->n; i++) {
		char path[LIMIT_NAME_BYTES + 16];
		int fd;

		if (set->logs[i].fd >= 0)
			continue;
		snprintf(path, sizeof(path), "apps/%s/log", set->logs[i].app);
		fd = path_open(dirfd, path, PATH_NO_LINKS, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);
		if (fd < 0 && fd != -ENOENT)
			return error_set(err, fd, "cannot open the log of app %s",
					 set->logs[i].app);
		set->logs[i].fd = fd < 0 ? -1 : fd;
	}
	return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Reads more of the file. 1 something came, 0 not, or negative. */
static int log_fill(struct log *log)
{
	char data[READ_BYTES];
	size_t room = log->in.max - log->in.len;
	ssize_t n;

	if (log->fd < 0)
		return 0;
	if (room == 0) {
		buf_drop_front(&log->in, log->in.len); /* longer than any line can be: not ours */
		room = log->in.max;
	}
	do
		n = read(log->fd, data, room < sizeof(data) ? room : sizeof(data));
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : 0;
	return buf_add(&log->in, data, (size_t)n) < 0 ? -ENOMEM : 1;
}

static void log_consume(struct log *log)
{
	buf_drop_front(&log->in, log->used);
	log->used = 0;
	log->has_line = false;
}

/* Makes the next whole line of the file the log's line. 1; 0: there is none now; or negative. */
static int log_next(struct log *log)
{
	while (!log->has_line) {
		char *end = log->in.len ? memchr(log->in.data, '\n', log->in.len) : NULL;
		int r;

		if (!end) {
			r = log_fill(log);
			if (r <= 0)
				return r;
			continue;
		}
		log->used = (size_t)(end - log->in.data) + 1;
		log->has_line = log_line_parse(&log->line, log->in.data, log->used - 1) == 0;
		if (!log->has_line)
			log_consume(log); /* damaged, by a full disk for example */
	}
	return 1;
}

/* The log whose next line is the oldest, or NULL. */
static int set_next(struct log_set *set, struct log **ret)
{
	struct log *oldest = NULL;

	for (size_t i = 0; i < set->n; i++) {
		struct log *log = &set->logs[i];
		int r;

		do {
			r = log_next(log);
			if (r < 0)
				return r;
			if (r == 1 && log->line.time_ns >= set->since_ns)
				break;
			if (r == 1)
				log_consume(log);
		} while (r == 1);
		if (r == 1 && (!oldest || log->line.time_ns < oldest->line.time_ns))
			oldest = log;
	}
	*ret = oldest;
	return 0;
}

int log_set_skip_to_tail(struct log_set *set, uint64_t n, struct error *err)
{
	uint64_t lines = 0;
	struct log *log;
	int r;

	while ((r = set_next(set, &log)) == 0 && log) {
		lines += !log->line.is_part;
		log_consume(log);
	}
	for (size_t i = 0; r == 0 && i < set->n; i++) {
		buf_drop_front(&set->logs[i].in, set->logs[i].in.len);
		if (set->logs[i].fd >= 0 && lseek(set->logs[i].fd, 0, SEEK_SET) < 0)
			r = -errno;
	}
	set->skip = lines > n ? lines - n : 0;
	return r < 0 ? error_set(err, r, "cannot read the logs") : 0;
}

/* ---- printing -------------------------------------------------------------------------------- */

struct out {
	struct buf b;
	int fd;
};

static int out_flush(struct out *o)
{
	int r = o->b.len ? write_all(o->fd, o->b.data, o->b.len) : 0;

	buf_drop_front(&o->b, o->b.len);
	return r;
}

/* Text for a terminal: tabs stay, all else that it would act upon is escaped. */
static int add_escaped(struct buf *b, const char *text, size_t len)
{
	char piece[LIMIT_LOG_LINE_BYTES + 1], shown[4 * LIMIT_LOG_LINE_BYTES + 1];
	int r = 0;

	while (r == 0 && len > 0) {
		size_t n = 0;

		while (n < len && n < sizeof(piece) - 1 && text[n] != '\t' && text[n] != '\0')
			n++;
		memcpy(piece, text, n);
		piece[n] = '\0';
		str_escape(shown, sizeof(shown), piece);
		r = buf_add(b, shown, strlen(shown));
		if (r == 0 && n < len)
			r = text[n] == '\t'   ? buf_add(b, "\t", 1)
			    : text[n] == '\0' ? buf_add(b, "\\x00", 4)
					      : 0;
		n += n < len && (text[n] == '\t' || text[n] == '\0');
		text += n;
		len -= n;
	}
	return r;
}

static int print_line(struct log_set *set, struct log *log, struct out *o)
{
	const struct log_line *l = &log->line;
	const struct log **open = &set->open[l->is_error];
	int fd = l->is_error ? STDERR_FILENO : STDOUT_FILENO, r = 0;
	bool goes_on = *open == log;
	char time[TIME_TEXT];

	if (o->fd != fd || o->b.len >= OUT_BYTES)
		r = out_flush(o);
	o->fd = fd;
	time_format(time, l->time_ns);
	if (r == 0 && *open && !goes_on)
		r = buf_add(&o->b, "\n", 1);
	if (r == 0 && !goes_on && set->timestamps)
		r = buf_addf(&o->b, "%s ", time);
	if (r == 0 && !goes_on && set->prefix)
		r = buf_addf(&o->b, "[%s] ", log->app);
	if (r == 0)
		r = set->escape ? add_escaped(&o->b, l->text, l->len)
				: buf_add(&o->b, l->text, l->len);
	if (r == 0 && !l->is_part)
		r = buf_add(&o->b, "\n", 1);
	*open = l->is_part ? log : NULL;
	return r;
}

int log_set_print(struct log_set *set, struct error *err)
{
	struct out o = { BUF_INIT(OUT_BYTES + 8 * LINE_MAX_BYTES), STDOUT_FILENO };
	struct log *log;
	int r;

	while ((r = set_next(set, &log)) == 0 && log) {
		if (set->skip == 0)
			r = print_line(set, log, &o);
		else if (!log->line.is_part)
			set->skip--;
		log_consume(log);
		if (r < 0)
			break;
	}
	if (r == 0)
		r = out_flush(&o);
	buf_deinit(&o.b);
	return r < 0 ? error_set(err, r, "cannot print the logs") : 0;
}
