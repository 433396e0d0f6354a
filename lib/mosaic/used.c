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

static void tell_lock(const struct volume *v, char who[WHO_TEXT])
{
	pid_t pid = find_locker(v->dirfd);

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

int volume_need_unused(struct mosaic *m, const struct volume *v, const char *what,
		       struct error *err)
{
	char who[WHO_TEXT] = "";
	int locked = take_lock(v->dirfd), r;

	if (locked < 0)
		return error_set(err, locked, "cannot lock volume %s", v->name);
	r = locked ? find_lasting_user(m, v, who, err) : find_user(m, v, who, err);
	if (r < 0)
		return r;
	if (r == 0 && locked)
		return 0;
	if (r == 0)
		tell_lock(v, who);
	return error_set(err, -EBUSY, "cannot %s volume %s: %s.", what, v->name, who);
}

int mosaic_is_used(struct mosaic *m, const char *name, struct error *err)
{
	_volume_ struct volume v = VOLUME_CLOSED;
	char mapped[MOSAIC_NAME_MAX + 1], who[WHO_TEXT];
	int r = volume_name(m, &name, mapped, err);

	if (r == 0)
		r = volume_open(m, name, &v, err);
	if (r < 0)
		return r;
	r = take_lock(v.dirfd);
	if (r < 0)
		return error_set(err, r, "cannot lock volume %s", name);
	return r == 0 ? 1 : find_user(m, &v, who, err);
}
