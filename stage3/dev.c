/* What is in the app's /dev, a tmpfs that the plan had us mount just before. */
#include "stage3/stage3.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* The directory that path, relative to /dev, is to be made in; *name becomes its last part. */
static int open_parent(struct launch *l, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char parent[LIMIT_PATH_BYTES];

	if (l->dev < 0)
		l->dev = path_open(l->root, "/dev", PATH_NO_LINKS, O_PATH | O_DIRECTORY, 0);
	*name = path;
	if (l->dev < 0 || !slash)
		return l->dev;
	*name = slash + 1;
	memcpy(parent, path, (size_t)(slash - path));
	parent[slash - path] = '\0';
	return path_make_dirs(l->dev, parent);
}

static int make_device(struct launch *l, const struct plan_device *d)
{
	const char *name;
	int dir = open_parent(l, d->path, &name);

	if (dir < 0)
		return dir;
	if (mknodat(dir, name, S_IFCHR | d->mode, makedev(d->major, d->minor)) < 0)
		return -errno;
	if ((d->uid || d->gid) && fchownat(dir, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

int step_device(struct launch *l)
{
	for (uint32_t i = 0; i < l->plan.n_devices; i++) {
		int r;

		l->report->index = i;
		r = make_device(l, &l->plan.devices[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

int step_link(struct launch *l)
{
	for (uint32_t i = 0; i < l->plan.n_links; i++) {
		const char *name;
		int dir;

		l->report->index = i;
		dir = open_parent(l, l->plan.links[i].path, &name);
		if (dir < 0)
			return dir;
		if (symlinkat(l->plan.links[i].target, dir, name) < 0)
			return -errno;
	}
	return 0;
}
