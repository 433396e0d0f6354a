/*
 * Removing volumes. A volume disappears at once, by a rename into staging, and is then taken apart;
 * who dies in between leaves it to mosaic_collect(). On a file system without a free block the
 * rename may fail; then the volume's mark goes first, in place, which makes it no volume any more.
 *
 * Who drops has the exclusive lock from the look at who uses the volume until nothing is left: who
 * wants to begin to use it waits for the lock and finds the name gone (volume_open_shared()), and
 * mosaic_collect() keeps away.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/base.h"
#include "mosaic/driver.h"

/* Takes "volumes" or "staging" /name apart, driver first. */
static int take_apart(struct mosaic *m, const char *where, const char *name, struct error *err)
{
	_close_ int parent = openat(m->dirfd, where,
				    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_close_ int fd = -1;
	int r = 0;

	if (parent < 0)
		return error_set(err, -errno, "cannot open %s/%s", m->location, where);
	if (m->driver->drop) {
		fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
			return error_set(err, -errno, "cannot open %s/%s/%s", m->location, where,
					 name);
		r = fd >= 0 ? m->driver->drop(m, fd, err) : 0;
	}
	if (r == 0) {
		r = path_remove_tree(parent, name);
		if (r < 0)
			error_set(err, r, "cannot remove %s/%s/%s", m->location, where, name);
	}
	return r;
}

void mosaic_discard(struct mosaic *m, struct mosaic_staged *s)
{
	cleanup_close(&s->tree_fd);
	if (s->lock_fd < 0)
		return;
	(void)!take_apart(m, "staging", s->name, NULL); /* what stays is collected later */
	close(take_fd(&s->lock_fd));
}

void volume_remove_unfinished(struct mosaic *m, const char *name)
{
	(void)!take_apart(m, "volumes", name, NULL);
}

struct search {
	struct mosaic *m;
	const char *parent;
	char child[MOSAIC_NAME_MAX + 1];
};

static int is_child(int dirfd, const char *name, void *arg)
{
	struct search *s = arg;
	char parent[MOSAIC_NAME_MAX + 1];

	(void)dirfd;
	if (volume_find(s->m, name, parent) <= 0 || !str_eq(parent, s->parent))
		return 0;
	snprintf(s->child, sizeof(s->child), "%s", name);
	return 1;
}

static int refuse_parent(struct mosaic *m, const char *name, struct error *err)
{
	struct search s = { .m = m, .parent = name };
	_close_ int dir = openat(m->dirfd, "volumes", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = dir < 0 ? -errno : dir_each(dir, is_child, &s);

	if (r == 1)
		return error_set(err, -EBUSY, "volume %s is needed by its clone %s.", name,
				 s.child);
	return r < 0 ? error_set(err, r, "cannot list %s/volumes", m->location) : 0;
}

/* Without needing a block: the directory of the volume has room for a name as long as the old
 * one. */
static int unmark(struct mosaic *m, const char *volume, struct error *err)
{
	static const char *const marks[] = { "parent", "tree", "data" };
	_close_ int fd = openat(m->dirfd, volume, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, -errno, "cannot open %s", volume);
	/* kept: the driver may want to let go of the parent too */
	if (renameat(fd, marks[0], fd, "former") < 0 && errno != ENOENT)
		return error_set(err, -errno, "cannot unmark %s", volume);
	for (size_t i = 1; i < ARRAY_SIZE(marks); i++)
		if (renameat(fd, marks[i], fd, "gone") < 0 && errno != ENOENT)
			return error_set(err, -errno, "cannot unmark %s", volume);
	return 0;
}

/* In place, for want of room to move it. */
static int drop_here(struct mosaic *m, const char *volume, const char *name, struct error *err)
{
	int r = unmark(m, volume, err);

	return r < 0 ? r : take_apart(m, "volumes", name, err);
}

/* Of one that the caller says nobody uses: against collectors. A lock that we cannot have keeps
 * them away as well. */
static int lock_unchecked(struct mosaic *m, const char *name)
{
	char path[VOLUME_PATH];
	int fd;

	volume_path(path, name, NULL);
	fd = openat(m->dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		(void)!flock(fd, LOCK_EX | LOCK_NB);
	return fd;
}

/* Of a volume that nobody needs or uses, and that is locked. 1 when there was none. */
static int drop(struct mosaic *m, const char *name, bool may_be_parent, struct error *err)
{
	char volume[VOLUME_PATH], gone[VOLUME_PATH], unique[UUID_TEXT];
	int r = uuid_new(unique);

	if (r < 0)
		return error_set(err, r, "cannot make a random name");
	volume_path(volume, name, NULL);
	staging_path(gone, unique);
	if (renameat(m->dirfd, volume, m->dirfd, gone) < 0) {
		if (errno == ENOENT)
			return 1;
		if (errno == ENOSPC || errno == EDQUOT)
			return drop_here(m, volume, name, err);
		return error_set(err, -errno, "cannot move volume %s away", name);
	}
	mosaic_log(MOSAIC_LOG_DEBUG, "%s: %s moved to %s", m->location, volume, gone);
	/* A clone made meanwhile either is seen here, or finds its parent gone and gives up. */
	r = may_be_parent ? refuse_parent(m, name, err) : 0;
	if (r == 0)
		return take_apart(m, "staging", unique, err);
	if (renameat(m->dirfd, gone, m->dirfd, volume) < 0)
		return error_set(err, -errno, "cannot move volume %s back from %s", name, gone);
	return r;
}

int volume_drop(struct mosaic *m, const char *name, unsigned flags, struct error *err)
{
	_volume_ struct volume v = VOLUME_CLOSED; /* for its lock */
	bool may_be_parent;
	int kind, r = 0;

	kind = volume_find(m, name, NULL);
	may_be_parent = kind == VOLUME_TREE || kind == VOLUME_LAYER;
	if (may_be_parent)
		r = refuse_parent(m, name, err);
	if (r == 0 && kind > 0 && !(flags & MOSAIC_DROP_UNCHECKED)) {
		r = volume_open_unused(m, name, "drop", &v, err);
		if (r == -ENOENT && volume_find(m, name, NULL) == VOLUME_NONE) {
			if (err) /* somebody else has dropped it just now */
				*err = (struct error){ 0 };
			return 1;
		}
	} else if (r == 0) {
		v.dirfd = lock_unchecked(m, name);
	}
	return r < 0 ? r : drop(m, name, may_be_parent, err);
}

int mosaic_drop(struct mosaic *m, const char *name, unsigned flags, struct error *err)
{
	char mapped[MOSAIC_NAME_MAX + 1];
	int r = volume_name(m, &name, mapped, err);

	if (r == 0)
		r = volume_check_flags(flags, MOSAIC_DROP_UNCHECKED, err);
	if (r == 0)
		r = volume_drop(m, name, flags, err);
	if (r == 0)
		volume_event(m, MOSAIC_EVENT_DROP, name, "");
	return r < 0 ? r : 0;
}

struct collection {
	struct mosaic *m;
	bool volumes; /* take what is no volume; otherwise everything */
	unsigned n;
	int (*fn)(const char *where, void *arg); /* is told instead; or NULL */
	void *arg;
	struct error *err;
};

static int tell(const struct collection *c, const char *name)
{
	char where[VOLUME_PATH];

	if (c->volumes)
		volume_path(where, name, NULL);
	else
		staging_path(where, name);
	return c->fn(where, c->arg);
}

/* Still nobody's after a moment? A maker may be between mkdir and flock. */
static bool is_abandoned(int fd)
{
	static const struct timespec moment = { 0, 20000000 };
	struct stat st;

	if (fd < 0)
		return true;
	if (flock(fd, LOCK_UN) < 0 || nanosleep(&moment, NULL) < 0)
		return false;
	return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0;
}

/* One of staging may have got its name as a volume while we waited. */
static bool is_named(int dirfd, const char *name, int fd)
{
	struct stat opened, named;

	return fd < 0 ||
	       (fstat(fd, &opened) == 0 && fstatat(dirfd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
		opened.st_ino == named.st_ino && opened.st_dev == named.st_dev);
}

/* Already named, or gone: nothing to do. A name that was given away since stays whose it is. */
static int name_staged(int dirfd, const char *name, void *arg)
{
	struct mosaic *m = arg;
	struct mosaic_staged s = MOSAIC_STAGED_NONE;
	char path[VOLUME_PATH], from[MOSAIC_NAME_MAX + 1];
	ssize_t len = readlinkat(dirfd, name, s.name, sizeof(s.name) - 1);
	int r;

	if (len <= 0)
		return len < 0 ? -errno : -EBADMSG;
	s.name[len] = '\0';
	if (!uuid_is(s.name))
		return -EBADMSG;
	staging_path(path, s.name);
	s.lock_fd = openat(m->dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s.lock_fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = volume_finish(m, &s, name, NULL);
	cleanup_close(&s.lock_fd);
	if (r != 0)
		return r < 0 ? r : 0;
	volume_path(path, name, "origin");
	len = readlinkat(m->dirfd, path, from, sizeof(from) - 1);
	from[len < 0 ? 0 : len] = '\0';
	volume_event(m, MOSAIC_EVENT_SNAPSHOT, name, from);
	return 0;
}

/* Snapshots of several volumes whose maker died naming them get the rest of their names (copy.c).
 * */
static int finish_set(int dirfd, const char *name, void *arg)
{
	struct collection *c = arg;
	_close_ int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_close_ int set = -1;
	int r;

	if (fd < 0 || faccessat(fd, "set", F_OK, AT_SYMLINK_NOFOLLOW) < 0 ||
	    flock(fd, LOCK_EX | LOCK_NB) < 0)
		return 0;
	set = openat(fd, "set", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (set < 0)
		return 0; /* undone, or of a volume that is no set */
	r = dir_each(set, name_staged, c->m);
	if (r < 0)
		return error_set(c->err, r, "cannot name the snapshots of staging/%s", name);
	return volume_sync_names(c->m, c->err);
}

/* A maker that waits for the lock finds the directory gone afterwards (stage.c). */
static int collect_entry(int dirfd, const char *name, void *arg)
{
	struct collection *c = arg;
	_close_ int fd = -1;
	int r;

	if (strlen(name) > MOSAIC_NAME_MAX)
		return 0;
	if (c->volumes && name[0] != '.' && volume_check_name(name, NULL) < 0)
		return 0; /* nobody ever made a volume of that name */
	if (c->volumes && volume_find(c->m, name, NULL) != VOLUME_NONE)
		return 0;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (c->volumes || errno == ENOENT))
		return 0;
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
		return 0;
	if (!c->volumes && fd >= 0 && receive_is_kept(fd))
		return 0;
	if (c->fn && !is_abandoned(fd))
		return 0;
	if (c->volumes && volume_find(c->m, name, NULL) != VOLUME_NONE)
		return 0; /* it was finished before we had the lock */
	if (c->fn)
		return is_named(dirfd, name, fd) ? tell(c, name) : 0;
	r = take_apart(c->m, c->volumes ? "volumes" : "staging", name, c->err);
	if (r < 0)
		return r;
	mosaic_log(MOSAIC_LOG_INFO, "%s: removed the leftover %s/%s", c->m->location,
		   c->volumes ? "volumes" : "staging", name);
	c->n++;
	return 0;
}

static int collect(struct collection *c, const char *where)
{
	_close_ int dir = openat(c->m->dirfd, where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct error *err = c->err;

	if (dir < 0)
		return error_set(err, -errno, "cannot open %s/%s", c->m->location, where);
	if (!c->volumes && !c->fn) {
		int r = dir_each(dir, finish_set, c);

		if (r < 0)
			return r;
	}
	return dir_each(dir, collect_entry, c);
}

int mosaic_collect(struct mosaic *m, unsigned *ret_n, struct error *err)
{
	struct collection c = { .m = m, .err = err };
	int r = collect(&c, "staging");

	c.volumes = true;
	if (r == 0)
		r = collect(&c, "volumes");
	if (r < 0)
		return error_context(err, r, "collect", m->location);
	*ret_n = c.n;
	return 0;
}

int mosaic_each_leftover(struct mosaic *m, int (*fn)(const char *where, void *arg), void *arg,
			 struct error *err)
{
	struct collection c = { .m = m, .fn = fn, .arg = arg, .err = err };
	int r = collect(&c, "staging");

	c.volumes = true;
	return r == 0 ? collect(&c, "volumes") : r;
}
