/* The manifest of one image (manifest.md, and Docker's version 2 schema 2). */
#include "oci/document.h"

static const char *const config_types[] = {
	"application/vnd.oci.image.config.v1+json",
	"application/vnd.docker.container.image.v1+json",
};

static const struct {
	const char *name;
	enum oci_compression compression;
} layer_types[] = {
	{ "application/vnd.oci.image.layer.v1.tar", OCI_PLAIN },
	{ "application/vnd.oci.image.layer.v1.tar+gzip", OCI_GZIP },
	{ "application/vnd.oci.image.layer.v1.tar+zstd", OCI_ZSTD },
	{ "application/vnd.docker.image.rootfs.diff.tar", OCI_PLAIN },
	{ "application/vnd.docker.image.rootfs.diff.tar.gzip", OCI_GZIP },
	{ "application/vnd.docker.image.rootfs.diff.tar.zstd", OCI_ZSTD },
};

/* The manifest as tables can fill it. */
struct parts {
	struct oci_descriptor config;
	struct oci_descriptor *layers;
	size_t n_layers;
	json_t *annotations;
};

#define AT(member) offsetof(struct parts, member)

static const struct json_list layer_list = {
	JSON_KIND_OBJECT, json_read_struct, oci_descriptor_fields, sizeof(struct oci_descriptor),
	OCI_LAYERS,
};

static const struct json_field fields[] = {
	{ "config", JSON_KIND_OBJECT, json_read_struct, AT(config), JSON_REQUIRED,
	  oci_descriptor_fields },
	{ "layers", JSON_KIND_ARRAY, json_read_list, AT(layers), JSON_REQUIRED, &layer_list },
	{ "annotations", JSON_KIND_OBJECT, oci_read_value, AT(annotations) },
	{ NULL },
};

#undef AT

static void check_config(struct json_reader *r, const struct oci_descriptor *config)
{
	struct json_place place;
	bool known = false;

	if (!config->media_type)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(config_types); i++)
		known = known || str_eq(config->media_type, config_types[i]);
	json_enter_key(r, &place, "config");
	if (!known)
		json_fault_at(r, "mediaType",
			      "\"%.128s\" is not the configuration of an image: this is an "
			      "artifact of another kind",
			      config->media_type);
	if (config->size > OCI_DOCUMENT_BYTES)
		json_fault_at(r, "size", "is %llu, the limit is %d (OCI_DOCUMENT_BYTES)",
			      (unsigned long long)config->size, OCI_DOCUMENT_BYTES);
	json_leave(r);
}

static void check_layer(struct json_reader *r, const struct oci_descriptor *layer,
			enum oci_compression *ret)
{
	bool foreign;

	if (layer->size > LIMIT_ARCHIVE_BYTES)
		json_fault_at(r, "size", "is %llu, the limit is %llu (LIMIT_ARCHIVE_BYTES)",
			      (unsigned long long)layer->size, LIMIT_ARCHIVE_BYTES);
	if (!layer->media_type)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(layer_types); i++) {
		if (str_eq(layer->media_type, layer_types[i].name)) {
			*ret = layer_types[i].compression;
			return;
		}
	}
	foreign = strstr(layer->media_type, "nondistributable") ||
		  strstr(layer->media_type, ".foreign.");
	json_fault_at(
		r, "mediaType",
		foreign ? "\"%.128s\" is a layer that registries do not hand out: it cannot be "
			  "fetched"
			: "\"%.128s\" is no layer of a root file system that is known here",
		layer->media_type);
}

static void check(struct json_reader *r, const struct parts *p, enum oci_compression *compressions)
{
	struct json_place list, place;
	const char *key;
	json_t *value;

	check_config(r, &p->config);
	json_enter_key(r, &list, "layers");
	for (size_t i = 0; i < p->n_layers; i++) {
		json_enter_index(r, &place, i);
		check_layer(r, &p->layers[i], &compressions[i]);
		json_leave(r);
	}
	json_leave(r);
	json_enter_key(r, &list, "annotations");
	json_object_foreach(p->annotations, key, value) {
		if (!json_is_string(value))
			json_fault_at(r, key, "must be a string");
	}
	json_leave(r);
}

int oci_manifest_read(struct oci_manifest *ret, const char *text, size_t len, struct error *err)
{
	struct json_reader r = oci_reader(err);
	_oci_manifest_ struct oci_manifest m = { 0 };
	_json_ json_t *root = NULL;
	struct parts p = { 0 };
	int status;

	if (oci_document_parse(&r, text, len, &root) == 0)
		json_read_object(&r, root, fields, &p);
	m = (struct oci_manifest){ p.config, p.layers, NULL, p.n_layers, p.annotations };
	m.compressions = calloc(p.n_layers + 1, sizeof(*m.compressions));
	if (!m.compressions)
		json_no_memory(&r);
	else
		check(&r, &p, m.compressions);
	status = oci_status(&r, err);
	if (status < 0)
		return status;
	*ret = m;
	m = (struct oci_manifest){ 0 };
	return 0;
}

void oci_manifest_deinit(struct oci_manifest *m)
{
	oci_descriptor_deinit(&m->config);
	for (size_t i = 0; i < m->n_layers; i++)
		oci_descriptor_deinit(&m->layers[i]);
	free(m->layers);
	free(m->compressions);
	json_decref(m->annotations);
	*m = (struct oci_manifest){ 0 };
}
