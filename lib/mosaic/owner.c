/*
 * Whose a volume is: a symbolic link "owner" in its directory, made with the directory itself. So
 * there is no moment at which a volume is there and has no owner yet, and it costs one system call.
 */
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"
#include "mosaic/driver.h"

#define OWNER "owner"

int mosaic_set_owner(struct mosaic *m, const char *owner, struct error *err)
{
	_free_ char *copy = NULL;
	char shown[MOSAIC_NAME_MAX + 1];

	if (owner && volume_check_name(owner, NULL) < 0) {
		str_escape(shown, sizeof(shown), owner);
		return error_set(err, -EINVAL, "'%s' cannot be the owner of a volume.", shown);
	}
	copy = owner ? strdup(owner) : NULL;
	if (owner && !copy)
		return error_set(err, -ENOMEM, "%s", m->location);
	free(m->owner);
	m->owner = take_ptr(&copy);
	return 0;
}

int volume_mark_owner(const struct mosaic *m, int dirfd)
{
	return m->owner && symlinkat(m->owner, dirfd, OWNER) < 0 ? -errno : 0;
}

/* "" when nobody said. */
static int read_owner(int dirfd, const char *path, char owner[MOSAIC_NAME_MAX + 1])
{
	ssize_t n = readlinkat(dirfd, path, owner, MOSAIC_NAME_MAX);

	owner[n < 0 ? 0 : n] = '\0';
	return n < 0 && errno != ENOENT ? -errno : 0;
}

int volume_keep_owner(const struct volume *v, int dirfd, struct error *err)
{
	char owner[MOSAIC_NAME_MAX + 1];
	int r = read_owner(v->dirfd, OWNER, owner);

	if (r == 0 && unlinkat(dirfd, OWNER, 0) < 0 && errno != ENOENT)
		r = -errno;
	if (r == 0 && owner[0] && symlinkat(owner, dirfd, OWNER) < 0)
		r = -errno;
	return r < 0 ? error_set(err, r, "cannot keep the owner of volume %s", v->name) : 0;
}

int mosaic_get_owner(struct mosaic *m, const char *name, char owner[MOSAIC_NAME_MAX + 1],
		     struct error *err)
{
	char mapped[MOSAIC_NAME_MAX + 1], found[MOSAIC_NAME_MAX + 1], path[VOLUME_PATH];
	int r = volume_name(m, &name, mapped, err);

	if (r == 0)
		r = volume_need(m, name, NULL, err);
	if (r < 0)
		return r;
	volume_path(path, name, OWNER);
	r = read_owner(m->dirfd, path, found);
	if (r < 0)
		return error_set(err, r, "cannot see whose volume %s is", name);
	memcpy(owner, found, sizeof(found));
	return 0;
}

int mosaic_is_foreign(struct mosaic *m, const char *name, struct error *err)
{
	char owner[MOSAIC_NAME_MAX + 1];
	int r = mosaic_get_owner(m, name, owner, err);

	if (r < 0 || !owner[0])
		return r;
	return !m->owner || !str_eq(m->owner, owner);
}
