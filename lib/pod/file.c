/*
 * The file UUID/pod: the reified pod manifest as the specification has it, and one member more,
 * "carob", with what the specification has no field for (struct pod_launch).
 */
#include "pod/pod.h"

#include <jansson.h>
#include <string.h>

#include "pod/internal.h"

enum { FILE_VERSION = 1 };

static const char *const inputs[] = {
	[POD_STDIN_NULL] = "null",
	[POD_STDIN_INHERIT] = "inherit",
	[POD_STDIN_TTY] = "tty",
};

static void strings_free(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

static void launch_deinit(struct pod_launch *l)
{
	free(l->name);
	free(l->hostname);
	free(l->mosaic);
	strings_free(l->ignored_isolators, l->n_ignored_isolators);
	for (size_t i = 0; i < l->n_apps; i++) {
		free(l->apps[i].name);
		free(l->apps[i].volume);
	}
	free(l->apps);
	*l = (struct pod_launch){ 0 };
}

void pod_deinit(struct pod *p)
{
	if (p->manifest)
		appc_pod_free(p->manifest);
	p->manifest = NULL;
	launch_deinit(&p->launch);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* A copy of the member's string; *ret stays NULL when it is absent. */
static int string_copy(json_t *object, const char *key, bool required, char **ret)
{
	json_t *value = json_object_get(object, key);

	if (!value || json_is_null(value))
		return required ? -EBADMSG : 0;
	if (!json_is_string(value))
		return -EBADMSG;
	*ret = strdup(json_string_value(value));
	return *ret ? 0 : -ENOMEM;
}

static int input_read(json_t *value, enum pod_stdin *ret)
{
	for (size_t i = 0; json_is_string(value) && i < ARRAY_SIZE(inputs); i++)
		if (str_eq(json_string_value(value), inputs[i])) {
			*ret = (enum pod_stdin)i;
			return 0;
		}
	return -EBADMSG;
}

static int launch_apps_read(struct pod_launch *l, json_t *apps)
{
	size_t n = json_array_size(apps);
	int r = 0;

	if (n == 0 || n > LIMIT_APPS)
		return -EBADMSG;
	l->apps = calloc(n, sizeof(*l->apps));
	if (!l->apps)
		return -ENOMEM;
	for (; r == 0 && l->n_apps < n; l->n_apps++) {
		struct pod_launch_app *app = &l->apps[l->n_apps];
		json_t *object = json_array_get(apps, l->n_apps);

		r = string_copy(object, "name", true, &app->name);
		if (r == 0)
			r = string_copy(object, "volume", true, &app->volume);
		if (r == 0)
			r = input_read(json_object_get(object, "stdin"), &app->input);
	}
	return r;
}

static int launch_ignored_read(struct pod_launch *l, json_t *list)
{
	size_t n = json_array_size(list);

	if (n == 0)
		return 0;
	if (n > LIMIT_ARGS)
		return -EBADMSG;
	l->ignored_isolators = calloc(n, sizeof(*l->ignored_isolators));
	if (!l->ignored_isolators)
		return -ENOMEM;
	for (; l->n_ignored_isolators < n; l->n_ignored_isolators++) {
		const char *name = json_string_value(json_array_get(list, l->n_ignored_isolators));

		if (!name)
			return -EBADMSG;
		l->ignored_isolators[l->n_ignored_isolators] = strdup(name);
		if (!l->ignored_isolators[l->n_ignored_isolators])
			return -ENOMEM;
	}
	return 0;
}

static int launch_read(struct pod_launch *l, json_t *object)
{
	json_t *version = json_object_get(object, "version");
	json_t *grace = json_object_get(object, "stopGrace");
	const char *created = json_string_value(json_object_get(object, "created"));
	int r;

	if (!json_is_integer(version) || json_integer_value(version) != FILE_VERSION)
		return -EPROTO;
	if (!json_is_integer(grace) || json_integer_value(grace) < 0 ||
	    json_integer_value(grace) > UINT32_MAX)
		return -EBADMSG;
	if (!created || time_parse(created, &l->created_ns) < 0)
		return -EBADMSG;
	l->stop_grace_s = (unsigned)json_integer_value(grace);
	l->detached = json_is_true(json_object_get(object, "detached"));
	l->keep = json_is_true(json_object_get(object, "keep"));
	r = string_copy(object, "name", false, &l->name);
	if (r == 0)
		r = string_copy(object, "hostname", true, &l->hostname);
	if (r == 0)
		r = string_copy(object, "mosaic", true, &l->mosaic);
	if (r == 0)
		r = launch_ignored_read(l, json_object_get(object, "ignoredIsolators"));
	return r < 0 ? r : launch_apps_read(l, json_object_get(object, "apps"));
}

/* The launch's apps are the manifest's, in its order, each with its app filled in. */
static int pod_agrees(const struct pod *p)
{
	if (p->launch.n_apps != p->manifest->n_apps)
		return -EBADMSG;
	for (size_t i = 0; i < p->launch.n_apps; i++)
		if (!p->manifest->apps[i].app ||
		    !str_eq(p->launch.apps[i].name, p->manifest->apps[i].name))
			return -EBADMSG;
	return 0;
}

static int pod_parse(struct pod *p, const char *text, size_t len, struct error *err)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	json_t *root;
	int r = appc_pod_read(&p->manifest, text, len, &faults);

	if (r < 0 && faults.n > 0)
		return error_set(err, r, "%s: %s.", faults.list[0].path, faults.list[0].text);
	if (r < 0)
		return error_set(err, r, "no pod manifest");
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	r = root ? launch_read(&p->launch, json_object_get(root, "carob")) : -EBADMSG;
	json_decref(root);
	if (r == 0)
		r = pod_agrees(p);
	return r < 0 ? error_set(err, r, "member carob") : 0;
}

int pod_read(struct pod *ret, int dirfd, const char *uuid, struct error *err)
{
	_cleanup_(pod_deinit) struct pod p = { 0 };
	_free_ char *text = NULL;
	size_t len;
	int r = file_read(dirfd, "pod", 2 * (size_t)LIMIT_MANIFEST_BYTES, &text, &len);

	if (r < 0)
		return error_set(err, r, "cannot read the pod file of %s", uuid);
	r = pod_parse(&p, text, len, err);
	if (r < 0)
		return error_prefix(err, r, "the pod file of %s is damaged", uuid);
	snprintf(p.uuid, sizeof(p.uuid), "%s", uuid);
	*ret = p;
	p = (struct pod){ 0 };
	return 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

static json_t *launch_json(const struct pod_launch *l)
{
	char created[TIME_TEXT];
	json_t *apps = json_array(), *ignored = json_array(), *root;

	time_format(created, l->created_ns);
	for (size_t i = 0; i < l->n_apps; i++)
		json_array_append_new(apps, json_pack("{s:s, s:s, s:s}", "name", l->apps[i].name,
						      "volume", l->apps[i].volume, "stdin",
						      inputs[l->apps[i].input]));
	for (size_t i = 0; i < l->n_ignored_isolators; i++)
		json_array_append_new(ignored, json_string(l->ignored_isolators[i]));
	/* json_pack() releases what "o" took also when it fails, and fails on a NULL */
	root = json_pack("{s:i, s:s?, s:s, s:s, s:s, s:b, s:b, s:I, s:o, s:o}", "version",
			 FILE_VERSION, "name", l->name, "hostname", l->hostname, "mosaic",
			 l->mosaic, "created", created, "detached", l->detached, "keep", l->keep,
			 "stopGrace", (json_int_t)l->stop_grace_s, "ignoredIsolators", ignored,
			 "apps", apps);
	if (root && (json_array_size(apps) != l->n_apps ||
		     json_array_size(ignored) != l->n_ignored_isolators)) {
		json_decref(root);
		return NULL;
	}
	return root;
}

/* The manifest with the member put in before its closing brace. */
static int pod_text(const struct pod *p, char **ret)
{
	_free_ char *manifest = NULL, *launch = NULL, *text = NULL;
	json_t *root;
	size_t len;
	int r = appc_pod_write(p->manifest, &manifest);

	if (r < 0)
		return r;
	root = launch_json(&p->launch);
	if (!root)
		return -EINVAL;
	launch = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	len = strlen(manifest);
	if (!launch || len < 2)
		return -ENOMEM;
	text = str_printf("%.*s,\"carob\":%s}\n", (int)(len - 1), manifest, launch);
	if (!text)
		return -ENOMEM;
	*ret = take_ptr(&text);
	return 0;
}

int pod_write(const struct pod *p, int dirfd, bool sync, struct error *err)
{
	_free_ char *text = NULL;
	int r = pod_text(p, &text);

	if (r == 0)
		r = file_write(dirfd, "pod", text, strlen(text), 0600, sync ? FILE_SYNC : 0);
	return r < 0 ? error_set(err, r, "cannot write the pod file of %s", p->uuid) : 0;
}
