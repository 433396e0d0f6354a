/* The pod manifest (spec/pods.md). */
#include <arpa/inet.h>

#include "appc/document.h"

/* ---- apps ------------------------------------------------------------------------------------ */

#define AT(member) offsetof(struct appc_mount, member)

static const struct json_field mount_fields[] = {
	{ "volume", JSON_KIND_STRING, appc_read_text, AT(volume), JSON_REQUIRED, &appc_rule_name },
	{ "path", JSON_KIND_STRING, appc_read_text, AT(path), JSON_REQUIRED,
	  &appc_rule_absolute_path },
	{ "appVolume", JSON_KIND_OBJECT, appc_read_app_volume, AT(app_volume) },
	{ "mountPoint", JSON_KIND_ANY, json_read_renamed, 0, 0, "path" },
	{ NULL },
};

static const struct json_list mount_list = {
	JSON_KIND_OBJECT, json_read_struct, mount_fields, sizeof(struct appc_mount), LIMIT_MOUNTS,
};

#undef AT
#define AT(member) offsetof(struct appc_pod_app, member)

static const struct json_field image_fields[] = {
	{ "id", JSON_KIND_STRING, appc_read_image_id, AT(image_id) },
	{ "name", JSON_KIND_STRING, appc_read_text, AT(image_name), 0, &appc_rule_identifier },
	{ "labels", JSON_KIND_ARRAY, appc_read_labels, AT(image_labels) },
	{ NULL },
};

static const struct json_field app_fields[] = {
	{ "name", JSON_KIND_STRING, appc_read_text, AT(name), JSON_REQUIRED, &appc_rule_name },
	{ "image", JSON_KIND_OBJECT, json_read_struct, 0, JSON_REQUIRED, image_fields },
	{ "app", JSON_KIND_OBJECT, appc_read_app, AT(app) },
	{ "readOnlyRootFS", JSON_KIND_BOOLEAN, json_read_boolean, AT(read_only_rootfs) },
	{ "mounts", JSON_KIND_ARRAY, json_read_list, AT(mounts), 0, &mount_list },
	{ "annotations", JSON_KIND_ARRAY, appc_read_annotations, AT(annotations) },
	{ NULL },
};

#undef AT

static void read_pod_app(struct json_reader *r, json_t *value, void *member,
			 const void *arg _unused_)
{
	struct appc_pod_app *app = member;

	json_read_object(r, value, app_fields, app);
	if (!app->image_id)
		json_set_text(r, &app->image_id, "");
}

static void read_apps(struct json_reader *r, json_t *value, void *member, const void *arg _unused_)
{
	static const struct json_list list = {
		JSON_KIND_OBJECT, read_pod_app, NULL, sizeof(struct appc_pod_app), LIMIT_APPS,
	};
	struct appc_pod *pod = member;

	json_read_list(r, value, &pod->apps, &list);
	appc_check_unique(r,
			  &(struct appc_names){ pod->apps, pod->n_apps, sizeof(struct appc_pod_app),
						offsetof(struct appc_pod_app, name), "name" });
}

/* ---- volumes and ports ----------------------------------------------------------------------- */

static void read_volumes(struct json_reader *r, json_t *value, void *member,
			 const void *arg _unused_)
{
	static const struct json_list list = {
		JSON_KIND_OBJECT,           appc_read_volume, NULL,
		sizeof(struct appc_volume), APPC_MAX_ENTRIES,
	};
	struct appc_pod *pod = member;

	json_read_list(r, value, &pod->volumes, &list);
	appc_check_unique(r, &(struct appc_names){ pod->volumes, pod->n_volumes,
						   sizeof(struct appc_volume),
						   offsetof(struct appc_volume, name), "name" });
}

static bool is_ipv4(const char *s)
{
	struct in_addr address;

	return inet_pton(AF_INET, s, &address) == 1;
}

static const struct appc_rule ipv4_rule = { is_ipv4, "an IPv4 address such as 203.0.113.23" };
static const struct json_range port_range = { 1, UINT16_MAX };

#define AT(member) offsetof(struct appc_pod_port, member)

