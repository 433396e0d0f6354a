/* Owner, mode, extended attributes and time, as a stream has them. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "mosaic/stream_tree.h"

enum { FD_PATH = 32 };

static bool is_wanted(const struct stream_attributes *a, const char *name)
{
	struct stream_xattr x;
	size_t at = 0;

	while (stream_next_xattr(a, &at, &x))
		if (str_eq(x.name, name))
			return true;
	return false;
}

/* A security module's own mark is not ours to take away; capabilities are. */
static bool is_removable(const char *name)
{
	return stream_xattr_is_kept(name) &&
	       (!str_starts(name, "security.") || str_eq(name, "security.capability"));
}

/* What is inherited from a directory, or was there before. */
static int remove_others(const char *path, const struct stream_attributes *a)
{
	_free_ char *list = NULL;
	ssize_t len = listxattr(path, NULL, 0);

	if (len > 0) {
		list = malloc((size_t)len + 1);
		if (!list)
			return -ENOMEM;
		len = listxattr(path, list, (size_t)len);
	}
	if (len < 0)
		return errno == EOPNOTSUPP ? 0 : -errno;
	if (!list)
		return 0;
	list[len] = '\0';
	for (const char *p = list; p < list + len; p += strlen(p) + 1)
		if (is_removable(p) && !is_wanted(a, p) && removexattr(path, p) < 0 &&
		    errno != ENODATA)
			return -errno;
	return 0;
}

static int set_xattrs(const char *path, const struct stream_attributes *a)
{
	struct stream_xattr x;
	size_t at = 0;
	int r = remove_others(path, a);

	if (r < 0)
		return r;
	while (stream_next_xattr(a, &at, &x))
		if (setxattr(path, x.name, x.value, x.len, 0) < 0)
			return -errno;
	return 0;
}

/* In this order: chown takes set-user-ID bits and capabilities away, chmod changes an ACL. */
int apply_attributes(int fd, const struct stream_attributes *a)
{
	const struct timespec times[] = {
		{ .tv_nsec = UTIME_OMIT },
		{ .tv_sec = a->seconds, .tv_nsec = a->nanoseconds },
	};
	char path[FD_PATH];
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_uid != a->uid || st.st_gid != a->gid) &&
	    fchownat(fd, "", a->uid, a->gid, AT_EMPTY_PATH) < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!S_ISLNK(st.st_mode) && chmod(path, a->mode) < 0)
		return -errno;
	r = set_xattrs(path, a);
	if (r < 0)
		return r;
	return utimensat(AT_FDCWD, path, times, 0) < 0 ? -errno : 0;
}
