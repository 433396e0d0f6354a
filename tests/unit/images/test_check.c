/* images_check() with doubles for what fetches and what unpacks layers. Runs as root. */
#include "images/digest.h"

#include "bench.h"

#include <fcntl.h>
#include <nettle/sha2.h>
#include <sys/stat.h>

struct watch {
	struct bench *b;
	const char *named;   /* the only one to be looked at; NULL: everything */
	char said[8192];     /* "object: what: repaired\n" */
	const char *archive; /* what there is to be fetched; NULL: nothing */
	char origin[64];
	unsigned fetched;
	const char *layer; /* the content of the file x that the layers make */
};

static int note(const struct images_finding *f, void *arg)
{
	struct watch *w = arg;
	size_t used = strlen(w->said);
	const char *slash = strrchr(f->object, '/');

	snprintf(w->said + used, sizeof(w->said) - used, "%s: %s: %s\n",
		 slash ? slash + 1 : f->object, f->what,
		 f->repaired  ? f->repaired
		 : f->why_not ? f->why_not
			      : "-");
	return 0;
}

static int refetch(const struct images *im, const char *id, const char *origin,
		   _unused_ const char *source, void *arg, struct error *err)
{
	struct watch *w = arg;
	char got[STORE_ID_TEXT];
	int r;

	w->fetched++;
	snprintf(w->origin, sizeof(w->origin), "%s", origin);
	if (!*origin)
		return STORE_MISSING;
	if (!w->archive)
		return error_set(err, -ENETUNREACH, "nobody is there");
	r = images_import(im, w->archive, got, NULL, NULL, err);
	assert_true(r < 0 || str_eq(got, id));
	return r < 0 ? r : 0;
}

static int unpack_oci(_unused_ const struct images *im, _unused_ const char *id, int tree,
		      void *arg, _unused_ struct error *err)
{
	static const struct timespec times[] = { { 1000, 0 }, { 1000, 0 } };
	const struct watch *w = arg;

	put(tree, "x", w->layer);
	assert_int_equal(utimensat(tree, "x", times, 0), 0);
	assert_int_equal(utimensat(tree, ".", times, 0), 0);
	return 0;
}

static unsigned check(struct watch *w, bool repair)
{
	const struct images_check c = {
		.ids = &w->named,
		.n_ids = w->named != NULL,
		.repair = repair,
		.refetch = refetch,
		.unpack_oci = unpack_oci,
		.each = note,
		.arg = w,
	};
	unsigned left = 1234;

	w->said[0] = '\0';
	assert_ok(w->b, images_check(&w->b->im, &c, &left, NULL, &w->b->err));
	return left;
}

static void expect(const struct watch *w, const char *said)
{
	assert_string_equal(w->said, said);
}

