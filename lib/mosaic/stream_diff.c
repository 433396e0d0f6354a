/*
 * A tree, or two side by side, as records. Both are read in the same order; what is only in the old
 * one was removed, what is only in the new one is new, what is in both is compared, content page by
 * page: times alone prove nothing.
 *
 * A file with several names is sent at its first name; the others are links to that. It is never
 * patched, but removed with all its names and made again: where the receiver's volume is an
 * overlay, writing to one name would leave the others as they were.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "mosaic/stream_tree.h"

enum { NEW, OLD };

/* A directory on the way from the root to where we are. */
struct level {
	struct level *up;
	const char *name;
	bool entered; /* the receiver is in it */
	bool both;    /* it was there before */
	int fd[2];    /* OLD: -1 unless both */
};

struct diff {
	const struct tree_send *t;
	struct source_path path;
	struct level *level;
	struct buf record;
	struct stream_record way; /* enter()'s, which would take the stack of a deep tree */
	struct buf xattrs[2];
	struct error *err;
};

/* One name, as it is and as it was. */
struct entry {
	const char *name;
	int fd[2]; /* O_PATH; -1: not there */
	struct stat st[2];
	struct stream_attributes attributes[2];
};

static void level_close(struct level *l)
{
	cleanup_close(&l->fd[NEW]);
	cleanup_close(&l->fd[OLD]);
}

static void entry_close(struct entry *e)
{
	cleanup_close(&e->fd[NEW]);
	cleanup_close(&e->fd[OLD]);
}

static int fail(const struct diff *d, int r, const char *what)
{
	return error_set(d->err, r, "cannot %s %s", what,
			 d->path.len ? d->path.text : "the root directory");
}

/* ---- saying ---------------------------------------------------------------------------------- */

static int write_record(struct diff *d, const struct stream_record *r)
{
	int n;

	d->record.len = 0;
	n = stream_record_encode(r, &d->record);
	if (n < 0)
		return fail(d, n, "describe");
	return stream_write(d->t->w, r->type, &d->record, NULL, 0, d->err);
}

static void set_name(struct stream_record *r, const char *name)
{
	snprintf(r->name, sizeof(r->name), "%s", name);
}

/* The receiver is led into a directory only when there is something to do in it. */
static int enter(struct diff *d, struct level *l)
{
	int n;

	if (l->entered)
		return 0;
	n = enter(d, l->up);
	if (n < 0)
		return n;
	l->entered = true;
	d->way.type = STREAM_ENTER;
	set_name(&d->way, l->name);
	return write_record(d, &d->way);
}

static int say(struct diff *d, const struct stream_record *r)
{
	int n = enter(d, d->level);

	return n < 0 ? n : write_record(d, r);
}

static int say_name(struct diff *d, enum stream_type type, const char *name)
{
	struct stream_record r = { .type = type };

	set_name(&r, name);
	return say(d, &r);
}

static int say_attributes(struct diff *d, enum stream_type type, const char *name,
			  const struct stream_attributes *a)
{
	struct stream_record r = { .type = type, .attributes = *a };

	if (name)
		set_name(&r, name);
	return say(d, &r);
}

/* ---- looking --------------------------------------------------------------------------------- */

static int look(struct diff *d, struct entry *e, int side)
{
	int r;

	e->fd[side] = openat(d->level->fd[side], e->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (e->fd[side] < 0 || fstat(e->fd[side], &e->st[side]) < 0)
		return fail(d, -errno, "look at");
	if (S_ISDIR(e->st[side].st_mode))
		return 0; /* when it is left */
	r = source_read_attributes(e->fd[side], &e->st[side], &d->xattrs[side],
				   &e->attributes[side]);
	return r < 0 ? fail(d, r, "read the attributes of") : 0;
}

static struct source_links *links_of(const struct diff *d, const struct entry *e, int side)
{
	const struct source_index *x = side == NEW ? d->t->index : d->t->old_index;

	return source_find_links(x, &e->st[side]);
}

static bool same_links(const struct source_links *a, const struct source_links *b)
{
	if (!a || !b)
		return a == b;
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!str_eq(a->paths[i], b->paths[i]))
			return false;
	return true;
}

