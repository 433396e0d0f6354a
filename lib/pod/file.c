/*
 * The file UUID/pod: the reified pod manifest as the specification has it, and one member more,
 * "carob", with what the specification has no field for (struct pod_launch).
 */
#include "pod/pod.h"

#include <jansson.h>
#include <string.h>

#include "pod/internal.h"

enum {
	FILE_VERSION = 1,
	POD_BYTES = 2 * LIMIT_MANIFEST_BYTES,
};

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
	for (size_t i = 0; i < l->n_volumes; i++) {
		free(l->volumes[i].name);
		free(l->volumes[i].volume);
	}
	free(l->volumes);
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

static void read_version(struct json_reader *r, json_t *value, _unused_ void *member,
			 _unused_ const void *arg)
{
	if (json_integer_value(value) != FILE_VERSION)
		json_fault(r, "is not %d: another version of carob wrote this", FILE_VERSION);
}

static void read_time(struct json_reader *r, json_t *value, void *member, _unused_ const void *arg)
{
	if (time_parse(json_string_value(value), member) < 0)
		json_fault(r, "is no time");
}

static void read_input(struct json_reader *r, json_t *value, void *member, _unused_ const void *arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(inputs); i++)
		if (str_eq(json_string_value(value), inputs[i])) {
			*(enum pod_stdin *)member = (enum pod_stdin)i;
			return;
		}
	json_fault(r, "is none of null, inherit, tty");
}

#define APP(member) offsetof(struct pod_launch_app, member)

static const struct json_field app_fields[] = {
	{ "name", JSON_KIND_STRING, json_read_string, APP(name), JSON_REQUIRED },
	{ "volume", JSON_KIND_STRING, json_read_string, APP(volume), JSON_REQUIRED },
	{ "stdin", JSON_KIND_STRING, read_input, APP(input), JSON_REQUIRED },
	{ NULL },
};

#define VOLUME(member) offsetof(struct pod_launch_volume, member)

static const struct json_field volume_fields[] = {
	{ "name", JSON_KIND_STRING, json_read_string, VOLUME(name), JSON_REQUIRED },
	{ "volume", JSON_KIND_STRING, json_read_string, VOLUME(volume), JSON_REQUIRED },
	{ NULL },
};

static const struct json_list apps_list = {
	JSON_KIND_OBJECT, json_read_struct, app_fields, sizeof(struct pod_launch_app), LIMIT_APPS,
};
static const struct json_list volumes_list = {
	JSON_KIND_OBJECT, json_read_struct, volume_fields, sizeof(struct pod_launch_volume),
	LIMIT_ARGS,
};
static const struct json_list names_list = {
	JSON_KIND_STRING, json_read_string, NULL, sizeof(char *), LIMIT_ARGS,
};

#define LAUNCH(member) offsetof(struct pod_launch, member)

static const struct json_field launch_fields[] = {
	{ "version", JSON_KIND_INTEGER, read_version, 0, JSON_REQUIRED },
	{ "name", JSON_KIND_STRING, json_read_string, LAUNCH(name) },
	{ "hostname", JSON_KIND_STRING, json_read_string, LAUNCH(hostname), JSON_REQUIRED },
	{ "mosaic", JSON_KIND_STRING, json_read_string, LAUNCH(mosaic), JSON_REQUIRED },
	{ "created", JSON_KIND_STRING, read_time, LAUNCH(created_ns), JSON_REQUIRED },
	{ "detached", JSON_KIND_BOOLEAN, json_read_boolean, LAUNCH(detached) },
	{ "keep", JSON_KIND_BOOLEAN, json_read_boolean, LAUNCH(keep) },
	{ "stopGrace", JSON_KIND_INTEGER, json_read_u32, LAUNCH(stop_grace_s), JSON_REQUIRED },
	{ "ignoredIsolators", JSON_KIND_ARRAY, json_read_list, LAUNCH(ignored_isolators), 0,
	  &names_list },
	{ "apps", JSON_KIND_ARRAY, json_read_list, LAUNCH(apps), JSON_REQUIRED, &apps_list },
	{ "volumes", JSON_KIND_ARRAY, json_read_list, LAUNCH(volumes), 0, &volumes_list },
	{ NULL },
};

static const struct json_field pod_fields[] = {
	{ "carob", JSON_KIND_OBJECT, json_read_struct, 0, JSON_REQUIRED, launch_fields },
	{ NULL },
};

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

static int launch_parse(struct pod *p, const char *text, size_t len, struct error *err)
{
	struct json_reader reader = { .report = json_report_error, .arg = err };
	_json_ json_t *root = NULL;
	int r = json_read_text(&reader, text, len, POD_BYTES, &root);

	if (r < 0)
		return r;
	json_read_object(&reader, root, pod_fields, &p->launch);
	r = json_status(&reader);
	if (r == 0 && pod_agrees(p) < 0)
		return error_set(err, -EBADMSG, "carob.apps: not the apps of the manifest.");
	return r;
}

static int pod_parse(struct pod *p, const char *text, size_t len, struct error *err)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	int r = appc_pod_read(&p->manifest, text, len, &faults);

	for (size_t i = 0; r < 0 && i < faults.n; i++) {
		const struct appc_fault *f = &faults.list[i];

		if (!f->warning)
			return error_set(err, r, "%s%s%s.", f->path, *f->path ? ": " : "", f->text);
	}
	return r < 0 ? error_set(err, r, "no pod manifest") : launch_parse(p, text, len, err);
}

int pod_read(struct pod *ret, int dirfd, const char *uuid, struct error *err)
{
	_cleanup_(pod_deinit) struct pod p = { 0 };
	_free_ char *text = NULL;
	size_t len;
	int r = file_read(dirfd, "pod", POD_BYTES, &text, &len);

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
	json_t *apps = json_array(), *ignored = json_array(), *volumes = NULL, *root;

	time_format(created, l->created_ns);
	for (size_t i = 0; i < l->n_apps; i++)
		json_array_append_new(apps, json_pack("{s:s, s:s, s:s}", "name", l->apps[i].name,
						      "volume", l->apps[i].volume, "stdin",
						      inputs[l->apps[i].input]));
	for (size_t i = 0; i < l->n_ignored_isolators; i++)
		json_array_append_new(ignored, json_string(l->ignored_isolators[i]));
	for (size_t i = 0; i < l->n_volumes; i++) {
		volumes = volumes ? volumes : json_array();
		json_array_append_new(volumes, json_pack("{s:s, s:s}", "name", l->volumes[i].name,
							 "volume", l->volumes[i].volume));
	}
	/* json_pack() releases what "o" took also when it fails, and fails on a NULL */
	root = json_pack("{s:i, s:s?, s:s, s:s, s:s, s:b, s:b, s:I, s:o, s:o, s:o*}", "version",
			 FILE_VERSION, "name", l->name, "hostname", l->hostname, "mosaic",
			 l->mosaic, "created", created, "detached", l->detached, "keep", l->keep,
			 "stopGrace", (json_int_t)l->stop_grace_s, "ignoredIsolators", ignored,
			 "apps", apps, "volumes", volumes);
	if (root &&
	    (json_array_size(apps) != l->n_apps || json_array_size(volumes) != l->n_volumes ||
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
