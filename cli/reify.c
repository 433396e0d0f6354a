/*
 * From the command line and the images' manifests to the pod manifest that is run: the options put
 * in place of what the images say, every mount point satisfied (appc spec "pods"; the order of
 * docs/appc-rulings.md: the mounts that were asked for, then for each mount point without one the
 * pod's volume of that name, else an empty volume, with a warning).
 */
#include "cli/request.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cli/edit.h"

enum {
	APP_NAME_MAX = 100, /* it becomes part of the names of a cgroup and of a volume */
};

static int no_memory(struct error *err)
{
	return error_set(err, -ENOMEM, "the pod");
}

/* An app for an image that has none: root, nothing else. */
static struct appc_app *app_new(void)
{
	struct appc_app *app = calloc(1, sizeof(*app));

	if (app && (!(app->user = strdup("0")) || !(app->group = strdup("0")) ||
		    !(app->working_directory = strdup("/")))) {
		free(app->user);
		free(app->group);
		free(app);
		return NULL;
	}
	return app;
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool app_name_taken(const struct appc_pod *pod, const char *name)
{
	for (size_t i = 0; i < pod->n_apps; i++)
		if (pod->apps[i].name && str_eq(pod->apps[i].name, name))
			return true;
	return false;
}

/* The end of the image's name as an AC Name, with a number when another app has it. */
static int app_name_default(const struct appc_pod *pod, const char *image,
			    char dst[APP_NAME_MAX + 1])
{
	const char *end = strrchr(image, '/');
	char name[APP_NAME_MAX - 4];
	size_t n = 0;

	for (const char *p = end ? end + 1 : image; *p && n < sizeof(name) - 1; p++) {
		bool fits = islower((unsigned char)*p) || isdigit((unsigned char)*p);

		if (fits || (n > 0 && name[n - 1] != '-'))
			name[n++] = fits ? *p : '-';
	}
	while (n > 0 && name[n - 1] == '-')
		n--;
	snprintf(dst, APP_NAME_MAX + 1, "%.*s", n ? (int)n : 3, n ? name : "app");
	for (unsigned i = 2; app_name_taken(pod, dst); i++)
		snprintf(dst, APP_NAME_MAX + 1, "%.*s-%u", n ? (int)n : 3, n ? name : "app", i);
	return 0;
}

static int app_name_choose(const struct appc_pod *pod, struct appc_pod_app *app,
			   const struct app_request *o, const char *image, struct error *err)
{
	char name[APP_NAME_MAX + 1];

	if (o->name && (!appc_is_name(o->name) || strlen(o->name) > APP_NAME_MAX)) {
		error_set(
			err, -EINVAL,
			"--app-name %s: lower-case letters and digits, dashes between them, at most %d.",
			o->name, APP_NAME_MAX);
		return CLI_USAGE;
	}
	if (o->name && app_name_taken(pod, o->name)) {
		error_set(err, -EINVAL, "two apps are called %s.", o->name);
		return CLI_USAGE;
	}
	if (!o->name)
		app_name_default(pod, image, name);
	return edit_replace(&app->name, o->name ? o->name : name) < 0 ? no_memory(err) : 0;
}

/* ---- volumes and mounts ---------------------------------------------------------------------- */

static struct appc_volume *volume_find(const struct appc_pod *pod, const char *name)
{
	for (size_t i = 0; i < pod->n_volumes; i++)
		if (str_eq(pod->volumes[i].name, name))
			return &pod->volumes[i];
	return NULL;
}

static int volume_add(struct appc_pod *pod, struct appc_volume *v)
{
	struct appc_volume *at = volume_find(pod, v->name);

	if (at)
		volume_deinit(at); /* the command line comes after the manifest */
	else
		at = edit_grow(&pod->volumes, &pod->n_volumes, sizeof(*pod->volumes));
	if (!at) {
		volume_deinit(v);
		return -ENOMEM;
	}
	*at = *v;
	return 0;
}

static int add_volumes(struct appc_pod *pod, const struct pod_request *o, struct error *err)
{
	for (size_t i = 0; i < o->volumes.n; i++) {
		struct appc_volume v;

		if (volume_parse(o->volumes.items[i], &v, err) < 0)
			return CLI_USAGE;
		for (size_t j = 0; j < i; j++)
			if (strncmp(o->volumes.items[j], v.name, strlen(v.name)) == 0 &&
			    o->volumes.items[j][strlen(v.name)] == ',') {
				error_set(err, -EINVAL, "two volumes are called %s.", v.name);
				volume_deinit(&v);
				return CLI_USAGE;
			}
		if (volume_add(pod, &v) < 0)
			return no_memory(err);
	}
	return 0;
}

/* Takes m. */
static int mount_add(struct appc_pod_app *app, struct appc_mount *m)
{
	struct appc_mount *at = edit_grow(&app->mounts, &app->n_mounts, sizeof(*app->mounts));

	if (!at) {
		mount_deinit(m);
		return -ENOMEM;
	}
	*at = *m;
	return 0;
}

static int add_mounts(struct appc_pod_app *app, const struct app_request *o, struct error *err)
{
	for (size_t i = 0; i < o->mounts.n; i++) {
		struct appc_mount m;

		if (mount_parse(o->mounts.items[i], &m, err) < 0)
			return CLI_USAGE;
		if (mount_add(app, &m) < 0)
			return no_memory(err);
	}
	return 0;
}

/* A volume NAME and its mount on path. Takes source, which may be NULL. */
static int add_volume_mount(struct appc_pod *pod, struct appc_pod_app *app, const char *path,
			    const struct appc_volume *like)
{
	struct appc_volume v = *like;
	struct appc_mount m = { .volume = strdup(like->name), .path = strdup(path) };

	v.name = strdup(like->name);
	v.source = like->source ? strdup(like->source) : NULL;
	v.named = NULL;
	if (!m.volume || !m.path || !v.name || (like->source && !v.source)) {
		mount_deinit(&m);
		volume_deinit(&v);
		return -ENOMEM;
	}
	if (volume_add(pod, &v) < 0) {
		mount_deinit(&m);
		return -ENOMEM;
	}
	return mount_add(app, &m);
}

/* A name for a volume that nobody named. */
static void volume_name_free(const struct appc_pod *pod, const char *stem,
			     char dst[LIMIT_NAME_BYTES + 1])
{
	snprintf(dst, LIMIT_NAME_BYTES + 1, "%.240s", stem);
	for (unsigned i = 2; volume_find(pod, dst); i++)
		snprintf(dst, LIMIT_NAME_BYTES + 1, "%.240s-%u", stem, i);
}

static int add_binds(struct appc_pod *pod, struct appc_pod_app *app, const struct app_request *o,
		     struct error *err)
{
	for (size_t i = 0; i < o->binds.n; i++) {
		_cleanup_(bind_deinit) struct bind_words b = { 0 };
		char name[LIMIT_NAME_BYTES + 1];
		struct appc_volume like = { .kind = APPC_VOLUME_HOST,
					    .recursive = -1,
					    .name = name };

		if (bind_parse(o->binds.items[i], &b, err) < 0)
			return CLI_USAGE;
		if (*b.source != '/')
			return error_set(err, -EINVAL, "--bind %s: the source is no absolute path.",
					 o->binds.items[i]);
		volume_name_free(pod, "bind", name);
		like.source = b.source;
		like.read_only = b.read_only;
		if (add_volume_mount(pod, app, b.target, &like) < 0)
			return no_memory(err);
	}
	return 0;
}

static bool same_path(const char *a, const char *b)
{
	char x[LIMIT_PATH_BYTES], y[LIMIT_PATH_BYTES];

	return path_clean(x, a) == 0 && path_clean(y, b) == 0 && str_eq(x, y);
}

static bool is_mounted(const struct appc_pod_app *app, const char *path)
{
	for (size_t i = 0; i < app->n_mounts; i++)
		if (same_path(app->mounts[i].path, path))
			return true;
	return false;
}

/* An empty volume for a mount point that got nothing. */
static int add_implicit(struct appc_pod *pod, struct appc_pod_app *app,
			const struct appc_mount_point *point, struct appc_faults *warnings)
{
	char stem[LIMIT_NAME_BYTES + 1], name[LIMIT_NAME_BYTES + 1];
	struct appc_volume like = {
		.kind = APPC_VOLUME_EMPTY, .mode = 0755, .recursive = -1, .name = name
	};

	snprintf(stem, sizeof(stem), "%.100s-%.140s", app->name, point->name);
	volume_name_free(pod, stem, name);
	(void)appc_warning(
		warnings, app->name,
		"nothing is given for the mount point %s (%s): an empty volume, which ends with the pod",
		point->name, point->path);
	return add_volume_mount(pod, app, point->path, &like);
}

static int satisfy_mount_points(struct appc_pod *pod, struct appc_pod_app *app,
				struct appc_faults *warnings, struct error *err)
{
	for (size_t i = 0; i < app->app->n_mount_points; i++) {
		const struct appc_mount_point *point = &app->app->mount_points[i];
		struct appc_mount m = { 0 };
		int r;

		if (is_mounted(app, point->path))
			continue;
		if (volume_find(pod, point->name)) {
			m.volume = strdup(point->name);
			m.path = strdup(point->path);
			r = m.volume && m.path ? mount_add(app, &m) : -ENOMEM;
			if (r < 0)
				mount_deinit(&m);
		} else {
			r = add_implicit(pod, app, point, warnings);
		}
		if (r < 0)
			return no_memory(err);
	}
	return 0;
}

/* ---- the pod --------------------------------------------------------------------------------- */

/* Does the image run on this machine, and is it the one that the manifest means? */
static int check_image(const struct appc_pod_app *app, const struct appc_image *image,
		       struct error *err)
{
	const char *os = appc_pairs_get(&image->labels, "os"),
		   *arch = appc_pairs_get(&image->labels, "arch");

