/*
 * passwd and group files are read by a small machine that takes them byte by byte, so that neither
 * a long line nor a long file needs memory. It knows three fields of a line (name, password,
 * number) and passes over the rest.
 */
#include "kernel/users.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"

enum field { FIELD_NAME, FIELD_PASSWORD, FIELD_NUMBER, FIELD_REST };

#define ID_MAX (UINT32_MAX - 1) /* all ones means "no id" to the kernel */

struct scan {
	const char *wanted;
	size_t matched; /* bytes of the name that agree with wanted */
	enum field field;
	char number[12];
	size_t digits;
	bool found;
	uint32_t id;
};

static int parse_id(const char *s, uint32_t *ret)
{
	uint64_t value;
	int r = str_to_u64(s, ID_MAX, &value);

	if (r == 0)
		*ret = (uint32_t)value;
	return r;
}

/* A field ended: which comes next? */
static enum field end_field(struct scan *s)
{
	switch (s->field) {
	case FIELD_NAME:
		return s->matched > 0 && !s->wanted[s->matched] ? FIELD_PASSWORD : FIELD_REST;
	case FIELD_PASSWORD:
		return FIELD_NUMBER;
	case FIELD_NUMBER:
		s->number[s->digits] = '\0';
		s->found = parse_id(s->number, &s->id) == 0;
		break;
	case FIELD_REST:
		break;
	}
	return FIELD_REST;
}

static void end_line(struct scan *s)
{
	if (s->field == FIELD_NUMBER)
		end_field(s);
	s->field = FIELD_NAME;
	s->matched = s->digits = 0;
}

static void take_byte(struct scan *s, char c)
{
	if (c == '\n') {
		end_line(s);
	} else if (c == ':') {
		s->field = end_field(s);
	} else if (s->field == FIELD_NAME) {
		if (!c || s->wanted[s->matched] != c)
			s->field = FIELD_REST;
		else
			s->matched++;
	} else if (s->field == FIELD_NUMBER) {
		if (c && s->digits + 1 < sizeof(s->number))
			s->number[s->digits++] = c;
		else
			s->field = FIELD_REST; /* no number is that long, or has a NUL in it */
	}
}

static void take_bytes(struct scan *s, const char *text, size_t len)
{
	for (size_t i = 0; i < len && !s->found; i++)
		take_byte(s, text[i]);
}

static int finish(struct scan *s, uint32_t *ret)
{
	if (!s->found)
		end_line(s); /* the last line need not end in a newline */
	if (!s->found)
		return -ENOENT;
	*ret = s->id;
	return 0;
}

int users_find(const char *text, size_t len, const char *name, uint32_t *ret)
{
	struct scan s = { .wanted = name };

	take_bytes(&s, text, len);
	return finish(&s, ret);
}

/* Opens the table for reading: -ENOENT when it is not there, or no regular file. Its kind is looked
 * at before it is opened: to open a device or a fifo can be an act. */
static int open_table(int rootfd, const char *path)
{
	_close_ int fd = path_open(rootfd, path, PATH_IN_ROOT, O_PATH, 0);
	struct stat st;

	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
		return -ENOENT;
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOENT;
	if (st.st_size > LIMIT_PASSWD_BYTES)
		return -EFBIG;
	return path_open(rootfd, path, PATH_IN_ROOT, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
}

static int find_in_file(int rootfd, const char *path, const char *name, uint32_t *ret)
{
	struct scan s = { .wanted = name };
	_close_ int fd = open_table(rootfd, path);
	char window[1024];
	size_t total = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
	while (!s.found && (n = read(fd, window, sizeof(window))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		total += (size_t)n;
		if (total > LIMIT_PASSWD_BYTES)
			return -EFBIG;
		take_bytes(&s, window, (size_t)n);
	}
	return finish(&s, ret);
}

static int find_owner(int rootfd, enum users_table table, const char *path, uint32_t *ret)
{
	_close_ int fd = path_open(rootfd, path, PATH_IN_ROOT, O_PATH, 0);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = table == USERS_PASSWD ? st.st_uid : st.st_gid;
	return 0;
}

int users_resolve(int rootfd, enum users_table table, const char *name, uint32_t *ret)
{
	static const char *const paths[] = {
		[USERS_PASSWD] = "etc/passwd", [USERS_GROUP] = "etc/group"
	};
	int r;

	if (name[0] == '/')
		return find_owner(rootfd, table, name, ret);
	r = find_in_file(rootfd, paths[table], name, ret);
	if (r != -ENOENT)
		return r;
	r = parse_id(name, ret);
	return r == -EINVAL ? -ENOENT : r;
}
