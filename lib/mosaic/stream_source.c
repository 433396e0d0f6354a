/* Reading a tree in an order that depends on nothing but the tree. */
#include <fcntl.h>
#include <search.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "mosaic/stream_tree.h"

enum {
	EXT4_MAGIC = 0xef53,
	LOST_FOUND_INODE = 11, /* what mkfs makes first */
	NAMES_BYTES = 512 << 20,
	FD_PATH = 32,
};

/* ---- names ----------------------------------------------------------------------------------- */

void source_names_deinit(struct source_names *n)
{
	free(n->list);
	free(n->text);
	*n = (struct source_names){ 0 };
}

struct listing {
	struct buf text;
	size_t n;
	int dirfd;
	bool is_root;
};

static int is_entry(int dirfd, const char *name, void *arg)
{
	(void)dirfd;
	(void)name;
	(void)arg;
	return 1;
}

/* The empty lost+found that every ext4 has is the file system's, not the volume's. */
static bool is_lost_found(int dirfd, const char *name)
{
	_close_ int fd = -1;
	struct statfs fs;
	struct stat st;

	if (!str_eq(name, "lost+found") || fstatfs(dirfd, &fs) < 0 || fs.f_type != EXT4_MAGIC)
		return false;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == LOST_FOUND_INODE &&
	       dir_each(fd, is_entry, NULL) == 0;
}

