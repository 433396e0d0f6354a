/* The sources of OCI images, from end to end but for the network. */
#include "registry.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define INDEX_TYPE    "application/vnd.oci.image.index.v1+json"
#define TAGGED        "docker://" REGISTRY "/team/app:1.2"

/* What one test obtains. */
struct session {
	struct bench *b;
	struct net net;
	struct images_policy policy;
	struct net_config config;
	struct net_host host;
	struct store_staged staged;
	struct oci_image image;
};

static void begin(struct session *s, struct bench *b)
{
	*s = (struct session){ .b = b, .staged = STORE_STAGED_NONE };
	s->net = (struct net){ &b->im, &s->policy, &s->config };
	s->config.parallel = 2;
	s->config.path = (char *)"/etc/carob/carob.yaml";
	s->host = (struct net_host){ .host = (char *)REGISTRY, .credentials = (char *)"/secret" };
	s->config.hosts = &s->host;
	assert_ok(b, store_stage(b->im.store, &s->staged, &b->err));
}

static void end(struct session *s)
{
	oci_image_deinit(&s->image);
	store_discard(s->b->im.store, &s->staged);
}
#define _session_ _cleanup_(end)

static int obtain(struct session *s, const char *reference)
{
	s->b->err = (struct error){ 0 };
	return oci_obtain(&s->net, reference, &s->staged, &s->image, NULL, &s->b->err);
}

static void refused(struct session *s, const char *reference, int code, const char *sentence)
{
	int r = obtain(s, reference);

	if (r != code || !strstr(s->b->err.text, sentence))
		fail_msg("%d, not %d: %s", r, code, s->b->err.text);
	assert_null(s->image.manifest_text);
}

/* ---- images ---------------------------------------------------------------------------------- */

static const char *const layers[] = { "the first layer", "the second layer", "the first layer" };

/* A manifest with these layers and its configuration. */
static void add_manifest(struct oci_descriptor *ret, const char *architecture)
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

static void serve_manifest(struct oci_descriptor *ret)
{
	add_manifest(ret, "amd64");
	memcpy(registry_double->tag, ret->digest, sizeof(ret->digest));
	snprintf(registry_double->media_type, sizeof(registry_double->media_type), "%s",
		 MANIFEST_TYPE);
}

static void staged_name(char dst[160], const char *text)
{
	char digest[OCI_DIGEST_TEXT];

	oci_digest_of(text, strlen(text), digest);
	snprintf(dst, 160, "blob.%s", digest);
	*strchr(dst, ':') = '-';
}

static void assert_layers(struct session *s)
{
	char name[160];

	for (size_t i = 0; i < ARRAY_SIZE(layers); i++) {
		staged_name(name, layers[i]);
		assert_file(s->staged.fd, name, layers[i]);
	}
}

/* ---- registries ------------------------------------------------------------------------------ */

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

static void test_token(void **state)
{
	struct oci_descriptor manifest;
	_session_ struct session s;

	begin(&s, *state);
	serve_manifest(&manifest);
	registry_double->wants_token = true;
	s.config.n_hosts = 1;
	assert_ok(s.b, obtain(&s, TAGGED));
	assert_layers(&s);
	assert_int_equal(registry_double->tokens, 1);
	assert_int_equal(registry_double->unauthorized, 1);
	assert_string_equal(registry_double->credentials_of, REGISTRY ":443");
}

static void test_refused_tokens(void **state)
{
	static const struct {
		const char *challenge, *sentence;
		int code;
	} cases[] = {
		{ "Basic realm=\"x\"", "wants a user and password", -EACCES },
		{ "Bearer realm=\"https://evil.example/token\"", "not of its domain", -EACCES },
		{ "Bearer realm=\"http://auth.example.com/token\"", "without TLS", -EACCES },
		{ "Bearer realm=\"https://auth.example.com:444/token\"", "not of its domain",
		  -EACCES },
		{ "Bearer service=\"a\"", "in a way that is not understood", -EPROTO },
		{ "Negotiate", "in a way that is not understood", -EPROTO },
	};
	struct oci_descriptor manifest;
	_session_ struct session s;

	begin(&s, *state);
	serve_manifest(&manifest);
	registry_double->wants_token = true;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		registry_double->challenge = cases[i].challenge;
		refused(&s, TAGGED, cases[i].code, cases[i].sentence);
	}
	assert_int_equal(registry_double->tokens, 0);
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

/* ---- layouts --------------------------------------------------------------------------------- */

