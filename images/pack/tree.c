#include "images/pack/tree.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <search.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

enum { BLOCK = 256 << 10 };

struct packing {
	const struct pack *pack;
	struct archive *archive;
	struct archive_entry *entry; /* used for one member after the other */
	struct remarks *remarks;
	struct error *err;
	void *links; /* a tree of struct hard_link, by tsearch() */
	bool warned_xattr;
	char block[BLOCK];
};

/* A file with more than one name, and the one it was packed under. */
struct hard_link {
	dev_t dev;
	ino_t ino;
	char *name;
};

static int fail(struct packing *p, int code, const char *what, const char *name)
{
	char shown[512];

	str_escape(shown, sizeof(shown), name);
	return error_set(p->err, code, "cannot %s %s", what, shown);
}

static int archive_failed(struct packing *p, const char *name)
{
	const char *text = archive_error_string(p->archive);
	int code = archive_errno(p->archive);

	return fail(p, code > 0 ? -code : -EIO, text ? text : "pack", name);
}

/* ---- one member ------------------------------------------------------------------------------ */

static void set_time(struct packing *p, const struct timespec *t)
{
	bool late = p->pack->epoch >= 0 && t->tv_sec >= p->pack->epoch;

	archive_entry_set_mtime(p->entry, late ? p->pack->epoch : t->tv_sec, late ? 0 : t->tv_nsec);
}

static void describe(struct packing *p, const char *name, const struct stat *st)
{
	archive_entry_clear(p->entry);
	archive_entry_copy_pathname(p->entry, name);
	archive_entry_set_mode(p->entry, st->st_mode);
	archive_entry_set_uid(p->entry, st->st_uid);
	archive_entry_set_gid(p->entry, st->st_gid);
	archive_entry_set_size(p->entry, S_ISREG(st->st_mode) ? st->st_size : 0);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
		archive_entry_set_rdevmajor(p->entry, major(st->st_rdev));
		archive_entry_set_rdevminor(p->entry, minor(st->st_rdev));
	}
	set_time(p, &st->st_mtim);
}

/* A name that is no ASCII makes libarchive warn that it is written as it is. */
static int write_header(struct packing *p, const char *name)
{
	int r = archive_write_header(p->archive, p->entry);

	return r == ARCHIVE_OK || r == ARCHIVE_WARN ? 0 : archive_failed(p, name);
}

