#include "images/unpack/tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* Made and modified in by what comes below it, so set when nothing comes any more. A
 * set-group-ID bit waits too: with it, what is made below would get the directory's group. */
struct tree_late {
	char *path;
	mode_t mode;
	bool set_mode;
	struct timespec mtime;
};

int tree_init(struct tree *t, int root, struct error *err)
{
	*t = (struct tree){ .root = root, .parent_fd = -1, .file = -1 };
	if (root >= 0 && (fchown(root, 0, 0) < 0 || fchmod(root, 0755) < 0))
		return error_set(err, -errno, "cannot prepare the directory to unpack into");
	return 0;
}

void tree_deinit(struct tree *t)
{
	for (size_t i = 0; i < t->n_late; i++)
		free(t->late[i].path);
	free(t->late);
	cleanup_close(&t->parent_fd);
	cleanup_close(&t->file);
}

static int fail(struct error *err, int code, const char *path, const char *what)
{
	char shown[LIMIT_PATH_BYTES];

	str_escape(shown, sizeof(shown), path);
	return error_set(err, code, "cannot %s rootfs/%.512s", what, shown);
}

static int open_directory(struct tree *t, const char *path, int flags)
{
	return path_open(t->root, path, PATH_NO_LINKS, flags | O_DIRECTORY, 0);
}

/* The directory that path is to be made in, and the name there. Members of one directory mostly
 * come together, so the last one stays open. */
static int enter_parent(struct tree *t, const char *path, const char **ret_name, struct error *err)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;
	int fd;

	*ret_name = slash ? slash + 1 : path;
	if (t->parent_fd >= 0 && strlen(t->parent) == len && memcmp(t->parent, path, len) == 0)
		return t->parent_fd;
	cleanup_close(&t->parent_fd);
	memcpy(t->parent, path, len);
	t->parent[len] = '\0';
	fd = open_directory(t, t->parent, O_PATH);
	if (fd == -ENOENT) {
		_close_ int made = path_make_dirs(t->root, t->parent);

		fd = made < 0 ? made : open_directory(t, t->parent, O_PATH);
	}
	if (fd < 0)
		return fail(err, fd, t->parent, "enter the directory");
	t->parent_fd = fd;
	return fd;
}

