/*
 * Volumes (appc spec, "pods", volumes and mounts). A host volume's source is opened without
 * following any link, cloned into a detached mount and given its attributes there; only that
 * descriptor travels into the pod. The target is resolved later, inside the app's root.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "mosaic/mosaic.h"

#include "stage1/stage1.h"

/* Where a volume may not be put: what is mounted there keeps the app confined. */
static const char *const reserved[] = { "/proc", "/sys", "/dev" };

static const struct appc_volume *find_volume(const struct supervisor *s, const struct appc_mount *m)
{
	if (m->app_volume)
		return m->app_volume;
	for (size_t i = 0; i < s->pod.manifest->n_volumes; i++)
		if (str_eq(s->pod.manifest->volumes[i].name, m->volume))
			return &s->pod.manifest->volumes[i];
	return NULL;
}

/* The component-wise meaning of "path is dir or lies below it". */
static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static int check_target(const struct appc_pod_app *app, size_t at, char *clean, struct error *err)
{
	const struct appc_mount *m = &app->mounts[at];

	if (path_clean(clean, m->path) < 0 || !path_is_clean_absolute(clean) || str_eq(clean, "/"))
		return error_set(
			err, -EINVAL,
			"mounts[%zu].path %s: an absolute path below / without .. is needed.", at,
			m->path);
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
		if (is_below(clean, reserved[i]))
			return error_set(
				err, -EPERM,
				"mounts[%zu].path %s: nothing can be mounted on or below %s.", at,
				m->path, reserved[i]);
	return 0;
}

/* The mount point of the image's manifest with that path may ask for read-only. */
static bool mount_point_read_only(const struct appc_app *app, const char *clean)
{
	char path[LIMIT_PATH_BYTES];

	for (size_t i = 0; i < app->n_mount_points; i++)
		if (path_clean(path, app->mount_points[i].path) == 0 && str_eq(path, clean))
			return app->mount_points[i].read_only;
	return false;
}

static int make_empty(const struct supervisor *s, const struct appc_volume *v, struct error *err)
{
	_close_ int dir = -1, fd = -1;

	/* lint: path ok: the pod directory is ours alone */
	if (mkdirat(s->dir, "volumes", 0711) < 0 && errno != EEXIST)
		return error_set(err, -errno, "cannot make the directory of empty volumes");
	dir = path_open(s->dir, "volumes", PATH_NO_LINKS, O_PATH | O_DIRECTORY, 0);
	if (dir < 0)
		return error_set(err, dir, "cannot open the directory of empty volumes");
	/* lint: path ok: one name, in a directory that is ours alone */
	if (mkdirat(dir, v->name, 0700) < 0) {
		if (errno != EEXIST) /* another app of the pod has it too */
			return error_set(err, -errno, "cannot make the directory of the volume");
	} else {
		fd = path_open(dir, v->name, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);
		if (fd < 0)
			return error_set(err, fd, "cannot open the directory of the volume");
		if (fchown(fd, v->uid, v->gid) < 0 || fchmod(fd, v->mode) < 0)
			return error_set(err, -errno, "cannot set owner and mode of the volume");
	}
	fd = mount_clone(dir, v->name, false);
	return fd < 0 ? error_set(err, fd, "cannot clone the mount of the volume") : take_fd(&fd);
}

/* The mosaic volume that this empty one is, or NULL. */
static const char *named_volume(const struct supervisor *s, const struct appc_volume *v)
{
	for (size_t i = 0; i < s->pod.launch.n_volumes; i++)
		if (str_eq(s->pod.launch.volumes[i].name, v->name))
			return s->pod.launch.volumes[i].volume;
	return NULL;
}

static int open_empty(const struct supervisor *s, const struct appc_volume *v, struct error *err)
{
	const char *named = named_volume(s, v);
	int fd, r;

	if (!named)
		return make_empty(s, v, err);
	r = mosaic_mount(s->mosaic, named, NULL, &fd, err);
	return r < 0 ? r : fd;
}

