#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "kernel/kernel.h"
#include "mosaic/mounts.h"
#include "mosaic/zfs.h"

enum {
	DETACH = 2, /* MNT_DETACH: <sys/mount.h> cannot be had with <linux/mount.h> */
	NOFOLLOW = 8,
	/* a dataset whose last user has just gone: zfs-fuse syncs everything there is before */
	TRIES = 2000,
	TRIES_FAILED = 200,
	PAUSE_NS = 10000000,
	ROUNDS = 10000, /* of promoting */
};

void zfs_child(const struct zfs *z, const char *hex, char dst[ZFS_NAME_MAX])
{
	snprintf(dst, ZFS_NAME_MAX, "%.*s/%s", ZFS_NAME_MAX - ZFS_HEX - 2, z->dataset, hex);
}

void zfs_place(const struct zfs *z, const char *hex, char dst[LIMIT_PATH_BYTES])
{
	snprintf(dst, LIMIT_PATH_BYTES, "%s/mounts/%s", z->location, hex);
}

static void pause_a_little(void)
{
	static const struct timespec pause = { 0, PAUSE_NS };

	nanosleep(&pause, NULL);
}

int zfs_is_shown(struct mosaic *m, const char *hex, struct error *err)
{
	char place[LIMIT_PATH_BYTES];
	_free_ char *text = NULL;
	struct mountinfo info;
	int r;

	zfs_place(m->priv, hex, place);
	r = mountinfo_at(place, &text, &info);
	if (r == -EINVAL || r == -ENOENT)
		return 0;
	return r < 0 ? error_set(err, r, "cannot find out what is mounted at %s", place) : 1;
}

/* A copy of a mount of the dataset that somebody has, in whatever namespace: zfs-fuse mounts a
 * dataset only once, and where the daemon is. */
struct elsewhere {
	const char *end; /* of the place of the dataset; NULL: the volume is looked for */
	int fd;
};

static int copy_mount(const struct mosaic_mount_point *p, void *arg)
{
	struct elsewhere *e = arg;
	char path[LIMIT_PATH_BYTES];

	if (e->end && !str_ends(p->path, e->end))
		return 0;
	if (snprintf(path, sizeof(path), "%s%s", p->path, e->end ? "/root" : "") >=
	    (int)sizeof(path))
		return 0;
	e->fd = mount_clone_in(p->pid, path);
	return e->fd >= 0;
}

/* -EBUSY without one. */
static int clone_elsewhere(const char *child, const char *hex)
{
	struct mount_identity identity = { .source = child, .root = "/root" };
	char end[ZFS_HEX + 16];
	struct elsewhere e = { .fd = -1 };
	int r = mount_identity_each(&identity, copy_mount, &e, NULL);

	if (r == 0) {
		snprintf(end, sizeof(end), "/mounts/%s", hex);
		identity.root = NULL;
		e.end = end;
		r = mount_identity_each(&identity, copy_mount, &e, NULL);
	}
	return r < 0 ? r : r == 0 ? -EBUSY : e.fd;
}

#pragma GCC diagnostic push
/* What is allocated here is in the list afterwards. */
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
static int remember(struct zfs *z, int dirfd, const char *hex)
{
	struct zfs_mounted *e;

	for (e = z->mounted; e; e = e->next)
		if (str_eq(e->hex, hex))
			return 0;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	memcpy(e->hex, hex, sizeof(e->hex));
	e->dirfd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (e->dirfd < 0) {
		int r = -errno;

		free(e);
		return r;
	}
	e->next = z->mounted;
	z->mounted = e;
	return 0;
}
#pragma GCC diagnostic pop

/* The location is another than it was when the volume was made. */
static int move(const char *child, const char *place, struct error *err)
{
	char option[LIMIT_PATH_BYTES + 16];
	int r;

	snprintf(option, sizeof(option), "mountpoint=%s", place);
	r = zfs_run(err, "unmount", child, NULL);
	if (r == 0)
		r = zfs_run(err, "set", option, child, NULL);
	return r == 0 ? zfs_run(err, "mount", child, NULL) : r;
}

/* Two mounts at once end in a deadlock of zfs-fuse: one after the other, and each until it answers.
 * What is returned is to be closed. */
