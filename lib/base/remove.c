/*
 * Removing a tree that somebody hostile may have filled and may still be renaming: by fd, never
 * through a link, never into another mount. Depth costs no stack: below MAX_DEPTH a directory
 * is first moved up to the top of the tree, and met again there. What somebody changed
 * under our hands is met again as what it is now; MAX_RACES ends a tug-of-war.
 *
 * Directories are read by getdents64(2) itself: opendir(3) allocates, and takes four calls more.
 * Every foreground pod ends with a few small trees removed.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/path.h"

enum { MAX_DEPTH = 24, MAX_RACES = 10000, ENTRIES_BYTES = 4096 };

struct removal {
	int top;
	uint64_t moved; /* directories moved to the top so far: makes their names */
	unsigned races;
	bool again; /* this pass left something for the next */
};

static int remove_below(struct removal *rm, int fd, unsigned depth);

/* An entry turned out to be something else, or to be elsewhere, than a moment ago. -EXDEV does not
 * mean a mount here: of that rmdir() has told (-EBUSY). */
static int raced(struct removal *rm, int r)
{
	switch (r) {
	case -ENOENT:
		return 0;
	case -ENOTDIR:
	case -ELOOP:
	case -ENOTEMPTY:
	case -EEXIST:
	case -EXDEV:
		if (++rm->races > MAX_RACES)
			return r;
		rm->again = true;
		return 0;
	default:
		return r;
	}
}

/* Moves a directory that lies too deep to the top, where a later pass meets it. */
static int move_up(struct removal *rm, int fd, const char *name)
{
	const unsigned no_replace = 1; /* RENAME_NOREPLACE */
	char fresh[48];

	do {
		snprintf(fresh, sizeof(fresh), ".removed-%llu", (unsigned long long)rm->moved++);
		if (syscall(SYS_renameat2, fd, name, rm->top, fresh, no_replace) == 0) {
			rm->again = true;
			return 0;
		}
	} while (errno == EEXIST);
	return raced(rm, -errno);
}

static int remove_directory(struct removal *rm, int fd, const char *name, unsigned depth)
{
	_close_ int child = -1;
	int r;

	if (unlinkat(fd, name, AT_REMOVEDIR) == 0)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return raced(rm, -errno);
	if (depth >= MAX_DEPTH)
		return move_up(rm, fd, name);
	child = path_open(fd, name, PATH_NO_MOUNTS, O_RDONLY | O_DIRECTORY, 0);
	if (child < 0)
		return raced(rm, child);
	r = remove_below(rm, child, depth + 1);
	if (r < 0)
		return r;
	return unlinkat(fd, name, AT_REMOVEDIR) == 0 ? 0 : raced(rm, -errno);
}

static int remove_entry(struct removal *rm, int fd, const struct dirent *entry, unsigned depth)
{
	const char *name = entry->d_name;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	if (entry->d_type != DT_DIR) {
		if (unlinkat(fd, name, 0) == 0 || errno == ENOENT)
			return 0;
		if (errno != EISDIR) /* DT_UNKNOWN, or a race */
			return -errno;
	}
	return remove_directory(rm, fd, name, depth);
}

static int remove_below(struct removal *rm, int fd, unsigned depth)
{
	char entries[ENTRIES_BYTES] __attribute__((aligned(__alignof__(struct dirent))));

	for (;;) {
		long n = syscall(SYS_getdents64, fd, entries, sizeof(entries));

		if (n <= 0)
			return n == 0 ? 0 : raced(rm, -errno);
		for (long at = 0; at < n;) {
			const struct dirent *entry = (const struct dirent *)(entries + at);
			int r = remove_entry(rm, fd, entry, depth);

			if (r < 0)
				return r;
			at += entry->d_reclen;
		}
	}
}

int path_remove_tree(int dirfd, const char *name)
{
	struct removal rm = { 0 };
	_close_ int top = -1;
	int r;

	if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno == ENOTDIR)
		return unlinkat(dirfd, name, 0) == 0 || errno == ENOENT ? 0 : -errno;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -errno;
	top = path_open(dirfd, name, PATH_NO_MOUNTS, O_RDONLY | O_DIRECTORY, 0);
	if (top < 0)
		return top == -ENOENT ? 0 : top;
	rm.top = top;
	for (;;) {
		r = remove_below(&rm, top, 0);
		if (r == 0 && !rm.again && unlinkat(dirfd, name, AT_REMOVEDIR) < 0)
			r = raced(&rm, -errno);
		if (r < 0 || !rm.again)
			return r;
		rm.again = false;
		if (lseek(top, 0, SEEK_SET) < 0)
			return -errno;
	}
}
