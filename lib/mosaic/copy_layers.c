/* What is special about copying the layers of an overlay: see copy_tree.h. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/base.h"
#include "mosaic/copy_tree.h"

#define OPAQUE "trusted.overlay.opaque"

int layer_is_opaque(int fd)
{
	char value[2];
	ssize_t n = fgetxattr(fd, OPAQUE, value, sizeof(value));

	if (n < 0)
		return errno == ENODATA || errno == EOPNOTSUPP || errno == ERANGE ? 0 : -errno;
	return n == 1 && value[0] == 'y';
}

int layer_make_opaque(int fd)
{
	return fsetxattr(fd, OPAQUE, "y", 1, 0) < 0 ? -errno : 0;
}

struct pending {
	struct pending *next;
	char path[];
};

struct settling {
	int dst, below;
	struct pending *stack;
};

/* One directory of it. */
struct place {
	struct settling *settling;
	const char *path;
	int below; /* -1: there is nothing below */
};

#pragma GCC diagnostic push
/* What is allocated here is in the stack afterwards. */
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
static int push(struct settling *s, const char *dir, const char *name)
{
	size_t size = strlen(dir) + strlen(name) + 2;
	struct pending *p = malloc(sizeof(*p) + size);

	if (!p)
		return -ENOMEM;
	snprintf(p->path, size, "%s%s%s", dir, *dir ? "/" : "", name);
	p->next = s->stack;
	s->stack = p;
	return 0;
}
#pragma GCC diagnostic pop

static int settle_entry(int dirfd, const char *name, void *arg)
{
	const struct place *p = arg;
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return push(p->settling, p->path, name);
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(0, 0))
		return 0;
	if (p->below >= 0) {
		if (faccessat(p->below, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return 0;
		if (errno != ENOENT)
			return -errno;
	}
	return unlinkat(dirfd, name, 0) < 0 ? -errno : 0;
}

/* The directory that path shows of the layer below: not through an opaque one, or where the upper
 * layer made a directory of a file. -1: none. */
static int open_below(const struct settling *s, const char *path)
{
	char upper[LIMIT_PATH_BYTES];
	size_t n = 0;
	int fd, r;

	while (path[n]) {
		_close_ int dir = -1;

		n += strcspn(path + n + 1, "/") + 1;
		if (n >= sizeof(upper))
			return -ENAMETOOLONG;
		memcpy(upper, path, n);
		upper[n] = '\0';
		dir = path_open(s->dst, upper, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);
		r = dir < 0 ? dir : layer_is_opaque(dir);
		if (r != 0)
			return r < 0 ? r : -ENOENT;
	}
	fd = path_open(s->below, path, PATH_NO_LINKS, O_PATH | O_DIRECTORY, 0);
	return fd == -ENOTDIR || fd == -ELOOP ? -ENOENT : fd;
}

static int settle_directory(struct settling *s, const char *path)
{
	_close_ int dst = path_open(s->dst, path, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);
	_close_ int below = -1;
	struct place p = { .settling = s, .path = path, .below = -1 };
	struct timespec times[2];
	struct stat st;
	int r;

	if (dst < 0)
		return dst;
	if (fstat(dst, &st) < 0)
		return -errno;
	below = open_below(s, path);
	if (below < 0 && below != -ENOENT)
		return below;
	if (below >= 0)
		p.below = below;
	r = dir_each(dst, settle_entry, &p);
	if (r < 0)
		return r;
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	return futimens(dst, times) < 0 ? -errno : 0;
}

int copy_tree_settle(int dst, int below, struct error *err)
{
	struct settling s = { .dst = dst, .below = below };
	int r = push(&s, "", "");

	if (r < 0)
		error_set(err, r, "cannot look for whiteouts");
	while (s.stack) {
		struct pending *p = s.stack;

		s.stack = p->next;
		if (r == 0) {
			r = settle_directory(&s, p->path);
			if (r < 0)
				error_set(err, r, "cannot look for whiteouts in %s",
					  *p->path ? p->path : "the tree");
		}
		free(p);
	}
	return r;
}
