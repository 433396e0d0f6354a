/*
 * An OCI image in the store (oci.h): oci-manifest names oci-config and the layers by digest, and
 * these with the appc manifest make the ID. So everything can be held against something else.
 */
#include <jansson.h>

#include "images/check.h"

enum { BLOCK = 256 << 10, DIGEST_TEXT = 7 + 64 + 1 };

struct looking {
	const struct images *im;
	const char *id;
	bool quick;
	struct oci_fault *fault;
};

void oci_fault_deinit(struct oci_fault *f)
{
	free(f->object);
	free(f->what);
}

/* 0: this is wrong. */
static int wrong(const struct looking *l, const char *object, const char *what)
{
	l->fault->object = strdup(object);
	l->fault->what = strdup(what);
	return l->fault->object && l->fault->what ? 0 : -ENOMEM;
}

static void digest_text(char dst[DIGEST_TEXT], struct sha256_ctx *ctx)
{
	unsigned char raw[SHA256_DIGEST_SIZE];

	sha256_digest(ctx, sizeof(raw), raw);
	memcpy(dst, "sha256:", 7);
	hex_encode(dst + 7, raw, sizeof(raw));
}

static int digest_file(int fd, char dst[DIGEST_TEXT])
{
	_free_ unsigned char *block = malloc(BLOCK);
	struct sha256_ctx ctx;
	ssize_t n;

	if (!block)
		return -ENOMEM;
	sha256_init(&ctx);
	while ((n = read_all(fd, block, BLOCK)) > 0)
		sha256_update(&ctx, (size_t)n, block);
	digest_text(dst, &ctx);
	return n < 0 ? (int)n : 0;
}

/* One layer: "sha256:HEX" is the file "blob.sha256-HEX". */
static int look_at_layer(const struct looking *l, const char *digest)
{
	char name[5 + DIGEST_TEXT], got[DIGEST_TEXT];
	_close_ int fd = -1;
	int r;

	if (!digest || !str_starts(digest, "sha256:") || !hex_is(digest + 7, 64))
		return wrong(l, "oci-manifest", "it names a layer by no digest");
	snprintf(name, sizeof(name), "blob.sha256-%s", digest + 7);
	fd = store_open_file(l->im->store, l->id, name, NULL);
	if (fd < 0)
		return wrong(l, name, "it is missing");
	if (l->quick)
		return 1;
	r = digest_file(fd, got);
	if (r < 0)
		return wrong(l, name, "it cannot be read");
	return str_eq(got, digest) ? 1 : wrong(l, name, "its content has another digest");
}

static int look_at_layers(const struct looking *l, const json_t *manifest)
{
	const json_t *layers = json_object_get(manifest, "layers"), *layer;
	size_t i;
	int r = 1;

	if (!json_is_array(layers))
		return wrong(l, "oci-manifest", "it has no layers");
	json_array_foreach(layers, i, layer) {
		if (r == 1)
			r = look_at_layer(l, json_string_value(json_object_get(layer, "digest")));
	}
	return r;
}

/* The ID is made of the appc manifest and the digests of the plain layers. */
static int look_at_id(const struct looking *l, const json_t *config, const char *manifest,
		      size_t len)
{
	const json_t *ids = json_object_get(json_object_get(config, "rootfs"), "diff_ids"), *id;
	unsigned char raw[SHA512_DIGEST_SIZE];
	char text[STORE_ID_TEXT] = "sha512-";
	struct sha512_ctx ctx;
	size_t i;

	sha512_init(&ctx);
	sha512_update(&ctx, 12, (const unsigned char *)"carob oci 1\n");
	sha512_update(&ctx, len, (const unsigned char *)manifest);
	sha512_update(&ctx, 1, (const unsigned char *)"\n");
	json_array_foreach(ids, i, id) {
		const char *digest = json_string_value(id);

		if (!digest)
			return wrong(l, "oci-config", "it has a layer without a digest");
		sha512_update(&ctx, strlen(digest), (const unsigned char *)digest);
		sha512_update(&ctx, 1, (const unsigned char *)"\n");
	}
	sha512_digest(&ctx, sizeof(raw), raw);
	hex_encode(text + 7, raw, sizeof(raw));
	return str_eq(text, l->id) ? 1 : wrong(l, "manifest", "it does not make the image's ID");
}

static int read_json(const struct looking *l, const char *name, char **ret_text, size_t *ret_len,
		     json_t **ret)
{
	int r = store_read(l->im->store, l->id, name, ret_text, ret_len, NULL);

	if (r == -ENOMEM)
		return r;
	if (r < 0 || !*ret_text)
		return wrong(l, name, "it cannot be read");
	*ret = json_loadb(*ret_text, *ret_len, JSON_REJECT_DUPLICATES, NULL);
	return *ret ? 1 : wrong(l, name, "it is no JSON");
}

int check_oci(const struct images *im, const char *id, const char *manifest, size_t manifest_len,
	      bool quick, struct oci_fault *ret)
{
	const struct looking l = { im, id, quick, ret };
	_json_ json_t *document = NULL, *config = NULL;
	_free_ char *text = NULL, *config_text = NULL;
	char digest[DIGEST_TEXT];
	struct sha256_ctx ctx;
	const char *wanted;
	size_t len;
	int r = read_json(&l, "oci-manifest", &text, &len, &document);

	if (r == 1)
		r = read_json(&l, "oci-config", &config_text, &len, &config);
	if (r != 1)
		return r;
	wanted = json_string_value(json_object_get(json_object_get(document, "config"), "digest"));
	sha256_init(&ctx);
	sha256_update(&ctx, len, (const unsigned char *)config_text);
	digest_text(digest, &ctx);
	if (!wanted || !str_eq(wanted, digest))
		return wrong(&l, "oci-config", "oci-manifest names another one");
	r = look_at_layers(&l, document);
	return r == 1 && manifest ? look_at_id(&l, config, manifest, manifest_len) : r;
}
