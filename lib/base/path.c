#include "base/path.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/limits.h"

int path_open(int rootfd, const char *path, enum path_walk walk, int flags, mode_t mode)
{
	static const uint64_t resolve[] = {
		[PATH_IN_ROOT] = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
		[PATH_ONE_MOUNT] = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
		[PATH_BENEATH] = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
		[PATH_NO_LINKS] = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
		[PATH_NO_MOUNTS] = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	struct open_how how = {
		.flags = (uint64_t)(unsigned)flags | O_CLOEXEC,
		.mode = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? mode : 0,
		.resolve = resolve[walk],
	};
	long fd;

	if (walk != PATH_IN_ROOT)
		while (*path == '/')
			path++;
	if (!*path)
		path = ".";
	do
		fd = syscall(SYS_openat2, rootfd, path, &how, sizeof(how));
	while (fd < 0 && errno == EAGAIN); /* raced with a rename: the kernel asks to try again */
	return fd < 0 ? -errno : (int)fd;
}

/* The end of the longest part of path (a prefix that ends before a slash) that exists below
 * rootfd; *ret_fd is opened on it. */
static int open_existing_prefix(int rootfd, char *path, char **ret_rest)
{
	char *end = path + strlen(path);

	for (;;) {
		char saved = *end;
		int fd;

		*end = '\0';
		fd = path_open(rootfd, path, PATH_IN_ROOT, O_PATH | O_DIRECTORY, 0);
		*end = saved;
		if (fd >= 0 || fd != -ENOENT) {
			*ret_rest = end;
			return fd;
		}
		while (end > path && *--end != '/')
			;
		if (end == path) {
			*ret_rest = path;
			return path_open(rootfd, "/", PATH_IN_ROOT, O_PATH | O_DIRECTORY, 0);
		}
	}
}

static bool has_dotdot(const char *path)
{
	for (const char *p = path; (p = strstr(p, "..")) != NULL; p += 2)
		if ((p == path || p[-1] == '/') && (p[2] == '/' || p[2] == '\0'))
			return true;
	return false;
}

int path_make_dirs(int rootfd, const char *path)
{
	char clean[LIMIT_PATH_BYTES], *rest;
	_close_ int fd = -1;
	int r;

	r = path_clean(clean, path);
	if (r < 0)
		return r;
	if (has_dotdot(clean))
		return -EINVAL;
	fd = open_existing_prefix(rootfd, clean, &rest);
	if (fd < 0)
		return fd;
	for (char *next; *rest; rest = next) {
		int child;

		while (*rest == '/')
			rest++;
		next = rest + strcspn(rest, "/");
		if (*next)
			*next++ = '\0';
		if (!*rest)
			break;
		if (mkdirat(fd, rest, 0755) < 0 && errno != EEXIST)
			return -errno;
		child = path_open(fd, rest, PATH_NO_LINKS, O_PATH | O_DIRECTORY, 0);
		if (child < 0)
			return child;
		close(fd);
		fd = child;
	}
	return take_fd(&fd);
}

int path_make_file(int rootfd, const char *path)
{
	char clean[LIMIT_PATH_BYTES], *slash;
	_close_ int dir = -1, file = -1;
	struct stat st;
	int r;

	r = path_clean(clean, path);
	if (r < 0)
		return r;
	r = path_open(rootfd, clean, PATH_IN_ROOT, O_PATH, 0);
	if (r >= 0) {
		file = r;
		if (fstat(file, &st) < 0)
			return -errno;
		return S_ISDIR(st.st_mode) ? -EISDIR : take_fd(&file);
	}
	if (r != -ENOENT)
		return r;
	slash = strrchr(clean, '/');
	if (slash)
		*slash = '\0';
	dir = path_make_dirs(rootfd, slash ? clean : "/");
	if (dir < 0)
		return dir;
	file = path_open(dir, slash ? slash + 1 : clean, PATH_NO_LINKS, O_CREAT | O_EXCL | O_WRONLY,
			 0644);
	if (file < 0)
		return file;
	return path_open(dir, slash ? slash + 1 : clean, PATH_NO_LINKS, O_PATH, 0);
}

int path_clean(char *dst, const char *path)
{
	size_t n = 0;

	if (*path == '/')
		dst[n++] = '/';
	while (*path) {
		size_t part = strcspn(path, "/");

		if (part > 0 && !(part == 1 && path[0] == '.')) {
			bool slash = n > 0 && dst[n - 1] != '/';

			if (n + slash + part + 1 > LIMIT_PATH_BYTES)
				return -ENAMETOOLONG;
			if (slash)
				dst[n++] = '/';
			memcpy(dst + n, path, part);
			n += part;
		}
		path += part;
		path += strspn(path, "/");
	}
	if (n == 0)
		dst[n++] = '.';
	dst[n] = '\0';
	return 0;
}

bool path_is_clean_absolute(const char *path)
{
	char clean[LIMIT_PATH_BYTES];

	return path[0] == '/' && path_clean(clean, path) == 0 && strcmp(clean, path) == 0 &&
	       !has_dotdot(path);
}
