/* The configuration of an image (config.md). */
#include "oci/document.h"

struct digests {
	char **list;
	size_t n;
};

struct rootfs {
	char *type;
	struct digests diff_ids;
};

/* char *: a digest */
static void read_diff_id(struct json_reader *r, json_t *value, void *member, const void *arg)
{
	char digest[OCI_DIGEST_TEXT] = "";

	oci_read_digest(r, value, digest, arg);
	json_set_text(r, member, digest);
}

static const struct json_list diff_id_list = {
	JSON_KIND_STRING, read_diff_id, NULL, sizeof(char *), OCI_LAYERS,
};

static const struct json_field rootfs_fields[] = {
	{ "type", JSON_KIND_STRING, oci_read_word, offsetof(struct rootfs, type), JSON_REQUIRED },
	{ "diff_ids", JSON_KIND_ARRAY, json_read_list, offsetof(struct rootfs, diff_ids),
	  JSON_REQUIRED, &diff_id_list },
	{ NULL },
};

static void read_rootfs(struct json_reader *r, json_t *value, void *member,
			const void *arg _unused_)
{
	struct oci_config *c = member;
	struct rootfs rootfs = { 0 };

	json_read_object(r, value, rootfs_fields, &rootfs);
	c->diff_ids = rootfs.diff_ids.list;
	c->n_diff_ids = rootfs.diff_ids.n;
	if (rootfs.type && !str_eq(rootfs.type, "layers"))
		json_fault_at(r, "type", "\"%.64s\" must be \"layers\"", rootfs.type);
	free(rootfs.type);
}

#define AT(member) offsetof(struct oci_config, member)

static const struct json_field fields[] = {
	{ "os", JSON_KIND_STRING, oci_read_word, AT(os), JSON_REQUIRED },
	{ "architecture", JSON_KIND_STRING, oci_read_word, AT(architecture), JSON_REQUIRED },
	{ "variant", JSON_KIND_STRING, oci_read_word, AT(variant) },
	{ "created", JSON_KIND_STRING, oci_read_word, AT(created) },
	{ "author", JSON_KIND_STRING, json_read_string, AT(author) },
	{ "rootfs", JSON_KIND_OBJECT, read_rootfs, 0, JSON_REQUIRED },
	{ "config", JSON_KIND_OBJECT, oci_read_value, AT(config) },
	{ "history", JSON_KIND_ARRAY, oci_read_value, AT(history) },
	{ NULL },
};

#undef AT

int oci_config_read(struct oci_config *ret, const char *text, size_t len, struct error *err)
{
	struct json_reader r = oci_reader(err);
	_oci_config_ struct oci_config c = { 0 };
	_json_ json_t *root = NULL;
	int status;

	if (json_read_text(&r, text, len, OCI_DOCUMENT_BYTES, &root) == 0)
		json_read_object(&r, root, fields, &c);
	if (!c.variant)
		json_set_text(&r, &c.variant, "");
	if (!c.config)
		c.config = json_object();
	if (!c.config)
		json_no_memory(&r);
	status = oci_status(&r, err);
	if (status < 0)
		return status;
	*ret = c;
	c = (struct oci_config){ 0 };
	return 0;
}

void oci_config_deinit(struct oci_config *c)
{
	free(c->os);
	free(c->architecture);
	free(c->variant);
	free(c->created);
	for (size_t i = 0; i < c->n_diff_ids; i++)
		free(c->diff_ids[i]);
	free(c->diff_ids);
	json_decref(c->config);
	free(c->author);
	json_decref(c->history);
	*c = (struct oci_config){ 0 };
}

int oci_config_fits(const struct oci_config *config, const struct oci_manifest *manifest,
		    struct error *err)
{
	if (config->n_diff_ids != manifest->n_layers)
		return error_set(err, -EBADMSG,
				 "the configuration has %zu diff_ids, the manifest %zu layers.",
				 config->n_diff_ids, manifest->n_layers);
	if (!str_eq(config->os, "linux"))
		return error_set(err, -EBADMSG, "it is an image for the system \"%.64s\".",
				 config->os);
	if (!oci_arch_to_appc(config->architecture, config->variant))
		return error_set(err, -EBADMSG,
				 "it is an image for the processor \"%.64s%s%.64s\", which appc "
				 "has no word for.",
				 config->architecture, *config->variant ? "/" : "",
				 config->variant);
	return 0;
}
