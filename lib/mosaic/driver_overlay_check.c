/* What somebody who died left of the layers. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"
#include "mosaic/overlay.h"

static bool have(int dirfd, const char *name)
{
	return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Died while it handed its content over: content is there all the time. */
static int check_clone(const struct volume *v, const char *where, struct check *c)
{
	bool mended;
	int r = 0;

	if (!have(v->dirfd, "upper") && have(v->dirfd, "data")) {
		mended = c->repair && renameat(v->dirfd, "data", v->dirfd, "upper") == 0;
		r = volume_problem(c, where, mended, "it was not made a clone completely");
	} else if (!have(v->dirfd, "upper")) {
		r = volume_problem(c, where, false, "what was written to it is missing");
	}
	if (r == 0 && !have(v->dirfd, "work")) {
		mended = c->repair && mkdirat(v->dirfd, "work", 0700) == 0;
		r = volume_problem(c, where, mended, "its directory \"work\" is missing");
	}
	return r;
}

static int check_stack(struct mosaic *m, const struct volume *v, struct check *c)
{
	char where[VOLUME_PATH], name[MOSAIC_NAME_MAX + 1], path[VOLUME_PATH];
	unsigned depth = 0;
	int r = 0;

	volume_path(where, v->name, NULL);
	if (v->kind == VOLUME_CLONE)
		r = check_clone(v, where, c);
	snprintf(name, sizeof(name), "%s", v->parent);
	while (r == 0) {
		volume_path(path, name, "tree");
		if (!have(m->dirfd, path))
			return volume_problem(c, where, false, "%s, which it needs, is missing",
					      name);
		volume_path(path, name, "below");
		r = overlay_is_base(name) ? overlay_read_link(m->dirfd, path, name) : 0;
		if (r <= 0)
			return r;
		r = 0;
		if (++depth > OVERLAY_LAYERS)
			return volume_problem(c, where, false, "it has more than %d layers",
					      OVERLAY_LAYERS);
	}
	return r;
}

/* ---- bases that nobody stands on ------------------------------------------------------------- */

struct orphans {
	struct mosaic *m;
	struct check *c;
	struct error *err;
};

static int look_at(int dirfd, const char *name, void *arg)
{
	struct orphans *o = arg;
	char where[VOLUME_PATH];
	int r;

	(void)dirfd;
	if (!overlay_is_base(name) || strlen(name) > MOSAIC_NAME_MAX)
		return 0;
	r = overlay_base_is_orphan(o->m, name);
	if (r > 0 && o->c->repair) {
		r = overlay_release_base(o->m, name, -1, false);
		if (r == 0)
			return 0; /* somebody uses it now */
	}
	if (r < 0)
		return error_set(o->err, r, "cannot look at the hidden volume %s", name);
	volume_path(where, name, NULL);
	return r ? volume_problem(o->c, where, o->c->repair, "no volume stands on it any more") : 0;
}

/* Taking one away may free the one below it: then it has gone too. */
static int check_bases(struct mosaic *m, struct check *c, struct error *err)
{
	struct orphans o = { m, c, err };
	_close_ int dir = openat(m->dirfd, "volumes", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir < 0 ? error_set(err, -errno, "cannot open %s/volumes", m->location)
		       : dir_each(dir, look_at, &o);
}

int overlay_check(struct mosaic *m, const struct volume *v, struct check *c, struct error *err)
{
	if (!v)
		return check_bases(m, c, err);
	if ((v->kind != VOLUME_CLONE && v->kind != VOLUME_LAYER) || overlay_is_base(v->name))
		return 0;
	return check_stack(m, v, c);
}
