/* OCI images of a registry and its mirrors, from end to end but for the network. */
#include "oci_session.h"

#define INDEX_TYPE "application/vnd.oci.image.index.v1+json"

/* ---- mirrors --------------------------------------------------------------------------------- */

static char *const mirrors[] = { (char *)"nowhere.example.com", (char *)MIRROR };

/* A registry with two mirrors, the first of which is not there. */
static void begin_mirrored(struct session *s, struct bench *b)
{
	struct oci_descriptor manifest;

	begin(s, b);
	s->host.mirrors = (char **)mirrors;
	s->host.n_mirrors = 2;
	s->config.n_hosts = 1;
	serve_manifest(&manifest);
}

static void test_mirror(void **state)
{
	_session_ struct session s;

	begin_mirrored(&s, *state);
	assert_ok(s.b, obtain(&s, TAGGED));
	assert_string_equal(s.image.registry, MIRROR);
	assert_string_equal(s.image.source, TAGGED);
	assert_layers(&s);
	/* the registry itself was asked nothing */
	assert_int_equal(registry_double->at_mirror,
			 registry_double->manifests + registry_double->blobs);
}

static void test_empty_mirror(void **state)
{
	_session_ struct session s;

	begin_mirrored(&s, *state);
	registry_double->mirror_is_empty = true;
	assert_ok(s.b, obtain(&s, TAGGED));
	assert_string_equal(s.image.registry, REGISTRY);
	assert_layers(&s);
	assert_int_equal(registry_double->at_mirror, 1);
}

/* What a mirror does not have, or has in another state, comes from the registry. */
static void obtain_in_spite(struct bench *b, unsigned of_mirror)
{
	_session_ struct session s;

	begin_mirrored(&s, b);
	assert_ok(s.b, obtain(&s, TAGGED));
	assert_string_equal(s.image.registry, MIRROR);
	assert_layers(&s);
	assert_int_equal(registry_double->at_mirror, of_mirror);
}

static void test_mirror_without_layers(void **state)
{
	registry_double->mirror_has_no_layers = true;
	obtain_in_spite(*state, 4); /* manifest, configuration, each of two layers */
}

static void test_mirror_with_other_layers(void **state)
{
	registry_double->mirror_lies_about_layers = true;
	obtain_in_spite(*state, 4);
}

static void test_mirror_with_another_configuration(void **state)
{
	registry_double->mirror_lies = true;
	obtain_in_spite(*state, 2); /* after which it is asked nothing */
}

/* ---- the registry itself --------------------------------------------------------------------- */

static void test_by_tag(void **state)
{
	struct oci_descriptor manifest;
	_session_ struct session s;

	begin(&s, *state);
	serve_manifest(&manifest);
	assert_ok(s.b, obtain(&s, TAGGED));
	assert_string_equal(s.image.name, REGISTRY "/team/app");
	assert_string_equal(s.image.version, "1.2");
	assert_string_equal(s.image.source, TAGGED);
	assert_string_equal(s.image.digest, manifest.digest);
	assert_int_equal(s.image.manifest_len, manifest.size);
	assert_int_equal(s.image.manifest.n_layers, 3);
	assert_int_equal(s.image.config.n_diff_ids, 3);
	assert_false(s.image.over_http);
	assert_layers(&s);
	assert_int_equal(registry_double->manifests, 1);
	assert_int_equal(registry_double->blobs, 3); /* the configuration, each layer once */
	assert_true(registry_double->all_immutable);
	assert_int_equal(count_entries(s.b->dirfd, "store/partial"), 2);
	oci_obtained(&s.net, &s.image);
	assert_int_equal(count_entries(s.b->dirfd, "store/partial"), 0);
}

static void test_by_digest(void **state)
{
	_free_ char *reference = NULL;
	struct oci_descriptor manifest;
	_session_ struct session s;

	begin(&s, *state);
	serve_manifest(&manifest);
	reference = str_printf("%s@%s", TAGGED, manifest.digest);
	memset(registry_double->tag, 0, sizeof(registry_double->tag));
	assert_ok(s.b, obtain(&s, reference));
	assert_string_equal(s.image.version, "");
	assert_layers(&s);
	/* the server says something else */
	memcpy(registry_double->broken, manifest.digest, sizeof(manifest.digest));
	oci_image_deinit(&s.image);
	refused(&s, reference, -EBADMSG, "what came is not sha256:");
}

