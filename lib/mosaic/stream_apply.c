/*
 * Records made true, below one descriptor. The stream is somebody else's: a name is one component,
 * never followed if it is a link; a path (of a hard link's target) is walked without links; names
 * only go up, so nothing is made twice.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "mosaic/stream_tree.h"

static int refuse(const struct apply *a, const char *name, const char *why, struct error *err)
{
	return error_set(err, -EBADMSG, "the stream makes no sense: %s%s%s %s.", a->at.directory,
			 *a->at.directory ? "/" : "", name, why);
}

/* A full disk gets its numbers; errors have the place in the tree. */
static int fail(const struct apply *a, int r, const char *what, const char *name, struct error *err)
{
	const char *slash = *a->at.directory ? "/" : "";
	struct statvfs fs;

	if ((r != -ENOSPC && r != -EDQUOT) || fstatvfs(a->root, &fs) < 0)
		return error_set(err, r, "cannot %s %s%s%s", what, a->at.directory, slash, name);
	return error_set(
		err, r,
		"the volume is full at %s%s%s: it can hold %llu bytes, %llu of them are free; what is sent has %llu",
		a->at.directory, slash, name, (unsigned long long)fs.f_blocks * fs.f_frsize,
		(unsigned long long)fs.f_bavail * fs.f_frsize, (unsigned long long)a->total);
}

/* ---- where we are ---------------------------------------------------------------------------- */

static int open_directory(struct apply *a, struct error *err)
{
	int fd = path_open(a->root, a->at.directory, PATH_NO_MOUNTS, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return fail(a, fd, "open", "", err);
	cleanup_close(&a->dir);
	a->dir = fd;
	return 0;
}

/* A file that is open for data; mode bits that would be in the way of who is not root go. */
static int open_file(struct apply *a, const char *name, struct error *err)
{
	const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	_close_ int fd = openat(a->dir, name, flags | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == EACCES && fchmodat(a->dir, name, 0600, 0) == 0)
		fd = openat(a->dir, name, flags | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ELOOP || errno == EISDIR || errno == ENXIO))
		return refuse(a, name, "is no file that is there", err);
	if (fd < 0)
		return fail(a, -errno, "open", name, err);
	if (fstat(fd, &st) < 0)
		return fail(a, -errno, "look at", name, err);
	if (!S_ISREG(st.st_mode))
		return refuse(a, name, "is no file that is there", err);
	a->file = take_fd(&fd);
	return 0;
}

int apply_begin(struct apply *a, int root, const struct apply_cursor *from, struct error *err)
{
	int r;

	a->root = root;
	a->dir = a->file = -1;
	if (from) {
		a->at = *from;
		a->again = true;
	}
	if (a->raw) {
		a->file = fcntl(root, F_DUPFD_CLOEXEC, 3);
		if (a->file < 0)
			return error_set(err, -errno, "cannot write to the device");
		a->at.open = true;
		return 0;
	}
	if (!from && !a->incremental) /* ext4's own; e2fsck makes it when it wants it */
		(void)!unlinkat(root, "lost+found", AT_REMOVEDIR);
	r = open_directory(a, err);
	return r == 0 && a->at.open ? open_file(a, a->at.last, err) : r;
}

void apply_deinit(struct apply *a)
{
	cleanup_close(&a->dir);
	cleanup_close(&a->file);
}

/* Steps on to name. */
static int step(struct apply *a, const struct stream_record *r, struct error *err)
{
	bool removes = r->type == STREAM_REMOVE;
	int order = strcmp(r->name, a->at.last);

	if (order < 0 || (order == 0 && (removes || !a->at.removed)))
		return refuse(a, r->name, "comes twice, or too late", err);
	memcpy(a->at.last, r->name, sizeof(a->at.last));
	a->at.removed = removes;
	return 0;
}

static int go_down(struct apply *a, const char *name, struct error *err)
{
	size_t len = strlen(a->at.directory), slash = len > 0, more = strlen(name);

	if (len + slash + more >= sizeof(a->at.directory))
		return refuse(a, name, "is too deep", err);
	if (slash)
		a->at.directory[len++] = '/';
	memcpy(a->at.directory + len, name, more + 1);
	a->at.last[0] = '\0';
	a->at.removed = false;
	return 0;
}

static void go_up(struct apply *a)
{
	char *slash = strrchr(a->at.directory, '/');
	char *name = slash ? slash + 1 : a->at.directory;

	memmove(a->at.last, name, strlen(name) + 1);
	*(slash ? slash : a->at.directory) = '\0';
	a->at.removed = false;
}