static int read_target(int fd, char dst[LIMIT_PATH_BYTES])
{
	ssize_t n = readlinkat(fd, "", dst, LIMIT_PATH_BYTES - 1);

	if (n < 0)
		return -errno;
	dst[n] = '\0';
	return 0;
}

/* Is it another thing now, which cannot be had by changing the old one? */
static int is_replaced(const struct entry *e)
{
	const struct stat *new = &e->st[NEW], *old = &e->st[OLD];
	char target[2][LIMIT_PATH_BYTES];
	int r;

	if ((new->st_mode &S_IFMT) != (old->st_mode & S_IFMT))
		return 1;
	if (S_ISCHR(new->st_mode) || S_ISBLK(new->st_mode))
		return new->st_rdev != old->st_rdev;
	if (!S_ISLNK(new->st_mode))
		return 0;
	r = read_target(e->fd[NEW], target[NEW]);
	if (r == 0)
		r = read_target(e->fd[OLD], target[OLD]);
	return r < 0 ? r : !str_eq(target[NEW], target[OLD]);
}

/* ---- files ----------------------------------------------------------------------------------- */

static int open_content(const struct diff *d, const struct entry *e, int side)
{
	return path_open(d->level->fd[side], e->name, PATH_NO_MOUNTS,
			 O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
}

struct begin {
	struct diff *d;
	const struct entry *e;
	enum stream_type type;
	bool begun;
};

static int say_file(void *arg)
{
	struct begin *b = arg;
	struct stream_record r = { .type = b->type, .size = (uint64_t)b->e->st[NEW].st_size };

	set_name(&r, b->e->name);
	b->begun = true;
	return say(b->d, &r);
}

static int content_failed(const struct diff *d, int r)
{
	if (r == -ECANCELED || r == -EPIPE || r == -ESTALE)
		return r;
	return error_prefix(d->err, r, "%s", d->path.text);
}

static int send_file(struct diff *d, const struct entry *e)
{
	struct begin begin = { .d = d, .e = e, .type = STREAM_FILE };
	_close_ int fd = open_content(d, e, NEW);
	struct content c = {
		.w = d->t->w,
		.fd = fd,
		.old = -1,
		.size = (uint64_t)e->st[NEW].st_size,
		.err = d->err,
	};
	int r;

	if (fd < 0)
		return fail(d, fd, "open");
	r = say_file(&begin);
	if (r == 0)
		r = content_write(&c);
	if (r < 0)
		return content_failed(d, r);
	return say_attributes(d, STREAM_DONE, NULL, &e->attributes[NEW]);
}

static int differs(void *arg)
{
	(void)arg;
	return 1;
}

/* begin: see struct content. 1 when begin ended it. */
static int compare_content(struct diff *d, const struct entry *e, int (*begin)(void *arg),
			   void *arg)
{
	_close_ int fd = -1, old = -1;
	struct content c = {
		.w = d->t->w,
		.size = (uint64_t)e->st[NEW].st_size,
		.old_size = (uint64_t)e->st[OLD].st_size,
		.begin = begin,
		.arg = arg,
		.err = d->err,
	};
	int r;

	fd = c.fd = open_content(d, e, NEW);
	old = c.old = open_content(d, e, OLD);
	if (fd < 0 || old < 0)
		return fail(d, fd < 0 ? fd : old, "open");
	r = content_write(&c);
	return r < 0 ? content_failed(d, r) : r;
}

static bool is_same_inode(const struct entry *e)
{
	return e->st[NEW].st_dev == e->st[OLD].st_dev && e->st[NEW].st_ino == e->st[OLD].st_ino;
}

static int patch_file(struct diff *d, const struct entry *e)
{
	struct begin begin = { .d = d, .e = e, .type = STREAM_PATCH };
	int r = 0;

	if (e->st[NEW].st_size != e->st[OLD].st_size)
		r = say_file(&begin);
	if (r == 0 && !is_same_inode(e))
		r = compare_content(d, e, begin.begun ? NULL : say_file, &begin);
	if (r < 0)
		return r;
	if (begin.begun)
		return say_attributes(d, STREAM_DONE, NULL, &e->attributes[NEW]);
	if (source_same_attributes(&e->attributes[NEW], &e->attributes[OLD]))
		return 0;
	return say_attributes(d, STREAM_CHANGE, e->name, &e->attributes[NEW]);
}

static int send_symlink(struct diff *d, const struct entry *e)
{
	struct stream_record r = { .type = STREAM_SYMLINK, .attributes = e->attributes[NEW] };
	int n = read_target(e->fd[NEW], r.target);

	if (n < 0)
		return fail(d, n, "read the link");
	set_name(&r, e->name);
	return say(d, &r);
}

static int send_node(struct diff *d, const struct entry *e)
{
	const struct stat *st = &e->st[NEW];
	struct stream_record r = {
		.type = STREAM_NODE,
		.node = st->st_mode & S_IFMT,
		.attributes = e->attributes[NEW],
	};

	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
		r.major = major(st->st_rdev);
		r.minor = minor(st->st_rdev);
	}
	set_name(&r, e->name);
	return say(d, &r);
}