static int add_late(struct tree *t, const struct tree_late *late)
{
	if (t->n_late == t->room_late) {
		size_t room = t->room_late ? 2 * t->room_late : 256;
		struct tree_late *more = reallocarray(t->late, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		t->late = more;
		t->room_late = room;
	}
	t->late[t->n_late] = *late;
	t->late[t->n_late].path = strdup(late->path);
	if (!t->late[t->n_late].path)
		return -ENOMEM;
	t->n_late++;
	return 0;
}

int tree_imply(struct tree *t, const char *path, struct error *err)
{
	struct tree_late late = { .path = (char *)path };

	return t->root < 0 || add_late(t, &late) == 0 ? 0
						      : error_set(err, -ENOMEM, "out of memory");
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
static int set_attributes(int fd, const struct member *m, mode_t mode, const char *path,
			  struct error *err)
{
	bool owned = m->uid || m->gid;

	if (owned && fchown(fd, m->uid, m->gid) < 0)
		return fail(err, -errno, path, "set the owner of");
	if (owned && mode & (S_ISUID | S_ISGID) && fchmod(fd, mode) < 0)
		return fail(err, -errno, path, "set the mode of");
	return set_xattrs(fd, m, path, err);
}

/* It may be there, made for a member below it. */
static int make_directory_entry(struct tree *t, const char *path, mode_t mode, struct error *err)
{
	const char *name;
	int parent = enter_parent(t, path, &name, err);

	if (parent < 0)
		return parent;
	/* lint: path ok: one component, below a descriptor of path_open */
	if (mkdirat(parent, name, mode) < 0 && errno != EEXIST)
		return fail(err, -errno, path, "make the directory");
	return 0;
}

static int make_directory(struct tree *t, const struct member *m, const char *path,
			  struct error *err)
{
	struct tree_late late = { .path = (char *)path, .mode = m->mode, .mtime = m->mtime };
	mode_t mode = m->mode & ~(mode_t)S_ISGID;
	_close_ int fd = -1;
	int r = str_eq(path, ".") ? 0 : make_directory_entry(t, path, mode, err);

	if (r < 0)
		return r;
	fd = open_directory(t, path, O_RDONLY);
	if (fd < 0)
		return fail(err, fd, path, "enter the directory");
	if (fchmod(fd, mode) < 0)
		return fail(err, -errno, path, "set the mode of");
	r = set_attributes(fd, m, mode, path, err);
	if (r < 0)
		return r;
	late.set_mode = mode != m->mode;
	return add_late(t, &late) < 0 ? error_set(err, -ENOMEM, "out of memory") : 0;
}

static int make_file(struct tree *t, const struct member *m, const char *path, struct error *err)
{
	const char *name;
	int parent = enter_parent(t, path, &name, err);

	if (parent < 0)
		return parent;
	t->file = path_open(parent, name, PATH_NO_LINKS, O_WRONLY | O_CREAT | O_EXCL, m->mode);
	t->written = 0;
	return t->file < 0 ? fail(err, t->file, path, "make the file") : 0;
}

/* By directory and name: linking a descriptor takes CAP_DAC_READ_SEARCH, which we do without. */
static int make_hard_link(struct tree *t, const char *path, const char *target, struct error *err)
{
	const char *slash = strrchr(target, '/');
	const char *old = slash ? slash + 1 : target, *name;
	char directory[LIMIT_PATH_BYTES];
	_close_ int from = -1;
	struct stat st;
	int parent;

	snprintf(directory, sizeof(directory), "%.*s", slash ? (int)(slash - target) : 0, target);
	from = open_directory(t, directory, O_PATH);
	if (from < 0)
		return fail(err, from, target, "find the hard link's target");
	if (fstatat(from, old, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(err, -errno, target, "find the hard link's target");
	if (!S_ISREG(st.st_mode))
		return fail(err, -EINVAL, target, "make a hard link to what is no regular file:");
	parent = enter_parent(t, path, &name, err);
	if (parent < 0)
		return parent;
	return linkat(from, old, parent, name, 0) < 0
		       ? fail(err, -errno, path, "make the hard link")
		       : 0;
}

/* A symbolic link, fifo or device. */
static int make_special(struct tree *t, const struct member *m, const char *path, struct error *err)
{
	static const mode_t formats[] = {
		[MEMBER_CHARACTER] = S_IFCHR,
		[MEMBER_BLOCK] = S_IFBLK,
		[MEMBER_FIFO] = S_IFIFO,
	};
	struct timespec times[] = { m->mtime, m->mtime };
	const char *name;
	int parent = enter_parent(t, path, &name, err);
	int r;

	if (parent < 0)
		return parent;
	if (m->type == MEMBER_SYMLINK)
		r = symlinkat(m->target, parent, name);
	else
		r = mknodat(parent, name, formats[m->type] | m->mode, m->device);
	if (r < 0)
		return fail(err, -errno, path, "make");
	if ((m->uid || m->gid) && fchownat(parent, name, m->uid, m->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(err, -errno, path, "set the owner of");
	if (utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(err, -errno, path, "set the time of");
	return 0;
}

int tree_make(struct tree *t, const struct member *m, const char *path, const char *target,
	      struct error *err)
{
	if (t->root < 0)
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
	const char *p = data;

	if (t->file < 0)
		return 0;
	while (len > 0) {
		ssize_t n = pwrite(t->file, p, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(err, -errno, "cannot write to the image's volume");
		p += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	t->written = offset;
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
	r = set_attributes(t->file, m, m->mode, m->name, err);
	if (r == 0 && futimens(t->file, times) < 0)
		r = fail(err, -errno, m->name, "set the time of");
	cleanup_close(&t->file);
	return r;
}

int tree_end(struct tree *t, struct error *err)
{
	for (size_t i = 0; i < t->n_late; i++) {
		const struct tree_late *late = &t->late[i];
		struct timespec times[] = { late->mtime, late->mtime };
		_close_ int fd = open_directory(t, late->path, O_RDONLY);

		if (fd < 0)
			return fail(err, fd, late->path, "enter the directory");
		if (late->set_mode && fchmod(fd, late->mode) < 0)
			return fail(err, -errno, late->path, "set the mode of");
		if (futimens(fd, times) < 0)
			return fail(err, -errno, late->path, "set the time of");
	}
	return 0;
}
