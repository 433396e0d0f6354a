#include "cli/pods.h"

#include <jansson.h>

/* Members that the pod file has. */
static int add_pod(json_t *row, const struct pod *p)
{
	json_t *apps = json_array(), *images = json_array();
	char created[TIME_TEXT];
	int r = 0;

	time_format(created, p->launch.created_ns);
	for (size_t i = 0; i < p->manifest->n_apps; i++) {
		const struct appc_pod_app *app = &p->manifest->apps[i];

		r |= json_array_append_new(apps, json_string(app->name));
		r |= json_array_append_new(images, json_string(app->image_name ? app->image_name
									       : app->image_id));
	}
	r |= json_object_set_new(row, "name",
				 p->launch.name ? json_string(p->launch.name) : json_null());
	r |= json_object_set_new(row, "created", json_string(created));
	r |= json_object_set_new(row, "hostname", json_string(p->launch.hostname));
	r |= json_object_set_new(row, "detached", json_boolean(p->launch.detached));
	r |= json_object_set_new(row, "appNames", apps);
	r |= json_object_set_new(row, "images", images);
	return r ? -ENOMEM : 0;
}

/* What the living say of themselves. 0 or an error: they may just have died. */
static int ask_api(const struct cli *cli, const char *uuid, json_t **ret)
{
	_cleanup_(pod_api_message_deinit) struct pod_api_message reply = { .fd = -1 };
	_close_ int sock = pod_api_connect(&cli->dirs, uuid, NULL);
	int r = sock < 0 ? sock : pod_api_call(sock, "status", NULL, NULL, &reply, NULL);

	if (r == 0)
		*ret = take_ptr(&reply.json);
	return r;
}

static int add_note(json_t *row, const char *text)
{
	json_t *notes = json_object_get(row, "notes");

	if (!json_is_array(notes)) {
		notes = json_array();
		if (json_object_set_new(row, "notes", notes) < 0)
			return -ENOMEM;
	}
	return json_array_append_new(notes, json_string(text)) < 0 ? -ENOMEM : 0;
}

static int add_status(const struct cli *cli, json_t *row, const char *uuid, int dirfd, bool ask)
{
	_cleanup_(pod_status_deinit) struct pod_status status = { .exit = -1 };
	json_t *json = NULL;
	int r = pod_status_read(&status, dirfd, NULL);

	if (r < 0)
		return r;
	if (!ask || status.state != POD_RUNNING || ask_api(cli, uuid, &json) < 0)
		json = pod_status_json(&status);
	r = json && json_object_update(row, json) == 0 ? 0 : -ENOMEM;
	json_decref(json);
	return r;
}

int pod_describe(const struct cli *cli, const char *uuid, bool ask, struct json_t **ret,
		 struct error *err)
{
	_cleanup_(pod_deinit) struct pod pod = { 0 };
	_close_ int dirfd = pod_open(&cli->dirs, uuid, err);
	struct error why = { 0 };
	json_t *row;
	int r;

	if (dirfd < 0)
		return dirfd;
	row = json_pack("{s:s}", "uuid", uuid);
	r = row ? 0 : -ENOMEM;
	if (r == 0 && pod_read(&pod, dirfd, uuid, &why) == 0)
		r = add_pod(row, &pod);
	if (r == 0)
		r = add_status(cli, row, uuid, dirfd, ask);
	if (r == 0 && why.code && why.code != -ENOENT) {
		r = add_note(row, why.text);
		if (json_string_value(json_object_get(row, "state")) && r == 0 &&
		    !str_eq(json_string_value(json_object_get(row, "state")), "running"))
			r = json_object_set_new(row, "state", json_string("aborted"));
	}
	if (r < 0) {
		json_decref(row);
		if (r == -ENOENT)
			return error_set(err, r, "there is no pod %s.", uuid);
		return error_set(err, r, "cannot tell about pod %s", uuid);
	}
	*ret = row;
	return 0;
}
