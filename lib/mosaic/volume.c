#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"
#include "mosaic/driver.h"

void volume_path(char dst[VOLUME_PATH], const char *name, const char *part)
{
	snprintf(dst, VOLUME_PATH, "volumes/%s%s%s", name, part ? "/" : "", part ? part : "");
}

void staging_path(char dst[VOLUME_PATH], const char *name)
{
	snprintf(dst, VOLUME_PATH, "staging/%s", name);
}

static bool name_is_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > MOSAIC_NAME_MAX || name[0] == '.')
		return false;
	for (const char *p = name; *p; p++)
		if (*p == '/' || (unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	return true;
}

int volume_check_name(const char *name, struct error *err)
{
	char shown[MOSAIC_NAME_MAX + 1];

	if (name_is_valid(name))
		return 0;
	str_escape(shown, sizeof(shown), name);
	return error_set(
		err, -EINVAL,
		"'%s' cannot name a volume: 1 to %d bytes, no slash, no control character, no dot in front.",
		shown, MOSAIC_NAME_MAX);
}

static int have(const struct mosaic *m, const char *name, const char *part)
{
	char path[VOLUME_PATH];

	volume_path(path, name, part);
	if (faccessat(m->dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
}

/* Clones first: they are what a start asks for, and the answer is one call. */
int volume_find(const struct mosaic *m, const char *name, char *parent)
{
	char path[VOLUME_PATH], target[MOSAIC_NAME_MAX + 2];
	ssize_t n;
	int r;

	if (parent)
		parent[0] = '\0';
	if (!name_is_valid(name))
		return VOLUME_NONE;
	volume_path(path, name, "parent");
	n = readlinkat(m->dirfd, path, target, sizeof(target) - 1);
	if (n >= 0) {
		target[n] = '\0';
		if (!name_is_valid(target))
			return -EBADMSG;
		if (parent)
			memcpy(parent, target, (size_t)n + 1);
		return VOLUME_CLONE;
	}
	if (errno != ENOENT && errno != ENOTDIR)
		return -errno;
	r = have(m, name, "tree");
	if (r != 0)
		return r < 0 ? r : VOLUME_TREE;
	r = have(m, name, "data");
	if (r != 0)
		return r < 0 ? r : VOLUME_DATA;
	return VOLUME_NONE;
}

int volume_need(const struct mosaic *m, const char *name, char *parent, struct error *err)
{
	int r = volume_check_name(name, err);

	if (r < 0)
		return r;
	r = volume_find(m, name, parent);
	if (r == VOLUME_NONE)
		return error_set(err, -ENOENT, "there is no volume %s in %s.", name, m->location);
	if (r < 0)
		return error_set(err, r, "cannot look up volume %s in %s", name, m->location);
	return r;
}

bool mosaic_have(struct mosaic *m, const char *name)
{
	return volume_find(m, name, NULL) > 0;
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
	if (r == -ENOENT)
		return VOLUME_NONE; /* dropped just now */
	if (r < 0)
		return error_set(err, r, "cannot look at volume %s", name);
	snprintf(v.name, sizeof(v.name), "%s", name);
	v.read_only = kind == VOLUME_TREE;
	r = m->driver->info ? m->driver->info(m, &v, err) : 0;
	if (r < 0)
		return r;
	*ret = v;
	return kind;
}

int mosaic_info(struct mosaic *m, const char *name, struct mosaic_volume *ret, struct error *err)
{
	int r = volume_check_name(name, err);

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
	r = read_info(e->m, name, &v, e->err);
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
