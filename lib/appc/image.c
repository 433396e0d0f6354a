/* The image manifest (spec/aci.md). */
#include "appc/document.h"

/* ---- dependencies ---------------------------------------------------------------------------- */

/* The placeholder of the specification's own example stands for no ID. */
static void read_dependency_id(struct json_reader *r, json_t *value, void *member, const void *arg)
{
	if (!str_eq(json_string_value(value), "sha512-..."))
		appc_read_image_id(r, value, member, arg);
}

static const struct json_range size_range = { 0, INT64_MAX };

#define AT(member) offsetof(struct appc_dependency, member)

static const struct json_field dependency_fields[] = {
	{ "imageName", JSON_KIND_STRING, appc_read_text, AT(image_name), JSON_REQUIRED,
	  &appc_rule_identifier },
	{ "imageID", JSON_KIND_STRING, read_dependency_id, AT(image_id) },
	{ "labels", JSON_KIND_ARRAY, appc_read_labels, AT(labels) },
	{ "size", JSON_KIND_INTEGER, json_read_s64, AT(size), 0, &size_range },
	{ "app", JSON_KIND_ANY, json_read_renamed, 0, 0, "imageName" },
	{ NULL },
};

#undef AT

static void read_dependency(struct json_reader *r, json_t *value, void *member,
			    const void *arg _unused_)
{
	((struct appc_dependency *)member)->size = -1;
	json_read_object(r, value, dependency_fields, member);
}

static const struct json_list dependency_list = {
	JSON_KIND_OBJECT, read_dependency, NULL, sizeof(struct appc_dependency), LIMIT_DEPENDENCIES,
};

/* ---- white list ------------------------------------------------------------------------------ */

static void read_listed_path(struct json_reader *r, json_t *value, void *member,
			     const void *arg _unused_)
{
	const char *path = json_string_value(value);
	char clean[LIMIT_PATH_BYTES];

	if (!appc_is_absolute_path(path) || path_clean(clean, path) < 0) {
		appc_read_text(r, value, member, &appc_rule_absolute_path);
		return;
	}
	if (!path_is_clean_absolute(clean)) {
		json_fault(r, "\"%.64s\" must not contain \"..\"", path);
		return;
	}
	json_set_text(r, member, clean);
}

static const struct json_list path_list = {
	JSON_KIND_STRING, read_listed_path, NULL, sizeof(char *), LIMIT_ARCHIVE_MEMBERS,
};

/* ---- the manifest ---------------------------------------------------------------------------- */

#define AT(member) offsetof(struct appc_image, member)

static const struct json_field image_fields[] = {
	{ "acKind", JSON_KIND_STRING, appc_read_kind, 0, JSON_REQUIRED, "ImageManifest" },
	{ "acVersion", JSON_KIND_STRING, appc_read_version, AT(ac_version), JSON_REQUIRED },
	{ "name", JSON_KIND_STRING, appc_read_text, AT(name), JSON_REQUIRED,
	  &appc_rule_identifier },
	{ "labels", JSON_KIND_ARRAY, appc_read_labels, AT(labels) },
	{ "app", JSON_KIND_OBJECT, appc_read_app, AT(app) },
	{ "dependencies", JSON_KIND_ARRAY, json_read_list, AT(dependencies), 0, &dependency_list },
	{ "pathWhitelist", JSON_KIND_ARRAY, json_read_list, AT(path_whitelist), 0, &path_list },
	{ "annotations", JSON_KIND_ARRAY, appc_read_annotations, AT(annotations) },
	{ NULL },
};

struct appc_image *appc_image_from_json(struct json_reader *r, json_t *root)
{
	struct appc_image *image = calloc(1, sizeof(*image));

	if (image)
		json_read_object(r, root, image_fields, image);
	else
		json_no_memory(r);
	return image;
}

int appc_image_read(struct appc_image **ret, const char *json, size_t len,
		    struct appc_faults *faults)
{
	struct json_reader r = appc_reader(faults);
	_appc_image_ struct appc_image *image = NULL;
	_json_ json_t *root = NULL;
	int status = json_read_text(&r, json, len, LIMIT_MANIFEST_BYTES, &root);

	if (status < 0)
		return status;
	image = appc_image_from_json(&r, root);
	status = json_status(&r);
	if (status < 0)
		return status;
	*ret = take_ptr(&image);
	return 0;
}

void appc_image_free(struct appc_image *image)
{
	if (!image)
		return;
	free(image->ac_version);
	free(image->name);
	appc_pairs_deinit(&image->labels);
	appc_app_free(image->app);
	for (size_t i = 0; i < image->n_dependencies; i++) {
		free(image->dependencies[i].image_name);
		free(image->dependencies[i].image_id);
		appc_pairs_deinit(&image->dependencies[i].labels);
	}
	free(image->dependencies);
	appc_strings_deinit(&image->path_whitelist);
	appc_pairs_deinit(&image->annotations);
	free(image);
}

bool appc_image_has_labels(const struct appc_image *image, const struct appc_pairs *labels)
{
	for (size_t i = 0; i < labels->n; i++) {
		const char *value = appc_pairs_get(&image->labels, labels->list[i].name);

		if (!value || !str_eq(value, labels->list[i].value))
			return false;
	}
	return true;
}
