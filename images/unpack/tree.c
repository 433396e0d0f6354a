#include "images/unpack/tree.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>

int tree_init(struct tree *t, int root, bool over, struct error *err)
{
	*t = (struct tree){ .file = -1 };
	if (place_init(&t->place, root, over) < 0)
		return error_set(err, -ENOMEM, "out of memory");
	if (root >= 0 && !over && (fchown(root, 0, 0) < 0 || fchmod(root, 0755) < 0))
		return error_set(err, -errno, "cannot prepare the directory to unpack into");
	return 0;
}

void tree_deinit(struct tree *t)
{
	place_deinit(&t->place);
	cleanup_close(&t->file);
}

static int fail(struct error *err, int code, const char *path, const char *what)
{
	return place_fail(err, code, path, what);
}

/* Over lower layers: something is in the way, and goes with all that is below it. */
static bool made_room(struct tree *t, const char *name, int code)
{
	return code == -EEXIST && t->place.over && path_remove_tree(t->place.fd, name) == 0;
}

static int made(struct tree *t, const char *name, struct error *err)
{
	int r = place_made(&t->place, name);

	return r < 0 ? error_set(err, r, "out of memory") : 0;
}

static int set_xattrs(int fd, const struct member *m, const char *path, struct error *err)
{
	for (size_t i = 0; i < m->n_xattrs; i++) {
		const struct member_xattr *x = &m->xattrs[i];

		if (fsetxattr(fd, x->name, x->value, x->size, 0) < 0) {
			int r = fail(err, -errno, path, "set an extended attribute of");

			return error_prefix(err, r, "%.64s", x->name);
		}
	}
	return 0;
}

/* Owner, then mode (chown takes set-user-ID away), then attributes (and capabilities). */
static int set_attributes(struct tree *t, int fd, const struct member *m, const char *path,
			  struct error *err)
{
	bool owned = m->uid || m->gid || t->place.set_gid;

	if (owned && fchown(fd, m->uid, m->gid) < 0)
		return fail(err, -errno, path, "set the owner of");
	if (owned && m->mode & (S_ISUID | S_ISGID) && fchmod(fd, m->mode) < 0)
		return fail(err, -errno, path, "set the mode of");
	return set_xattrs(fd, m, path, err);
}

/* ---- directories ----------------------------------------------------------------------------- */

static int make_entry(struct tree *t, const char *name, mode_t mode)
{
	/* lint: path ok: one component, below a descriptor of path_open */
	return mkdirat(t->place.fd, name, mode) < 0 ? -errno : 0;
}

/* The directory, new or not (*ret_new): made for a member below it, or by a lower layer. */
static int open_made(struct tree *t, const char *name, mode_t mode, bool *ret_new)
{
	int r = make_entry(t, name, mode), fd;

	*ret_new = r == 0;
	if (r < 0 && r != -EEXIST)
		return r;
	fd = path_open(t->place.fd, name, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);
	if ((fd != -ENOTDIR && fd != -ELOOP) || !made_room(t, name, r))
		return fd;
	r = make_entry(t, name, mode);
	*ret_new = true;
	return r < 0 ? r : path_open(t->place.fd, name, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);
}

/* Attributes of a lower layer's directory do not stay. */
static int drop_xattrs(int fd)
{
	char names[XATTR_LIST_MAX];
	ssize_t len = flistxattr(fd, names, sizeof(names));

	if (len < 0)
		return errno == EOPNOTSUPP ? 0 : -errno;
	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1)
		if ((str_starts(names + at, "user.") ||
		     str_eq(names + at, "security.capability")) &&
		    fremovexattr(fd, names + at) < 0)
			return -errno;
	return 0;
}

/* What mkdir() did not do already. */
static int own_directory(int fd, const struct member *m, bool plain, const char *path,
			 struct error *err)
{
	bool owned = !plain || m->uid || m->gid;

	if (owned && fchown(fd, m->uid, m->gid) < 0)
		return fail(err, -errno, path, "set the owner of");
	if ((owned || m->mode & (S_ISUID | S_ISGID)) && fchmod(fd, m->mode) < 0)
		return fail(err, -errno, path, "set the mode of");
	return 0;
}

