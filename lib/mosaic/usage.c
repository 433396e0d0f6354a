/*
 * What volumes take, and which came from which. Without a better word from the driver, a volume
 * takes the blocks of all files of its own content, those with several names once. Directories are
 * taken from a stack of relative paths, as in copy_tree.c.
 */
#include <fcntl.h>
#include <search.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"
#include "mosaic/driver.h"

/* A file with more than one name. */
struct linked {
	dev_t dev;
	ino_t ino;
};

struct pending {
	struct pending *next;
	char path[]; /* relative to the root; "" is the root */
};

struct sum {
	int root;
	uint64_t bytes;
	struct pending *stack;
	void *links;      /* tsearch() tree of struct linked */
	const char *path; /* of the directory that is being read */
};

static int compare_links(const void *a, const void *b)
{
	const struct linked *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

#pragma GCC diagnostic push
/* What is allocated here is in the stack or in the tree afterwards. */
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
static int push(struct sum *s, const char *dir, const char *name)
{
	size_t len = strlen(dir) + 1 + strlen(name) + 1;
	struct pending *p = malloc(sizeof(*p) + len);

	if (!p)
		return -ENOMEM;
	snprintf(p->path, len, "%s%s%s", dir, *dir ? "/" : "", name);
	p->next = s->stack;
	s->stack = p;
	return 0;
}

/* 1: it was met under another name already. */
static int is_known(struct sum *s, const struct stat *st)
{
	struct linked key = { .dev = st->st_dev, .ino = st->st_ino }, *l;

	if (tfind(&key, &s->links, compare_links))
		return 1;
	l = malloc(sizeof(*l));
	if (!l)
		return -ENOMEM;
	*l = key;
	if (tsearch(l, &s->links, compare_links))
		return 0;
	free(l);
	return -ENOMEM;
}
#pragma GCC diagnostic pop

static int add_entry(int dirfd, const char *name, void *arg)
{
	struct sum *s = arg;
	struct stat st;
	int r = 0;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st.st_mode))
		return push(s, s->path, name);
	if (st.st_nlink > 1)
		r = is_known(s, &st);
	if (r == 0)
		s->bytes += (uint64_t)st.st_blocks * 512;
	return r < 0 ? r : 0;
}

static int add_directory(struct sum *s, const char *path)
{
	_close_ int fd = path_open(s->root, *path ? path : ".", PATH_NO_LINKS,
				   O_RDONLY | O_DIRECTORY, 0);
	struct stat st;

	if (fd == -ENOENT && *path)
		return 0; /* removed since it was listed */
	if (fd < 0 || fstat(fd, &st) < 0)
		return fd < 0 ? fd : -errno;
	s->bytes += (uint64_t)st.st_blocks * 512;
	s->path = path;
	return dir_each(fd, add_entry, s);
}

static int add_tree(struct sum *s)
{
	int r = push(s, "", "");

	while (s->stack) {
		struct pending *p = s->stack;

		s->stack = p->next;
		if (r == 0)
			r = add_directory(s, p->path);
		free(p);
	}
	tdestroy(s->links, free);
	return r;
}

static int add_up(const struct volume *v, uint64_t *ret)
{
	_close_ int root = openat(v->dirfd, volume_content(v->kind),
				  O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	struct sum s = { .root = root };
	struct stat st;
	int r = 0;

	if (root < 0 || fstat(root, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		r = add_tree(&s);
	else
		s.bytes = (uint64_t)st.st_blocks * 512;
	if (r == 0)
		*ret = s.bytes;
	return r;
}

static int measure(struct mosaic *m, const struct volume *v, struct mosaic_usage *ret,
		   struct error *err)
{
	int r;

	if (m->driver->usage)
		return m->driver->usage(m, v, ret, err);
	r = add_up(v, &ret->used);
	ret->exclusive = ret->used;
	return r < 0 ? error_set(err, r, "cannot add up the files of volume %s", v->name) : 0;
}

static int measure_current(struct mosaic *m, const char *name, struct mosaic_usage *ret,
			   struct error *err)
{
	for (;;) {
		_volume_ struct volume v = VOLUME_CLOSED;
		int r = volume_open(m, name, &v, err);

		*ret = (struct mosaic_usage){ 0 };
		if (r == 0)
			r = measure(m, &v, ret, err);
		if (!volume_read_again(m, &v, r, err))
			return r;
	}
}

int mosaic_usage(struct mosaic *m, const char *name, struct mosaic_usage *ret, struct error *err)
{
	char mapped[MOSAIC_NAME_MAX + 1];
	struct mosaic_usage u = { 0 };
	int r = volume_name(m, &name, mapped, err);

	if (r == 0)
		r = measure_current(m, name, &u, err);
	if (r < 0)
		return r;
	u.shared = u.used > u.exclusive ? u.used - u.exclusive : 0;
	*ret = u;
	return 0;
}

struct children {
	const char *parent;
	mosaic_volume_fn fn;
	void *arg;
};

static int call_for_child(const struct mosaic_volume *v, void *arg)
{
	const struct children *c = arg;

	return str_eq(v->parent, c->parent) ? c->fn(v, c->arg) : 0;
}

int mosaic_each_child(struct mosaic *m, const char *name, mosaic_volume_fn fn, void *arg,
		      struct error *err)
{
	char mapped[MOSAIC_NAME_MAX + 1];
	struct children c = { .fn = fn, .arg = arg };
	int r = volume_name(m, &name, mapped, err);

	if (r == 0)
		r = volume_need(m, name, NULL, err);
	c.parent = name;
	return r < 0 ? r : mosaic_each(m, call_for_child, &c, err);
}