/* ---- the records ----------------------------------------------------------------------------- */

/* What may have been made before this was interrupted is made anew. */
static int make_room(struct apply *a, const char *name, int r, struct error *err)
{
	if (r != -EEXIST)
		return fail(a, r, "make", name, err);
	if (!a->again)
		return refuse(a, name, "is there already", err);
	r = path_remove_tree(a->dir, name);
	return r < 0 ? fail(a, r, "remove", name, err) : 0;
}

static int enter(struct apply *a, const struct stream_record *r, struct error *err)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
	_close_ int fd = openat(a->dir, r->name, flags | O_CLOEXEC);
	int n;

	if (fd < 0 && errno == EACCES && fchmodat(a->dir, r->name, 0700, 0) == 0)
		fd = openat(a->dir, r->name, flags | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return refuse(a, r->name, "is no directory that is there", err);
	if (fd < 0)
		return fail(a, -errno, "open", r->name, err);
	n = go_down(a, r->name, err);
	if (n < 0)
		return n;
	cleanup_close(&a->dir);
	a->dir = take_fd(&fd);
	return 0;
}

static int make_directory(struct apply *a, const struct stream_record *r, struct error *err)
{
	struct stat st;

	if (mkdirat(a->dir, r->name, 0700) == 0)
		return enter(a, r, err);
	if (errno == EEXIST && a->again &&
	    fstatat(a->dir, r->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
		return enter(a, r, err);
	return errno == EEXIST ? refuse(a, r->name, "is there already", err)
			       : fail(a, -errno, "make", r->name, err);
}

static int leave(struct apply *a, const struct stream_record *r, struct error *err)
{
	int n = apply_attributes(a->dir, &r->attributes);

	if (n < 0)
		return fail(a, n, "set the attributes of", "", err);
	if (!*a->at.directory) {
		a->at.complete = true;
		return 0;
	}
	go_up(a);
	return open_directory(a, err);
}

static int remove_entry(struct apply *a, const struct stream_record *r, struct error *err)
{
	int n;

	if (!a->again && faccessat(a->dir, r->name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return refuse(a, r->name, "is not there", err);
	n = path_remove_tree(a->dir, r->name);
	return n < 0 ? fail(a, n, "remove", r->name, err) : 0;
}

static int begin_data(struct apply *a, const struct stream_record *r, struct error *err)
{
	if (ftruncate(a->file, (off_t)r->size) < 0)
		return fail(a, -errno, "set the size of", r->name, err);
	a->at.open = true;
	a->at.size = r->size;
	a->at.end = 0;
	return 0;
}

static int make_file(struct apply *a, const struct stream_record *r, struct error *err)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW;
	int n;

	a->file = openat(a->dir, r->name, flags | O_CLOEXEC, 0600);
	if (a->file < 0) {
		n = make_room(a, r->name, -errno, err);
		if (n < 0)
			return n;
		a->file = openat(a->dir, r->name, flags | O_CLOEXEC, 0600);
	}
	return a->file < 0 ? fail(a, -errno, "make", r->name, err) : begin_data(a, r, err);
}

static int patch_file(struct apply *a, const struct stream_record *r, struct error *err)
{
	int n = open_file(a, r->name, err);

	return n < 0 ? n : begin_data(a, r, err);
}

static int check_range(struct apply *a, uint64_t offset, uint64_t len, struct error *err)
{
	if (offset < a->at.end || len > a->at.size || offset > a->at.size - len)
		return refuse(a, a->at.last, "has data where none can be", err);
	a->at.end = offset + len;
	return 0;
}

static int write_data(struct apply *a, const struct stream_record *r, struct error *err)
{
	int n = check_range(a, r->offset, r->len, err);

	if (n < 0)
		return n;
	n = pwrite_all(a->file, r->data, r->len, r->offset);
	if (n < 0)
		return fail(a, n, "write to", a->at.last, err);
	a->content += r->len;
	return 0;
}

static int write_zeros(struct apply *a, const struct stream_record *r, struct error *err)
{
	static const uint8_t zeros[64 << 10];
	uint64_t at = r->offset, end = r->offset + r->size;
	int n = check_range(a, r->offset, r->size, err);

	if (n < 0)
		return n;
	if (fallocate(a->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
		      (off_t)r->size) == 0)
		return 0;
	for (; at < end && n == 0; at += sizeof(zeros))
		n = pwrite_all(a->file, zeros,
			       end - at < sizeof(zeros) ? (size_t)(end - at) : sizeof(zeros), at);
	return n < 0 ? fail(a, n, "write to", a->at.last, err) : 0;
}

static int finish_file(struct apply *a, const struct stream_record *r, struct error *err)
{
	int n = apply_attributes(a->file, &r->attributes);

	if (n < 0)
		return fail(a, n, "set the attributes of", a->at.last, err);
	cleanup_close(&a->file);
	a->at.open = false;
	return 0;
}

/* linkat() would follow links on the way to its source: its directory is opened without. */
static int try_link(struct apply *a, const struct stream_record *r)
{
	const char *slash = strrchr(r->target, '/');
	char parent[LIMIT_PATH_BYTES] = "";
	_close_ int fd = -1;

	if (slash)
		memcpy(parent, r->target, (size_t)(slash - r->target));
	fd = path_open(a->root, parent, PATH_NO_MOUNTS, O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	return linkat(fd, slash ? slash + 1 : r->target, a->dir, r->name, 0) < 0 ? -errno : 0;
}

static int make_link(struct apply *a, const struct stream_record *r, struct error *err)
{
	int n = try_link(a, r);

	if (n == -EEXIST) {
		n = make_room(a, r->name, n, err);
		if (n < 0)
			return n;
		n = try_link(a, r);
	}
	if (n == -ENOENT || n == -ENOTDIR || n == -ELOOP)
		return refuse(a, r->name, "is a link to what is not there", err);
	return n < 0 ? fail(a, n, "make the link", r->name, err) : 0;
}

static int try_special(struct apply *a, const struct stream_record *r)
{
	if (r->type == STREAM_SYMLINK)
		return symlinkat(r->target, a->dir, r->name) < 0 ? -errno : 0;
	return mknodat(a->dir, r->name, r->node | 0600, makedev(r->major, r->minor)) < 0 ? -errno
											 : 0;
}

static int change(struct apply *a, const struct stream_record *r, struct error *err)
{
	_close_ int fd = openat(a->dir, r->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int n;

	if (fd < 0 && errno == ENOENT)
		return refuse(a, r->name, "is not there", err);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(a, -errno, "open", r->name, err);
	if (S_ISDIR(st.st_mode))
		return refuse(a, r->name, "is a directory", err);
	n = apply_attributes(fd, &r->attributes);
	return n < 0 ? fail(a, n, "set the attributes of", r->name, err) : 0;
}

static int make_special(struct apply *a, const struct stream_record *r, struct error *err)
{
	int n = try_special(a, r);

	if (n < 0) {
		n = make_room(a, r->name, n, err);
		if (n < 0)
			return n;
		n = try_special(a, r);
	}
	return n < 0 ? fail(a, n, "make", r->name, err) : change(a, r, err);
}

/* needs_base: only what is there already can be meant. */
static const struct handler {
	int (*apply)(struct apply *a, const struct stream_record *r, struct error *err);
	bool of_open_file, has_name, needs_base;
} handlers[STREAM_END + 1] = {
	[STREAM_DIRECTORY] = { make_directory, .has_name = true },
	[STREAM_ENTER] = { enter, .has_name = true, .needs_base = true },
	[STREAM_LEAVE] = { leave },
	[STREAM_REMOVE] = { remove_entry, .has_name = true, .needs_base = true },
	[STREAM_FILE] = { make_file, .has_name = true },
	[STREAM_PATCH] = { patch_file, .has_name = true, .needs_base = true },
	[STREAM_DATA] = { write_data, .of_open_file = true },
	[STREAM_ZERO] = { write_zeros, .of_open_file = true },
	[STREAM_DONE] = { finish_file, .of_open_file = true },
	[STREAM_LINK] = { make_link, .has_name = true },
	[STREAM_SYMLINK] = { make_special, .has_name = true },
	[STREAM_NODE] = { make_special, .has_name = true },
	[STREAM_CHANGE] = { change, .has_name = true, .needs_base = true },
};

int apply_record(struct apply *a, const struct stream_record *r, struct error *err)
{
	const struct handler *h = &handlers[r->type];
	int n;

	if (!h->apply || a->at.complete || h->of_open_file != a->at.open ||
	    (h->needs_base && !a->incremental) || (a->raw && r->type == STREAM_DONE))
		return refuse(a, r->name, "has no place where it comes", err);
	n = h->has_name ? step(a, r, err) : 0;
	return n < 0 ? n : h->apply(a, r, err);
}

int apply_end(const struct apply *a, struct error *err)
{
	if (a->raw || a->at.complete)
		return 0;
	return refuse(a, "its end", "comes before the tree is complete", err);
}
