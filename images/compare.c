/*
 * Two directory trees, compared in everything that an image keeps: kinds, owners, modes, times,
 * contents, link targets, device numbers, extended attributes, and which names are one file.
 *
 * Directories wait in a list of paths, so depth costs no stack and two descriptors.
 */
#include <fcntl.h>
#include <search.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "images/internal.h"

enum { BLOCK = 128 << 10, XATTRS_BYTES = 64 << 10, SHOWN = 400 };

struct names {
	char **list;
	size_t n, room;
};

/* A file of a with more than one name, and the file that it is in b. */
struct twin {
	ino_t a, b;
};

struct comparing {
	const struct comparison *c;
	struct names directories; /* still to be visited */
	void *twins;              /* a tree of struct twin, by tsearch() */
	char *block;              /* two of BLOCK */
	char *what;
	struct error *err;
};

static void names_deinit(struct names *n)
{
	for (size_t i = 0; i < n->n; i++)
		free(n->list[i]);
	free(n->list);
}
#define _names_ _cleanup_(names_deinit)

static int names_add(struct names *n, char *name_consumed)
{
	_free_ char *name = name_consumed;

	if (!name)
		return -ENOMEM;
	if (n->n == n->room) {
		size_t room = n->room ? 2 * n->room : 64;
		char **more = reallocarray(n->list, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		n->list = more;
		n->room = room;
	}
	n->list[n->n++] = take_ptr(&name);
	return 0;
}

/* 0: they differ, in this. */
static int differs(struct comparing *w, const char *path, const char *what)
{
	char shown[SHOWN];

	str_escape(shown, sizeof(shown), path);
	w->what = str_printf("/%s %s", str_eq(path, ".") ? "" : shown, what);
	return w->what ? 0 : -ENOMEM;
}

/* ---- one file -------------------------------------------------------------------------------- */

static int compare_attributes(struct comparing *w, const char *path, const struct stat *a,
			      const struct stat *b)
{
	if ((a->st_mode & S_IFMT) != (b->st_mode & S_IFMT))
		return differs(w, path, "is another kind of file");
	if (a->st_mode != b->st_mode)
		return differs(w, path, "has another mode");
	if (a->st_uid != b->st_uid || a->st_gid != b->st_gid)
		return differs(w, path, "has another owner");
	if (a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec)
		return differs(w, path, "has another time");
	if (S_ISREG(a->st_mode) && a->st_size != b->st_size)
		return differs(w, path, "has another size");
	if ((S_ISCHR(a->st_mode) || S_ISBLK(a->st_mode)) && a->st_rdev != b->st_rdev)
		return differs(w, path, "is another device");
	if (!S_ISDIR(a->st_mode) && (a->st_nlink > 1) != (b->st_nlink > 1))
		return differs(w, path, "has other hard links");
	return 1;
}

static int compare_twins(const void *a, const void *b)
{
	const struct twin *x = a, *y = b;

	return x->a < y->a ? -1 : x->a > y->a;
}

/* The names of one file must be the names of one file over there too. */
static int compare_links(struct comparing *w, const char *path, const struct stat *a,
			 const struct stat *b)
{
	struct twin *twin = malloc(sizeof(*twin)), **found;

	if (!twin)
		return -ENOMEM;
	*twin = (struct twin){ a->st_ino, b->st_ino };
	found = tsearch(twin, &w->twins, compare_twins);
	if (!found || *found != twin)
		free(twin);
	if (!found)
		return -ENOMEM;
	return (*found)->b == b->st_ino ? 1 : differs(w, path, "has other hard links");
}

static int compare_targets(struct comparing *w, const char *path)
{
	char a[LIMIT_PATH_BYTES], b[LIMIT_PATH_BYTES];
	ssize_t n = readlinkat(w->c->a, path, a, sizeof(a));
	ssize_t m = readlinkat(w->c->b, path, b, sizeof(b));

	if (n < 0 || m < 0)
		return -errno;
	return n == m && memcmp(a, b, (size_t)n) == 0 ? 1 : differs(w, path, "has another target");
}

static int compare_content(struct comparing *w, int a, int b, const char *path)
{
	char *x = w->block, *y = w->block + BLOCK;

	for (;;) {
		ssize_t n = read_all(a, x, BLOCK), m = read_all(b, y, BLOCK);

		if (n < 0 || m < 0)
			return (int)(n < 0 ? n : m);
		if (n != m || memcmp(x, y, (size_t)n) != 0)
			return differs(w, path, "has another content");
		if (n == 0)
			return 1;
		if (w->c->interrupted && w->c->interrupted(NULL))
			return -EINTR;
	}
}

/* ---- extended attributes --------------------------------------------------------------------- */

/* What the system adds by itself is not the image's. */
static bool is_of_image(const char *name)
{
	return str_eq(name, "security.capability") || !str_starts(name, "security.");
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int list_xattrs(int fd, struct names *ret)
{
	_free_ char *list = NULL;
	ssize_t n = flistxattr(fd, NULL, 0);
	int r = 0;

	if (n == 0 || (n < 0 && errno == EOPNOTSUPP))
		return 0;
	list = n < 0 ? NULL : malloc((size_t)n);
	if (n > 0 && !list)
		return -ENOMEM;
	if (n > 0)
		n = flistxattr(fd, list, (size_t)n);
	if (n < 0)
		return -errno;
	for (char *name = list; r == 0 && name < list + n; name += strlen(name) + 1)
		if (is_of_image(name))
			r = names_add(ret, strdup(name));
	if (ret->n)
		qsort(ret->list, ret->n, sizeof(ret->list[0]), by_text);
	return r;
}

/* w->block has room for a value of either. */
static bool is_same_xattr(struct comparing *w, int a, int b, const char *name)
{
	ssize_t n = fgetxattr(a, name, w->block, XATTRS_BYTES);
	ssize_t m = fgetxattr(b, name, w->block + BLOCK, XATTRS_BYTES);

	return n >= 0 && n == m && memcmp(w->block, w->block + BLOCK, (size_t)n) == 0;
}

static int compare_xattrs(struct comparing *w, int a, int b, const char *path)
{
	_names_ struct names x = { 0 }, y = { 0 };
	bool same;
	int r = list_xattrs(a, &x);

	if (r == 0)
		r = list_xattrs(b, &y);
	if (r < 0)
		return r;
	same = x.n == y.n;
	for (size_t i = 0; same && i < x.n; i++)
		same = str_eq(x.list[i], y.list[i]) && is_same_xattr(w, a, b, x.list[i]);
	return same ? 1 : differs(w, path, "has other extended attributes");
}

/* ---- the walk -------------------------------------------------------------------------------- */

static int open_in(int root, const char *path, int flags)
{
	return path_open(root, path, PATH_NO_LINKS, O_RDONLY | flags, 0);
}

static int compare_opened(struct comparing *w, const char *path, bool directory)
{
	int flags = directory ? O_DIRECTORY : O_NONBLOCK | O_NOCTTY, r;
	_close_ int a = open_in(w->c->a, path, flags), b = open_in(w->c->b, path, flags);

	if (a < 0 || b < 0)
		return a < 0 ? a : b;
	r = compare_xattrs(w, a, b, path);
	return r == 1 && !directory ? compare_content(w, a, b, path) : r;
}

static int compare_file(struct comparing *w, const char *path)
{
	struct stat a, b;
	int r;

	if (fstatat(w->c->a, path, &a, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fstatat(w->c->b, path, &b, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	r = compare_attributes(w, path, &a, &b);
	if (r == 1 && !S_ISDIR(a.st_mode) && a.st_nlink > 1)
		r = compare_links(w, path, &a, &b);
	if (r == 1 && S_ISLNK(a.st_mode))
		r = compare_targets(w, path);
	if (r == 1 && (S_ISREG(a.st_mode) || S_ISDIR(a.st_mode)))
		r = compare_opened(w, path, S_ISDIR(a.st_mode));
	if (r == 1 && S_ISDIR(a.st_mode) && !str_eq(path, "."))
		r = names_add(&w->directories, strdup(path)) < 0 ? -ENOMEM : 1;
	return r;
}

static int add_entry(_unused_ int dir, const char *name, void *arg)
{
	return names_add(arg, strdup(name));
}

static int list(int root, const char *path, struct names *ret)
{
	_close_ int dir = open_in(root, path, O_DIRECTORY);
	int r = dir < 0 ? dir : dir_each(dir, add_entry, ret);

	if (r == 0 && ret->n)
		qsort(ret->list, ret->n, sizeof(ret->list[0]), by_text);
	return r;
}

static char *join(const char *directory, const char *name)
{
	return str_eq(directory, ".") ? strdup(name) : str_printf("%s/%s", directory, name);
}

static int compare_entries(struct comparing *w, const char *directory, const struct names *a,
			   const struct names *b)
{
	int r = 1;

	for (size_t i = 0; r == 1 && (i < a->n || i < b->n); i++) {
		int order = i >= a->n ? 1 : i >= b->n ? -1 : strcmp(a->list[i], b->list[i]);
		_free_ char *path = join(directory, order <= 0 ? a->list[i] : b->list[i]);

		if (!path)
			return -ENOMEM;
		if (w->c->interrupted && w->c->interrupted(NULL))
			return -EINTR;
		if (order)
			r = differs(w, path, order < 0 ? "is missing" : "should not be there");
		else
			r = compare_file(w, path);
	}
	return r;
}

static int compare_directory(struct comparing *w, const char *path)
{
	_names_ struct names a = { 0 }, b = { 0 };
	int r = list(w->c->a, path, &a);

	if (r == 0)
		r = list(w->c->b, path, &b);
	return r < 0 ? r : compare_entries(w, path, &a, &b);
}

static int compare(struct comparing *w)
{
	int r = compare_file(w, ".");

	if (r == 1)
		r = compare_directory(w, ".");
	while (r == 1 && w->directories.n) {
		_free_ char *path = w->directories.list[--w->directories.n];

		r = compare_directory(w, path);
	}
	return r;
}

int compare_trees(const struct comparison *c, char **ret_what, struct error *err)
{
	struct comparing w = { .c = c, .block = malloc(2 * (size_t)BLOCK), .err = err };
	int r = w.block ? compare(&w) : -ENOMEM;

	names_deinit(&w.directories);
	tdestroy(w.twins, free);
	free(w.block);
	if (r == 0)
		*ret_what = w.what;
	return r < 0 ? error_set(err, r, "cannot compare the trees") : r;
}