static void test_platform(void **state)
{
	struct oci_descriptor other, mine;
	_free_ char *index = NULL;
	_session_ struct session s;
	struct oci_descriptor d;

	begin(&s, *state);
	add_manifest(&mine, "amd64");
	add_manifest(&other, "arm64");
	index = str_printf("{\"schemaVersion\":2,\"mediaType\":\"" INDEX_TYPE "\",\"manifests\":["
			   "{\"mediaType\":\"" MANIFEST_TYPE
			   "\",\"digest\":\"%s\",\"size\":%llu,\"platform\":"
			   "{\"os\":\"linux\",\"architecture\":\"%s\"}},"
			   "{\"mediaType\":\"" MANIFEST_TYPE
			   "\",\"digest\":\"%s\",\"size\":%llu,\"platform\":"
			   "{\"os\":\"windows\",\"architecture\":\"amd64\"}}]}",
			   mine.digest, (unsigned long long)mine.size,
			   str_eq(appc_host_arch(), "amd64") ? "amd64" : "arm64", other.digest,
			   (unsigned long long)other.size);
	registry_blob(&d, index, strlen(index));
	memcpy(registry_double->tag, d.digest, sizeof(d.digest));
	snprintf(registry_double->media_type, sizeof(registry_double->media_type), INDEX_TYPE);
	assert_ok(s.b, obtain(&s, TAGGED));
	assert_string_equal(s.image.digest, mine.digest);
	/* the chosen one is altered on the way */
	memcpy(registry_double->broken, mine.digest, sizeof(mine.digest));
	oci_image_deinit(&s.image);
	refused(&s, TAGGED, -EBADMSG, "has another digest");
}

static void test_altered_layer(void **state)
{
	struct oci_descriptor manifest;
	_session_ struct session s;
	char name[160];

	begin(&s, *state);
	serve_manifest(&manifest);
	oci_digest_of(layers[1], strlen(layers[1]), registry_double->broken);
	refused(&s, TAGGED, -EBADMSG, "came with the digest sha256:");
	staged_name(name, layers[1]);
	assert_missing(s.staged.fd, name);
	/* nothing of it is in the way of the next time */
	registry_double->broken[0] = '\0';
	assert_ok(s.b, obtain(&s, TAGGED));
	assert_layers(&s);
}

static void test_what_the_header_says(void **state)
{
	struct oci_descriptor manifest;
	_session_ struct session s;

	begin(&s, *state);
	serve_manifest(&manifest);
	registry_double->sent_digest = "sha256:../../x";
	refused(&s, TAGGED, -EPROTO, "a digest that is none");
	registry_double->sent_digest =
		"sha256:0000000000000000000000000000000000000000000000000000000000000000";
	refused(&s, TAGGED, -EBADMSG, "but it is not");
	registry_double->sent_digest = registry_double->tag;
	assert_ok(s.b, obtain(&s, TAGGED));
	snprintf(registry_double->media_type, sizeof(registry_double->media_type), INDEX_TYPE);
	oci_image_deinit(&s.image);
	refused(&s, TAGGED, -EBADMSG, "it was sent as");
}

static void test_cut(void **state)
{
	struct oci_descriptor manifest;
	_session_ struct session s;

	begin(&s, *state);
	serve_manifest(&manifest);
	s.config.parallel = 1;
	registry_double->cut = true;
	refused(&s, TAGGED, -ECONNRESET, "cut");
	assert_ok(s.b, obtain(&s, TAGGED));
	assert_layers(&s);
}

/* The beginning of a download is of something else: it is thrown away, once. */
static void test_wrong_beginning(void **state)
{
	struct oci_descriptor manifest, d = { .size = strlen(layers[0]) };
	struct store_partial partial;
	char name[16 + OCI_DIGEST_TEXT];
	_session_ struct session s;

	begin(&s, *state);
	serve_manifest(&manifest);
	oci_digest_of(layers[0], strlen(layers[0]), d.digest);
	oci_partial_name(name, d.digest);
	assert_ok(s.b, store_partial_open(s.b->im.store, name, &partial, &s.b->err));
	assert_int_equal(write_all(partial.data, "evil", 4), 0);
	store_partial_close(&partial);
	assert_ok(s.b, obtain(&s, TAGGED));
	assert_layers(&s);
}

static void test_http(void **state)
{
	static const char *const hosts[] = { REGISTRY };
	struct oci_descriptor manifest;
	_session_ struct session s;

	begin(&s, *state);
	serve_manifest(&manifest);
	registry_double->only_http = true;
	refused(&s, TAGGED, -ECONNREFUSED, "nobody there");
	s.policy.insecure_hosts = hosts;
	s.policy.n_insecure_hosts = ARRAY_SIZE(hosts);
	assert_ok(s.b, obtain(&s, TAGGED));
	assert_true(s.image.over_http);
}

static void test_missing(void **state)
{
	struct oci_descriptor manifest;
	_session_ struct session s;

	begin(&s, *state);
	serve_manifest(&manifest);
	refused(&s, "docker://" REGISTRY "/team/app:none", -ENOENT, "has no none of team/app");
	refused(&s, "docker://" REGISTRY "/Team/app", -EINVAL, "small letters");
	s.net.policy = NULL;
	refused(&s, TAGGED, -EACCES, "not to be asked");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_by_tag),
		TEST(test_mirror),
		TEST(test_empty_mirror),
		TEST(test_mirror_without_layers),
		TEST(test_mirror_with_other_layers),
		TEST(test_mirror_with_another_configuration),
		TEST(test_by_digest),
		TEST(test_platform),
		TEST(test_altered_layer),
		TEST(test_what_the_header_says),
		TEST(test_cut),
		TEST(test_wrong_beginning),
		TEST(test_http),
		TEST(test_missing),
	};

	return cmocka_run_group_tests_name("oci_registry", tests, NULL, NULL);
}