static int set_directory(struct tree *t, int fd, const struct member *m, bool new, const char *path,
			 struct error *err)
{
	const struct timespec times[] = { m->mtime, m->mtime };
	int r = t->place.over && !new ? drop_xattrs(fd) : 0;

	if (r < 0)
		return fail(err, r, path, "remove the extended attributes of");
	r = own_directory(fd, m, new && !t->place.set_gid, path, err);
	if (r == 0)
		r = set_xattrs(fd, m, path, err);
	if (r == 0 && futimens(fd, times) < 0)
		r = fail(err, -errno, path, "set the time of");
	return r;
}

static int open_root(struct tree *t)
{
	return path_open(t->place.root, ".", PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);
}

static int open_directory(struct tree *t, const struct member *m, const char *path, bool *ret_new,
			  struct error *err)
{
	const char *name;
	int r, fd;

	*ret_new = false;
	if (str_eq(path, ".")) {
		fd = open_root(t);
		return fd < 0 ? fail(err, fd, path, "enter the directory") : fd;
	}
	r = place_enter(&t->place, path, &name, err);
	if (r < 0)
		return r;
	fd = open_made(t, name, m->mode & 01777, ret_new);
	if (fd < 0)
		return fail(err, fd, path, "make the directory");
	r = made(t, name, err);
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

static int make_directory(struct tree *t, const struct member *m, const char *path,
			  struct error *err)
{
	struct stat st;
	bool new;
	_close_ int fd = open_directory(t, m, path, &new, err);
	int r;

