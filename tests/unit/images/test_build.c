/* Archives made of directories, and what is said of both. Runs as root: owners are kept. */
#include "samples.h"

#include <fcntl.h>
#include <sys/stat.h>

/* ---- build ----------------------------------------------------------------------------------- */

static void test_build_is_deterministic(void **state)
{
	static const char *const compressions[] = { "none", "gzip", "bzip2", "xz" };
	static const struct timespec times[] = { { 1700000000, 123456789 },
						 { 1700000000, 123456789 } };
	static const char *const names[] = { "one", "two" };
	struct bench *b = *state;
	char ids[2][STORE_ID_TEXT];

	for (size_t i = 0; i < 2; i++) {
		_free_ char *path = image_directory(b, names[i], "");
		_free_ char *manifest = str_printf("%s/manifest", names[i]),
			    *text = manifest_text("same", "");

		put(b->dirfd, manifest, text);
		/* made in another order */
		for (int k = 0; k < 20; k++) {
			_free_ char *file = str_printf("%s/rootfs/d/%d", names[i], i ? 19 - k : k);

			put(b->dirfd, file, "content");
			assert_int_equal(utimensat(b->dirfd, file, times, 0), 0);
		}
		for (int k = 0; k < 2; k++) {
			_free_ char *file = str_printf("%s/rootfs/%s", names[i], k ? "d" : ".");

			assert_int_equal(utimensat(b->dirfd, file, times, 0), 0);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(compressions); i++) {
		_free_ char *one = str_printf("one.%s", compressions[i]),
			    *two = str_printf("two.%s", compressions[i]);

		build(b, "one", one, compressions[i], ids[0]);
		build(b, "two", two, compressions[i], ids[1]);
		assert_string_equal(ids[0], ids[1]);
		assert_same_files(b->dirfd, one, b->dirfd, two);
	}
}

static void test_source_date_epoch(void **state)
{
	struct bench *b = *state;
	char one[STORE_ID_TEXT], two[STORE_ID_TEXT], volume[MOSAIC_NAME_MAX + 1];
	_free_ char *path = image_directory(b, "app", ""), *file = str_printf("%s/1.aci", b->path);
	static const struct timespec old[] = { { 1000, 0 }, { 1000, 5 } };
	_close_ int root = -1;
	struct stat st;

	put(b->dirfd, "app/rootfs/new", "x");
	put(b->dirfd, "app/rootfs/old", "x");
	assert_int_equal(utimensat(b->dirfd, "app/rootfs/old", old, 0), 0);
	assert_int_equal(setenv("SOURCE_DATE_EPOCH", "1234567", 1), 0);
	build(b, "app", "1.aci", "gzip", one);
	put(b->dirfd, "app/rootfs/new", "x"); /* later */
	build(b, "app", "2.aci", "gzip", two);
	assert_int_equal(unsetenv("SOURCE_DATE_EPOCH"), 0);
	assert_same_files(b->dirfd, "1.aci", b->dirfd, "2.aci");
	import(b, file, one);
	root = render(b, one, volume);
	assert_int_equal(fstatat(root, "new", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1234567);
	assert_int_equal(fstatat(root, "old", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_nsec, 5);
}

static void test_build_refuses(void **state)
{
	struct bench *b = *state;
	_free_ char *path = image_directory(b, "app", ""), *out = str_printf("%s/x.aci", b->path);
	_free_ char *rootfs = str_printf("%s/app/rootfs", b->path),
		    *manifest = str_printf("%s/app/manifest", b->path);
	_free_ char *nowhere = str_printf("%s/no/where.aci", b->path),
		    *text = str_printf("%s/text", b->path);
	struct images_recipe recipe = { rootfs, manifest, out, "gzip", false };
	char id[STORE_ID_TEXT];

	put(b->dirfd, "text", "no manifest");
	recipe.manifest = text;
	assert_int_equal(images_build(&b->im, &recipe, id, NULL, &b->err), -EBADMSG);
	recipe.manifest = manifest;
	recipe.rootfs = text;
	assert_int_equal(images_build(&b->im, &recipe, id, NULL, &b->err), -ENOTDIR);
	recipe.rootfs = rootfs;
	recipe.out = nowhere;
	assert_int_equal(images_build(&b->im, &recipe, id, NULL, &b->err), -ENOENT);
	recipe.out = out;
	recipe.compression = "lzip";
	assert_true(images_build(&b->im, &recipe, id, NULL, &b->err) < 0);
	assert_missing(b->dirfd, "x.aci");
	recipe.compression = "gzip";
	assert_ok(b, images_build(&b->im, &recipe, id, NULL, &b->err));
	assert_int_equal(images_build(&b->im, &recipe, id, NULL, &b->err), -EEXIST);
	recipe.overwrite = true;
	assert_ok(b, images_build(&b->im, &recipe, id, NULL, &b->err));
	assert_int_equal(count_entries(b->dirfd, "."), 6); /* app libexec mosaic store text x.aci */
}

/* ---- validate -------------------------------------------------------------------------------- */

static void validate(struct bench *b, const char *name, const char *kind, size_t errors)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	_free_ char *path = str_printf("%s/%s", b->path, name);
	const char *got;
	int r = images_validate(&b->im, path, &got, &faults, &b->err);

	assert_int_equal(r, errors ? -EBADMSG : 0);
	assert_string_equal(got, kind);
	assert_int_equal(faults.n_errors, errors);
}

static void test_validate(void **state)
{
	struct bench *b = *state;
	_free_ char *path = image_directory(b, "app", "");
	char id[STORE_ID_TEXT];

	build(b, "app", "x.aci", "gzip", id);
	put(b->dirfd, "pod",
	    " \n{\"acKind\":\"PodManifest\",\"acVersion\":\"0.8.11\",\"apps\":[]}");
	put(b->dirfd, "odd/other", "x");
	put(b->dirfd, "odd/rootfs", "x");
	validate(b, "x.aci", "image", 0);
	validate(b, "app", "image layout", 0);
	validate(b, "app/manifest", "image manifest", 0);
	validate(b, "pod", "pod manifest", 0);
	validate(b, "odd", "image layout", 3); /* other, rootfs, no manifest */
	put(b->dirfd, "app/extra", "x");
	validate(b, "app", "image layout", 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(build_is_deterministic),
		TEST(source_date_epoch),
		TEST(build_refuses),
		TEST(validate),
	};

	return cmocka_run_group_tests_name("build", tests, NULL, NULL);
}