static int send_link(struct diff *d, const struct entry *e, const char *target)
{
	struct stream_record r = { .type = STREAM_LINK };

	set_name(&r, e->name);
	snprintf(r.target, sizeof(r.target), "%s", target);
	return say(d, &r);
}

/* ---- directories ----------------------------------------------------------------------------- */

static int diff_names(struct diff *d);

/* Reads the attributes of the current directory and tells them when they have to be. */
static int leave(struct diff *d)
{
	struct level *l = d->level;
	struct stream_attributes a[2];
	struct stat st;

	for (int side = NEW; side <= (l->both ? OLD : NEW); side++) {
		int r = fstat(l->fd[side], &st) < 0
				? -errno
				: source_read_attributes(l->fd[side], &st, &d->xattrs[side],
							 &a[side]);

		if (r < 0)
			return fail(d, r, "read the attributes of");
	}
	if (!l->entered && source_same_attributes(&a[NEW], &a[OLD]))
		return 0;
	return say_attributes(d, STREAM_LEAVE, NULL, &a[NEW]);
}

static int open_level(struct diff *d, struct level *l)
{
	level_close(l);
	for (int side = NEW; side <= (l->both ? OLD : NEW); side++) {
		int root = side == NEW ? d->t->root : d->t->old;

		l->fd[side] = path_open(root, d->path.text, PATH_NO_MOUNTS, O_RDONLY | O_DIRECTORY,
					0);
		if (l->fd[side] < 0)
			return fail(d, l->fd[side], "open");
	}
	return 0;
}

/* The level above is open again afterwards: in between, depth costs no descriptors. */
static int go_through(struct diff *d, const struct entry *e, bool both)
{
	_cleanup_(level_close) struct level l = {
		.up = d->level,
		.name = e->name,
		.entered = !both,
		.both = both,
		.fd = { -1, -1 },
	};
	int r;

	level_close(d->level);
	d->level = &l;
	r = open_level(d, &l);
	if (r == 0)
		r = diff_names(d);
	if (r == 0)
		r = leave(d);
	d->level = l.up;
	return r;
}

static int send_new(struct diff *d, const struct entry *e)
{
	const struct source_links *l = links_of(d, e, NEW);
	int r;

	switch (e->st[NEW].st_mode & S_IFMT) {
	case S_IFDIR:
		r = say_name(d, STREAM_DIRECTORY, e->name);
		return r < 0 ? r : go_through(d, e, false);
	case S_IFREG:
		if (l && !str_eq(l->paths[0], d->path.text))
			return send_link(d, e, l->paths[0]);
		return send_file(d, e);
	case S_IFLNK:
	default:
		if (l && !str_eq(l->paths[0], d->path.text))
			return send_link(d, e, l->paths[0]);
		return S_ISLNK(e->st[NEW].st_mode) ? send_symlink(d, e) : send_node(d, e);
	}
}

static int replace(struct diff *d, const struct entry *e)
{
	int r = say_name(d, STREAM_REMOVE, e->name);

	return r < 0 ? r : send_new(d, e);
}