static const struct json_field port_fields[] = {
	{ "name", JSON_KIND_STRING, appc_read_text, AT(name), JSON_REQUIRED, &appc_rule_name },
	{ "hostPort", JSON_KIND_INTEGER, json_read_u16, AT(host_port), JSON_REQUIRED, &port_range },
	{ "hostIP", JSON_KIND_STRING, appc_read_text, AT(host_ip), 0, &ipv4_rule },
	{ "podPort", JSON_KIND_OBJECT, appc_read_pod_port, AT(pod_port) },
	{ NULL },
};

static const struct json_list port_list = {
	JSON_KIND_OBJECT, json_read_struct, port_fields, sizeof(struct appc_pod_port),
	APPC_MAX_PORTS,
};

#undef AT

/* ---- the manifest ---------------------------------------------------------------------------- */

#define AT(member) offsetof(struct appc_pod, member)

static const struct json_field pod_fields[] = {
	{ "acKind", JSON_KIND_STRING, appc_read_kind, 0, JSON_REQUIRED, "PodManifest" },
	{ "acVersion", JSON_KIND_STRING, appc_read_version, AT(ac_version), JSON_REQUIRED },
	{ "apps", JSON_KIND_ARRAY, read_apps, 0, JSON_REQUIRED },
	{ "volumes", JSON_KIND_ARRAY, read_volumes, 0 },
	{ "isolators", JSON_KIND_ARRAY, appc_read_isolators, AT(isolators), 0, &appc_scope_pod },
	{ "annotations", JSON_KIND_ARRAY, appc_read_annotations, AT(annotations) },
	{ "ports", JSON_KIND_ARRAY, json_read_list, AT(ports), 0, &port_list },
	{ "userAnnotations", JSON_KIND_OBJECT, appc_read_map, AT(user_annotations) },
	{ "userLabels", JSON_KIND_OBJECT, appc_read_map, AT(user_labels) },
	{ NULL },
};

struct appc_pod *appc_pod_from_json(struct json_reader *r, json_t *root)
{
	struct appc_pod *pod = calloc(1, sizeof(*pod));

	if (pod)
		json_read_object(r, root, pod_fields, pod);
	else
		json_no_memory(r);
	return pod;
}

int appc_pod_read(struct appc_pod **ret, const char *json, size_t len, struct appc_faults *faults)
{
	struct json_reader r = appc_reader(faults);
	_appc_pod_ struct appc_pod *pod = NULL;
	_json_ json_t *root = NULL;
	int status = json_read_text(&r, json, len, LIMIT_MANIFEST_BYTES, &root);

	if (status < 0)
		return status;
	pod = appc_pod_from_json(&r, root);
	status = json_status(&r);
	if (status < 0)
		return status;
	*ret = take_ptr(&pod);
	return 0;
}

static void pod_app_deinit(struct appc_pod_app *app)
{
	free(app->name);
	free(app->image_id);
	free(app->image_name);
	appc_pairs_deinit(&app->image_labels);
	appc_app_free(app->app);
	for (size_t i = 0; i < app->n_mounts; i++) {
		struct appc_mount *mount = &app->mounts[i];

		free(mount->volume);
		free(mount->path);
		if (mount->app_volume)
			appc_volume_deinit(mount->app_volume);
		free(mount->app_volume);
	}
	free(app->mounts);
	appc_pairs_deinit(&app->annotations);
}

void appc_pod_free(struct appc_pod *pod)
{
	if (!pod)
		return;
	free(pod->ac_version);
	for (size_t i = 0; i < pod->n_apps; i++)
		pod_app_deinit(&pod->apps[i]);
	free(pod->apps);
	for (size_t i = 0; i < pod->n_volumes; i++)
		appc_volume_deinit(&pod->volumes[i]);
	free(pod->volumes);
	appc_isolators_deinit(&pod->isolators);
	appc_pairs_deinit(&pod->annotations);
	for (size_t i = 0; i < pod->n_ports; i++) {
		struct appc_pod_port *port = &pod->ports[i];

		free(port->name);
		free(port->host_ip);
		if (port->pod_port)
			appc_port_deinit(port->pod_port);
		free(port->pod_port);
	}
	free(pod->ports);
	appc_pairs_deinit(&pod->user_annotations);
	appc_pairs_deinit(&pod->user_labels);
	free(pod);
}
