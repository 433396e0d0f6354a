/*
 * One tree laid over another. Both belong to us alone (a read-only volume, a staging directory),
 * so their links are only minded for what appc says of them.
 *
 * The directories of src are visited one by one, parents first, by path: any depth takes two
 * descriptors. A directory is laid down when something of it is: at once without a white list,
 * with one when the first path below it is on the list, or itself is.
 */
#include <fcntl.h>
#include <search.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "images/internal.h"

#define PROGRESS_NS 200000000 /* between two reports */

struct directory {
	char *path; /* "." or "etc/ssl" */
	size_t parent;
	bool laid;
	struct timespec times[2]; /* to be set at the end, when laid */
};

/* A file of src with more than one name, and the first name it got in dst. */
struct hard_link {
	ino_t ino;
	char *path;
};

struct laying {
	const struct lay *lay;
	struct directory *directories;
	size_t n, room;
	void *links;          /* a tree of struct hard_link, by tsearch() */
	const char **implied; /* sorted */
	size_t n_implied;
	uint64_t bytes; /* laid down so far */
	int64_t next_report;
	struct error *err;
};

static void free_hard_link(void *p)
{
	struct hard_link *link = p;

	free(link->path);
	free(link);
}

static void laying_deinit(struct laying *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->directories[i].path);
	free(w->directories);
	tdestroy(w->links, free_hard_link);
	free(w->implied);
}