static void put_index(const struct oci_descriptor *d, const char *more)
{
	_free_ char *text =
		str_printf("{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" MANIFEST_TYPE
			   "\",\"digest\":\"%s\",\"size\":%llu,"
			   "\"annotations\":{\"org.opencontainers.image.ref.name\":"
			   "\"docker.io/library/app:1.2\"}}%s]}",
			   d->digest, (unsigned long long)d->size, more);

	put(registry_double->dir, "index.json", text);
}

static void test_layout(void **state)
{
	_free_ char *reference = NULL, *tagged = NULL, *digest = NULL, *other = NULL, *more = NULL;
	struct oci_descriptor manifest;
	_session_ struct session s;

	begin(&s, *state);
	s.net.policy = NULL;
	s.net.config = NULL;
	add_manifest(&manifest, "amd64");
	put_index(&manifest, "");
	reference = str_printf("oci:%s/layout", s.b->path);
	assert_ok(s.b, obtain(&s, reference));
	assert_string_equal(s.image.name, "layout");
	assert_string_equal(s.image.version, "1.2");
	assert_layers(&s);
	oci_image_deinit(&s.image);
	tagged = str_printf("%s:docker.io/library/app:1.2", reference);
	assert_ok(s.b, obtain(&s, tagged));
	oci_image_deinit(&s.image);
	digest = str_printf("%s@%s", reference, manifest.digest);
	assert_ok(s.b, obtain(&s, digest));
	assert_string_equal(s.image.version, "");
	oci_image_deinit(&s.image);
	s.image = (struct oci_image){ 0 };
	other = str_printf("%s:2", reference);
	refused(&s, other, -ENOENT, "there is: docker.io/library/app:1.2");
	more = str_printf(",{\"mediaType\":\"" MANIFEST_TYPE "\",\"digest\":\"%s\",\"size\":1,"
			  "\"annotations\":{\"org.opencontainers.image.ref.name\":\"2\"}}",
			  manifest.digest);
	put_index(&manifest, more);
	refused(&s, reference, -ENOENT, "there are several images");
	refused(&s, other, -EBADMSG, "index.json says 1");
}

static void test_bad_layout(void **state)
{
	_free_ char *reference = NULL;
	struct oci_descriptor manifest, layer;
	_session_ struct session s;
	char path[160];

	begin(&s, *state);
	reference = str_printf("oci:%s/layout", s.b->path);
	refused(&s, reference, -ENOENT, "index.json");
	add_manifest(&manifest, "amd64");
	put_index(&manifest, "");
	/* a layer that is altered */
	oci_digest_of(layers[1], strlen(layers[1]), layer.digest);
	snprintf(path, sizeof(path), "blobs/sha256/%s", layer.digest + strlen("sha256:"));
	put(registry_double->dir, path, "the sEcond layer");
	refused(&s, reference, -EBADMSG, "came with the digest");
	put(registry_double->dir, path, "the second layer and more");
	refused(&s, reference, -EBADMSG, "25 bytes, its manifest says 16");
	/* a link out of it, to the right bytes */
	put(s.b->dirfd, "outside", layers[1]);
	assert_int_equal(unlinkat(registry_double->dir, path, 0), 0);
	assert_int_equal(symlinkat("../../../outside", registry_double->dir, path), 0);
	refused(&s, reference, -EXDEV, "cannot open blobs/sha256/");
	assert_int_equal(unlinkat(registry_double->dir, path, 0), 0);
	assert_int_equal(mkfifoat(registry_double->dir, path, 0600), 0);
	refused(&s, reference, -EBADMSG, "no regular file");
	put(registry_double->dir, "oci-layout", "{\"imageLayoutVersion\":\"2.0.0\"}");
	refused(&s, reference, -EBADMSG, "version \"2.0.0\"");
	refused(&s, "oci:/nowhere", -ENOENT, "/nowhere");
	refused(&s, "oci:", -EINVAL, "no path");
}

/* ---- archives -------------------------------------------------------------------------------- */

