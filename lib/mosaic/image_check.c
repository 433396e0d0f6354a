/* Image volumes: what the dead leave. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "mosaic/blockfs.h"
#include "mosaic/image.h"

int image_check_frozen(struct mosaic *m, const struct volume *v, struct check *c, struct error *err)
{
	_close_ int lock = -1, mount = -1, root = -1;
	_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN;
	char where[VOLUME_PATH];
	int r;

	if (faccessat(v->dirfd, "frozen", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	lock = volume_serialise(v, err); /* who freezes holds it, and the child who thaws too */
	if (lock < 0)
		return lock;
	if (faccessat(v->dirfd, "frozen", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	r = image_ops(m)->find(m, v->dirfd, volume_content(v->kind), &d);
	if (r == 0)
		r = image_mount_device(v->dirfd, &d, false, &mount, err);
	if (r == 0)
		r = root = blockfs_root(mount);
	if (r >= 0 && r != LOOPDEV_NONE && c->repair)
		r = blockfs_thaw_lost(root);
	if (r >= 0 && c->repair && unlinkat(v->dirfd, "frozen", 0) < 0)
		r = -errno;
	if (r < 0)
		return error_set(err, r, "cannot thaw volume %s", v->name);
	volume_path(where, v->name, NULL);
	return volume_problem(c, where, c->repair,
			      "its file system was frozen by somebody who died.");
}

/* ---- devices --------------------------------------------------------------------------------- */

/* Is there a volume directory with that inode? */
static int has_inode(int dirfd, const char *name, void *arg)
{
	const ino_t *wanted = arg;
	struct stat st;

	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == *wanted;
}

static int is_of_a_volume(struct mosaic *m, ino_t inode)
{
	static const char *const places[] = { "volumes", "staging" };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(places) && r == 0; i++) {
		_close_ int dir = openat(m->dirfd, places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		r = dir < 0 ? -errno : dir_each(dir, has_inode, &inode);
	}
	return r;
}

struct search {
	struct mosaic *m;
	struct check *check;
	char prefix[LOOPDEV_LABEL];
};

/* One that ends with its last user has a living one. */
static int look_at_device(struct loopdev *d, const struct loopdev_status *s, void *arg)
{
	const struct search *search = arg;
	char where[LOOPDEV_PATH + 16];
	bool mended = false;
	int r;

	if (!str_starts(s->label, search->prefix) || s->autoclear)
		return 0;
	r = is_of_a_volume(search->m, (ino_t)strtoull(s->label + strlen(search->prefix), NULL, 16));
	if (r != 0)
		return r < 0 ? r : 0;
	if (search->check->repair)
		mended = loopdev_set_autoclear(d, true) == 0;
	snprintf(where, sizeof(where), "device %s", d->path);
	return volume_problem(search->check, where, mended, "its volume is gone.");
}

int image_check_devices(struct mosaic *m, struct check *c, struct error *err)
{
	struct search search = { .m = m, .check = c };
	char *end;
	int r = image_label(m, m->dirfd, search.prefix);

	if (r == 0) {
		end = strrchr(search.prefix, '-'); /* before the inode */
		end[1] = '\0';
		r = loopdev_each(look_at_device, &search);
	}
	return r < 0 ? error_set(err, r, "cannot look at the loop devices") : r;
}