static int fail(struct laying *w, int code, const char *what, const char *path)
{
	return error_set(w->err, code, "cannot %s /%s", what, path);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static int add_directory(struct laying *w, char *path_consumed, size_t parent)
{
	if (w->n == w->room) {
		size_t room = w->room ? 2 * w->room : 64;
		struct directory *more = reallocarray(w->directories, room, sizeof(*more));

		if (!more) {
			free(path_consumed);
			return error_set(w->err, -ENOMEM, "out of memory");
		}
		w->directories = more;
		w->room = room;
	}
	w->directories[w->n++] = (struct directory){ .path = path_consumed, .parent = parent };
	return 0;
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_listed(const struct lay *l, const char *path)
{
	char absolute[LIMIT_PATH_BYTES + 1];
	const char *key = absolute;

	snprintf(absolute, sizeof(absolute), "/%s", str_eq(path, ".") ? "" : path);
	for (size_t i = 0; i < l->n_whitelists; i++)
		if (!bsearch(&key, l->whitelists[i]->list, l->whitelists[i]->n, sizeof(char *),
			     compare_text))
			return false;
	return true;
}

static int sort_implied(struct laying *w)
{
	const char *end = w->lay->implied + w->lay->implied_len;
	size_t n = 0;

	if (!w->lay->implied_len || end[-1])
		return 0;
	for (const char *p = w->lay->implied; p < end; p += strlen(p) + 1)
		n++;
	w->implied = calloc(n, sizeof(w->implied[0]));
	if (!w->implied)
		return error_set(w->err, -ENOMEM, "out of memory");
	for (const char *p = w->lay->implied; p < end; p += strlen(p) + 1)
		w->implied[w->n_implied++] = p;
	qsort(w->implied, n, sizeof(w->implied[0]), compare_text);
	return 0;
}

static bool is_implied(const struct laying *w, const char *path)
{
	return w->n_implied &&
	       bsearch(&path, w->implied, w->n_implied, sizeof(char *), compare_text);
}

/* ---- directories ----------------------------------------------------------------------------- */

static int open_in(int root, const char *path)
{
	return path_open(root, path, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);
}

/* Attributes of a lower image's directory that the upper one's does not have. */
static void drop_xattrs(int fd)
{
	char list[4096];
	ssize_t n = flistxattr(fd, list, sizeof(list));

	for (char *name = list; n > 0 && name < list + n; name += strlen(name) + 1)
		if (str_starts(name, "user."))
			(void)fremovexattr(fd, name);
}

/* The directory dst becomes like src, all but its content. */
static int take_attributes(struct laying *w, struct directory *d, bool existed)
{
	_close_ int src = open_in(w->lay->src, d->path), dst = open_in(w->lay->dst, d->path);
	struct stat st;
	int r;

	if (src < 0 || dst < 0)
		return fail(w, src < 0 ? src : dst, "open", d->path);
	if (fstat(existed && is_implied(w, d->path) ? dst : src, &st) < 0)
		return fail(w, -errno, "read", d->path);
	d->times[0] = st.st_atim;
	d->times[1] = st.st_mtim;
	if (existed && is_implied(w, d->path))
		return 0; /* no image chose these: those of the lower one stay */
	if (existed)
		drop_xattrs(dst);
	r = copy_attributes(src, dst, &st);
	return r < 0 ? fail(w, r, "set the attributes of", d->path) : 0;
}

static int remove_place(struct laying *w, const char *path)
{
	const char *slash = strrchr(path, '/');
	_free_ char *parent = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
	_close_ int dir = -1;
	int r;

	if (!parent)
		return error_set(w->err, -ENOMEM, "out of memory");
	dir = open_in(w->lay->dst, parent);
	r = dir < 0 ? dir : path_remove_tree(dir, slash ? slash + 1 : path);
	return r < 0 ? fail(w, r, "replace", path) : 0;
}

/* Makes room for what is to become path: anything but a directory that is to be one goes.
 * *ret_there: a directory is there. */
static int clear_place(struct laying *w, const char *path, bool directory, bool *ret_there)
{
	struct stat st;

	*ret_there = false;
	if (fstatat(w->lay->dst, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fail(w, -errno, "look at", path);
	if (directory && S_ISDIR(st.st_mode)) {
		*ret_there = true;
		return 0;
	}
	return remove_place(w, path);
}

/* Lays the directory and those above it down, unless they are. */
static int lay_directory(struct laying *w, size_t index)
{
	bool there = true;
	int r;

	if (w->directories[index].laid)
		return 0;
	if (index > 0) {
		r = lay_directory(w, w->directories[index].parent);
		if (r == 0)
			r = clear_place(w, w->directories[index].path, true, &there);
		if (r < 0)
			return r;
	}
	if (!there && mkdirat(w->lay->dst, w->directories[index].path, 0700) < 0)
		return fail(w, -errno, "make", w->directories[index].path);
	r = take_attributes(w, &w->directories[index], there);
	w->directories[index].laid = r == 0;
	return r;
}

/* ---- everything else ------------------------------------------------------------------------- */

static int compare_links(const void *a, const void *b)
{
	const struct hard_link *x = a, *y = b;

	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

/* The first name of the file in dst, or NULL when this is it; it is remembered then. */
static int first_name(struct laying *w, ino_t ino, const char *path, const char **ret)
{
	struct hard_link *link = calloc(1, sizeof(*link)), **found;

	if (!link)
		return error_set(w->err, -ENOMEM, "out of memory");
	link->ino = ino;
	found = tsearch(link, &w->links, compare_links);
	if (!found || *found != link) {
		free(link);
		*ret = found ? (*found)->path : NULL;
		return found ? 0 : error_set(w->err, -ENOMEM, "out of memory");
	}
	*ret = NULL;
	link->path = strdup(path);
	return link->path ? 0 : error_set(w->err, -ENOMEM, "out of memory");
}

static int copy_regular(struct laying *w, int dir, const char *name, const char *path,
			const struct stat *st)
{
	_close_ int src = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), dst = -1;
	int r;

	if (src < 0)
		return fail(w, -errno, "open", path);
	dst = openat(w->lay->dst, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (dst < 0)
		return fail(w, -errno, "make", path);
	r = copy_file(src, dst, st);
	return r < 0 ? fail(w, r, "copy", path) : 0;
}

static int lay_file(struct laying *w, int dir, const char *name, const char *path,
		    const struct stat *st)
{
	const char *link = NULL;
	int r = st->st_nlink > 1 ? first_name(w, st->st_ino, path, &link) : 0;

	if (r < 0)
		return r;
	if (link)
		return linkat(w->lay->dst, link, w->lay->dst, path, 0) < 0
			       ? fail(w, -errno, "link", path)
			       : 0;
	return copy_regular(w, dir, name, path, st);
}

/* copy_special() makes a name in a directory; the path leads there without links, all of it is
 * laid. */
static int lay_special(struct laying *w, int dir, const char *name, const char *path,
		       const struct stat *st)
{
	_close_ int src = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (src < 0)
		return fail(w, -errno, "open", path);
	r = copy_special(src, st, w->lay->dst, path);
	return r < 0 ? fail(w, r, "copy", path) : 0;
}

/* Between two files: says how far it is, and asks whether to go on. */
static int go_on(struct laying *w, const struct stat *st)
{
	const struct images_progress *progress = w->lay->progress;

	if (S_ISREG(st->st_mode))
		w->bytes += (uint64_t)st->st_size;
	if (progress && time_boot_ns() >= w->next_report) {
		progress->report(progress->arg, "the files", w->bytes,
				 w->bytes < w->lay->size ? w->lay->size : 0);
		w->next_report = time_boot_ns() + PROGRESS_NS;
	}
	return w->lay->interrupted ? w->lay->interrupted(w->err) : 0;
}

static int lay_entry(struct laying *w, size_t parent, int dir, const char *name, const char *path,
		     const struct stat *st)
{
	bool there;
	int r = go_on(w, st);

	if (r == 0)
		r = lay_directory(w, parent);
	if (r == 0)
		r = clear_place(w, path, false, &there);
	if (r != 0)
		return r;
	return S_ISREG(st->st_mode) ? lay_file(w, dir, name, path, st)
				    : lay_special(w, dir, name, path, st);
}

struct visit {
	struct laying *w;
	size_t parent;
};

static int visit_entry(int dir, const char *name, void *arg)
{
	const struct visit *v = arg;
	struct laying *w = v->w;
	const char *above = w->directories[v->parent].path;
	_free_ char *path = str_eq(above, ".") ? strdup(name) : str_printf("%s/%s", above, name);
	struct stat st;
	int r;

	if (!path)
		return error_set(w->err, -ENOMEM, "out of memory");
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(w, -errno, "look at", path);
	if (!S_ISDIR(st.st_mode))
		return is_listed(w->lay, path) ? lay_entry(w, v->parent, dir, name, path, &st) : 0;
	r = add_directory(w, take_ptr(&path), v->parent);
	if (r == 0 && is_listed(w->lay, w->directories[w->n - 1].path))
		r = lay_directory(w, w->n - 1);
	return r;
}

static int visit_directory(struct laying *w, size_t index)
{
	struct visit visit = { .w = w, .parent = index };
	_close_ int dir = open_in(w->lay->src, w->directories[index].path);
	int r;

	if (dir < 0)
		return fail(w, dir, "open", w->directories[index].path);
	r = dir_each(dir, visit_entry, &visit);
	return r < 0 && w->err && !w->err->code ? fail(w, r, "read", w->directories[index].path)
						: r;
}

static int set_times(struct laying *w)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct directory *d = &w->directories[i];

		if (d->laid && utimensat(w->lay->dst, d->path, d->times, AT_SYMLINK_NOFOLLOW) < 0)
			return fail(w, -errno, "set the time of", d->path);
	}
	return 0;
}

int lay_tree(const struct lay *l, struct error *err)
{
	_cleanup_(laying_deinit) struct laying w = { .lay = l, .err = err };
	char *root = strdup(".");
	int r = root ? add_directory(&w, root, 0) : -ENOMEM;

	if (r < 0)
		return error_set(err, r, "out of memory");
	if (err)
		err->code = 0;
	if (r == 0)
		r = sort_implied(&w);
	if (r == 0)
		r = lay_directory(&w, 0);
	for (size_t i = 0; r == 0 && i < w.n; i++)
		r = visit_directory(&w, i);
	return r == 0 ? set_times(&w) : r;
}