/* An image "app" of an archive that stays: its ID, and its directory in the store. */
static int import_app(struct bench *b, char id[STORE_ID_TEXT], char **ret_archive)
{
	_free_ char *text = manifest_text("app", ""), *path = NULL;
	_free_ char *rootfs = str_printf("%s/app/rootfs", b->path);
	_free_ char *manifest = str_printf("%s/app/manifest", b->path);
	char *archive = str_printf("%s/app.aci", b->path);
	const struct images_recipe recipe = { rootfs, manifest, archive, "gzip", true };
	int dir;

	put(b->dirfd, "app/manifest", text);
	put(b->dirfd, "app/rootfs/x", "content");
	assert_ok(b, images_build(&b->im, &recipe, id, NULL, &b->err));
	assert_ok(b, images_import(&b->im, archive, id, NULL, NULL, &b->err));
	path = str_printf("store/images/%s", id);
	dir = openat(b->dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	*ret_archive = archive;
	return dir;
}

static void test_fetched_again(void **state)
{
	struct bench *b = *state;
	struct watch w = { .b = b };
	_free_ char *archive = NULL;
	char id[STORE_ID_TEXT];
	_close_ int dir = import_app(b, id, &archive);

	assert_int_equal(check(&w, false), 0);
	expect(&w, "");
	put(dir, "origin", "{\"url\":1}");
	put(dir, "aci", "damaged");
	assert_ok(b, store_pin(b->im.store, id, true, &b->err));
	assert_int_equal(check(&w, false), 1);
	assert_int_equal(w.fetched, 0);
	w.archive = archive;
	assert_int_equal(check(&w, true), 0);
	assert_non_null(strstr(w.said, "fetched again"));
	assert_string_equal(w.origin, "{\"url\":1}");
	assert_true(store_is_pinned(b->im.store, id));
	assert_int_equal(check(&w, false), 0);
	expect(&w, "");
}

static void assert_removed(struct bench *b, struct watch *w)
{
	assert_int_equal(check(w, true), 0);
	assert_non_null(strstr(w->said, "the image was removed"));
	assert_int_equal(count_entries(b->dirfd, "store/images"), 0);
	assert_int_equal(count_entries(b->dirfd, "mosaic/volumes"), 0);
	assert_int_equal(check(w, false), 0);
}

/* It is as it was. */
static void assert_kept(struct bench *b, struct watch *w, const char *id, const char *why)
{
	_free_ char *manifest = NULL;
	size_t len;

	assert_int_equal(check(w, true), 1);
	if (!strstr(w->said, why))
		fail_msg("not \"%s\": %s", why, w->said);
	assert_ok(b, store_manifest(b->im.store, id, &manifest, &len, &b->err));
}

static void test_nobody_knows_where_from(void **state)
{
	struct bench *b = *state;
	struct watch w = { .b = b };
	_free_ char *archive = NULL;
	char id[STORE_ID_TEXT];
	_close_ int dir = import_app(b, id, &archive);

	put(dir, "aci", "damaged");
	assert_ok(b, store_pin(b->im.store, id, true, &b->err));
	assert_kept(b, &w, id, "it is pinned");
	assert_ok(b, store_pin(b->im.store, id, false, &b->err));
	w.named = id;
	assert_kept(b, &w, id, "nobody knows where it came from; the image stays");
	w.named = NULL;
	assert_removed(b, &w);
}

static void test_cannot_be_fetched(void **state)
{
	struct bench *b = *state;
	struct watch w = { .b = b };
	_free_ char *archive = NULL;
	char id[STORE_ID_TEXT];
	_close_ int dir = import_app(b, id, &archive);

	put(dir, "aci", "damaged");
	put(dir, "origin", "{\"url\":1}");
	assert_kept(
		b, &w, id,
		"not fetched again, and the image stays until `carob image rm`: nobody is there");
	w.named = id;
	assert_kept(b, &w, id, "nobody is there");
	assert_int_equal(w.fetched, 2);
	w.archive = archive;
	assert_int_equal(check(&w, true), 0);
	assert_non_null(strstr(w.said, "fetched again"));
}

/* ---- OCI ------------------------------------------------------------------------------------- */

static void digest(char dst[65], const char *text)
{
	unsigned char raw[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, strlen(text), (const unsigned char *)text);
	sha256_digest(&ctx, sizeof(raw), raw);
	hex_encode(dst, raw, sizeof(raw));
}

/* An image as oci.h says that it lies in the store. Its directory. */
static int make_oci(struct bench *b, char id[STORE_ID_TEXT], char blob[80])
{
	static const char config[] = "{\"rootfs\":{\"diff_ids\":[\"sha256:1\",\"sha256:2\"]}}";
	char config_digest[65], layer[65], volume[160];
	_free_ char *manifest = manifest_text("oci", ""), *document = NULL, *text = NULL;
	struct mosaic_staged staged;
	struct store_staged image;
	struct store_info info = {
		.name = (char *)"oci", .labels = (char *)"", .imported_ns = 5, .source = (char *)""
	};
	struct stream hash = { .hash = &digest_sha512 };
	struct watch w = { .layer = "layer" };
	_close_ int tree = -1;

	digest(config_digest, config);
	digest(layer, "a layer");
	document = str_printf("{\"config\":{\"digest\":\"sha256:%s\"},\"layers\":[{\"digest\":"
			      "\"sha256:%s\"}]}",
			      config_digest, layer);
	text = str_printf("carob oci 1\n%s\nsha256:1\nsha256:2\n", manifest);
	hash.hash->init(&hash.digest);
	hash.hash->update(&hash.digest, strlen(text), (const unsigned char *)text);
	stream_id(&hash, info.id);
	memcpy(id, info.id, STORE_ID_TEXT);
	snprintf(blob, 80, "blob.sha256-%s", layer);
	assert_ok(b, mosaic_stage(b->im.mosaic, &staged, &tree, &b->err));
	assert_int_equal(unpack_oci(NULL, NULL, tree, &w, NULL), 0);
	store_volume_name(volume, info.id);
	assert_ok(b, mosaic_commit(b->im.mosaic, &staged, volume, &b->err));
	assert_ok(b, store_stage(b->im.store, &image, &b->err));
	put(image.fd, "aci", ""); /* until store_adopt() knows these */
	put(image.fd, "oci-manifest", document);
	put(image.fd, "oci-config", config);
	put(image.fd, blob, "a layer");
	assert_ok(b, store_adopt(b->im.store, &image, &info, manifest, strlen(manifest), &b->err));
	{
		_free_ char *path = str_printf("store/images/%s", info.id);

		tree = openat(b->dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	assert_int_equal(unlinkat(tree, "aci", 0), 0);
	return take_fd(&tree);
}

static void test_oci(void **state)
{
	struct bench *b = *state;
	struct watch w = { .b = b, .layer = "layer" };
	char id[STORE_ID_TEXT], blob[80];
	_close_ int dir = make_oci(b, id, blob);
	_free_ char *said = NULL, *good = NULL;

	assert_int_equal(check(&w, false), 0);
	expect(&w, "");
	put(dir, blob, "A layer");
	assert_int_equal(check(&w, false), 1);
	said = str_printf("%s: its content has another digest: -\n", blob);
	expect(&w, said);
	put(dir, blob, "a layer");
	assert_int_equal(file_read(dir, "oci-config", 4096, &good, NULL), 0);
	put(dir, "oci-config", "{}");
	assert_int_equal(check(&w, false), 1);
	expect(&w, "oci-config: oci-manifest names another one: -\n");
	put(dir, "oci-config", good);
	{
		_free_ char *other = manifest_text("other", "");

		free(good);
		assert_int_equal(file_read(dir, "manifest", 4096, &good, NULL), 0);
		put(dir, "manifest", other);
	}
	assert_int_equal(check(&w, false), 2);
	assert_non_null(strstr(w.said, "manifest: it does not make the image's ID: -\n"));
	put(dir, "manifest", good);
	assert_int_equal(check(&w, false), 0);
	/* the tree is made of the layers once more */
	w.layer = "another";
	assert_int_equal(check(&w, false), 1);
	assert_non_null(strstr(w.said, "/x has another size"));
	assert_int_equal(check(&w, true), 0);
	assert_int_equal(check(&w, false), 0);
	assert_int_equal(unlinkat(dir, blob, 0), 0);
	assert_int_equal(check(&w, true), 0);
	assert_non_null(strstr(w.said, "it is missing: the image was removed\n"));
	assert_int_equal(count_entries(b->dirfd, "store/images"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fetched_again),
		TEST(nobody_knows_where_from),
		TEST(cannot_be_fetched),
		TEST(oci),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