static int open_host(const struct appc_volume *v, bool *ret_file, struct error *err)
{
	_close_ int root = -1, fd = -1;
	struct stat st;
	int mount;

	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC); /* lint: path ok: the host's own root */
	if (root < 0)
		return error_set(err, -errno, "cannot open /");
	fd = path_open(root, v->source, PATH_NO_LINKS, O_PATH, 0);
	if (fd == -ELOOP)
		return error_set(
			err, fd,
			"source %s: it or a directory above it is a symbolic link; name the real path.",
			v->source);
	if (fd < 0)
		return error_set(err, fd, "source %s cannot be opened", v->source);
	if (fstat(fd, &st) < 0)
		return error_set(err, -errno, "source %s", v->source);
	*ret_file = !S_ISDIR(st.st_mode);
	mount = mount_clone(fd, "", v->recursive != 0);
	return mount < 0 ? error_set(err, mount, "source %s cannot be mounted", v->source) : mount;
}

static int open_one(const struct supervisor *s, const struct appc_pod_app *app, size_t at,
		    struct app_mount *ret, struct error *err)
{
	const struct appc_mount *m = &app->mounts[at];
	const struct appc_volume *v = find_volume(s, m);
	char clean[LIMIT_PATH_BYTES];
	uint64_t attributes = MOUNT_NODEV;
	_close_ int fd = -1;
	int r;

	if (!v)
		return error_set(err, -ENOENT,
				 "mounts[%zu].volume %s: the pod has no volume of that name.", at,
				 m->volume);
	r = check_target(app, at, clean, err);
	if (r < 0)
		return r;
	fd = v->kind == APPC_VOLUME_EMPTY ? open_empty(s, v, err) : open_host(v, &ret->file, err);
	if (fd < 0) {
		error_prefix(err, fd, "volume %s", v->name);
		return fd;
	}
	if (v->read_only || mount_point_read_only(app->app, clean))
		attributes |= MOUNT_READONLY;
	r = mount_change(fd, attributes, 0, true);
	if (r < 0)
		return error_set(err, r, "volume %s: cannot set the mount's attributes", v->name);
	ret->volume = v->name;
	ret->path = m->path;
	ret->fd = take_fd(&fd);
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct app_mount *)a)->path, ((const struct app_mount *)b)->path);
}

/* Two targets, one inside the other: the outer one would hide the inner one's place. */
static int check_overlaps(const struct app_mount *mounts, size_t n, struct error *err)
{
	for (size_t i = 0; i + 1 < n; i++)
		if (is_below(mounts[i + 1].path, mounts[i].path))
			return error_set(err, -EINVAL,
					 "mount targets %s (volume %s) and %s (volume %s) overlap.",
					 mounts[i].path, mounts[i].volume, mounts[i + 1].path,
					 mounts[i + 1].volume);
	return 0;
}

int volumes_open(struct supervisor *s, const struct appc_pod_app *app, struct app_mount **ret,
		 size_t *ret_n, struct error *err)
{
	struct app_mount *mounts;
	int r = 0;

	*ret = NULL;
	*ret_n = 0;
	if (app->n_mounts == 0)
		return 0;
	mounts = calloc(app->n_mounts, sizeof(*mounts));
	if (!mounts)
		return error_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < app->n_mounts; i++)
		mounts[i].fd = -1;
	for (size_t i = 0; i < app->n_mounts && r == 0; i++)
		r = open_one(s, app, i, &mounts[i], err);
	if (r == 0) {
		qsort(mounts, app->n_mounts, sizeof(*mounts), by_path);
		r = check_overlaps(mounts, app->n_mounts, err);
	}
	if (r < 0) {
		volumes_close(mounts, app->n_mounts);
		return error_context(err, r, "volumes", app->name);
	}
	*ret = mounts;
	*ret_n = app->n_mounts;
	return 0;
}

void volumes_close(struct app_mount *mounts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (mounts[i].fd >= 0)
			close(mounts[i].fd);
	free(mounts);
}
