/*
 * Documents back to JSON: the members in the order of the specification's tables, each only when
 * it says something, but a pod's "annotations" always, because the specification's validator
 * tells a missing list from an empty one.
 *
 * jansson's setters take NULL for "could not be made" and say so in their result, so a function
 * builds its whole value and looks once, at the end.
 */
#include "appc/document.h"

json_t *appc_written(json_t *object, int failed)
{
	if (object && !failed)
		return object;
	json_decref(object);
	return NULL;
}

/* A list of n elements of that size, each made by fn. */
static json_t *write_list(const void *list, size_t n, size_t size,
			  json_t *(*fn)(const void *element))
{
	json_t *array = json_array();
	int r = 0;

	for (size_t i = 0; i < n; i++)
		r |= json_array_append_new(array, fn((const char *)list + i * size));
	return appc_written(array, r);
}

/* Sets key to such a list unless it is empty. */
#define SET_LIST(object, key, list, n, fn) \
	((n) > 0 ? json_object_set_new(object, key, write_list(list, n, sizeof(*(list)), fn)) : 0)

static int set_string(json_t *object, const char *key, const char *s)
{
	return s && *s ? json_object_set_new(object, key, json_string(s)) : 0;
}

static int set_true(json_t *object, const char *key, bool value)
{
	return value ? json_object_set_new(object, key, json_true()) : 0;
}

static int set_map(json_t *object, const char *key, const struct appc_pairs *pairs)
{
	return pairs->n > 0 ? json_object_set_new(object, key, appc_write_map(pairs)) : 0;
}

/* ---- shared parts ---------------------------------------------------------------------------- */

static json_t *write_string(const void *element)
{
	return json_string(*(char *const *)element);
}

static json_t *write_pair(const void *element)
{
	const struct appc_pair *pair = element;

	return json_pack("{ss ss}", "name", pair->name, "value", pair->value);
}

json_t *appc_write_map(const struct appc_pairs *pairs)
{
	json_t *object = json_object();
	int r = 0;

	for (size_t i = 0; i < pairs->n; i++)
		r |= json_object_set_new(object, pairs->list[i].name,
					 json_string(pairs->list[i].value));
	return appc_written(object, r);
}

static json_t *write_isolator(const void *element)
{
	const struct appc_isolator *iso = element;
	const struct appc_isolator_type *type = appc_isolator_type_of(iso->kind);
	json_t *object = json_object(), *value;
	int r;

	if (type)
		value = type->form->write(iso);
	else
		value = json_loads(iso->value ? iso->value : "null", JSON_DECODE_ANY, NULL);
	r = json_object_set_new(object, "name", json_string(iso->name));
	r |= json_object_set_new(object, "value", value);
	return appc_written(object, r);
}

static json_t *write_mount_point(const void *element)
{
	const struct appc_mount_point *point = element;
	json_t *object = json_object();
	int r = set_string(object, "name", point->name);

	r |= set_string(object, "path", point->path);
	r |= set_true(object, "readOnly", point->read_only);
	return appc_written(object, r);
}

static json_t *write_port(const void *element)
{
	const struct appc_port *port = element;
	json_t *object = json_object();
	int r = set_string(object, "name", port->name);

	r |= set_string(object, "protocol", port->protocol);
	r |= json_object_set_new(object, "port", json_integer(port->port));
	r |= json_object_set_new(object, "count", json_integer(port->count));
	r |= json_object_set_new(object, "socketActivated", json_boolean(port->socket_activated));
	return appc_written(object, r);
}

static json_t *write_gid(const void *element)
{
	return json_integer(*(const gid_t *)element);
}

/* ---- the app --------------------------------------------------------------------------------- */

static int add_handler(json_t *list, const char *name, const struct appc_strings *exec)
{
	json_t *object;
	int r;

	if (exec->n == 0)
		return 0;
	object = json_object();
	r = set_string(object, "name", name);
	r |= SET_LIST(object, "exec", exec->list, exec->n, write_string);
	return json_array_append_new(list, appc_written(object, r));
}

static int set_handlers(json_t *object, const struct appc_app *app)
{
	json_t *list;
	int r;

	if (app->pre_start.n == 0 && app->post_stop.n == 0)
		return 0;
	list = json_array();
	r = add_handler(list, "pre-start", &app->pre_start);
	r |= add_handler(list, "post-stop", &app->post_stop);
	return json_object_set_new(object, "eventHandlers", appc_written(list, r));
}

static json_t *write_app(const struct appc_app *app)
{
	json_t *object = json_object();
	int r;

	/* exec even when it is empty: the reference's own writer does so */
	r = json_object_set_new(object, "exec",
				write_list(app->exec.list, app->exec.n, sizeof(char *),
					   write_string));
	r |= set_string(object, "user", app->user);
	r |= set_string(object, "group", app->group);
	r |= SET_LIST(object, "supplementaryGIDs", app->gids, app->n_gids, write_gid);
	r |= set_string(object, "workingDirectory", app->working_directory);
	r |= SET_LIST(object, "environment", app->environment.list, app->environment.n, write_pair);
	r |= set_handlers(object, app);
	r |= SET_LIST(object, "mountPoints", app->mount_points, app->n_mount_points,
		      write_mount_point);
	r |= SET_LIST(object, "ports", app->ports, app->n_ports, write_port);
	r |= SET_LIST(object, "isolators", app->isolators.list, app->isolators.n, write_isolator);
	r |= set_map(object, "userAnnotations", &app->user_annotations);
	r |= set_map(object, "userLabels", &app->user_labels);
	return appc_written(object, r);
}

