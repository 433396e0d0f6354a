#include "base/file.h"

#include <fcntl.h>
#include <string.h>

#include "base/limits.h"
#include "base/path.h"

int file_read_fd(int fd, size_t max, char **ret, size_t *ret_len)
{
	_free_ char *data = NULL;
	struct stat st;
	size_t room, len = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	if (st.st_size > 0 && (uint64_t)st.st_size > max)
		return -EFBIG;
	/* files of procfs and cgroupfs say that they are empty: start with a page, then grow */
	room = st.st_size > 0 ? (size_t)st.st_size + 1 : 4096;
	for (;;) {
		char *more = realloc(data, room + 1);
		ssize_t n;

		if (!more)
			return -ENOMEM;
		data = more;
		n = pread(fd, data + len, room - len, (off_t)len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		if (len > max)
			return -EFBIG;
		if (n == 0 || (st.st_size > 0 && len == (size_t)st.st_size))
			break;
		if (len == room)
			room *= 2;
	}
	data[len] = '\0';
	*ret = take_ptr(&data);
	if (ret_len)
		*ret_len = len;
	return 0;
}

int file_read(int dirfd, const char *name, size_t max, char **ret, size_t *ret_len)
{
	_close_ int fd = openat(dirfd, name,
				O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? -errno : file_read_fd(fd, max, ret, ret_len);
}

int write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int pwrite_all(int fd, const void *data, size_t len, uint64_t at)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = pwrite(fd, p, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

ssize_t read_all(int fd, void *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, (char *)data + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int sync_dir(int dirfd)
{
	return fsync(dirfd) < 0 ? -errno : 0;
}

static int write_beside(int dirfd, const char *beside, const void *data, size_t len, mode_t mode,
			unsigned flags)
{
	_close_ int fd = openat(dirfd, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
				mode);
	int r;

	if (fd < 0)
		return -errno;
	r = write_all(fd, data, len);
	if (r == 0 && flags & FILE_SYNC && fsync(fd) < 0)
		r = -errno;
	return r;
}

/* The directory that the last component of name is in. */
static int parent_of(const char *name, char parent[LIMIT_PATH_BYTES])
{
	const char *slash = strrchr(name, '/');
	size_t len = slash ? (size_t)(slash - name) + 1 : 1;

	if (len >= LIMIT_PATH_BYTES)
		return -ENAMETOOLONG;
	memcpy(parent, slash ? name : ".", len);
	parent[len] = '\0';
	return 0;
}

int file_write(int dirfd, const char *name, const void *data, size_t len, mode_t mode,
	       unsigned flags)
{
	const char *slash = strrchr(name, '/');
	char beside[LIMIT_NAME_BYTES + 1], path[LIMIT_PATH_BYTES];
	_close_ int parent = -1;
	int r;

	if (slash || flags & FILE_SYNC) { /* dirfd may be O_PATH, which cannot be synced */
		r = parent_of(name, path);
		if (r < 0)
			return r;
		parent = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (parent < 0)
			return -errno;
		dirfd = parent;
		name = slash ? slash + 1 : name;
	}
	if (snprintf(beside, sizeof(beside), ".%.200s.%d", name, getpid()) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	r = write_beside(dirfd, beside, data, len, mode, flags);
	if (r == -EEXIST &&
	    unlinkat(dirfd, beside, 0) == 0) /* left by a process of our number that died */
		r = write_beside(dirfd, beside, data, len, mode, flags);
	if (r == 0) {
		if (flags & FILE_EXCLUSIVE)
			r = linkat(dirfd, beside, dirfd, name, 0) < 0 ? -errno : 0;
		else
			r = renameat(dirfd, beside, dirfd, name) < 0 ? -errno : 0;
	}
	if ((r < 0 && r != -EEXIST) || flags & FILE_EXCLUSIVE)
		unlinkat(dirfd, beside, 0);
	return r == 0 && flags & FILE_SYNC ? sync_dir(dirfd) : r;
}

int file_put(int dirfd, const char *name, const char *value)
{
	_close_ int fd = openat(dirfd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	do
		n = write(fd, value, strlen(value));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static int make_dir(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno != EEXIST || stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int make_dirs(const char *path, mode_t mode)
{
	char part[LIMIT_PATH_BYTES];
	size_t len = strlen(path);
	int r;

	r = make_dir(path, mode);
	if (r != -ENOENT || len == 0)
		return r;
	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, len + 1);
	for (char *p = part + 1; (p = strchr(p, '/')) != NULL; p++) {
		*p = '\0';
		r = make_dir(part, mode);
		if (r < 0)
			return r;
		*p = '/';
	}
	return make_dir(path, mode);
}

int dir_each(int dirfd, int (*fn)(int dirfd, const char *name, void *arg), void *arg)
{
	_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int own, r;

	own = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (own < 0)
		return -errno;
	dir = fdopendir(own);
	if (!dir) {
		r = -errno;
		close(own);
		return r;
	}
	while (errno = 0, (entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		r = fn(dirfd, entry->d_name, arg);
		if (r != 0)
			return r;
	}
	return -errno;
}
