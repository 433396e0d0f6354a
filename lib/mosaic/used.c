/*
 * Whether anybody uses a volume, and who: mounts, a device that is up, or the shared lock of a
 * living user of the library. The lock says it first; the rest is looked at because a mount and a
 * device outlive who made them.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/base.h"
#include "mosaic/mounts.h"

enum { WHO_TEXT = 400, LOCKS_MAX = 16 << 20, LOCK_TRIES = 4, DEVICE_TRIES = 50 };

/* ---- who has the lock ------------------------------------------------------------------------ */

/* "N: FLOCK  ADVISORY  READ  PID MAJOR:MINOR:INODE START END". The device is that of the file
 * system, which for some (btrfs) is none that stat(2) tells. */
static pid_t pid_of_lock(const char *line, const struct stat *st)
{
	unsigned major, minor;
	unsigned long inode;
	int pid;

	if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%lu", &pid, &major, &minor, &inode) != 4 ||
	    inode != st->st_ino)
		return 0;
	return makedev(major, minor) == st->st_dev || major(st->st_dev) == 0 ? pid : 0;
}

/* 0: not known. */
static pid_t find_locker(int fd)
{
	_free_ char *text = NULL;
	struct stat st;
	char *cursor, *line;

	if (fstat(fd, &st) < 0 || file_read(AT_FDCWD, "/proc/locks", LOCKS_MAX, &text, NULL) < 0)
		return 0;
	cursor = text;
	while ((line = strsep(&cursor, "\n")) != NULL) {
		pid_t pid = pid_of_lock(line, &st);

		if (pid > 0)
			return pid;
	}
	return 0;
}

/* ---- who uses it ----------------------------------------------------------------------------- */

static int tell_mount(const struct mosaic_mount_point *p, void *arg)
{
	if (p->here)
		snprintf(arg, WHO_TEXT, "it is mounted at %s", p->path);
	else
		snprintf(arg, WHO_TEXT, "it is mounted at %s of process %d", p->path, p->pid);
	return 1;
}

static int tell_device(struct mosaic *m, const struct volume *v, char who[WHO_TEXT],
		       struct error *err)
{
	char device[MOSAIC_DEVICE_MAX];
	int r = m->driver->device ? m->driver->device(m, v, device, err) : MOSAIC_NO_DEVICE;

	if (r != 0)
		return r < 0 ? r : 0;
	snprintf(who, WHO_TEXT, "it is attached as %s", device);
	return 1;
}

static void tell_pid(pid_t pid, char who[WHO_TEXT])
{
	if (pid == getpid())
		snprintf(who, WHO_TEXT, "this process has it");
	else if (pid)
		snprintf(who, WHO_TEXT, "process %d has it", pid);
	else
		snprintf(who, WHO_TEXT, "another process has it");
}

/* 1 with the words; 0: nobody. The mount is the better word for a device that is mounted. */
static int find_user(struct mosaic *m, const struct volume *v, char who[WHO_TEXT],
		     struct error *err)
{
	int r = volume_each_mount(m, v, tell_mount, who, err);

	return r == 0 ? tell_device(m, v, who, err) : r;
}

/* A device whose last user has just gone is still up for a moment: the kernel takes it down when it
 * gets to it. One that somebody has attached stays. */
static int find_lasting_user(struct mosaic *m, const struct volume *v, char who[WHO_TEXT],
			     struct error *err)
{
	static const struct timespec moment = { 0, 10000000 };
	int r = volume_each_mount(m, v, tell_mount, who, err);

	if (r != 0)
		return r;
	r = tell_device(m, v, who, err);
	for (int i = 0; i < DEVICE_TRIES && r == 1; i++) {
		nanosleep(&moment, NULL);
		r = tell_device(m, v, who, err);
	}
	return r;
}

/* The exclusive lock: 1, or 0 when it cannot be had. Some have the shared lock for a moment only,
 * so it is asked for again. */
static int take_lock(int fd)
{
	static const struct timespec moment = { 0, 5000000 };

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (i > 0)
			nanosleep(&moment, NULL);
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 1;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
	}
	return 0;
}

/* ---- who only reads -------------------------------------------------------------------------- */

/*
 * A writable volume that is mounted read-only has its user's lock on the file "readers" and not on
 * the directory. Nobody gets the one without having the other for a moment: so who has the
 * directory locked sees all readers there are.
 */
#define READERS "readers"

int volume_lock_reader(const struct mosaic *m, const struct volume *v)
{
	_close_ int fd = -1;

	if (!m->driver->copy_while_read)
		return -1;
	fd = openat(v->dirfd, READERS, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) == 0 ? take_fd(&fd) : -1;
}

