/* OCI images that are files: layouts and archives; and what an image is called in the store. */
#include "oci_session.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

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

/* ---- names ----------------------------------------------------------------------------------- */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_layout),         TEST(test_bad_layout),        TEST(test_oci_archive),
		TEST(test_docker_archive), cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("oci_files", tests, NULL, NULL);
}
