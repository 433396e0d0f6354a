/*
 * Private data: volumes/NAME/private/KEY, a file each, replaced by rename and never written to
 * again; so a volume that is rolled back takes its data along by links.
 *
 * Who sets holds the shared lock of the volume: a rollback, which has the exclusive one, would lose
 * what is set between its copy and its end.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"
#include "mosaic/driver.h"

#define PRIVATE "private"

static int check_key(const char *key, struct error *err)
{
	char shown[MOSAIC_NAME_MAX + 1];

	if (volume_check_name(key, NULL) == 0)
		return 0;
	str_escape(shown, sizeof(shown), key);
	return error_set(
		err, -EINVAL,
		"'%s' cannot be a key of private data: 1 to %d bytes, no slash, no control character, no dot in front.",
		shown, MOSAIC_NAME_MAX);
}

/* The directory of the data. -ENOENT: none was ever set. */
static int open_private(int dirfd)
{
	int fd = openat(dirfd, PRIVATE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int make_private(int dirfd)
{
	int r;

	if (mkdirat(dirfd, PRIVATE, 0700) < 0)
		return errno == EEXIST ? open_private(dirfd) : -errno;
	r = sync_dir(dirfd);
	return r < 0 ? r : open_private(dirfd);
}

static int set_value(int dirfd, const char *key, const void *value, size_t len)
{
	_close_ int dir = make_private(dirfd);

	return dir < 0 ? dir : file_write(dir, key, value, len, 0600, FILE_SYNC);
}

static int remove_value(int dirfd, const char *key)
{
	_close_ int dir = open_private(dirfd);

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	if (unlinkat(dir, key, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	return sync_dir(dir);
}

int mosaic_set_data(struct mosaic *m, const char *name, const char *key, const void *value,
		    size_t len, struct error *err)
{
	_volume_ struct volume v = VOLUME_CLOSED;
	char mapped[MOSAIC_NAME_MAX + 1];
	int r = check_key(key, err);

	if (r < 0)
		return r;
	if (value && len > MOSAIC_VALUE_MAX)
		return error_set(err, -E2BIG,
				 "%s of volume %s would have %zu bytes, the limit is %d.", key,
				 name, len, MOSAIC_VALUE_MAX);
	r = volume_name(m, &name, mapped, err);
	if (r == 0)
		r = volume_open_shared(m, name, &v, err);
	if (r < 0)
		return r;
	r = value ? set_value(v.dirfd, key, value, len) : remove_value(v.dirfd, key);
	return r < 0 ? error_set(err, r, "cannot %s %s of volume %s", value ? "set" : "remove", key,
				 name)
		     : 0;
}

static int read_value(int dirfd, const char *key, char **ret, size_t *ret_len)
{
	_close_ int dir = open_private(dirfd);

	return dir < 0 ? dir : file_read(dir, key, MOSAIC_VALUE_MAX, ret, ret_len);
}

static int get_value(struct mosaic *m, const char *name, const char *key, char **ret,
		     size_t *ret_len, struct error *err)
{
	for (;;) {
		_volume_ struct volume v = VOLUME_CLOSED;
		int r = volume_open(m, name, &v, err);

		if (r < 0)
			return r;
		r = read_value(v.dirfd, key, ret, ret_len);
		if (volume_read_again(m, &v, r, err))
			continue;
		if (r == -ENOENT)
			return error_set(err, -ENODATA, "volume %s has no data '%s'.", name, key);
		return r < 0 ? error_set(err, r, "cannot read %s of volume %s", key, name) : 0;
	}
}

int mosaic_get_data(struct mosaic *m, const char *name, const char *key, char **ret,
		    size_t *ret_len, struct error *err)
{
	char mapped[MOSAIC_NAME_MAX + 1];
	int r = check_key(key, err);

	if (r == 0)
		r = volume_name(m, &name, mapped, err);
	return r < 0 ? r : get_value(m, name, key, ret, ret_len, err);
}

struct each {
	int (*fn)(const char *key, void *arg);
	void *arg;
	bool told; /* fn ended the walk */
};

/* A dot in front: being written, or left by who died writing. */
static int call_for_key(int dirfd, const char *name, void *arg)
{
	struct each *e = arg;
	int r;

	(void)dirfd;
	r = name[0] == '.' ? 0 : e->fn(name, e->arg);
	e->told = r != 0;
	return r;
}

/* -ENOENT: the volume has none. */
static int open_data(struct mosaic *m, const char *name, int *ret_dir, struct error *err)
{
	for (;;) {
		_volume_ struct volume v = VOLUME_CLOSED;
		int dir, r = volume_open(m, name, &v, err);

		if (r < 0)
			return r;
		dir = open_private(v.dirfd);
		if (volume_read_again(m, &v, dir, err))
			continue;
		if (dir < 0 && dir != -ENOENT)
			return error_set(err, dir, "cannot open the data of volume %s", name);
		*ret_dir = dir;
		return 0;
	}
}

int mosaic_each_data(struct mosaic *m, const char *name, int (*fn)(const char *key, void *arg),
		     void *arg, struct error *err)
{
	struct each e = { .fn = fn, .arg = arg };
	char mapped[MOSAIC_NAME_MAX + 1];
	_close_ int dir = -1;
	int r = volume_name(m, &name, mapped, err);

	if (r == 0)
		r = open_data(m, name, &dir, err);
	if (r < 0 || dir < 0)
		return r;
	r = dir_each(dir, call_for_key, &e);
	return r < 0 && !e.told ? error_set(err, r, "cannot list the data of volume %s", name) : r;
}

static int link_key(int dirfd, const char *name, void *arg)
{
	if (name[0] == '.')
		return 0;
	return linkat(dirfd, name, *(const int *)arg, name, 0) < 0 ? -errno : 0;
}

int volume_copy_data(const struct volume *v, int dirfd, struct error *err)
{
	_close_ int from = open_private(v->dirfd), to = -1;
	int r;

	if (from == -ENOENT)
		return 0;
	to = from < 0 ? from : make_private(dirfd);
	r = to < 0 ? to : dir_each(from, link_key, &to);
	if (r == 0)
		r = sync_dir(to);
	return r < 0 ? error_set(err, r, "cannot keep the private data of volume %s", v->name) : 0;
}

struct leftovers {
	bool remove;
	unsigned n;
};

/* A name with a dot in front: who writes now has the shared lock, and the caller the exclusive
 * one. */
static int clean_key(int dirfd, const char *name, void *arg)
{
	struct leftovers *l = arg;

	if (name[0] != '.')
		return 0;
	l->n++;
	return l->remove && unlinkat(dirfd, name, 0) < 0 ? -errno : 0;
}

int volume_clean_data(int dirfd, bool remove, unsigned *ret_n)
{
	_close_ int dir = open_private(dirfd);
	struct leftovers l = { .remove = remove };
	int r = dir == -ENOENT ? 0 : dir < 0 ? dir : dir_each(dir, clean_key, &l);

	*ret_n = l.n;
	return r;
}
