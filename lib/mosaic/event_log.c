#include "mosaic/event_log.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "mosaic/driver.h"

enum { WRITE_TRIES = 100, HEADER_MAX = 64 };

#define EVENT_LOG_NEW "events.new"

/* ---- lines ----------------------------------------------------------------------------------- */

static const char *const kind_names[] = {
	[MOSAIC_EVENT_CREATE] = "create",     [MOSAIC_EVENT_COMMIT] = "commit",
	[MOSAIC_EVENT_CLONE] = "clone",       [MOSAIC_EVENT_SNAPSHOT] = "snapshot",
	[MOSAIC_EVENT_ROLLBACK] = "rollback", [MOSAIC_EVENT_RESIZE] = "resize",
	[MOSAIC_EVENT_DROP] = "drop",         [MOSAIC_EVENT_MOUNT] = "mount",
	[MOSAIC_EVENT_UMOUNT] = "umount",     [MOSAIC_EVENT_ATTACH] = "attach",
	[MOSAIC_EVENT_DETACH] = "detach",     [MOSAIC_EVENT_SEND] = "send",
	[MOSAIC_EVENT_RECEIVE] = "receive",
};

const char *mosaic_event_name(enum mosaic_event_kind kind)
{
	return (size_t)kind < ARRAY_SIZE(kind_names) ? kind_names[kind] : NULL;
}

static enum mosaic_event_kind kind_of(const char *name)
{
	for (size_t i = 1; i < ARRAY_SIZE(kind_names); i++)
		if (name && str_eq(kind_names[i], name))
			return (enum mosaic_event_kind)i;
	return 0;
}

/* A name that is no UTF-8 cannot stand in JSON: then its bytes do, under KEY.hex. */
static int set_bytes(json_t *line, const char *key, const char *text)
{
	char hex[2 * sizeof(((struct mosaic_event *)0)->other) + 1], key_hex[32];

	if (json_object_set_new(line, key, json_string(text)) == 0)
		return 0;
	snprintf(key_hex, sizeof(key_hex), "%s.hex", key);
	hex_encode(hex, text, strlen(text));
	return json_object_set_new(line, key_hex, json_string(hex)) < 0 ? -ENOMEM : 0;
}

static unsigned digit(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a') + 10;
}

static bool get_bytes(const json_t *line, const char *key, char *dst, size_t size)
{
	const char *text = json_string_value(json_object_get(line, key)), *hex;
	char key_hex[32];
	size_t n;

	if (text)
		return (size_t)snprintf(dst, size, "%s", text) < size;
	snprintf(key_hex, sizeof(key_hex), "%s.hex", key);
	hex = json_string_value(json_object_get(line, key_hex));
	n = hex ? strlen(hex) : 1;
	if (n % 2 || n / 2 >= size || !hex_is(hex, n))
		return false;
	for (size_t i = 0; i < n / 2; i++)
		dst[i] = (char)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
	dst[n / 2] = '\0';
	return true;
}

static int format(const struct mosaic_event *e, char **ret)
{
	_json_ json_t *line = json_object();

	if (json_object_set_new(line, "time", json_integer(e->time_ns)) < 0 ||
	    json_object_set_new(line, "event", json_string(mosaic_event_name(e->kind))) < 0 ||
	    json_object_set_new(line, "pid", json_integer(e->pid)) < 0 ||
	    set_bytes(line, "volume", e->volume) < 0 || set_bytes(line, "other", e->other) < 0)
		return -ENOMEM;
	return json_write_text(line, ret);
}

int event_parse(const char *line, size_t len, struct mosaic_event *ret)
{
	_json_ json_t *root = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *time = json_object_get(root, "time"), *pid = json_object_get(root, "pid");
	struct mosaic_event e = {
		.kind = kind_of(json_string_value(json_object_get(root, "event"))),
		.time_ns = json_integer_value(time),
		.pid = (pid_t)json_integer_value(pid),
	};

	if (!e.kind || !json_is_integer(time) || !json_is_integer(pid) ||
	    !get_bytes(root, "volume", e.volume, sizeof(e.volume)) ||
	    !get_bytes(root, "other", e.other, sizeof(e.other)))
		return -EBADMSG;
	*ret = e;
	return 0;
}