static void run_tar(const struct bench *b, const char *archive)
{
	_free_ char *path = str_printf("%s/%s", b->path, archive);
	_free_ char *layout = str_printf("%s/layout", b->path);
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		execlp("tar", "tar", "cf", path, "-C", layout, ".", (char *)NULL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_oci_archive(void **state)
{
	_free_ char *reference = NULL;
	struct oci_descriptor manifest;
	_session_ struct session s;

	begin(&s, *state);
	add_manifest(&manifest, "amd64");
	put_index(&manifest, "");
	run_tar(s.b, "My App.tar");
	reference = str_printf("oci-archive:%s/My App.tar", s.b->path);
	assert_ok(s.b, obtain(&s, reference));
	assert_string_equal(s.image.name, "my-app");
	assert_string_equal(s.image.digest, manifest.digest);
	assert_layers(&s);
	assert_int_equal(count_entries(s.b->dirfd, "store/staging"), 1);
}

/* As old versions of Docker write it: a layer that is there twice is a link the second time. */
static void put_saved(const char *config, const char *layer)
{
	_free_ char *text = str_printf("[{\"Config\":\"%s\",\"RepoTags\":[\"app:1.2\"],\"Layers\":["
				       "\"a/layer.tar\",\"%s\",\"c/layer.tar\"]}]",
				       config, layer);

	put(registry_double->dir, "manifest.json", text);
}

static void test_docker_archive(void **state)
{
	static const char config[] = "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{"
				     "\"type\":\"layers\",\"diff_ids\":[\"sha256:"
				     "%1$064d\",\"sha256:%1$064d\",\"sha256:%1$064d\"]}}";
	_free_ char *text = str_printf(config, 1), *name = NULL, *reference = NULL, *tag = NULL;
	_free_ char *other = NULL;
	struct oci_descriptor d;
	_session_ struct session s;

	begin(&s, *state);
	registry_blob(&d, text, strlen(text));
	name = str_printf("%s.json", d.digest + strlen("sha256:"));
	put(registry_double->dir, name, text);
	put(registry_double->dir, "a/layer.tar", layers[0]);
	put(registry_double->dir, "b/layer.tar", layers[1]);
	assert_int_equal(mkdirat(registry_double->dir, "c", 0755), 0);
	assert_int_equal(symlinkat("../a/layer.tar", registry_double->dir, "c/layer.tar"), 0);
	put_saved(name, "b/layer.tar");
	run_tar(s.b, "saved.tar");
	reference = str_printf("docker-archive:%s/saved.tar", s.b->path);
	assert_ok(s.b, obtain(&s, reference));
	assert_string_equal(s.image.name, "saved");
	assert_string_equal(s.image.version, "1.2");
	assert_string_equal(s.image.manifest.config.digest, d.digest);
	assert_true(
		oci_digest_matches(s.image.digest, s.image.manifest_text, s.image.manifest_len));
	assert_layers(&s);
	oci_image_deinit(&s.image);
	tag = str_printf("%s:docker.io/library/app:1.2", reference);
	assert_ok(s.b, obtain(&s, tag));
	oci_image_deinit(&s.image);
	s.image = (struct oci_image){ 0 };
	other = str_printf("%s:app:2", reference);
	refused(&s, other, -ENOENT, "no image \"app:2\"");
	/* a name that is a digest, and not the right one; a layer outside */
	put(registry_double->dir, name, "{}");
	run_tar(s.b, "saved.tar");
	refused(&s, reference, -EBADMSG, "in it has the digest");
	put(registry_double->dir, name, text);
	put_saved(name, "../../../etc/passwd");
	run_tar(s.b, "saved.tar");
	refused(&s, reference, -EXDEV, "cannot open ../../../etc/passwd");
	put_saved(name, "missing/layer.tar");
	run_tar(s.b, "saved.tar");
	refused(&s, reference, -ENOENT, "missing/layer.tar");
}

/* ---- names, challenges, realms --------------------------------------------------------------- */

static void test_names(_unused_ void **state)
{
	static const struct {
		const char *reference, *name, *version; /* name NULL: refused */
	} cases[] = {
		{ "docker://alpine", "docker.io/library/alpine", "latest" },
		{ "docker://localhost:5000/a_b:1", "localhost~5000/a~b", "1" },
		{ "docker://a@sha256:0000000000000000000000000000000000000000000000000000000000000000",
		  "docker.io/library/a", "" },
		{ "oci:/srv/My_Images/:3", "my_images", "3" },
		{ "oci:.", NULL, NULL },
		{ "oci:/srv/app:example.com/app:4", "app", "4" },
		{ "oci:app:example.com/app", "app", "" },
		{ "oci:app", "app", "" },
		{ "oci:app:", NULL, NULL },
		{ "docker-archive:/srv/app.tar.gz:app:2", "app", "2" },
		{ "oci-archive:app.tgz", "app", "" },
		{ "docker://A", NULL, NULL },
	};
	char name[LIMIT_NAME_BYTES + 1], version[129];
	struct error err = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = oci_store_name(cases[i].reference, name, version, &err);

		assert_true(oci_is_reference(cases[i].reference));
		if (!cases[i].name) {
			assert_int_equal(r, -EINVAL);
			continue;
		}
		assert_int_equal(r, 0);
		assert_string_equal(name, cases[i].name);
		assert_string_equal(version, cases[i].version);
	}
	assert_false(oci_is_reference("example.com/app"));
	assert_false(oci_is_reference("docker:/app"));
	assert_false(oci_is_reference("https://example.com/app"));
}

static void test_challenges(_unused_ void **state)
{
	static const struct {
		const char *text, *realm, *service; /* realm NULL: refused */
	} cases[] = {
		{ "Bearer realm=\"https://a/t\",service=\"s\",scope=\"x:y:z\"", "https://a/t",
		  "s" },
		{ "bearer  realm=\"https://a\" , error=\"invalid_token\"", "https://a", "" },
		{ "Bearer realm=\"a\\\"b\", service=token", "a\"b", "token" },
		{ "BEARER REALM=\"r\"", "r", "" },
		{ "Basic realm=\"x\"", "", "" },
		{ "Bearer", NULL, NULL },
		{ "Bearer realm=", NULL, NULL },
		{ "Bearer realm=\"\"", NULL, NULL },
		{ "Bearer realm=\"a", NULL, NULL },
		{ "Bearer realm=\"a\",realm=\"b\"", NULL, NULL },
		{ "Bearer realm=\"a\" service=\"b\"", NULL, NULL },
		{ "Bearer realm=\"a\",", NULL, NULL },
		{ "Bearer =\"a\"", NULL, NULL },
		{ "Bearer realm=\"a\nb\"", NULL, NULL },
		{ "Digest realm=\"a\"", NULL, NULL },
		{ "", NULL, NULL },
	};
	struct oci_challenge c;
	struct error err = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = oci_challenge_parse(&c, cases[i].text, &err);

		if ((r < 0) != !cases[i].realm)
			fail_msg("%s: %d", cases[i].text, r);
		if (r < 0)
			continue;
		assert_string_equal(c.realm, cases[i].realm);
		assert_string_equal(c.service, cases[i].service);
		assert_int_equal(c.is_bearer, !str_starts(cases[i].text, "Basic"));
	}
}