static int add_name(int dirfd, const char *name, void *arg)
{
	struct listing *l = arg;

	if (l->is_root && is_lost_found(dirfd, name))
		return 0;
	if (++l->n > LIMIT_STREAM_ENTRIES)
		return -E2BIG;
	return buf_add(&l->text, name, strlen(name) + 1);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int source_read_names(int dirfd, bool is_root, struct source_names *ret)
{
	struct listing l = { .text = BUF_INIT(NAMES_BYTES), .is_root = is_root };
	_source_names_ struct source_names names = { 0 };
	char *p;
	int r = dir_each(dirfd, add_name, &l);

	names.text = l.text.data;
	if (r < 0)
		return r;
	names.list = calloc(l.n + 1, sizeof(*names.list));
	if (!names.list)
		return -ENOMEM;
	p = names.text;
	for (size_t i = 0; i < l.n; i++, p += strlen(p) + 1)
		names.list[i] = p;
	names.n = l.n;
	qsort(names.list, names.n, sizeof(*names.list), compare_names);
	*ret = names;
	names = (struct source_names){ 0 };
	return 0;
}

/* ---- attributes ------------------------------------------------------------------------------ */

static int read_xattr(const char *path, const char *name, struct buf *b, uint32_t *n)
{
	_free_ char *value = NULL;
	ssize_t len = getxattr(path, name, NULL, 0);
	int r;

	if (len >= 0) {
		value = malloc((size_t)len + 1);
		if (!value)
			return -ENOMEM;
		len = getxattr(path, name, value, (size_t)len + 1);
	}
	if (len < 0)
		return errno == ENODATA ? 0 : -errno;
	r = stream_put_xattr(b, name, value, (size_t)len);
	if (r == 0)
		(*n)++;
	return r;
}

static int read_listed_xattrs(const char *path, char *list, size_t len, struct buf *b, uint32_t *n)
{
	_free_ char **names = calloc(len + 1, sizeof(*names));
	size_t n_names = 0;
	int r = 0;

	if (!names)
		return -ENOMEM;
	for (char *p = list; p < list + len; p += strlen(p) + 1)
		if (stream_xattr_is_kept(p))
			names[n_names++] = p;
	qsort(names, n_names, sizeof(*names), compare_names);
	for (size_t i = 0; i < n_names && r == 0; i++)
		r = read_xattr(path, names[i], b, n);
	return r;
}

static int read_xattrs(int fd, struct buf *b, uint32_t *n)
{
	_free_ char *list = NULL;
	char path[FD_PATH];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = listxattr(path, NULL, 0);
	if (len > 0) {
		list = malloc((size_t)len + 1);
		if (!list)
			return -ENOMEM;
		len = listxattr(path, list, (size_t)len);
	}
	if (len < 0)
		return errno == EOPNOTSUPP ? 0 : -errno;
	if (!list)
		return 0;
	list[len] = '\0';
	return read_listed_xattrs(path, list, (size_t)len, b, n);
}

int source_read_attributes(int fd, const struct stat *st, struct buf *xattrs,
			   struct stream_attributes *ret)
{
	struct stream_attributes a = {
		.mode = st->st_mode & 07777,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.seconds = st->st_mtim.tv_sec,
		.nanoseconds = (uint32_t)st->st_mtim.tv_nsec,
	};
	int r;

	xattrs->len = 0;
	r = read_xattrs(fd, xattrs, &a.n_xattrs);
	if (r < 0)
		return r;
	a.xattrs = (const uint8_t *)xattrs->data;
	a.xattrs_len = xattrs->len;
	*ret = a;
	return 0;
}

bool source_same_attributes(const struct stream_attributes *a, const struct stream_attributes *b)
{
	return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
	       a->seconds == b->seconds && a->nanoseconds == b->nanoseconds &&
	       a->n_xattrs == b->n_xattrs && a->xattrs_len == b->xattrs_len &&
	       (a->xattrs_len == 0 || memcmp(a->xattrs, b->xattrs, a->xattrs_len) == 0);
}

/* ---- paths ----------------------------------------------------------------------------------- */

int source_push(struct source_path *p, const char *name, size_t *ret_before)
{
	size_t len = strlen(name), slash = p->len > 0;

	if (p->len + slash + len >= sizeof(p->text))
		return -ENAMETOOLONG;
	*ret_before = p->len;
	if (slash)
		p->text[p->len++] = '/';
	memcpy(p->text + p->len, name, len + 1);
	p->len += len;
	return 0;
}

void source_pop(struct source_path *p, size_t before)
{
	p->len = before;
	p->text[before] = '\0';
}

/* ---- files with several names ---------------------------------------------------------------- */

static int compare_links(const void *a, const void *b)
{
	const struct source_links *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static void free_links(void *p)
{
	struct source_links *l = p;

	for (size_t i = 0; i < l->n; i++)
		free(l->paths[i]);
	free(l->paths);
	free(l);
}

void source_index_deinit(struct source_index *x)
{
	tdestroy(x->links, free_links);
	*x = (struct source_index){ 0 };
}

static struct source_links *find(const struct source_index *x, const struct stat *st)
{
	const struct source_links key = { .dev = st->st_dev, .ino = st->st_ino };
	struct source_links *const *found = tfind(&key, &x->links, compare_links);

	return found ? *found : NULL;
}

struct source_links *source_find_links(const struct source_index *x, const struct stat *st)
{
	struct source_links *l = st->st_nlink > 1 ? find(x, st) : NULL;

	return l && l->n > 1 ? l : NULL;
}

#pragma GCC diagnostic push
/* What is allocated here is in the tree afterwards. */
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
static struct source_links *add_links(struct source_index *x, const struct stat *st)
{
	struct source_links *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->dev = st->st_dev;
	l->ino = st->st_ino;
	if (tsearch(l, &x->links, compare_links))
		return l;
	free(l);
	return NULL;
}

/* 1 when it is the first name of that file. */
static int add_link(struct source_index *x, const struct stat *st, const char *path)
{
	struct source_links *l = find(x, st);
	char **more;

	if (!l)
		l = add_links(x, st);
	if (!l)
		return -ENOMEM;
	if ((l->n & (l->n - 1)) == 0) { /* a power of two is full */
		more = reallocarray(l->paths, l->n ? 2 * l->n : 1, sizeof(*more));
		if (!more)
			return -ENOMEM;
		l->paths = more;
	}
	l->paths[l->n] = strdup(path);
	if (!l->paths[l->n])
		return -ENOMEM;
	return ++l->n == 1;
}
#pragma GCC diagnostic pop

/* ---- a walk ahead ---------------------------------------------------------------------------- */

struct scan {
	int root;
	struct source_path path;
	struct source_index *index;
	struct error *err;
};

static int scan_directory(struct scan *s);

static int scan_entry(struct scan *s, int dirfd, const char *name)
{
	struct stat st;
	int first = 1;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set(s->err, -errno, "cannot look at %s", s->path.text);
	s->index->entries++;
	if (S_ISDIR(st.st_mode))
		return 1;
	if (st.st_nlink > 1)
		first = add_link(s->index, &st, s->path.text);
	if (first < 0)
		return error_set(s->err, first, "cannot remember %s", s->path.text);
	if (first && S_ISREG(st.st_mode))
		s->index->content += (uint64_t)st.st_size;
	return 0;
}

static int scan_directory(struct scan *s)
{
	_source_names_ struct source_names names = { 0 };
	_close_ int fd = path_open(s->root, s->path.text, PATH_NO_MOUNTS, O_RDONLY | O_DIRECTORY,
				   0);
	int r = fd < 0 ? fd : source_read_names(fd, s->path.len == 0, &names);

	if (r < 0)
		return error_set(s->err, r, "cannot list %s",
				 s->path.len ? s->path.text : "the root directory");
	for (size_t i = 0; i < names.n && r == 0; i++) {
		size_t before;

		r = source_push(&s->path, names.list[i], &before);
		if (r < 0)
			return error_set(s->err, r, "a path below %s is longer than %d bytes",
					 s->path.text, LIMIT_PATH_BYTES - 1);
		r = scan_entry(s, fd, names.list[i]);
		if (r == 1) {
			cleanup_close(&fd); /* depth costs no descriptors */
			r = scan_directory(s);
			source_pop(&s->path, before);
			if (r == 0)
				r = fd = path_open(s->root, s->path.text, PATH_NO_MOUNTS,
						   O_RDONLY | O_DIRECTORY, 0);
			if (fd < 0 && r == fd)
				error_set(s->err, r, "cannot open %s", s->path.text);
			r = r < 0 ? r : 0;
		} else {
			source_pop(&s->path, before);
		}
	}
	return r;
}

int source_scan(int root, struct source_index *ret, struct error *err)
{
	_source_index_ struct source_index x = { 0 };
	struct scan s = { .root = root, .index = &x, .err = err };
	int r = scan_directory(&s);

	if (r < 0)
		return r;
	*ret = x;
	x = (struct source_index){ 0 };
	return 0;
}