	if ((os && !str_eq(os, appc_host_os())) || (arch && !str_eq(arch, appc_host_arch())))
		return error_set(err, -ENOEXEC, "image %s is for %s/%s, this machine is %s/%s.",
				 image->name, os ? os : "any", arch ? arch : "any", appc_host_os(),
				 appc_host_arch());
	if (app->image_name && !str_eq(app->image_name, image->name))
		return error_set(err, -EINVAL, "the image of app %s is %s, not %s.", app->name,
				 image->name, app->image_name);
	if (!appc_image_has_labels(image, &app->image_labels))
		return error_set(
			err, -EINVAL,
			"the image of app %s does not have the labels that the manifest says.",
			app->name);
	return 0;
}

/* Fills in what the image knows. */
static int fill_app(struct appc_pod_app *app, struct run_image *image, struct error *err)
{
	int r = check_image(app, image->manifest, err);

	if (r < 0)
		return r;
	if (edit_replace(&app->image_id, image->id) < 0 ||
	    (!app->image_name && edit_replace(&app->image_name, image->manifest->name) < 0))
		return no_memory(err);
	if (app->image_labels.n == 0) {
		app->image_labels = image->manifest->labels;
		image->manifest->labels = (struct appc_pairs){ 0 };
	}
	if (!app->app)
		app->app = image->manifest->app ? take_ptr(&image->manifest->app) : app_new();
	return app->app ? 0 : no_memory(err);
}

static int add_app(struct appc_pod *pod, const struct app_request *o, struct run_image *image,
		   struct error *err)
{
	struct appc_pod_app *app = edit_grow(&pod->apps, &pod->n_apps, sizeof(*pod->apps));
	int r = app ? app_name_choose(pod, app, o, image->manifest->name, err) : no_memory(err);