static int lock_mounts(struct mosaic *m, struct error *err)
{
	_close_ int fd = openat(m->dirfd, "mounts", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, -errno, "cannot open %s/mounts", m->location);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return error_set(err, -errno, "cannot lock %s/mounts", m->location);
	return take_fd(&fd);
}

/* -EBUSY also when it is mounted and is not: what zfs-fuse does when the last user of a dataset has
 * gone takes away the mount that was made meanwhile. */
static int mount_child(struct mosaic *m, const char *hex, const char *place, struct error *err)
{
	char child[ZFS_NAME_MAX];
	_free_ char *text = NULL;
	int r;

	zfs_child(m->priv, hex, child);
	r = zfs_run(err, "mount", child, NULL);
	if (r == 0)
		r = zfs_is_shown(m, hex, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = zfs_read(&text, err, "get", "-H", "-o", "value", "mountpoint", child, NULL);
	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	return str_eq(text, place) ? -EBUSY : move(child, place, err);
}

/* -EBUSY: try again; -EAGAIN: also, but not as often. */
static int open_content(struct mosaic *m, const char *hex, bool make, struct error *err)
{
	_close_ int lock = lock_mounts(m, err), dir = -1;
	char place[LIMIT_PATH_BYTES];
	int r = lock < 0 ? lock : zfs_is_shown(m, hex, err), fd;

	zfs_place(m->priv, hex, place);
	if (r == 0)
		r = mount_child(m, hex, place, err);
	if (r < 0)
		return r;
	dir = open(place, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return error_set(err, -errno, "cannot open %s", place);
	if (zfs_is_shown(m, hex, NULL) == 0)
		return -EBUSY; /* gone meanwhile: that was the directory below */
	r = make ? volume_mkdir(dir, "root", 0755) : 0;
	if (r < 0 && r != -EEXIST)
		return error_set(err, r, "cannot make a directory in %s", place);
	fd = openat(dir, "root", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? error_set(err, -errno, "cannot open %s/root", place) : fd;
}

static bool is_worth_a_try(int r, int tried)
{
	return r == -EBUSY || (r == -EAGAIN && tried < TRIES_FAILED);
}

static int unreachable(const char *child, struct error *err)
{
	return error_set(err, -EBUSY,
			 "the dataset %s is in use where it cannot be reached: this ZFS mounts one "
			 "only once.",
			 child);
}

/* The descriptor, with the mount remembered. */
static int keep(struct mosaic *m, int dirfd, const char *hex, int fd, struct error *err)
{
	if (fd < 0 || remember(m->priv, dirfd, hex) == 0)
		return fd;
	close(fd);
	return error_set(err, -ENOMEM, "the mount of a volume");
}

int zfs_make_content(struct mosaic *m, int dirfd, const char *hex, struct error *err)
{
	char child[ZFS_NAME_MAX];
	int r = -EBUSY;

	zfs_child(m->priv, hex, child);
	for (int i = 0; i < TRIES && is_worth_a_try(r, i); i++) {
		if (i > 0)
			pause_a_little();
		r = open_content(m, hex, true, err);
	}
	return r == -EBUSY ? unreachable(child, err) : keep(m, dirfd, hex, r, err);
}

int zfs_mount_content(struct mosaic *m, int dirfd, const char *hex, struct error *err)
{
	char child[ZFS_NAME_MAX];

	zfs_child(m->priv, hex, child);
	for (int i = 0; i < TRIES; i++) {
		_close_ int dir = -1;
		int r;

		if (i > 0)
			pause_a_little();
		r = dir = keep(m, dirfd, hex, open_content(m, hex, false, err), err);
		if (r >= 0)
			r = mount_clone(dir, "", false);
		else if (r == -EBUSY)
			r = clone_elsewhere(child, hex);
		if (!is_worth_a_try(r, i))
			return r < 0 && dir >= 0 ? error_set(err, r, "cannot mount %s", child) : r;
	}
	return unreachable(child, err);
}

int zfs_hide(struct mosaic *m, const char *hex, struct error *err)
{
	char place[LIMIT_PATH_BYTES];
	struct zfs *z = m->priv;
	int r = zfs_is_shown(m, hex, err);

	if (r < 0)
		return r;
	zfs_place(z, hex, place);
	if (r > 0 && syscall(SYS_umount2, place, DETACH | NOFOLLOW) < 0)
		return error_set(err, -errno, "cannot unmount %s", place);
	(void)!rmdir(place); /* made by zfs; an empty one does no harm */
	return 0;
}

/* Whoever brings one up holds volume_serialise(), and whoever uses one a lock on its directory. */
static void hide_unused(struct mosaic *m, struct zfs_mounted *e)
{
	const struct volume v = { .name = e->hex, .dirfd = e->dirfd };
	_close_ int lock = -1;
	struct stat st;

	if (fstat(e->dirfd, &st) < 0 || st.st_nlink == 0)
		return; /* dropped, and its dataset with it */
	lock = volume_serialise(&v, NULL);
	if (flock(e->dirfd, LOCK_EX | LOCK_NB) == 0)
		(void)!zfs_hide(m, e->hex, NULL);
}

void zfs_hide_all(struct mosaic *m)
{
	struct zfs *z = m->priv;

	while (z->mounted) {
		struct zfs_mounted *e = z->mounted;

		z->mounted = e->next;
		hide_unused(m, e);
		close(e->dirfd);
		free(e);
	}
}

/* ---- all of them ----------------------------------------------------------------------------- */

int zfs_each(struct mosaic *m, zfs_child_fn fn, void *arg, struct error *err)
{
	const struct zfs *z = m->priv;
	size_t len = strlen(z->dataset);
	_free_ char *text = NULL;
	char *cursor, *line;
	int r = zfs_read(&text, err, "list", "-H", "-r", "-t", "filesystem", "-o", "name,origin",
			 z->dataset, NULL);

	if (r < 0)
		return error_prefix(err, r, "the datasets below %s", z->dataset);
	cursor = text;
	while ((line = strsep(&cursor, "\n")) != NULL && r == 0) {
		const char *name = strsep(&line, "\t");

		if (!line || strncmp(name, z->dataset, len) != 0 || name[len] != '/' ||
		    !hex_is(name + len + 1, ZFS_HEX))
			continue;
		r = fn(name + len + 1, line, arg);
	}
	return r;
}

/* ---- destroy --------------------------------------------------------------------------------- */

struct search {
	char origin[ZFS_NAME_MAX]; /* "DATASET/HEX@" */
	char found[ZFS_HEX + 1];
};

static int is_clone_of(const char *hex, const char *origin, void *arg)
{
	struct search *s = arg;

	if (!str_starts(origin, s->origin))
		return 0;
	memcpy(s->found, hex, ZFS_HEX + 1);
	return 1;
}

/* What was cloned from it takes its snapshots over, until nothing depends on it. */
static int promote_clones(struct mosaic *m, const char *child, struct error *err)
{
	for (int round = 0; round < ROUNDS; round++) {
		struct search s = { .found = "" };
		char clone[ZFS_NAME_MAX];
		int r;

		snprintf(s.origin, sizeof(s.origin), "%.*s@", ZFS_NAME_MAX - 2, child);
		r = zfs_each(m, is_clone_of, &s, err);
		if (r <= 0)
			return r;
		zfs_child(m->priv, s.found, clone);
		r = zfs_run(err, "promote", clone, NULL);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	return error_set(err, -ELOOP, "the clones of %s cannot be promoted", child);
}

/* The snapshot that it was cloned from is of use to nobody else. */
static int read_origin(const char *child, char **ret, struct error *err)
{
	int r = zfs_read(ret, err, "get", "-H", "-o", "value", "origin", child, NULL);

	if (r == 0)
		(*ret)[strcspn(*ret, "\n")] = '\0';
	return r;
}

int zfs_destroy(struct mosaic *m, const char *hex, struct error *err)
{
	char child[ZFS_NAME_MAX];
	_free_ char *origin = NULL;
	int r;

	zfs_child(m->priv, hex, child);
	r = zfs_hide(m, hex, err);
	if (r == 0)
		r = promote_clones(m, child, err);
	if (r < 0)
		return r;
	r = read_origin(child, &origin, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = -EBUSY;
	for (int i = 0; i < TRIES && r == -EBUSY; i++) {
		if (i > 0)
			pause_a_little();
		r = zfs_run(err, "destroy", "-r", child, NULL);
	}
	if (r < 0 && r != -ENOENT)
		return r;
	if (strchr(origin, '@')) {
		int last = zfs_run(NULL, "destroy", origin, NULL);

		if (last < 0 && last != -ENOENT)
			mosaic_log(MOSAIC_LOG_INFO, "the snapshot %s stays", origin);
	}
	return 0;
}