/* One of several names of a file that had just these names before. */
static int compare_linked(struct diff *d, const struct entry *e, struct source_links *l)
{
	int r = 0;

	if (str_eq(l->paths[0], d->path.text)) {
		l->changed = !source_same_attributes(&e->attributes[NEW], &e->attributes[OLD]) ||
			     e->st[NEW].st_size != e->st[OLD].st_size;
		if (!l->changed && S_ISREG(e->st[NEW].st_mode) && !is_same_inode(e))
			r = compare_content(d, e, differs, NULL);
		if (r > 0)
			l->changed = true;
	}
	if (r < 0)
		return r;
	return l->changed ? replace(d, e) : 0;
}

static int compare(struct diff *d, const struct entry *e)
{
	struct source_links *l;
	int r = is_replaced(e);

	if (r < 0)
		return fail(d, r, "compare");
	if (r > 0)
		return replace(d, e);
	if (S_ISDIR(e->st[NEW].st_mode))
		return go_through(d, e, true);
	l = links_of(d, e, NEW);
	if (!same_links(l, links_of(d, e, OLD)))
		return replace(d, e);
	if (l)
		return compare_linked(d, e, l);
	if (S_ISREG(e->st[NEW].st_mode))
		return patch_file(d, e);
	if (source_same_attributes(&e->attributes[NEW], &e->attributes[OLD]))
		return 0;
	return say_attributes(d, STREAM_CHANGE, e->name, &e->attributes[NEW]);
}

static int diff_entry(struct diff *d, const char *name, bool is_new, bool was)
{
	_cleanup_(entry_close) struct entry e = { .name = name, .fd = { -1, -1 } };
	int r = 0;

	if (!is_new)
		return say_name(d, STREAM_REMOVE, name);
	r = look(d, &e, NEW);
	if (r == 0 && was)
		r = look(d, &e, OLD);
	if (r < 0)
		return r;
	return was ? compare(d, &e) : send_new(d, &e);
}

/* One name below the current directory, and the way there and back. */
static int diff_name(struct diff *d, const char *name, bool is_new, bool was)
{
	size_t before;
	int r = source_push(&d->path, name, &before);

	if (r < 0)
		return error_set(d->err, r, "a path below %s is longer than %d bytes", d->path.text,
				 LIMIT_PATH_BYTES - 1);
	r = diff_entry(d, name, is_new, was);
	if (r < 0)
		return r;
	source_pop(&d->path, before);
	return d->level->fd[NEW] < 0 ? open_level(d, d->level) : 0;
}

static int diff_names(struct diff *d)
{
	_source_names_ struct source_names new = { 0 }, old = { 0 };
	const struct level *l = d->level;
	size_t i = 0, k = 0;
	int r = source_read_names(l->fd[NEW], !l->up, &new);

	if (r == 0 && l->both)
		r = source_read_names(l->fd[OLD], !l->up, &old);
	if (r < 0)
		return fail(d, r, "list");
	while ((i < new.n || k < old.n) && r == 0) {
		int order = i == new.n ? 1 : k == old.n ? -1 : strcmp(new.list[i], old.list[k]);

		r = diff_name(d, order <= 0 ? new.list[i] : old.list[k], order <= 0, order >= 0);
		i += order <= 0;
		k += order >= 0;
	}
	return r;
}

int stream_send_tree(const struct tree_send *t, struct error *err)
{
	_cleanup_(level_close) struct level root = {
		.entered = true,
		.both = t->old >= 0,
		.fd = { -1, -1 },
	};
	_free_ struct diff *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return error_set(err, -ENOMEM, "cannot send a tree");
	d->t = t;
	d->level = &root;
	d->err = err;
	d->record.max = d->xattrs[NEW].max = d->xattrs[OLD].max = LIMIT_STREAM_FRAME;
	r = open_level(d, &root);
	if (r == 0)
		r = diff_names(d);
	if (r == 0)
		r = leave(d);
	buf_deinit(&d->record);
	buf_deinit(&d->xattrs[NEW]);
	buf_deinit(&d->xattrs[OLD]);
	return r;
}
