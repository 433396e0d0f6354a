/*
 * One directory at a time, taken from a stack of relative paths, so that depth costs neither C
 * stack nor descriptors. The subdirectories of a directory are made while it is read, and its times
 * set right after: filling them later touches only themselves.
 */
#include "mosaic/copy_tree.h"

#include <fcntl.h>
#include <search.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"
#include "mosaic/driver.h"

/* A file with more than one name, and the first of them in the copy. */
struct linked {
	dev_t dev;
	ino_t ino;
	char path[];
};

struct pending {
	struct pending *next;
	bool there;  /* in dst before this layer */
	char path[]; /* relative to the root; "" is the root */
};

struct copy {
	int src, dst;
	struct pending *stack;
	void *links; /* tsearch() tree of struct linked */
	struct error *err;
};

/* The directory that is being copied. */
struct directory {
	struct copy *copy;
	const char *path;
	int src, dst;
	bool there;
};

static int compare_links(const void *a, const void *b)
{
	const struct linked *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static int join(char dst[LIMIT_PATH_BYTES], const char *dir, const char *name)
{
	int n = snprintf(dst, LIMIT_PATH_BYTES, "%s%s%s", dir, *dir ? "/" : "", name);

	return n < LIMIT_PATH_BYTES ? 0 : -ENAMETOOLONG;
}

#pragma GCC diagnostic push
/* What is allocated here is in the stack or in the tree afterwards. */
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
static int push(struct copy *c, const char *path, bool there)
{
	size_t len = strlen(path) + 1;
	struct pending *p = malloc(sizeof(*p) + len);

	if (!p)
		return -ENOMEM;
	memcpy(p->path, path, len);
	p->there = there;
	p->next = c->stack;
	c->stack = p;
	return 0;
}

static int remember_link(struct copy *c, const struct stat *st, const char *path)
{
	size_t len = strlen(path) + 1;
	struct linked *l = malloc(sizeof(*l) + len);

	if (!l)
		return -ENOMEM;
	l->dev = st->st_dev;
	l->ino = st->st_ino;
	memcpy(l->path, path, len);
	if (tsearch(l, &c->links, compare_links))
		return 0;
	free(l);
	return -ENOMEM;
}
#pragma GCC diagnostic pop

/* 1 when the file was there under another name and is linked now. */
static int copy_link(const struct directory *d, const struct stat *st, const char *name)
{
	struct linked key = { .dev = st->st_dev, .ino = st->st_ino };
	struct linked *const *found = tfind(&key, &d->copy->links, compare_links);

	if (!found)
		return 0;
	return linkat(d->copy->dst, (*found)->path, d->dst, name, 0) < 0 ? -errno : 1;
}

static int copy_subdirectory(const struct directory *d, const char *name, const char *path)
{
	if (mkdirat(d->dst, name, 0700) < 0)
		return -errno;
	return push(d->copy, path, false);
}

/* 1 when dst has something of that name: a directory is merged with it, all else is hidden. */
static int meet(const struct directory *d, const char *name, const struct stat *st,
		const char *path)
{
	struct stat there;
	int r;

	if (!d->there)
		return 0;
	if (fstatat(d->dst, name, &there, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISDIR(there.st_mode) || !S_ISDIR(st->st_mode))
		return 1;
	r = push(d->copy, path, true);
	return r < 0 ? r : 1;
}

static int copy_regular(const struct directory *d, const char *name)
{
	_close_ int src = -1, dst = -1;
	struct stat st;

	/* O_NONBLOCK: it may have become a fifo since */
	src = path_open(d->src, name, PATH_NO_LINKS, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (src < 0)
		return src;
	if (fstat(src, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EAGAIN;
	dst = openat(d->dst, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (dst < 0)
		return -errno;
	return volume_copy_file(src, dst, &st);
}

static int copy_entry(const struct directory *d, const char *name)
{
	char path[LIMIT_PATH_BYTES];
	_close_ int src = -1;
	struct stat st;
	int r;

	r = join(path, d->path, name);
	if (r < 0)
		return r;
	src = openat(d->src, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (src < 0)
		return -errno;
	if (fstat(src, &st) < 0)
		return -errno;
	r = meet(d, name, &st, path);
	if (r != 0)
		return r < 0 ? r : 0;
	if (S_ISDIR(st.st_mode))
		return copy_subdirectory(d, name, path);
	if (st.st_nlink > 1) {
		r = copy_link(d, &st, name);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	if (S_ISREG(st.st_mode))
		r = copy_regular(d, name);
	else
		r = copy_special(src, &st, d->dst, name);
	if (r == 0 && st.st_nlink > 1)
		r = remember_link(d->copy, &st, path);
	return r;
}

static int copy_named_entry(int dirfd, const char *name, void *arg)
{
	const struct directory *d = arg;
	char path[LIMIT_PATH_BYTES];
	int r = copy_entry(d, name);

	(void)dirfd;
	if (r == -ENOENT && faccessat(d->src, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* removed since it was listed */
	if (r == 0)
		return 0;
	if (r == -ENAMETOOLONG)
		return error_set(d->copy->err, r, "a path is longer than %d bytes",
				 LIMIT_PATH_BYTES - 1);
	return error_set(d->copy->err, r, "cannot copy %s",
			 join(path, d->path, name) == 0 ? path : name);
}

/* After the entries: what they hide below has to stay hidden, and the times are older. */
static int restore_directory(const struct directory *d, const struct stat *before)
{
	const struct timespec times[] = { before->st_atim, before->st_mtim };
	int r = layer_is_opaque(d->src);

	if (r > 0)
		r = layer_make_opaque(d->dst);
	if (r < 0)
		return r;
	return futimens(d->dst, times) < 0 ? -errno : 0;
}

/* A directory that is opaque hides all of a layer that comes later. */
static int copy_entries(const struct directory *d)
{
	struct stat st;
	int r = d->there ? layer_is_opaque(d->dst) : 0;

	if (r != 0)
		return r < 0 ? r : 0;
	if (fstat(d->there ? d->dst : d->src, &st) < 0)
		return -errno;
	r = dir_each(d->src, copy_named_entry, (void *)d);
	if (r < 0)
		return r;
	r = d->there ? restore_directory(d, &st) : copy_attributes(d->src, d->dst, &st);
	return r < 0 ? error_set(d->copy->err, r, "cannot copy the attributes of %s",
				 *d->path ? d->path : "the root directory")
		     : 0;
}

static int copy_directory(struct copy *c, const struct pending *p)
{
	struct directory d = { .copy = c, .path = p->path, .there = p->there };
	const char *path = p->path;
	_close_ int src = -1, dst = -1;
	int r;

	src = d.src = path_open(c->src, path, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);
	if (src == -ENOENT && *path)
		return 0; /* removed since it was listed */
	if (src < 0)
		return error_set(c->err, src, "cannot open %s", *path ? path : "the tree");
	dst = d.dst = path_open(c->dst, path, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);
	if (dst < 0)
		return error_set(c->err, dst, "cannot open the copy of %s",
				 *path ? path : "the tree");
	r = copy_entries(&d);
	if (r < 0 && (!c->err || c->err->code != r))
		error_set(c->err, r, "cannot list %s", *path ? path : "the tree");
	return r;
}

static int copy(int src, int dst, bool there, struct error *err)
{
	struct error own = { 0 };
	struct copy c = { .src = src, .dst = dst, .err = err ? err : &own };
	int r = push(&c, "", there);

	if (r < 0)
		error_set(err, r, "cannot copy a tree");
	while (c.stack) {
		struct pending *p = c.stack;

		c.stack = p->next;
		if (r == 0)
			r = copy_directory(&c, p);
		free(p);
	}
	tdestroy(c.links, free);
	return r;
}

int copy_tree(int src, int dst, struct error *err)
{
	return copy(src, dst, false, err);
}

int copy_tree_below(int src, int dst, struct error *err)
{
	return copy(src, dst, true, err);
}
