#include "appc/document.h"

static const char *const kinds[] = {
	[APPC_DOCUMENT_IMAGE] = "ImageManifest",
	[APPC_DOCUMENT_POD] = "PodManifest",
};

static void read_document(struct json_reader *r, json_t *value, void *member,
			  const void *arg _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (str_eq(json_string_value(value), kinds[i])) {
			*(enum appc_document *)member = (enum appc_document)i;
			return;
		}
	}
	json_fault(r, "\"%.64s\" must be \"%s\" or \"%s\"", json_string_value(value),
		   kinds[APPC_DOCUMENT_IMAGE], kinds[APPC_DOCUMENT_POD]);
}

static const struct json_field fields[] = {
	{ "acKind", JSON_KIND_STRING, read_document, 0, JSON_REQUIRED },
	{ NULL },
};

int appc_validate(const char *json, size_t len, enum appc_document *ret_kind,
		  struct appc_faults *faults)
{
	struct json_reader r = appc_reader(faults);
	enum appc_document kind = APPC_DOCUMENT_IMAGE;
	_json_ json_t *root = NULL;
	int status = json_read_text(&r, json, len, LIMIT_MANIFEST_BYTES, &root);

	if (status < 0)
		return status;
	json_read_object(&r, root, fields, &kind);
	status = json_status(&r);
	if (status < 0)
		return status;
	*ret_kind = kind;
	if (kind == APPC_DOCUMENT_IMAGE)
		appc_image_free(appc_image_from_json(&r, root));
	else
		appc_pod_free(appc_pod_from_json(&r, root));
	return json_status(&r);
}
