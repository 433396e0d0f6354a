#include "base/copy.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/str.h"

enum {
	COPY_CHUNK = 64 << 10,
	TELL_CHUNK = 16 << 20, /* that the kernel copies between two words of it */
	FD_PATH = 32,          /* "/proc/self/fd/N" */
};

static int tell(const struct copy_teller *teller, off_t bytes)
{
	return teller ? teller->fn((uint64_t)bytes, teller->arg) : 0;
}

static int copy_by_hand(int src, int dst, off_t *at, off_t end, const struct copy_teller *teller)
{
	_free_ char *buf = malloc(COPY_CHUNK);

	if (!buf)
		return -ENOMEM;
	while (*at < end) {
		size_t want = end - *at < COPY_CHUNK ? (size_t)(end - *at) : COPY_CHUNK;
		ssize_t n = pread(src, buf, want, *at);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break; /* cut short since */
		if (lseek(dst, *at, SEEK_SET) < 0)
			return -errno;
		r = write_all(dst, buf, (size_t)n);
		if (r < 0)
			return r;
		*at += n;
		r = tell(teller, n);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The bytes from at to end, which hold no hole. */
static int copy_range(int src, int dst, off_t at, off_t end, const struct copy_teller *teller)
{
	while (at < end) {
		off_t to = at, most = teller && end - at > TELL_CHUNK ? TELL_CHUNK : end - at;
		ssize_t n = copy_file_range(src, &at, dst, &to, (size_t)most, 0);
		int r;

		if (n == 0)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 &&
		    (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP))
			return copy_by_hand(src, dst, &at, end, teller);
		if (n < 0)
			return -errno;
		r = tell(teller, n);
		if (r < 0)
			return r;
	}
	return 0;
}

static int copy_content(int src, int dst, off_t size, const struct copy_teller *teller)
{
	off_t data = 0, hole;
	int r;

	if (size == 0 || ioctl(dst, FICLONE, src) == 0)
		return 0;
	while (data < size) {
		data = lseek(src, data, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break; /* only a hole is left */
		if (data < 0)
			return -errno;
		hole = lseek(src, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		r = copy_range(src, dst, data, hole < size ? hole : size, teller);
		if (r < 0)
			return r;
		data = hole;
	}
	return ftruncate(dst, size) < 0 ? -errno : 0;
}

/* The xattr calls want a real descriptor or a path; this path leads to what an O_PATH descriptor is
 * open on, also when that is a symbolic link. */
static void fd_path(char path[FD_PATH], int fd)
{
	snprintf(path, FD_PATH, "/proc/self/fd/%d", fd);
}

static int copy_xattr(const char *from, const char *to, const char *name)
{
	_free_ char *value = NULL;
	ssize_t n = getxattr(from, name, NULL, 0);

	if (n >= 0) {
		value = malloc((size_t)n + 1);
		if (!value)
			return -ENOMEM;
		n = getxattr(from, name, value, (size_t)n + 1);
	}
	if (n < 0)
		return errno == ENODATA ? 0 : -errno;
	return setxattr(to, name, value, (size_t)n, 0) < 0 ? -errno : 0;
}

static int copy_listed_xattrs(const char *from, int dst, const char *except)
{
	_free_ char *list = NULL;
	char to[FD_PATH];
	ssize_t n = listxattr(from, NULL, 0);
	int r;

	if (n > 0) {
		list = malloc((size_t)n);
		if (!list)
			return -ENOMEM;
		n = listxattr(from, list, (size_t)n);
	}
	if (n < 0)
		return errno == EOPNOTSUPP ? 0 : -errno;
	if (!list)
		return 0;
	fd_path(to, dst);
	for (char *name = list; name < list + n; name += strlen(name) + 1) {
		if (except && str_starts(name, except))
			continue;
		r = copy_xattr(from, to, name);
		if (r < 0)
			return r;
	}
	return 0;
}

int copy_xattrs(int src, int dst, const char *except)
{
	char from[FD_PATH];
	ssize_t n = flistxattr(src, NULL, 0);

	/* nearly everything has none: one call then */
	if (n == 0 || (n < 0 && errno == EOPNOTSUPP))
		return 0;
	if (n < 0 && errno != EBADF) /* EBADF: an O_PATH descriptor */
		return -errno;
	fd_path(from, src);
	return copy_listed_xattrs(from, dst, except);
}

/* In this order: chown takes set-user-ID bits and capabilities away. */
int copy_attributes(int src, int dst, const struct stat *st)
{
	struct timespec times[] = { st->st_atim, st->st_mtim };
	struct stat now;
	int r;

	if (fstat(dst, &now) < 0)
		return -errno;
	if ((now.st_uid != st->st_uid || now.st_gid != st->st_gid) &&
	    fchown(dst, st->st_uid, st->st_gid) < 0)
		return -errno;
	if (fchmod(dst, st->st_mode & 07777) < 0)
		return -errno;
	r = copy_xattrs(src, dst, NULL);
	if (r < 0)
		return r;
	return futimens(dst, times) < 0 ? -errno : 0;
}

int copy_file_telling(int src, int dst, const struct stat *st, const struct copy_teller *teller)
{
	int r = copy_content(src, dst, st->st_size, teller);

	return r < 0 ? r : copy_attributes(src, dst, st);
}

int copy_file(int src, int dst, const struct stat *st)
{
	return copy_file_telling(src, dst, st, NULL);
}

static int make_link(int src, int dirfd, const char *name)
{
	char target[LIMIT_PATH_BYTES];
	ssize_t n = readlinkat(src, "", target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, dirfd, name) < 0 ? -errno : 0;
}

int copy_special(int src, const struct stat *st, int dirfd, const char *name)
{
	struct timespec times[] = { st->st_atim, st->st_mtim };
	_close_ int dst = -1;
	int r;

	if (S_ISLNK(st->st_mode)) {
		r = make_link(src, dirfd, name);
		if (r < 0)
			return r;
	} else if (mknodat(dirfd, name, (st->st_mode & S_IFMT) | 0600, st->st_rdev) < 0) {
		return -errno;
	}
	dst = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (dst < 0)
		return -errno;
	if (fchownat(dst, "", st->st_uid, st->st_gid, AT_EMPTY_PATH) < 0)
		return -errno;
	if (!S_ISLNK(st->st_mode) && fchmodat(dirfd, name, st->st_mode & 07777, 0) < 0)
		return -errno;
	r = copy_xattrs(src, dst, NULL);
	if (r < 0)
		return r;
	return utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}
