/* The app of an image manifest (spec/aci.md), and what a pod may put in its place. */
#include "appc/document.h"

/* ---- mount points ---------------------------------------------------------------------------- */

#define AT(member) offsetof(struct appc_mount_point, member)

static const struct json_field mount_point_fields[] = {
	{ "name", JSON_KIND_STRING, appc_read_text, AT(name), JSON_REQUIRED, &appc_rule_name },
	{ "path", JSON_KIND_STRING, appc_read_text, AT(path), JSON_REQUIRED,
	  &appc_rule_absolute_path },
	{ "readOnly", JSON_KIND_BOOLEAN, json_read_boolean, AT(read_only) },
	{ NULL },
};

static const struct json_list mount_point_list = {
	JSON_KIND_OBJECT, json_read_struct, mount_point_fields, sizeof(struct appc_mount_point),
	LIMIT_MOUNTS,
};

#undef AT

/* ---- event handlers -------------------------------------------------------------------------- */

struct handler {
	char *name;
	struct appc_strings exec;
};

struct handlers {
	struct handler *list;
	size_t n;
};

#define AT(member) offsetof(struct handler, member)

static const struct json_field handler_fields[] = {
	{ "name", JSON_KIND_STRING, json_read_string, AT(name), JSON_REQUIRED },
	{ "exec", JSON_KIND_ARRAY, json_read_list, AT(exec), JSON_REQUIRED, &appc_string_list },
	{ NULL },
};

static const struct json_list handler_list = {
	JSON_KIND_OBJECT,       json_read_struct, handler_fields,
	sizeof(struct handler), APPC_MAX_ENTRIES,
};

#undef AT

/* Moves the handler's exec to where the app has it. */
static void take_handler(struct json_reader *r, struct handler *handler, struct appc_app *app)
{
	struct appc_strings *dst;

	if (!handler->name)
		return;
	if (str_eq(handler->name, "pre-start")) {
		dst = &app->pre_start;
	} else if (str_eq(handler->name, "post-stop")) {
		dst = &app->post_stop;
	} else {
		json_fault_at(r, "name", "\"%.64s\" must be \"pre-start\" or \"post-stop\"",
			      handler->name);
		return;
	}
	if (handler->exec.list && handler->exec.n == 0)
		json_fault_at(r, "exec", "is empty: there is nothing to run");
	if (dst->list)
		return; /* a second one: appc_check_unique() says so */
	*dst = handler->exec;
	handler->exec = (struct appc_strings){ 0 };
}

static void read_handlers(struct json_reader *r, json_t *value, void *member,
			  const void *arg _unused_)
{
	struct handlers handlers = { 0 };
	struct json_place place;

	json_read_list(r, value, &handlers, &handler_list);
	for (size_t i = 0; i < handlers.n; i++) {
		json_enter_index(r, &place, i);
		take_handler(r, &handlers.list[i], member);
		json_leave(r);
	}
	appc_check_unique(r,
			  &(struct appc_names){ handlers.list, handlers.n, sizeof(struct handler),
						offsetof(struct handler, name), "name" });
	for (size_t i = 0; i < handlers.n; i++) {
		free(handlers.list[i].name);
		appc_strings_deinit(&handlers.list[i].exec);
	}
	free(handlers.list);
}

/* ---- the app --------------------------------------------------------------------------------- */

static void read_directory(struct json_reader *r, json_t *value, void *member,
			   const void *arg _unused_)
{
	if (*json_string_value(value))
		appc_read_text(r, value, member, &appc_rule_absolute_path);
}

static const struct json_range gid_range = { 0, (int64_t)UINT32_MAX - 1 };

static const struct json_list gid_list = {
	JSON_KIND_INTEGER, json_read_u32, &gid_range, sizeof(gid_t), APPC_MAX_ENTRIES,
};

#define AT(member) offsetof(struct appc_app, member)

static const struct json_field app_fields[] = {
	{ "exec", JSON_KIND_ARRAY, json_read_list, AT(exec), 0, &appc_string_list },
	{ "user", JSON_KIND_STRING, appc_read_text, AT(user), JSON_REQUIRED, &appc_rule_not_empty },
	{ "group", JSON_KIND_STRING, appc_read_text, AT(group), JSON_REQUIRED,
	  &appc_rule_not_empty },
	{ "supplementaryGIDs", JSON_KIND_ARRAY, json_read_list, AT(gids), 0, &gid_list },
	{ "workingDirectory", JSON_KIND_STRING, read_directory, AT(working_directory) },
	{ "environment", JSON_KIND_ARRAY, appc_read_environment, AT(environment) },
	{ "eventHandlers", JSON_KIND_ARRAY, read_handlers, 0 },
	{ "mountPoints", JSON_KIND_ARRAY, json_read_list, AT(mount_points), 0, &mount_point_list },
	{ "ports", JSON_KIND_ARRAY, appc_read_ports, AT(ports) },
	{ "isolators", JSON_KIND_ARRAY, appc_read_isolators, AT(isolators), 0, &appc_scope_app },
	{ "userAnnotations", JSON_KIND_OBJECT, appc_read_map, AT(user_annotations) },
	{ "userLabels", JSON_KIND_OBJECT, appc_read_map, AT(user_labels) },
	{ NULL },
};

void appc_read_app(struct json_reader *r, json_t *value, void *member, const void *arg _unused_)
{
	struct appc_app *app = calloc(1, sizeof(*app));

	if (!app) {
		json_no_memory(r);
		return;
	}
	*(struct appc_app **)member = app;
	json_read_object(r, value, app_fields, app);
	if (!app->working_directory)
		json_set_text(r, &app->working_directory, "/");
}

void appc_app_free(struct appc_app *app)
{
	if (!app)
		return;
	appc_strings_deinit(&app->exec);
	free(app->user);
	free(app->group);
	free(app->gids);
	free(app->working_directory);
	appc_pairs_deinit(&app->environment);
	appc_strings_deinit(&app->pre_start);
	appc_strings_deinit(&app->post_stop);
	for (size_t i = 0; i < app->n_mount_points; i++) {
		free(app->mount_points[i].name);
		free(app->mount_points[i].path);
	}
	free(app->mount_points);
	for (size_t i = 0; i < app->n_ports; i++)
		appc_port_deinit(&app->ports[i]);
	free(app->ports);
	appc_isolators_deinit(&app->isolators);
	appc_pairs_deinit(&app->user_annotations);
	appc_pairs_deinit(&app->user_labels);
	free(app);
}
