/*
 * Volumes come into being in LOCATION/staging and get their name by one rename, so that nobody ever
 * meets half of one. The maker holds a flock on the staged directory; a collector that gets the
 * lock knows that the maker is dead. Between mkdir and flock the collector may be faster: then the
 * directory is gone and the maker takes another name.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/base.h"
#include "mosaic/driver.h"

enum { NOREPLACE = 1 }; /* RENAME_NOREPLACE, which only newer C libraries declare */

int volume_mkdir(int dirfd, const char *name, mode_t mode)
{
	/* the umask is the whole process's, other threads' too: it is left alone */
	if (mkdirat(dirfd, name, mode) < 0 || fchmodat(dirfd, name, mode, 0) < 0)
		return -errno;
	return 0;
}

/* A locked directory; -EAGAIN when a collector took it first. */
static int make_locked(struct mosaic *m, const char *path)
{
	_close_ int fd = -1;
	struct stat st;
	int r;

	r = volume_mkdir(m->dirfd, path, 0700);
	if (r < 0)
		return r;
	fd = openat(m->dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -EAGAIN : -errno;
	/* a collector that has it takes it away, and one that only looks gives it back */
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_nlink == 0 ? -EAGAIN : take_fd(&fd);
}

int volume_begin(struct mosaic *m, struct mosaic_staged *ret, struct error *err)
{
	struct mosaic_staged s = MOSAIC_STAGED_NONE;
	char path[VOLUME_PATH];
	int r;

	do {
		r = uuid_new(s.name);
		if (r < 0)
			return error_set(err, r, "cannot make a random name");
		staging_path(path, s.name);
		r = make_locked(m, path);
	} while (r == -EAGAIN || r == -EEXIST);
	if (r < 0)
		return error_set(err, r, "cannot make a directory in %s/staging", m->location);
	s.lock_fd = r;
	r = volume_mark_owner(m, s.lock_fd);
	if (r < 0) {
		mosaic_discard(m, &s);
		return error_set(err, r, "cannot mark a directory in %s/staging", m->location);
	}
	mosaic_log(MOSAIC_LOG_DEBUG, "%s: begun to make staging/%s", m->location, s.name);
	*ret = s;
	return 0;
}

int volume_finish(struct mosaic *m, struct mosaic_staged *s, const char *name, struct error *err)
{
	char from[VOLUME_PATH], to[VOLUME_PATH];

	staging_path(from, s->name);
	volume_path(to, name, NULL);
	if (syscall(SYS_renameat2, m->dirfd, from, m->dirfd, to, NOREPLACE) < 0) {
		if (errno == EEXIST)
			return MOSAIC_EXISTS;
		return error_set(err, -errno, "cannot give volume %s its name", name);
	}
	close(take_fd(&s->lock_fd));
	return 0;
}

static int make_tree(struct mosaic *m, struct mosaic_staged *s, int *ret_fd, struct error *err)
{
	int fd, r;

	if (m->driver->stage) {
		r = m->driver->stage(m, s->lock_fd, &s->tree_fd, err);
		if (r < 0)
			return r;
		fd = openat(s->tree_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return error_set(err, -errno, "cannot open a staged volume");
		*ret_fd = fd;
		return 0;
	}
	r = volume_mkdir(s->lock_fd, "tree", 0755);
	if (r < 0)
		return error_set(err, r, "cannot make a directory in %s/staging", m->location);
	fd = openat(s->lock_fd, "tree", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, -errno, "cannot open a staged directory");
	*ret_fd = fd;
	return 0;
}

int mosaic_stage(struct mosaic *m, struct mosaic_staged *ret, int *ret_fd, struct error *err)
{
	struct mosaic_staged s = MOSAIC_STAGED_NONE;
	int r;

	r = volume_begin(m, &s, err);
	if (r < 0)
		return r;
	r = make_tree(m, &s, ret_fd, err);
	if (r < 0) {
		mosaic_discard(m, &s);
		return r;
	}
	*ret = s;
	return 0;
}

int volume_sync_names(struct mosaic *m, struct error *err)
{
	_close_ int dir = openat(m->dirfd, "volumes", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = dir < 0 ? -errno : sync_dir(dir);

	return r < 0 ? error_set(err, r, "cannot sync %s/volumes", m->location) : 0;
}

/* A file system of the volume's own is synced and let go before the one that it lies in. */
static int settle(struct mosaic *m, struct mosaic_staged *s, struct error *err)
{
	_close_ int root = -1;
	int r = 0;

	if (s->tree_fd >= 0) { /* a mount, which is no file that could be synced */
		root = openat(s->tree_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (root < 0 || syncfs(root) < 0)
			return error_set(err, -errno, "cannot sync the staged volume");
		cleanup_close(&root);
	}
	cleanup_close(&s->tree_fd);
	if (m->driver->commit)
		r = m->driver->commit(m, s->lock_fd, err);
	if (r == 0 && syncfs(s->lock_fd) < 0)
		r = error_set(err, -errno, "cannot sync the file system of %s", m->location);
	return r;
}

int mosaic_commit(struct mosaic *m, struct mosaic_staged *s, const char *name, struct error *err)
{
	char mapped[MOSAIC_NAME_MAX + 1];
	int r = volume_name(m, &name, mapped, err);

	if (r < 0)
		return r;
	if (volume_find(m, name, NULL) > 0) { /* saves the sync; the rename decides */
		mosaic_discard(m, s);
		return MOSAIC_EXISTS;
	}
	if (s->lock_fd < 0)
		return error_set(err, -EINVAL, "nothing is staged that could become volume %s.",
				 name);
	r = settle(m, s, err);
	if (r < 0)
		return r;
	r = volume_finish(m, s, name, err);
	if (r == MOSAIC_EXISTS)
		mosaic_discard(m, s);
	if (r != 0)
		return r;
	volume_event(m, MOSAIC_EVENT_COMMIT, name, "");
	return volume_sync_names(m, err);
}

static bool has_file_system(const struct mosaic *m, const char *fs)
{
	for (const char *const *f = m->driver->filesystems; f && *f; f++)
		if (str_eq(*f, fs))
			return true;
	return false;
}

/* What the driver has no means for is refused: nothing that was asked for is ignored. */
static int check_how(const struct mosaic *m, struct mosaic_create *how, struct error *err)
{
	bool raw = how->flags & MOSAIC_CREATE_RAW;
	int r = volume_check_flags(how->flags, MOSAIC_CREATE_RAW, err);

	if (r < 0)
		return r;
	if (raw && !(m->features & MOSAIC_RAW))
		return error_set(err, -EOPNOTSUPP, "the driver %s has no raw volumes.",
				 m->driver->name);
	if (raw && how->fs)
		return error_set(err, -EINVAL, "a raw volume has no file system.");
	if (how->size && !(m->features & MOSAIC_QUOTA))
		return error_set(err, -EOPNOTSUPP,
				 "the driver %s cannot limit the size of a volume.",
				 m->driver->name);
	if (how->fs && !has_file_system(m, how->fs))
		return error_set(err, -EOPNOTSUPP, "the driver %s has no volumes with %s.",
				 m->driver->name, how->fs);
	if (!raw && !how->fs && m->driver->filesystems)
		how->fs = m->default_fs ? m->default_fs : m->driver->filesystems[0];
	return 0;
}

static int fill_volume(struct mosaic *m, int dirfd, const struct mosaic_create *how,
		       struct error *err)
{
	_close_ int raw = -1;

	if (how->flags & MOSAIC_CREATE_RAW) {
		raw = openat(dirfd, "raw", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (raw < 0)
			return error_set(err, -errno, "cannot mark the volume as raw");
	}
	return m->driver->create(m, dirfd, how, err);
}

int volume_make_content(struct mosaic *m, int dirfd, const struct mosaic_create *how,
			struct error *err)
{
	struct mosaic_create own = *how;
	int r = check_how(m, &own, err);

	return r < 0 ? r : fill_volume(m, dirfd, &own, err);
}

int mosaic_create(struct mosaic *m, const char *name, const struct mosaic_create *how,
		  struct error *err)
{
	struct mosaic_create own = how ? *how : (struct mosaic_create){ 0 };
	struct mosaic_staged s = MOSAIC_STAGED_NONE;
	char mapped[MOSAIC_NAME_MAX + 1];
	int r = volume_name(m, &name, mapped, err);

	if (r == 0)
		r = check_how(m, &own, err);
	if (r == 0 && volume_find(m, name, NULL) > 0) /* saves the work; the rename decides */
		r = error_set(err, -EEXIST, "there is a volume %s already.", name);
	if (r == 0)
		r = volume_begin(m, &s, err);
	if (r < 0)
		return r;
	r = fill_volume(m, s.lock_fd, &own, err);
	if (r == 0 && syncfs(s.lock_fd) < 0)
		r = error_set(err, -errno, "cannot sync the file system of %s", m->location);
	if (r == 0)
		r = volume_finish(m, &s, name, err);
	if (r == MOSAIC_EXISTS)
		r = error_set(err, -EEXIST, "there is a volume %s already.", name);
	mosaic_discard(m, &s);
	if (r < 0)
		return r;
	volume_event(m, MOSAIC_EVENT_CREATE, name, "");
	return volume_sync_names(m, err);
}

int mosaic_sync(struct mosaic *m, struct error *err)
{
	return syncfs(m->dirfd) < 0
		       ? error_set(err, -errno, "cannot sync the file system of %s", m->location)
		       : 0;
}
