/* Telling manifests from indexes, and what both are made of. */
#include <strings.h>

#include "oci/document.h"

enum { WORD_BYTES = 255 };

struct json_reader oci_reader(struct error *err)
{
	return (struct json_reader){ .report = json_report_error, .arg = err };
}

int oci_status(const struct json_reader *r, struct error *err)
{
	int status = json_status(r);

	return status == -ENOMEM ? error_set(err, status, "out of memory") : status;
}

/* ---- for tables ------------------------------------------------------------------------------ */

void oci_read_digest(struct json_reader *r, json_t *value, void *member, const void *arg _unused_)
{
	const char *s = json_string_value(value);

	if (oci_is_digest(s))
		memcpy(member, s, strlen(s) + 1);
	else
		json_fault(r,
			   "\"%.64s\" must be a digest: sha256: and 64 or sha512: and 128 "
			   "hexadecimal digits in lower case",
			   s);
}

void oci_read_value(struct json_reader *r _unused_, json_t *value, void *member,
		    const void *arg _unused_)
{
	json_decref(*(json_t **)member);
	*(json_t **)member = json_incref(value);
}

void oci_read_word(struct json_reader *r, json_t *value, void *member, const void *arg)
{
	if (json_string_length(value) > WORD_BYTES)
		json_fault(r, "has more than %d bytes", WORD_BYTES);
	else
		json_read_string(r, value, member, arg);
}

static const struct json_range size_range = { 0, INT64_MAX };

#define AT(member) offsetof(struct oci_descriptor, member)

const struct json_field oci_descriptor_fields[] = {
	{ "mediaType", JSON_KIND_STRING, oci_read_word, AT(media_type), JSON_REQUIRED },
	{ "digest", JSON_KIND_STRING, oci_read_digest, AT(digest), JSON_REQUIRED },
	{ "size", JSON_KIND_INTEGER, json_read_s64, AT(size), JSON_REQUIRED, &size_range },
	{ NULL },
};

void oci_descriptor_deinit(struct oci_descriptor *d)
{
	free(d->media_type);
	d->media_type = NULL;
}

/* ---- what holds for manifests and indexes ---------------------------------------------------- */

/* Programs that read "Layers" as "layers" would see another document than we do. */
static void check_case(struct json_reader *r, const json_t *root)
{
	static const char *const members[] = {
		"schemaVersion", "mediaType", "config", "layers", "manifests",
	};
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)root, key, value) {
		for (size_t i = 0; i < ARRAY_SIZE(members); i++)
			if (strcasecmp(key, members[i]) == 0 && !str_eq(key, members[i]))
				json_fault_at(r, key, "must be written \"%s\"", members[i]);
	}
}

static void check_version(struct json_reader *r, const json_t *root)
{
	const json_t *version = json_object_get(root, "schemaVersion");

	if (json_is_integer(version) && json_integer_value(version) == 1)
		json_fault_at(r, "schemaVersion",
			      "is 1: such manifests are not read any more, since they have no "
			      "digest of their own; push the image again with a newer program");
	else if (!json_is_integer(version) || json_integer_value(version) != 2)
		json_fault_at(r, "schemaVersion", "must be 2");
}

int oci_document_parse(struct json_reader *r, const char *text, size_t len, json_t **ret)
{
	_json_ json_t *root = NULL;
	int status = json_read_text(r, text, len, OCI_DOCUMENT_BYTES, &root);

	if (status < 0)
		return status;
	if (json_check_kind(r, root, JSON_KIND_OBJECT)) {
		check_case(r, root);
		check_version(r, root);
		if (json_object_get(root, "manifests") && json_object_get(root, "layers"))
			json_fault(r, "the document has both `manifests` and `layers`: it could be "
				      "taken for either");
	}
	status = json_status(r);
	if (status == 0)
		*ret = take_ptr(&root);
	return status;
}

/* ---- which of the two ------------------------------------------------------------------------ */

static const struct document_type {
	const char *name;
	int kind;
	bool says_itself; /* the document must have the member mediaType */
} types[] = {
	{ "application/vnd.oci.image.manifest.v1+json", OCI_MANIFEST },
	{ "application/vnd.oci.image.index.v1+json", OCI_INDEX },
	{ "application/vnd.docker.distribution.manifest.v2+json", OCI_MANIFEST, true },
	{ "application/vnd.docker.distribution.manifest.list.v2+json", OCI_INDEX, true },
};

static const struct document_type *find_type(struct json_reader *r, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (str_eq(types[i].name, name))
			return &types[i];
	json_fault_at(
		r, "mediaType",
		str_starts(name, "application/vnd.docker.distribution.manifest.v1+")
			? "\"%.128s\" is schema version 1: such manifests are not read any more"
			: "\"%.128s\" is neither a manifest nor an index of images",
		name);
	return NULL;
}

/* Without the parameters of an HTTP header. */
static void plain_type(char dst[WORD_BYTES + 1], const char *sent)
{
	size_t len = strcspn(sent, "; \t");

	if (len > WORD_BYTES)
		len = WORD_BYTES;
	memcpy(dst, sent, len);
	dst[len] = '\0';
}

static void find_kind(struct json_reader *r, const json_t *root, const char *media_type, int *ret)
{
	const json_t *member = json_object_get(root, "mediaType");
	const char *own = json_is_string(member) ? json_string_value(member) : "";
	const struct document_type *type = NULL;
	char sent[WORD_BYTES + 1];
	int shape;

	plain_type(sent, media_type);
	if (member && !*own)
		json_fault_at(r, "mediaType", "must be a string that is not empty");
	else if (*own && *sent && !str_eq(own, sent))
		json_fault_at(r, "mediaType", "is \"%.128s\", but it was sent as \"%.128s\"", own,
			      sent);
	else if (*own || *sent)
		type = find_type(r, *own ? own : sent);
	if (type && type->says_itself && !*own)
		json_fault_at(r, "mediaType", "is missing; it must be \"%s\"", type->name);
	if (r->n_faults)
		return;
	if (!json_object_get(root, "manifests") && !json_object_get(root, "config")) {
		json_fault(r, "the document has neither `manifests` nor `config` and `layers`");
		return;
	}
	shape = json_object_get(root, "manifests") ? OCI_INDEX : OCI_MANIFEST;
	if (type && type->kind != shape)
		json_fault(r, "the document says that it is \"%s\" and has the members of %s",
			   type->name, shape == OCI_INDEX ? "an index" : "a manifest");
	*ret = shape;
}

int oci_document_kind(const char *text, size_t len, const char *media_type, struct error *err)
{
	struct json_reader r = oci_reader(err);
	_json_ json_t *root = NULL;
	int kind = OCI_MANIFEST, status;

	if (oci_document_parse(&r, text, len, &root) == 0)
		find_kind(&r, root, media_type, &kind);
	status = oci_status(&r, err);
	return status < 0 ? status : kind;
}
