#include "oci_session.h"

void begin(struct session *s, struct bench *b)
{
	*s = (struct session){ .b = b, .staged = STORE_STAGED_NONE };
	s->net = (struct net){ &b->im, &s->policy, &s->config };
	s->config.parallel = 2;
	s->config.path = (char *)"/etc/carob/carob.yaml";
	s->host = (struct net_host){ .host = (char *)REGISTRY, .credentials = (char *)"/secret" };
	s->config.hosts = &s->host;
	assert_ok(b, store_stage(b->im.store, &s->staged, &b->err));
}

void session_end(struct session *s)
{
	oci_image_deinit(&s->image);
	store_discard(s->b->im.store, &s->staged);
}

int obtain(struct session *s, const char *reference)
{
	s->b->err = (struct error){ 0 };
	return oci_obtain(&s->net, reference, &s->staged, &s->image, NULL, &s->b->err);
}

void refused(struct session *s, const char *reference, int code, const char *sentence)
{
	int r = obtain(s, reference);

	if (r != code || !strstr(s->b->err.text, sentence))
		fail_msg("%d, not %d: %s", r, code, s->b->err.text);
	assert_null(s->image.manifest_text);
}

/* ---- images ---------------------------------------------------------------------------------- */

const char *const layers[3] = { "the first layer", "the second layer", "the first layer" };

void add_manifest(struct oci_descriptor *ret, const char *architecture)
{
	_buf_ struct buf config = BUF_INIT(1 << 16), manifest = BUF_INIT(1 << 16);
	struct oci_descriptor d;

	assert_int_equal(buf_addf(&config,
				  "{\"os\":\"linux\",\"architecture\":\"%s\",\"rootfs\":{\"type\":"
				  "\"layers\",\"diff_ids\":[\"sha256:%064d\",\"sha256:%064d\","
				  "\"sha256:%064d\"]}}",
				  architecture, 1, 2, 1),
			 0);
	registry_blob(&d, config.data, config.len);
	assert_int_equal(buf_addf(&manifest,
				  "{\"schemaVersion\":2,\"mediaType\":\"" MANIFEST_TYPE
				  "\",\"config\":{\"mediaType\":\"application/vnd.oci.image.config."
				  "v1+json\",\"digest\":\"%s\",\"size\":%llu},\"layers\":[",
				  d.digest, (unsigned long long)d.size),
			 0);
	for (size_t i = 0; i < ARRAY_SIZE(layers); i++) {
		registry_blob(&d, layers[i], strlen(layers[i]));
		assert_int_equal(buf_addf(&manifest,
					  "%s{\"mediaType\":\"application/vnd.oci.image.layer.v1."
					  "tar\",\"digest\":\"%s\",\"size\":%llu}",
					  i ? "," : "", d.digest, (unsigned long long)d.size),
				 0);
	}
	assert_int_equal(buf_addf(&manifest, "]}"), 0);
	registry_blob(ret, manifest.data, manifest.len);
}

void serve_manifest(struct oci_descriptor *ret)
{
	add_manifest(ret, "amd64");
	memcpy(registry_double->tag, ret->digest, sizeof(ret->digest));
	snprintf(registry_double->media_type, sizeof(registry_double->media_type), "%s",
		 MANIFEST_TYPE);
}

void staged_name(char dst[160], const char *text)
{
	char digest[OCI_DIGEST_TEXT];

	oci_digest_of(text, strlen(text), digest);
	snprintf(dst, 160, "blob.%s", digest);
	*strchr(dst, ':') = '-';
}

void assert_layers(struct session *s)
{
	char name[160];

	for (size_t i = 0; i < ARRAY_SIZE(layers); i++) {
		staged_name(name, layers[i]);
		assert_file(s->staged.fd, name, layers[i]);
	}
}