static int write_content(struct packing *p, int fd, uint64_t size, const char *name)
{
	while (size > 0) {
		ssize_t n = read(fd, p->block, size < BLOCK ? size : BLOCK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(p, -errno, "read", name);
		if (n == 0)
			return error_set(p->err, -EAGAIN, "%s became shorter while it was packed.",
					 name);
		if (archive_write_data(p->archive, p->block, (size_t)n) != n)
			return archive_failed(p, name);
		size -= (uint64_t)n;
	}
	return 0;
}

/* ---- extended attributes --------------------------------------------------------------------- */

/* What carob-unpack will take. */
static bool is_kept(const char *name)
{
	return str_eq(name, "security.capability") ||
	       (str_starts(name, "user.") && !str_starts(name, "user.overlay."));
}

static int add_xattr(struct packing *p, int fd, const char *attribute, const char *name)
{
	_free_ char *value = NULL;
	ssize_t n;

	if (!is_kept(attribute)) {
		if (p->warned_xattr || str_starts(attribute, "security."))
			return 0;
		p->warned_xattr = true;
		return remarks_warn(p->remarks, name,
				    "has an extended attribute that archives do not hold");
	}
	n = fgetxattr(fd, attribute, NULL, 0);
	value = n < 0 ? NULL : malloc((size_t)n + 1);
	if (n >= 0 && !value)
		return error_set(p->err, -ENOMEM, "out of memory");
	if (n >= 0)
		n = fgetxattr(fd, attribute, value, (size_t)n);
	if (n < 0)
		return fail(p, -errno, "read the extended attributes of", name);
	archive_entry_xattr_add_entry(p->entry, attribute, value, (size_t)n);
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The kernel lists them in no order that means anything. */
static int add_sorted(struct packing *p, int fd, char *list, size_t len, const char *name)
{
	_free_ const char **names = NULL;
	size_t n = 0;
	int r = 0;

	for (size_t at = 0; at < len; at += strlen(list + at) + 1)
		n++;
	names = calloc(n + 1, sizeof(names[0]));
	if (!names)
		return error_set(p->err, -ENOMEM, "out of memory");
	n = 0;
	for (size_t at = 0; at < len; at += strlen(list + at) + 1)
		names[n++] = list + at;
	qsort(names, n, sizeof(names[0]), compare_names);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_xattr(p, fd, names[i], name);
	return r;
}

static int add_xattrs(struct packing *p, int fd, const char *name)
{
	_free_ char *list = NULL;
	ssize_t n = flistxattr(fd, NULL, 0);

	if (n == 0 || (n < 0 && errno == EOPNOTSUPP))
		return 0;
	list = n < 0 ? NULL : malloc((size_t)n);
	if (n > 0 && !list)
		return error_set(p->err, -ENOMEM, "out of memory");
	if (n > 0)
		n = flistxattr(fd, list, (size_t)n);
	return n < 0 ? fail(p, -errno, "read the extended attributes of", name)
		     : add_sorted(p, fd, list, (size_t)n, name);
}

/* ---- the kinds of files ---------------------------------------------------------------------- */

static int compare_links(const void *a, const void *b)
{
	const struct hard_link *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static void free_link(void *p)
{
	struct hard_link *link = p;

	free(link->name);
	free(link);
}

/* The name that the file was packed under, or NULL when this is the first. */
static int first_name(struct packing *p, const struct stat *st, const char *name, const char **ret)
{
	struct hard_link *link = calloc(1, sizeof(*link)), **found;

	*ret = NULL;
	if (!link)
		return error_set(p->err, -ENOMEM, "out of memory");
	link->dev = st->st_dev;
	link->ino = st->st_ino;
	found = tsearch(link, &p->links, compare_links);
	if (found && *found == link) {
		link->name = strdup(name);
		return link->name ? 0 : error_set(p->err, -ENOMEM, "out of memory");
	}
	free(link);
	*ret = found ? (*found)->name : NULL;
	return found ? 0 : error_set(p->err, -ENOMEM, "out of memory");
}

static int pack_file(struct packing *p, int dir, const char *file, const char *name)
{
	_close_ int fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	const char *first = NULL;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(p, -errno, "open", name);
	if (!S_ISREG(st.st_mode))
		return error_set(p->err, -EAGAIN, "%s was replaced while it was packed.", name);
	r = st.st_nlink > 1 ? first_name(p, &st, name, &first) : 0;
	if (r < 0)
		return r;
	describe(p, name, &st);
	if (first) {
		archive_entry_copy_hardlink(p->entry, first);
		archive_entry_set_size(p->entry, 0);
		return write_header(p, name);
	}
	r = add_xattrs(p, fd, name);
	if (r == 0)
		r = write_header(p, name);
	return r == 0 ? write_content(p, fd, (uint64_t)st.st_size, name) : r;
}

static int pack_special(struct packing *p, int dir, const char *file, const char *name,
			const struct stat *st)
{
	char target[LIMIT_PATH_BYTES];
	ssize_t n;

	if (S_ISSOCK(st->st_mode))
		return remarks_warn(p->remarks, name, "is a socket, which archives do not hold");
	describe(p, name, st);
	if (S_ISLNK(st->st_mode)) {
		n = readlinkat(dir, file, target, sizeof(target) - 1);
		if (n < 0)
			return fail(p, -errno, "read the link", name);
		target[n] = '\0';
		archive_entry_copy_symlink(p->entry, target);
	}
	return write_header(p, name);
}

/* ---- directories ----------------------------------------------------------------------------- */

struct names {
	char **list;
	size_t n, room;
};

static void names_deinit(struct names *n)
{
	for (size_t i = 0; i < n->n; i++)
		free(n->list[i]);
	free(n->list);
}

static int add_name(_unused_ int dir, const char *name, void *arg)
{
	struct names *n = arg;

	if (n->n == n->room) {
		size_t room = n->room ? 2 * n->room : 64;
		char **more = reallocarray(n->list, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		n->list = more;
		n->room = room;
	}
	n->list[n->n] = strdup(name);
	return n->list[n->n] ? (n->n++, 0) : -ENOMEM;
}

static int pack_directory(struct packing *p, const char *name, unsigned depth);

static int pack_entry(struct packing *p, int dir, const char *file, const char *parent,
		      unsigned depth)
{
	_free_ char *name = str_printf("%s/%s", parent, file);
	struct stat st;

	if (!name)
		return error_set(p->err, -ENOMEM, "out of memory");
	if (fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(p, -errno, "look at", name);
	if (S_ISDIR(st.st_mode))
		return pack_directory(p, name, depth + 1);
	return S_ISREG(st.st_mode) ? pack_file(p, dir, file, name)
				   : pack_special(p, dir, file, name, &st);
}

/* name: "rootfs" or "rootfs/etc". */
static int pack_directory(struct packing *p, const char *name, unsigned depth)
{
	_cleanup_(names_deinit) struct names names = { 0 };
	const char *below = name + strlen("rootfs");
	_close_ int dir = -1;
	struct stat st;
	int r;

	if (depth > LIMIT_ARCHIVE_DEPTH)
		return error_set(p->err, -ELOOP, "%.256s... is more than %d directories deep", name,
				 LIMIT_ARCHIVE_DEPTH);
	dir = path_open(p->pack->rootfs, below, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0 || fstat(dir, &st) < 0)
		return fail(p, dir < 0 ? dir : -errno, "open", name);
	describe(p, name, &st);
	r = add_xattrs(p, dir, name);
	if (r == 0)
		r = write_header(p, name);
	if (r < 0)
		return r;
	r = dir_each(dir, add_name, &names);
	if (r < 0)
		return fail(p, r, "read", name);
	if (names.n)
		qsort(names.list, names.n, sizeof(names.list[0]), compare_names);
	for (size_t i = 0; r == 0 && i < names.n; i++)
		r = pack_entry(p, dir, names.list[i], name, depth);
	return r;
}

static int pack_manifest(struct packing *p)
{
	const struct timespec time = { p->pack->epoch > 0 ? p->pack->epoch : 0, 0 };
	struct stat st;
	int r;

	if (fstat(p->pack->manifest, &st) < 0)
		return fail(p, -errno, "read", "manifest");
	st.st_mode = S_IFREG | 0644;
	st.st_uid = st.st_gid = 0;
	st.st_mtim = time;
	describe(p, "manifest", &st);
	r = write_header(p, "manifest");
	return r == 0 ? write_content(p, p->pack->manifest, (uint64_t)st.st_size, "manifest") : r;
}

static int pack_all(struct packing *p)
{
	int r;

	if (archive_write_set_format_pax(p->archive) != ARCHIVE_OK ||
	    archive_write_set_options(p->archive, "xattrheader=SCHILY") != ARCHIVE_OK ||
	    archive_write_add_filter_none(p->archive) != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(p->archive, BLOCK) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(p->archive, 10240) != ARCHIVE_OK ||
	    archive_write_open_fd(p->archive, p->pack->out) != ARCHIVE_OK)
		return archive_failed(p, "the archive");
	r = pack_manifest(p);
	if (r == 0)
		r = pack_directory(p, "rootfs", 0);
	if (r == 0 && archive_write_close(p->archive) != ARCHIVE_OK)
		r = archive_failed(p, "the archive");
	return r;
}

int pack_tree(const struct pack *pack, struct remarks *remarks, struct error *err)
{
	_free_ struct packing *p = calloc(1, sizeof(*p));
	int r = -ENOMEM;

	if (!p)
		return error_set(err, r, "out of memory");
	p->pack = pack;
	p->remarks = remarks;
	p->err = err;
	p->archive = archive_write_new();
	p->entry = archive_entry_new();
	r = p->archive && p->entry ? pack_all(p) : error_set(err, r, "out of memory");
	archive_entry_free(p->entry);
	if (p->archive)
		archive_write_free(p->archive);
	tdestroy(p->links, free_link);
	return r;
}
