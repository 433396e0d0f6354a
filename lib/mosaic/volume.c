#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/base.h"
#include "mosaic/driver.h"
#include "mosaic/name_map.h"

void volume_path(char dst[VOLUME_PATH], const char *name, const char *part)
{
	snprintf(dst, VOLUME_PATH, "volumes/%s%s%s", name, part ? "/" : "", part ? part : "");
}

void staging_path(char dst[VOLUME_PATH], const char *name)
{
	snprintf(dst, VOLUME_PATH, "staging/%s", name);
}

const char *volume_content(enum volume_kind kind)
{
	if (kind == VOLUME_CLONE)
		return "upper";
	return kind == VOLUME_DATA ? "data" : "tree";
}

/* Names that begin with a dot are a driver's own: they can be looked up, not asked for. */
static bool is_hidden(const char *name)
{
	return name[0] == '.';
}

static bool name_is_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > MOSAIC_NAME_MAX || str_eq(name, ".") || str_eq(name, ".."))
		return false;
	for (const char *p = name; *p; p++)
		if (*p == '/' || (unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	return true;
}

int volume_check_name(const char *name, struct error *err)
{
	char shown[MOSAIC_NAME_MAX + 1];

	if (!is_hidden(name) && name_is_valid(name))
		return 0;
	str_escape(shown, sizeof(shown), name);
	return error_set(
		err, -EINVAL,
		"'%s' cannot name a volume: 1 to %d bytes, no slash, no control character, no dot in front.",
		shown, MOSAIC_NAME_MAX);
}

int volume_check_flags(unsigned flags, unsigned known, struct error *err)
{
	return flags & ~known ? error_set(err, -EINVAL, "there are no flags %#x.", flags & ~known)
			      : 0;
}

int volume_name(const struct mosaic *m, const char **name, char room[MOSAIC_NAME_MAX + 1],
		struct error *err)
{
	int r = 0;

	if (m->volume_map) {
		r = name_map_apply(m->volume_map, *name, room, err);
		*name = room;
	}
	return r < 0 ? r : volume_check_name(*name, err);
}

enum { PART_MAX = 16 }; /* "parent" and the like */

static int have(int dirfd, const char *place, const char *part)
{
	char path[VOLUME_PATH + PART_MAX];

	snprintf(path, sizeof(path), "%s%s", place, part);
	if (faccessat(dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
}

/* The name that a link of the volume says: 1, or 0 when there is no such link. */
static int read_link(int dirfd, const char *place, const char *link, char ret[MOSAIC_NAME_MAX + 1])
{
	char path[VOLUME_PATH + PART_MAX], target[MOSAIC_NAME_MAX + 2];
	ssize_t n;

	snprintf(path, sizeof(path), "%s%s", place, link);
	n = readlinkat(dirfd, path, target, sizeof(target) - 1);
	if (n < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	target[n] = '\0';
	if (!name_is_valid(target))
		return -EBADMSG;
	memcpy(ret, target, (size_t)n + 1);
	return 1;
}

/* What the directory place ("" or with "/" at its end) below dirfd is. Clones first: they are what
 * a start asks for, and the answer is one call. */
static int classify(int dirfd, const char *place, char parent[MOSAIC_NAME_MAX + 1])
{
	int r;

	parent[0] = '\0';
	r = read_link(dirfd, place, "parent", parent);
	if (r != 0)
		return r < 0 ? r : VOLUME_CLONE;
	r = have(dirfd, place, "tree");
	if (r > 0) {
		r = read_link(dirfd, place, "below", parent);
		return r < 0 ? r : r > 0 ? VOLUME_LAYER : VOLUME_TREE;
	}
	if (r == 0)
		r = have(dirfd, place, "data");
	if (r != 0)
		return r < 0 ? r : VOLUME_DATA;
	/* "data" may have become "upper" while we looked (overlay) */
	r = read_link(dirfd, place, "parent", parent);
	return r < 0 ? r : r > 0 ? VOLUME_CLONE : VOLUME_NONE;
}

int volume_find(const struct mosaic *m, const char *name, char *parent)
{
	char other[MOSAIC_NAME_MAX + 1], place[VOLUME_PATH];

	if (!parent)
		parent = other;
	parent[0] = '\0';
	if (!name_is_valid(name))
		return VOLUME_NONE;
	volume_path(place, name, "");
	return classify(m->dirfd, place, parent);
}

static int missing(const struct mosaic *m, const char *name, struct error *err)
{
	return error_set(err, -ENOENT, "there is no volume %s in %s.", name, m->location);
}

int volume_need(const struct mosaic *m, const char *name, char *parent, struct error *err)
{
	int r = is_hidden(name) ? 0 : volume_check_name(name, err);

	if (r < 0)
		return r;
	r = volume_find(m, name, parent);
	if (r == VOLUME_NONE)
		return missing(m, name, err);
	if (r < 0)
		return error_set(err, r, "cannot look up volume %s in %s", name, m->location);
	return r;
}

static int open_directory(const struct mosaic *m, const char *name, struct error *err)
{
	char path[VOLUME_PATH];
	int fd, r = is_hidden(name) ? 0 : volume_check_name(name, err);

	if (r < 0)
		return r;
	volume_path(path, name, NULL);
	fd = openat(m->dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	return errno == ENOENT || errno == ENOTDIR
		       ? missing(m, name, err)
		       : error_set(err, -errno, "cannot open volume %s", name);
}

int volume_look(const struct mosaic *m, struct volume *v, struct error *err)
{
	int kind = classify(v->dirfd, "", v->parent);

	if (kind == VOLUME_NONE)
		return missing(m, v->name, err);
	if (kind < 0)
		return error_set(err, kind, "cannot look up volume %s in %s", v->name, m->location);
	v->kind = (enum volume_kind)kind;
	if (v->kind != VOLUME_CLONE) /* overlay's: never raw */
		v->raw = faccessat(v->dirfd, "raw", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	return 0;
}

int volume_is_current(const struct mosaic *m, const struct volume *v, struct error *err)
{
	char path[VOLUME_PATH];
	struct stat opened, named;

	volume_path(path, v->name, NULL);
	if (fstat(v->dirfd, &opened) == 0) {
		if (fstatat(m->dirfd, path, &named, AT_SYMLINK_NOFOLLOW) == 0)
			return opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
		if (errno == ENOENT || errno == ENOTDIR)
			return 0;
	}
	return error_set(err, -errno, "cannot look at volume %s", v->name);
}

/* One try. VOLUME_MOVED: the name leads to another directory by now, or to none. */
enum { VOLUME_MOVED = 1 };

static int open_now(const struct mosaic *m, const char *name, bool shared, struct volume *ret,
		    struct error *err)
{
	_volume_ struct volume v = { .name = name, .dirfd = open_directory(m, name, err) };
	int r;

	if (v.dirfd < 0)
		return v.dirfd;
	while (shared && flock(v.dirfd, LOCK_SH) < 0)
		if (errno != EINTR)
			return error_set(err, -errno, "cannot lock volume %s", name);
	r = shared ? volume_is_current(m, &v, err) : 1;
	if (r == 1)
		r = volume_look(m, &v, err);
	else
		return r < 0 ? r : VOLUME_MOVED;
	/* what a rollback took away is being taken apart */
	if (r == -ENOENT && !shared && volume_is_current(m, &v, NULL) == 0)
		return VOLUME_MOVED;
	if (r < 0)
		return r;
	*ret = v;
	v.dirfd = -1;
	return 0;
}

static int open_current(const struct mosaic *m, const char *name, bool shared, struct volume *ret,
			struct error *err)
{
	int r;

	while ((r = open_now(m, name, shared, ret, err)) == VOLUME_MOVED)
		if (err)
			*err = (struct error){ 0 };
	return r;
}

int volume_open(const struct mosaic *m, const char *name, struct volume *ret, struct error *err)
{
	return open_current(m, name, false, ret, err);
}

int volume_open_shared(const struct mosaic *m, const char *name, struct volume *ret,
		       struct error *err)
{
	return open_current(m, name, true, ret, err);
}

bool volume_read_again(const struct mosaic *m, const struct volume *v, int r, struct error *err)
{
	if (r >= 0 || v->dirfd < 0 || volume_is_current(m, v, NULL) != 0)
		return false;
	if (err)
		*err = (struct error){ 0 };
	return true;
}

void volume_close(struct volume *v)
{
	cleanup_close(&v->dirfd);
}

int volume_serialise(const struct volume *v, struct error *err)
{
	_close_ int fd = openat(v->dirfd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return error_set(err, -errno, "cannot open the lock of volume %s", v->name);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return error_set(err, -errno, "cannot lock volume %s", v->name);
	return take_fd(&fd);
}

/* A tree first: that is what a start asks for; parent again, as in classify(). */
bool mosaic_have(struct mosaic *m, const char *name)
{
	static const char *const marks[] = { "tree", "parent", "data", "parent" };
	char mapped[MOSAIC_NAME_MAX + 1], place[VOLUME_PATH];

	if (volume_name(m, &name, mapped, NULL) < 0)
		return false;
	volume_path(place, name, "");
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (have(m->dirfd, place, marks[i]) > 0)
			return true;
	return false;
}

/* When the directory was made; file systems that do not know say when it was changed. */
static int creation_time(const struct mosaic *m, const char *name, int64_t *ret)
{
	const struct statx_timestamp *t;
	char path[VOLUME_PATH];
	struct statx stx;

	volume_path(path, name, NULL);
	if (statx(m->dirfd, path, AT_SYMLINK_NOFOLLOW, STATX_BTIME | STATX_MTIME, &stx) < 0)
		return -errno;
	t = stx.stx_mask & STATX_BTIME ? &stx.stx_btime : &stx.stx_mtime;
	*ret = t->tv_sec * 1000000000LL + t->tv_nsec;
	return 0;
}

/* What it was copied from, though that may be gone. */
static int read_origin(const struct mosaic *m, const char *name, char ret[MOSAIC_NAME_MAX + 1])
{
	char place[VOLUME_PATH];

	ret[0] = '\0'; /* not the name of a hidden volume */
	volume_path(place, name, "");
	return read_link(m->dirfd, place, "origin", ret);
}

/* What the driver knows of it. */
static int ask_driver(struct mosaic *m, const char *name, struct mosaic_volume *ret,
		      struct error *err)
{
	for (;;) {
		_volume_ struct volume v = VOLUME_CLOSED;
		int r = volume_open(m, name, &v, err);

		if (r < 0)
			return r;
		ret->raw = v.raw;
		r = m->driver->info(m, &v, ret, err);
		if (!volume_read_again(m, &v, r, err))
			return r;
	}
}

/* VOLUME_NONE, without *err, when there is none. */
static int read_info(struct mosaic *m, const char *name, struct mosaic_volume *ret,
		     struct error *err)
{
	struct mosaic_volume v = { 0 };
	int kind, r;

	kind = volume_find(m, name, v.parent);
	if (kind == VOLUME_NONE)
		return kind;
	r = kind < 0 ? kind : creation_time(m, name, &v.created_ns);
	if (r == 0 && (!v.parent[0] || is_hidden(v.parent)))
		r = read_origin(m, name, v.parent);
	if (r == -ENOENT)
		return VOLUME_NONE; /* dropped just now */
	if (r < 0)
		return error_set(err, r, "cannot look at volume %s", name);
	snprintf(v.name, sizeof(v.name), "%s", name);
	v.read_only = kind == VOLUME_TREE || kind == VOLUME_LAYER;
	r = m->driver->info ? ask_driver(m, name, &v, err) : 0;
	if (r < 0)
		return r;
	*ret = v;
	return kind;
}

int mosaic_info(struct mosaic *m, const char *name, struct mosaic_volume *ret, struct error *err)
{
	char mapped[MOSAIC_NAME_MAX + 1];
	int r = volume_name(m, &name, mapped, err);

	if (r < 0)
		return r;
	r = read_info(m, name, ret, err);
	if (r == VOLUME_NONE)
		return error_set(err, -ENOENT, "there is no volume %s in %s.", name, m->location);
	return r < 0 ? r : 0;
}

struct each {
	struct mosaic *m;
	int (*fn)(const struct mosaic_volume *v, void *arg);
	void *arg;
	struct error *err;
	bool told; /* *err is about what ended the walk, or fn ended it */
};

static int call_for_entry(int dirfd, const char *name, void *arg)
{
	struct each *e = arg;
	struct mosaic_volume v;
	int r;

	(void)dirfd;
	if (is_hidden(name))
		return 0;
	r = read_info(e->m, name, &v, e->err);
	if (r == -ENOENT)
		return 0; /* dropped just now */
	if (r > 0)
		r = e->fn(&v, e->arg);
	if (r != 0)
		e->told = true;
	return r;
}

int mosaic_each(struct mosaic *m, int (*fn)(const struct mosaic_volume *v, void *arg), void *arg,
		struct error *err)
{
	struct each e = { .m = m, .fn = fn, .arg = arg, .err = err };
	_close_ int dir = openat(m->dirfd, "volumes", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (dir < 0)
		return error_set(err, -errno, "cannot open %s/volumes", m->location);
	r = dir_each(dir, call_for_entry, &e);
	if (r < 0 && !e.told)
		return error_set(err, r, "cannot list %s/volumes", m->location);
	return r;
}