/* 1: somebody has their lock, who is in *ret_pid (0: not known); 0: nobody. */
static int find_reader(const struct volume *v, pid_t *ret_pid)
{
	_close_ int fd = openat(v->dirfd, READERS, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = take_lock(fd);
	if (r == 0)
		*ret_pid = find_locker(fd);
	return r < 0 ? r : !r;
}

/* ---- having it to oneself -------------------------------------------------------------------- */

/* What need() found. */
enum { UNUSED, READ, MOVED };

struct need {
	struct mosaic *m;
	const struct volume *v;
	const char *what;
	bool may_be_read;
	struct error *err;
};

static int busy(const struct need *n, const char *who)
{
	return error_set(n->err, -EBUSY, "cannot %s volume %s: %s.", n->what, n->v->name, who);
}

struct writer {
	char *who;
	bool read;
};

/* A mosaic_mount_point_fn: ends at one that can write. */
static int tell_writer(const struct mosaic_mount_point *p, void *arg)
{
	struct writer *w = arg;

	if (!p->read_only)
		return tell_mount(p, w->who);
	w->read = true;
	return 0;
}

/* The directory is locked. */
static int need_unwritten(const struct need *n)
{
	char who[WHO_TEXT] = "";
	struct writer w = { who, false };
	pid_t pid = 0;
	int r = volume_each_mount(n->m, n->v, tell_writer, &w, n->err);

	if (r == 0)
		r = tell_device(n->m, n->v, who, n->err);
	if (r != 0)
		return r < 0 ? r : busy(n, who);
	r = w.read ? 1 : find_reader(n->v, &pid);
	if (r < 0)
		return error_set(n->err, r, "cannot see who reads volume %s", n->v->name);
	return r ? READ : UNUSED;
}

static int need_unused(const struct need *n)
{
	char who[WHO_TEXT] = "";
	pid_t pid = 0;
	int r = find_lasting_user(n->m, n->v, who, n->err);

	if (r != 0)
		return r < 0 ? r : busy(n, who);
	r = find_reader(n->v, &pid);
	if (r < 0)
		return error_set(n->err, r, "cannot see who reads volume %s", n->v->name);
	if (r == 0)
		return UNUSED;
	tell_pid(pid, who);
	return busy(n, who);
}

static int need(const struct need *n)
{
	char who[WHO_TEXT] = "";
	int locked = take_lock(n->v->dirfd), r;

	if (locked < 0)
		return error_set(n->err, locked, "cannot lock volume %s", n->v->name);
	if (!locked) {
		r = find_user(n->m, n->v, who, n->err);
		if (r == 0)
			tell_pid(find_locker(n->v->dirfd), who);
		return r < 0 ? r : busy(n, who);
	}
	r = volume_is_current(n->m, n->v, n->err);
	if (r <= 0)
		return r < 0 ? r : MOVED;
	return n->may_be_read ? need_unwritten(n) : need_unused(n);
}

int volume_need_unused(struct mosaic *m, const struct volume *v, const char *what,
		       struct error *err)
{
	const struct need n = { m, v, what, false, err };
	int r = need(&n);

	if (r != MOVED)
		return r;
	return error_set(err, -ENOENT, "volume %s was dropped or rolled back just now.", v->name);
}

/* Looked at once more when it is locked: another copy may have changed what it stands on. */
static int open_for(struct mosaic *m, const char *name, const char *what, bool may_be_read,
		    struct volume *ret, struct error *err)
{
	for (;;) {
		_volume_ struct volume v = VOLUME_CLOSED;
		const struct need n = { m, &v, what, may_be_read, err };
		int found, r = volume_open(m, name, &v, err);

		found = r < 0 ? r : need(&n);
		if (found == MOVED || volume_read_again(m, &v, found, err))
			continue;
		r = found < 0 ? found : volume_look(m, &v, err);
		if (r < 0)
			return r;
		*ret = v;
		v.dirfd = -1;
		return found;
	}
}

int volume_open_unused(struct mosaic *m, const char *name, const char *what, struct volume *ret,
		       struct error *err)
{
	return open_for(m, name, what, false, ret, err);
}

int volume_open_unwritten(struct mosaic *m, const char *name, const char *what, struct volume *ret,
			  bool *ret_read, struct error *err)
{
	int r = open_for(m, name, what, m->driver->copy_while_read, ret, err);

	if (r < 0)
		return r;
	*ret_read = r == READ;
	return 0;
}

static int is_used(struct mosaic *m, const struct volume *v, struct error *err)
{
	char who[WHO_TEXT];
	pid_t pid = 0;
	int r = take_lock(v->dirfd);

	if (r == 0)
		return 1;
	if (r > 0)
		r = find_reader(v, &pid);
	if (r < 0)
		return error_set(err, r, "cannot lock volume %s", v->name);
	return r ? 1 : find_user(m, v, who, err);
}

int mosaic_is_used(struct mosaic *m, const char *name, struct error *err)
{
	char mapped[MOSAIC_NAME_MAX + 1];
	int r = volume_name(m, &name, mapped, err);

	if (r < 0)
		return r;
	for (;;) {
		_volume_ struct volume v = VOLUME_CLOSED;

		r = volume_open(m, name, &v, err);
		if (r == 0)
			r = is_used(m, &v, err);
		if (!volume_read_again(m, &v, r, err))
			return r;
	}
}