/* ---- the file -------------------------------------------------------------------------------- */

static int format_header(char dst[HEADER_MAX], uint64_t number)
{
	return snprintf(dst, HEADER_MAX, "{\"file\":%llu}\n", (unsigned long long)number);
}

uint64_t event_log_number(int fd)
{
	char text[HEADER_MAX];
	ssize_t n = pread(fd, text, sizeof(text), 0);
	const char *end = n > 0 ? memchr(text, '\n', (size_t)n) : NULL;
	_json_ json_t *root = end ? json_loadb(text, (size_t)(end - text), 0, NULL) : NULL;

	return (uint64_t)json_integer_value(json_object_get(root, "file"));
}

int event_log_create(int dirfd)
{
	char header[HEADER_MAX];
	int len = format_header(header, 1), r;

	r = file_write(dirfd, EVENT_LOG, header, (size_t)len, 0600, FILE_EXCLUSIVE);
	return r == -EEXIST ? 0 : r;
}

/* 1: fd is the file of that name; 0: it is another one's by now. */
static int has_name(int dirfd, int fd, struct stat *ret)
{
	struct stat named;

	if (fstat(fd, ret) < 0)
		return -errno;
	if (fstatat(dirfd, EVENT_LOG, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	return ret->st_ino == named.st_ino && ret->st_dev == named.st_dev;
}

/* A descriptor with the shared lock. Whoever replaces the file is done in a moment; one that is
 * stopped in the middle keeps nobody waiting: -EBUSY. */
static int open_shared(int dirfd, struct stat *st)
{
	static const struct timespec moment = { 0, 1000000 };

	for (int i = 0; i < WRITE_TRIES; i++) {
		_close_ int fd = openat(dirfd, EVENT_LOG,
					O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
		int r;

		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_SH | LOCK_NB) == 0) {
			r = has_name(dirfd, fd, st);
			if (r != 0)
				return r < 0 ? r : take_fd(&fd);
		} else {
			nanosleep(&moment, NULL);
		}
	}
	return -EBUSY;
}

/* Was the last line cut off? */
static bool needs_end(int fd, const struct stat *st)
{
	char last = '\n';

	return st->st_size > 0 && pread(fd, &last, 1, st->st_size - 1) == 1 && last != '\n';
}

/* Failing leaves the file as long as it is, for the next who writes. */
static void replace(int dirfd, int fd)
{
	char header[HEADER_MAX];
	struct stat st;
	int len;

	/* who writes meanwhile is not waited for: it will find the file too long itself */
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 || has_name(dirfd, fd, &st) != 1 ||
	    st.st_size < EVENT_LOG_MAX)
		return;
	len = format_header(header, event_log_number(fd) + 1);
	if (unlinkat(dirfd, EVENT_LOG_NEW, 0) < 0 && errno != ENOENT)
		return;
	if (linkat(dirfd, EVENT_LOG, dirfd, EVENT_LOG_NEW, 0) < 0 ||
	    renameat(dirfd, EVENT_LOG_NEW, dirfd, EVENT_LOG_OLD) < 0)
		return;
	/* rename(2) does nothing when both are one file already: somebody died here */
	(void)!unlinkat(dirfd, EVENT_LOG_NEW, 0);
	(void)!file_write(dirfd, EVENT_LOG, header, (size_t)len, 0600, 0);
}

int event_log_append(int dirfd, const struct mosaic_event *event)
{
	_buf_ struct buf line = BUF_INIT(EVENT_LINE_MAX);
	_free_ char *text = NULL;
	_close_ int fd = -1;
	struct stat st;
	ssize_t n;
	int r;

	fd = open_shared(dirfd, &st);
	if (fd < 0)
		return fd;
	r = format(event, &text);
	if (r == 0)
		r = buf_addf(&line, "%s%s\n", needs_end(fd, &st) ? "\n" : "", text);
	if (r < 0)
		return r;
	do
		n = write(fd, line.data, line.len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (st.st_size + n > EVENT_LOG_MAX)
		replace(dirfd, fd);
	return (size_t)n < line.len ? -ENOSPC : 0;
}