static void test_realms(void **state)
{
	static const struct {
		const char *registry, *realm;
		bool allowed;
	} cases[] = {
		{ "https://registry-1.docker.io", "https://auth.docker.io/token", true },
		{ "https://registry.example.com", "https://registry.example.com/t", true },
		{ "https://example.com:5000", "https://example.com:5000/t", true },
		{ "https://example.com:5000", "https://example.com/t", true },
		{ "https://example.com:5000", "https://example.com:5001/t", false },
		{ "https://example.com", "https://auth.example.com/t", true },
		{ "https://registry.example.com", "https://example.com/t", true },
		{ "https://registry.example.com", "https://auth.example.com:444/t", false },
		{ "https://registry.example.com", "http://registry.example.com/t", false },
		{ "https://registry.example.com", "https://example.com.evil.org/t", false },
		{ "https://registry.example.com", "https://evilexample.com/t", false },
		{ "https://example.com", "https://evil.com/t", false },
		{ "https://shop.co.uk", "https://evil.co.uk/t", false },
		{ "https://registry.shop.co.uk", "https://auth.shop.co.uk/t", true },
		{ "https://localhost:5000", "https://localhost:5000/t", true },
		{ "https://10.0.0.1", "https://10.0.0.2/t", false },
		{ "https://1.10.0.1", "https://2.10.0.1/t", false },
		{ "https://[::1]", "https://[::2]/t", false },
		{ "https://registry.example.com", "https://named.org/t", true },
		{ "https://registry.example.com", "ftp://registry.example.com/t", false },
	};
	_session_ struct session s;

	begin(&s, *state);
	s.host.host = (char *)"named.org";
	s.config.n_hosts = 1;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = oci_realm_allowed(&s.net, cases[i].registry, cases[i].realm, &s.b->err);

		if ((r == 0) != cases[i].allowed)
			fail_msg("%s -> %s: %d", cases[i].registry, cases[i].realm, r);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, registry_setup, registry_teardown)

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
		TEST(test_token),
		TEST(test_refused_tokens),
		TEST(test_altered_layer),
		TEST(test_what_the_header_says),
		TEST(test_cut),
		TEST(test_wrong_beginning),
		TEST(test_http),
		TEST(test_missing),
		TEST(test_layout),
		TEST(test_bad_layout),
		TEST(test_oci_archive),
		TEST(test_docker_archive),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_challenges),
		TEST(test_realms),
	};

	return cmocka_run_group_tests_name("oci", tests, NULL, NULL);
}
