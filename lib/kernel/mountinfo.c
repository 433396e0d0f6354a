#include "kernel/mountinfo.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/sysmacros.h>

/* statx(2)'s mount ID; of what <sys/stat.h> knows of struct statx not all C libraries have it. */
#include <sys/syscall.h>

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* In place. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && is_octal(s[1]) && is_octal(s[2]) && is_octal(s[3])) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

/* ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [FIELDS...] - TYPE SOURCE SUPER-OPTIONS */
static int parse_line(char *line, struct mountinfo *ret)
{
	char *field[6], *rest = strstr(line, " - ");
	unsigned major, minor;
	struct mountinfo m;
	uint64_t id;
	char *type;

	if (!rest)
		return -EBADMSG;
	*rest = '\0';
	rest += 3;
	for (size_t i = 0; i < ARRAY_SIZE(field); i++) {
		field[i] = strsep(&line, " ");
		if (!field[i])
			return -EBADMSG;
	}
	type = strsep(&rest, " ");
	if (str_to_u64(field[0], INT_MAX, &id) < 0)
		return -EBADMSG;
	m = (struct mountinfo){ .id = (int)id,
				.root = field[3],
				.point = field[4],
				.options = field[5],
				.fstype = type,
				.source = strsep(&rest, " ") };
	if (!m.source || sscanf(field[2], "%u:%u", &major, &minor) != 2)
		return -EBADMSG;
	m.device = makedev(major, minor);
	unescape(field[3]);
	unescape(field[4]);
	unescape(type);
	unescape((char *)m.source);
	*ret = m;
	return 0;
}

int mountinfo_next(char **cursor, struct mountinfo *ret)
{
	char *line;

	while ((line = strsep(cursor, "\n")) != NULL)
		if (*line && parse_line(line, ret) == 0)
			return 1;
	return 0;
}

static int mount_id(int fd, int *ret)
{
	struct statx stx;

	if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0)
		return -errno;
	if (!(stx.stx_mask & STATX_MNT_ID))
		return -EOPNOTSUPP;
	*ret = (int)stx.stx_mnt_id;
	return 0;
}

/* root of the mount, and what of place is below its mount point. */
static int compose(const struct mountinfo *m, const char *place, char *path, size_t size)
{
	const char *root = str_eq(m->root, "/") ? "" : m->root;
	size_t n = str_eq(m->point, "/") ? 0 : strlen(m->point);
	int len;

	if (strncmp(place, m->point, n) != 0 || (place[n] && place[n] != '/'))
		return -ENOENT;
	if (str_eq(place + n, "/"))
		n++;
	len = snprintf(path, size, "%s%s", root, place + n);
	if (len == 0)
		len = snprintf(path, size, "/");
	return (size_t)len < size ? 0 : -ENAMETOOLONG;
}

int mountinfo_locate(int fd, dev_t *ret_device, char *path, size_t size)
{
	char link[32], place[LIMIT_PATH_BYTES];
	_free_ char *text = NULL;
	struct mountinfo m;
	char *cursor;
	ssize_t n;
	int id = -1, r;

	r = mount_id(fd, &id);
	if (r < 0)
		return r;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, place, sizeof(place) - 1);
	if (n < 0)
		return -errno;
	place[n] = '\0';
	r = file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL);
	if (r < 0)
		return r;
	for (cursor = text; mountinfo_next(&cursor, &m) > 0;) {
		if (m.id != id)
			continue;
		r = compose(&m, place, path, size);
		if (r == 0)
			*ret_device = m.device;
		return r;
	}
	return -ENOENT;
}

/* Of path, when it is the root of a mount. */
static int mount_id_at(const char *path, int *ret)
{
	struct statx stx;

	if (syscall(SYS_statx, AT_FDCWD, path, AT_NO_AUTOMOUNT, STATX_MNT_ID, &stx) < 0)
		return -errno;
	if (!(stx.stx_mask & STATX_MNT_ID))
		return -EOPNOTSUPP;
	*ret = (int)stx.stx_mnt_id;
	return stx.stx_attributes & STATX_ATTR_MOUNT_ROOT ? 0 : -EINVAL;
}

int mountinfo_at(const char *path, char **ret_text, struct mountinfo *ret)
{
	_free_ char *text = NULL;
	struct mountinfo m;
	char *cursor;
	int id = -1, r;

	r = mount_id_at(path, &id);
	if (r == 0)
		r = file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL);
	if (r < 0)
		return r;
	for (cursor = text; mountinfo_next(&cursor, &m) > 0;) {
		if (m.id != id)
			continue;
		*ret = m;
		*ret_text = take_ptr(&text);
		return 0;
	}
	return -ENOENT;
}