	if (fd < 0)
		return fd;
	r = set_directory(t, fd, m, new, path, err);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return fail(err, -errno, path, "look at");
	/* it may be where the work is: "d/x" came before "d/" */
	if (t->place.fd >= 0 && st.st_ino == t->place.ino) {
		t->place.mtime = m->mtime;
		t->place.set_gid = m->mode & S_ISGID;
	}
	r = new ? place_set_own(&t->place, st.st_ino) : 0;
	return r < 0 ? error_set(err, r, "out of memory") : 0;
}

/* ---- everything else ------------------------------------------------------------------------- */

static int make_file(struct tree *t, const struct member *m, const char *path, struct error *err)
{
	enum { FLAGS = O_WRONLY | O_CREAT | O_EXCL };
	const char *name;
	int parent = place_enter(&t->place, path, &name, err);

	if (parent < 0)
		return parent;
	t->file = path_open(parent, name, PATH_NO_LINKS, FLAGS, m->mode);
	if (made_room(t, name, t->file))
		t->file = path_open(parent, name, PATH_NO_LINKS, FLAGS, m->mode);
	t->written = 0;
	return t->file < 0 ? fail(err, t->file, path, "make the file") : made(t, name, err);
}

/* The directory of a hard link's target; its own, for the place is the link's. */
static int open_target(struct tree *t, const char *target, const char **ret_name)
{
	const char *slash = strrchr(target, '/');
	char directory[LIMIT_PATH_BYTES];

	*ret_name = slash ? slash + 1 : target;
	snprintf(directory, sizeof(directory), "%.*s", slash ? (int)(slash - target) : 0, target);
	return path_open(t->place.root, directory, t->place.over ? PATH_IN_ROOT : PATH_NO_LINKS,
			 O_PATH | O_DIRECTORY, 0);
}

/* Is name the file old already? To make room for it would remove that. */
static bool is_same(int parent, const char *name, const struct stat *old)
{
	struct stat st;

	return fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == old->st_ino &&
	       st.st_dev == old->st_dev;
}

/* By directory and name: linking a descriptor takes CAP_DAC_READ_SEARCH, which we do without. */
static int link_here(struct tree *t, int from, const char *old, const char *name)
{
	if (linkat(from, old, t->place.fd, name, 0) == 0)
		return 0;
	if (!made_room(t, name, -errno))
		return -errno;
	return linkat(from, old, t->place.fd, name, 0) < 0 ? -errno : 0;
}

static int no_target(struct error *err, int code, const char *path, const char *target)
{
	switch (code) {
	case -ENOENT:
	case -ENOTDIR:
	case -ELOOP:
		return error_set(err, -EBADMSG,
				 "%.512s is a hard link to %.512s, which is not there.", path,
				 target);
	case -EISDIR:
		return error_set(err, -EBADMSG,
				 "%.512s is a hard link to %.512s, which is no regular file.", path,
				 target);
	default:
		return fail(err, code, path, "make the hard link");
	}
}

static int make_hard_link(struct tree *t, const char *path, const char *target, struct error *err)
{
	const char *name, *old;
	int parent = place_enter(&t->place, path, &name, err), r = 0;
	_close_ int from = -1;
	struct stat st;

	if (parent < 0)
		return parent;
	from = open_target(t, target, &old);
	if (from < 0)
		return no_target(err, from, path, target);
	if (fstatat(from, old, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return no_target(err, -errno, path, target);
	if (!S_ISREG(st.st_mode))
		return no_target(err, -EISDIR, path, target);
	if (!t->place.over || !is_same(parent, name, &st))
		r = link_here(t, from, old, name);
	return r < 0 ? no_target(err, r, path, target) : made(t, name, err);
}

static int make_node(const struct tree *t, const struct member *m, const char *name)
{
	static const mode_t formats[] = {
		[MEMBER_CHARACTER] = S_IFCHR,
		[MEMBER_BLOCK] = S_IFBLK,
		[MEMBER_FIFO] = S_IFIFO,
	};
	int r;

	if (m->type == MEMBER_SYMLINK)
		r = symlinkat(m->target, t->place.fd, name);
	else
		r = mknodat(t->place.fd, name, formats[m->type] | m->mode, m->device);
	return r < 0 ? -errno : 0;
}

/* By name, for none of these can be opened: it was made a moment ago, by us. A new owner takes
 * set-user-ID away here too. */
static int set_special(const struct tree *t, const struct member *m, const char *name)
{
	const struct timespec times[] = { m->mtime, m->mtime };
	bool owned = m->uid || m->gid || t->place.set_gid;

	if (owned && fchownat(t->place.fd, name, m->uid, m->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (owned && m->type != MEMBER_SYMLINK && m->mode & (S_ISUID | S_ISGID) &&
	    fchmodat(t->place.fd, name, m->mode, 0) < 0)
		return -errno;
	return utimensat(t->place.fd, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* A symbolic link, fifo or device. */
static int make_special(struct tree *t, const struct member *m, const char *path, struct error *err)
{
	const char *name;
	int r = place_enter(&t->place, path, &name, err);

	if (r < 0)
		return r;
	r = make_node(t, m, name);
	if (made_room(t, name, r))
		r = make_node(t, m, name);
	if (r < 0)
		return fail(err, r, path, "make");
	r = set_special(t, m, name);
	return r < 0 ? fail(err, r, path, "set owner, mode or time of") : made(t, name, err);
}

int tree_make(struct tree *t, const struct member *m, const char *path, const char *target,
	      struct error *err)
{
	if (t->place.root < 0)
		return 0;
	switch (m->type) {
	case MEMBER_DIRECTORY:
		return make_directory(t, m, path, err);
	case MEMBER_FILE:
		return make_file(t, m, path, err);
	case MEMBER_HARDLINK:
		return make_hard_link(t, path, target, err);
	case MEMBER_SYMLINK:
	case MEMBER_CHARACTER:
	case MEMBER_BLOCK:
	case MEMBER_FIFO:
		break;
	}
	return make_special(t, m, path, err);
}

int tree_write(struct tree *t, const void *data, size_t len, uint64_t offset, struct error *err)
{
	int r;

	if (t->file < 0)
		return 0;
	r = pwrite_all(t->file, data, len, offset);
	if (r < 0)
		return error_set(err, r, "cannot write to the image's volume");
	t->written = offset + len;
	return 0;
}

int tree_end_file(struct tree *t, const struct member *m, struct error *err)
{
	struct timespec times[] = { m->mtime, m->mtime };
	int r;

	if (t->file < 0)
		return 0;
	if (t->written != m->size && ftruncate(t->file, (off_t)m->size) < 0)
		return fail(err, -errno, m->name, "set the size of");
	r = set_attributes(t, t->file, m, m->name, err);
	if (r == 0 && futimens(t->file, times) < 0)
		r = fail(err, -errno, m->name, "set the time of");
	cleanup_close(&t->file);
	return r;
}

int tree_end(struct tree *t, struct error *err)
{
	return place_leave(&t->place, err);
}
