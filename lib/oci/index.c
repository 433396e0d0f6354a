/* A list of images, one a platform (image-index.md, and Docker's manifest list). */
#include "oci/document.h"

#define AT(member) offsetof(struct oci_choice, member)

static const struct json_field platform_fields[] = {
	{ "os", JSON_KIND_STRING, oci_read_word, AT(os), JSON_REQUIRED },
	{ "architecture", JSON_KIND_STRING, oci_read_word, AT(architecture), JSON_REQUIRED },
	{ "variant", JSON_KIND_STRING, oci_read_word, AT(variant) },
	{ NULL },
};

static void read_kind(struct json_reader *r _unused_, json_t *value, void *member,
		      const void *arg _unused_)
{
	*(bool *)member = str_eq(json_string_value(value), "attestation-manifest");
}

static const struct json_field annotation_fields[] = {
	{ "org.opencontainers.image.ref.name", JSON_KIND_STRING, json_read_string, AT(ref_name) },
	{ "vnd.docker.reference.type", JSON_KIND_STRING, read_kind, AT(is_attestation) },
	{ NULL },
};

static const struct json_field choice_fields[] = {
	{ "platform", JSON_KIND_OBJECT, json_read_struct, 0, 0, platform_fields },
	{ "annotations", JSON_KIND_OBJECT, json_read_struct, 0, 0, annotation_fields },
	{ NULL },
};

#undef AT

static void read_choice(struct json_reader *r, json_t *value, void *member,
			const void *arg _unused_)
{
	struct oci_choice *c = member;
	char **words[] = { &c->os, &c->architecture, &c->variant, &c->ref_name };

	json_read_object(r, value, oci_descriptor_fields, &c->descriptor);
	json_read_object(r, value, choice_fields, c);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!*words[i])
			json_set_text(r, words[i], "");
	if (c->descriptor.size > OCI_DOCUMENT_BYTES)
		json_fault_at(r, "size", "is %llu, the limit is %d (OCI_DOCUMENT_BYTES)",
			      (unsigned long long)c->descriptor.size, OCI_DOCUMENT_BYTES);
}

static const struct json_list choice_list = {
	JSON_KIND_OBJECT, read_choice, NULL, sizeof(struct oci_choice), OCI_CHOICES,
};

static const struct json_field fields[] = {
	{ "manifests", JSON_KIND_ARRAY, json_read_list, offsetof(struct oci_index, choices),
	  JSON_REQUIRED, &choice_list },
	{ NULL },
};

int oci_index_read(struct oci_index *ret, const char *text, size_t len, struct error *err)
{
	struct json_reader r = oci_reader(err);
	_oci_index_ struct oci_index index = { 0 };
	_json_ json_t *root = NULL;
	int status;

	if (oci_document_parse(&r, text, len, &root) == 0)
		json_read_object(&r, root, fields, &index);
	status = oci_status(&r, err);
	if (status < 0)
		return status;
	*ret = index;
	index = (struct oci_index){ 0 };
	return 0;
}

void oci_index_deinit(struct oci_index *i)
{
	for (size_t k = 0; k < i->n; k++) {
		oci_descriptor_deinit(&i->choices[k].descriptor);
		free(i->choices[k].os);
		free(i->choices[k].architecture);
		free(i->choices[k].variant);
		free(i->choices[k].ref_name);
	}
	free(i->choices);
	*i = (struct oci_index){ 0 };
}

/* ---- choosing -------------------------------------------------------------------------------- */

/* Is it an image at all, rather than a statement about one? */
static bool is_image(const struct oci_choice *c)
{
	return !c->is_attestation &&
	       !(str_eq(c->os, "unknown") && str_eq(c->architecture, "unknown")) &&
	       (str_eq(c->descriptor.media_type, "application/vnd.oci.image.manifest.v1+json") ||
		str_eq(c->descriptor.media_type,
		       "application/vnd.docker.distribution.manifest.v2+json"));
}

/* The only image, when the index says no word about platforms. */
static const struct oci_choice *only_image(const struct oci_index *i)
{
	const struct oci_choice *only = NULL;

	for (size_t k = 0; k < i->n; k++) {
		const struct oci_choice *c = &i->choices[k];

		if (!is_image(c))
			continue;
		if (only || *c->os || *c->architecture)
			return NULL;
		only = c;
	}
	return only;
}

static void describe(const struct oci_index *i, const char *os, const char *arch, struct error *err)
{
	_buf_ struct buf list = BUF_INIT(400);
	int r = 0;

	for (size_t k = 0; r == 0 && k < i->n; k++) {
		const struct oci_choice *c = &i->choices[k];

		if (is_image(c))
			r = buf_addf(&list, "%s%.32s/%.32s%s%.32s", list.len ? ", " : "",
				     *c->os ? c->os : "?", *c->architecture ? c->architecture : "?",
				     *c->variant ? "/" : "", c->variant);
	}
	error_set(err, -ENOENT, "it has no image for %s/%s; there is: %s%s.", os, arch,
		  list.len ? list.data : "none", r < 0 ? ", and more" : "");
}

const struct oci_choice *oci_index_choose(const struct oci_index *i, const char *os,
					  const char *arch, struct error *err)
{
	const struct oci_choice *best = only_image(i);
	int best_rank = -1;

	for (size_t k = 0; k < i->n; k++) {
		const struct oci_choice *c = &i->choices[k];
		int rank = is_image(c) && str_eq(c->os, os)
				   ? oci_platform_rank(arch, c->architecture, c->variant)
				   : -1;

		if (rank < 0 || (best_rank >= 0 && rank >= best_rank))
			continue;
		best = c;
		best_rank = rank;
	}
	if (!best)
		describe(i, os, arch, err);
	return best;
}