static int set_app(json_t *object, const struct appc_app *app)
{
	return app ? json_object_set_new(object, "app", write_app(app)) : 0;
}

/* ---- image manifest -------------------------------------------------------------------------- */

static json_t *write_dependency(const void *element)
{
	const struct appc_dependency *dependency = element;
	json_t *object = json_object();
	int r = set_string(object, "imageName", dependency->image_name);

	r |= set_string(object, "imageID", dependency->image_id);
	r |= SET_LIST(object, "labels", dependency->labels.list, dependency->labels.n, write_pair);
	if (dependency->size >= 0)
		r |= json_object_set_new(object, "size", json_integer(dependency->size));
	return appc_written(object, r);
}

static int write_document(json_t *object, int failed, char **ret)
{
	_json_ json_t *document = appc_written(object, failed);

	return document ? json_write_text(document, ret) : -EILSEQ;
}

int appc_image_write(const struct appc_image *image, char **ret)
{
	json_t *object = json_object();
	int r = set_string(object, "acKind", "ImageManifest");

	r |= set_string(object, "acVersion", image->ac_version);
	r |= set_string(object, "name", image->name);
	r |= SET_LIST(object, "labels", image->labels.list, image->labels.n, write_pair);
	r |= set_app(object, image->app);
	r |= SET_LIST(object, "dependencies", image->dependencies, image->n_dependencies,
		      write_dependency);
	r |= SET_LIST(object, "pathWhitelist", image->path_whitelist.list, image->path_whitelist.n,
		      write_string);
	r |= SET_LIST(object, "annotations", image->annotations.list, image->annotations.n,
		      write_pair);
	return write_document(object, r, ret);
}

/* ---- pod manifest ---------------------------------------------------------------------------- */

static json_t *write_volume(const void *element)
{
	const struct appc_volume *volume = element;
	json_t *object = json_object();
	int r = set_string(object, "name", volume->name);

	if (volume->kind == APPC_VOLUME_HOST) {
		r |= set_string(object, "kind", "host");
		r |= set_string(object, "source", volume->source);
	} else {
		r |= set_string(object, "kind", "empty");
		r |= json_object_set_new(object, "mode",
					 json_sprintf("%04o", (unsigned)volume->mode));
		r |= json_object_set_new(object, "uid", json_integer(volume->uid));
		r |= json_object_set_new(object, "gid", json_integer(volume->gid));
	}
	r |= set_true(object, "readOnly", volume->read_only);
	if (volume->recursive >= 0)
		r |= json_object_set_new(object, "recursive", json_boolean(volume->recursive));
	return appc_written(object, r);
}

static json_t *write_mount(const void *element)
{
	const struct appc_mount *mount = element;
	json_t *object = json_object();
	int r = set_string(object, "volume", mount->volume);

	r |= set_string(object, "path", mount->path);
	if (mount->app_volume)
		r |= json_object_set_new(object, "appVolume", write_volume(mount->app_volume));
	return appc_written(object, r);
}

static json_t *write_pod_app(const void *element)
{
	const struct appc_pod_app *app = element;
	json_t *object = json_object(), *image = json_object();
	int r = set_string(object, "name", app->name);

	r |= set_string(image, "name", app->image_name);
	r |= set_string(image, "id", app->image_id);
	r |= SET_LIST(image, "labels", app->image_labels.list, app->image_labels.n, write_pair);
	r |= json_object_set_new(object, "image", image);
	r |= set_app(object, app->app);
	r |= set_true(object, "readOnlyRootFS", app->read_only_rootfs);
	r |= SET_LIST(object, "mounts", app->mounts, app->n_mounts, write_mount);
	r |= SET_LIST(object, "annotations", app->annotations.list, app->annotations.n, write_pair);
	return appc_written(object, r);
}

static json_t *write_pod_port(const void *element)
{
	const struct appc_pod_port *port = element;
	json_t *object = json_object();
	int r = set_string(object, "name", port->name);

	r |= json_object_set_new(object, "hostPort", json_integer(port->host_port));
	r |= set_string(object, "hostIP", port->host_ip);
	if (port->pod_port)
		r |= json_object_set_new(object, "podPort", write_port(port->pod_port));
	return appc_written(object, r);
}

int appc_pod_write(const struct appc_pod *pod, char **ret)
{
	json_t *object = json_object();
	int r = set_string(object, "acVersion", pod->ac_version);

	r |= set_string(object, "acKind", "PodManifest");
	r |= json_object_set_new(object, "apps",
				 write_list(pod->apps, pod->n_apps, sizeof(*pod->apps),
					    write_pod_app));
	r |= SET_LIST(object, "volumes", pod->volumes, pod->n_volumes, write_volume);
	r |= SET_LIST(object, "isolators", pod->isolators.list, pod->isolators.n, write_isolator);
	r |= json_object_set_new(object, "annotations",
				 write_list(pod->annotations.list, pod->annotations.n,
					    sizeof(struct appc_pair), write_pair));
	r |= SET_LIST(object, "ports", pod->ports, pod->n_ports, write_pod_port);
	r |= set_map(object, "userAnnotations", &pod->user_annotations);
	r |= set_map(object, "userLabels", &pod->user_labels);
	return write_document(object, r, ret);
}
