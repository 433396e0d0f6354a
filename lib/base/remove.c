/*
 * Removing a tree that somebody hostile may have filled and may still be renaming: by fd, never
 * through a link, never into another mount. Depth costs no stack: below MAX_DEPTH a directory
 * is first moved up to the top of the tree, and met again there.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/path.h"

enum { MAX_DEPTH = 24 };

struct removal {
	int top;
	uint64_t mount;
	uint64_t moved; /* directories moved to the top so far: makes their names */
	bool again;	/* some were moved in this pass */
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

/* Moves a directory that lies too deep to the top, where a later pass meets it. */
static int move_up(struct removal *rm, int fd, const char *name)
{
	char fresh[48];

	do {
		snprintf(fresh, sizeof(fresh), ".removed-%llu", (unsigned long long)rm->moved++);
		if (syscall(SYS_renameat2, fd, name, rm->top, fresh, 1 /* RENAME_NOREPLACE */) == 0) {
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
	int r;

	if (unlinkat(fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (unlinkat(fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -errno;
	if (depth >= MAX_DEPTH)
		return move_up(rm, fd, name);
	child = path_open(fd, name, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);
	if (child == -ENOENT)
		return 0;
	if (child < 0)
		return child;
	r = mount_id(child, &mount);
	if (r < 0)
		return r;
	if (mount != rm->mount)
		return -EBUSY;
	r = remove_below(rm, child, depth + 1);
	if (r < 0)
		return r;
	return unlinkat(fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
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
		close(own);
		return -errno;
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
	struct removal rm = { .again = true };
	_close_ int top = -1;
	int r;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	top = path_open(dirfd, name, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);
	if (top < 0)
		return top == -ENOENT ? 0 : top;
	rm.top = top;
	r = mount_id(top, &rm.mount);
	while (r == 0 && rm.again) {
		rm.again = false;
		if (lseek(top, 0, SEEK_SET) < 0)
			return -errno;
		r = remove_below(&rm, top, 0);
	}
	if (r < 0)
		return r;
	return unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}
