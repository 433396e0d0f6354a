/*
 * Removing a tree that somebody hostile may have filled and may still be renaming: by fd, never
 * through a link, never into another mount. Depth costs no stack: below MAX_DEPTH a directory
 * is first moved up to the top of the tree, and met again there. What somebody changed
 * under our hands is met again as what it is now; MAX_RACES ends a tug-of-war.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/path.h"

enum { MAX_DEPTH = 24, MAX_RACES = 10000 };

struct removal {
	int top;
	uint64_t mount;
	uint64_t moved; /* directories moved to the top so far: makes their names */
	unsigned races;
	bool again; /* this pass left something for the next */
};

static int mount_id(int fd, uint64_t *ret)
{
	struct statx stx;

	if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0)
		return -errno;
	*ret = stx.stx_mnt_id;
	return 0;
}

static int remove_below(struct removal *rm, int fd, unsigned depth);

/* An entry turned out to be something else than a moment ago. */
static int raced(struct removal *rm, int r)
{
	if (r == -ENOENT)
		return 0;
	if ((r != -ENOTDIR && r != -ELOOP && r != -ENOTEMPTY && r != -EEXIST) ||
	    ++rm->races > MAX_RACES)
		return r;
	rm->again = true;
	return 0;
}

/* Moves a directory that lies too deep to the top, where a later pass meets it. */
static int move_up(struct removal *rm, int fd, const char *name)
{
	char fresh[48];

	do {
		snprintf(fresh, sizeof(fresh), ".removed-%llu", (unsigned long long)rm->moved++);
		if (syscall(SYS_renameat2, fd, name, rm->top, fresh, 1 /* RENAME_NOREPLACE */) ==
		    0) {
			rm->again = true;
			return 0;
		}
	} while (errno == EEXIST);
	return -errno;
}

static int remove_entry(struct removal *rm, int fd, const char *name, unsigned depth)
{
	_close_ int child = -1;
	uint64_t mount;
	int refusal, r;

	if (unlinkat(fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	refusal = errno;
	if (refusal != EISDIR && refusal != EPERM)
		return -refusal;
	if (unlinkat(fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno == ENOTDIR)
		return refusal == EPERM ? -EPERM : raced(rm, -ENOTDIR);
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -errno;
	if (depth >= MAX_DEPTH)
		return move_up(rm, fd, name);
	child = path_open(fd, name, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);
	if (child < 0)
		return raced(rm, child);
	r = mount_id(child, &mount);
	if (r < 0)
		return r;
	if (mount != rm->mount)
		return -EBUSY;
	r = remove_below(rm, child, depth + 1);
	if (r < 0)
		return r;
	return unlinkat(fd, name, AT_REMOVEDIR) == 0 ? 0 : raced(rm, -errno);
}

static int remove_below(struct removal *rm, int fd, unsigned depth)
{
	_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int own, r;

	own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
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
		r = remove_entry(rm, fd, entry->d_name, depth);
		if (r < 0)
			return r;
	}
	return -errno;
}

int path_remove_tree(int dirfd, const char *name)
{
	struct removal rm = { 0 };
	_close_ int top = -1;
	int r;

	if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	top = path_open(dirfd, name, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);
	if (top < 0)
		return top == -ENOENT ? 0 : top;
	rm.top = top;
	r = mount_id(top, &rm.mount);
	if (r < 0)
		return r;
	do {
		rm.again = false;
		if (lseek(top, 0, SEEK_SET) < 0)
			return -errno;
		r = remove_below(&rm, top, 0);
		if (r == 0 && !rm.again && unlinkat(dirfd, name, AT_REMOVEDIR) < 0)
			r = raced(&rm, -errno);
	} while (r == 0 && rm.again);
	return r;
}