	if (r == 0)
		r = fill_app(app, image, err);
	if (r == 0)
		r = app_options_apply(app->app, o, err);
	if (r == 0)
		r = add_mounts(app, o, err);
	if (r == 0)
		r = add_binds(pod, app, o, err);
	if (r == 0)
		app->read_only_rootfs = o->read_only;
	return r;
}

/* A given manifest: its apps with its images. */
static int fill_apps(struct appc_pod *pod, struct run_image *images, struct error *err)
{
	for (size_t i = 0; i < pod->n_apps; i++) {
		int r;

		if (strlen(pod->apps[i].name) > APP_NAME_MAX)
			return error_set(err, -ENAMETOOLONG,
					 "app %s: its name has more than %d bytes.",
					 pod->apps[i].name, APP_NAME_MAX);
		r = fill_app(&pod->apps[i], &images[i], err);
		if (r != 0)
			return r;
	}
	return 0;
}

static struct appc_pod *pod_new(void)
{
	struct appc_pod *pod = calloc(1, sizeof(*pod));

	if (pod && !(pod->ac_version = strdup(APPC_VERSION))) {
		free(pod);
		return NULL;
	}
	return pod;
}

static int check_runnable(const struct appc_pod *pod, struct error *err)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	int r = appc_pod_check_runnable(pod, &faults);

	return r < 0 ? cli_fault_error(&faults, r, "the pod cannot be run", err) : 0;
}

int reify(const struct run_request *request, struct appc_pod *base, struct run_image *images,
	  struct appc_pod **ret, struct appc_faults *warnings, struct error *err)
{
	_appc_pod_ struct appc_pod *pod = base ? base : pod_new();
	int r = pod ? add_volumes(pod, &request->pod, err) : no_memory(err);

	if (r == 0 && base)
		r = fill_apps(pod, images, err);
	for (size_t i = 0; r == 0 && !base && i < request->n_apps; i++)
		r = add_app(pod, &request->apps[i], &images[i], err);
	for (size_t i = 0; r == 0 && i < pod->n_apps; i++)
		r = satisfy_mount_points(pod, &pod->apps[i], warnings, err);
	if (r == 0)
		r = check_runnable(pod, err);
	if (r == 0)
		*ret = take_ptr(&pod);
	return r;
}
