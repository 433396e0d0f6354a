/* Images from the store to rendered volumes, and away again. Runs as root: owners are kept. */
#include "samples.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- render ---------------------------------------------------------------------------------- */

static void test_simple_render_needs_no_copy(void **state)
{
	struct bench *b = *state;
	struct appc_image *image = NULL;
	char id[STORE_ID_TEXT], volume[MOSAIC_NAME_MAX + 1], wanted[160];

	import_one(b, "app", "x", "x", "", id);
	assert_ok(b, images_render(&b->im, id, volume, &image, &b->err));
	store_volume_name(wanted, id);
	assert_string_equal(volume, wanted);
	assert_string_equal(image->name, "app");
	appc_image_free(image);
	assert_int_equal(count_entries(b->dirfd, "mosaic/volumes"), 1);
}

static void test_lost_volume_comes_back(void **state)
{
	struct bench *b = *state;
	char id[STORE_ID_TEXT], volume[MOSAIC_NAME_MAX + 1];
	_close_ int root = -1;
	_free_ char *archive = NULL;

	import_one(b, "app", "x", "x", "", id);
	store_volume_name(volume, id);
	assert_ok(b, mosaic_drop(b->im.mosaic, volume, MOSAIC_DROP_UNCHECKED, &b->err));
	root = render(b, id, volume);
	assert_file(root, "x", "x");
	assert_nothing_staged(b);
	cleanup_close(&root);
	/* but not from an archive that is another one by now */
	assert_ok(b, mosaic_drop(b->im.mosaic, volume, MOSAIC_DROP_UNCHECKED, &b->err));
	archive = str_printf("store/images/%s/aci", id);
	root = openat(b->dirfd, archive, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(root, "Z", 1, 2048 + 600), 1);
	assert_true(images_render(&b->im, id, volume, NULL, &b->err) < 0);
	assert_nothing_staged(b);
	assert_int_equal(count_entries(b->dirfd, "mosaic/volumes"), 0);
}

static void test_dependencies(void **state)
{
	struct bench *b = *state;
	char base[STORE_ID_TEXT], lib[STORE_ID_TEXT], id[STORE_ID_TEXT];
	char volume[MOSAIC_NAME_MAX + 1], again[MOSAIC_NAME_MAX + 1];
	_free_ char *path = NULL;
	_close_ int root = -1;
	struct stat st;

	path = image_directory(b, "base", "");
	put(b->dirfd, "base/rootfs/bin/sh", "base");
	put(b->dirfd, "base/rootfs/etc/conf", "base");
	assert_int_equal(linkat(b->dirfd, "base/rootfs/bin/sh", b->dirfd, "base/rootfs/bin/ash", 0),
			 0);
	assert_int_equal(fchownat(b->dirfd, "base/rootfs/etc/conf", 11, 22, 0), 0);
	import(b, path, base);
	import_one(b, "lib", "bin/sh", "lib", DEPENDS(ON("base")), lib);
	import_one(b, "app", "etc/app", "app", DEPENDS(ON("lib")), id);
	root = render(b, id, volume);
	assert_true(str_starts(volume, "chain."));
	assert_file(root, "bin/sh", "lib");
	assert_file(root, "bin/ash", "base"); /* the link's content survives (rkt #1653) */
	assert_file(root, "etc/conf", "base");
	assert_file(root, "etc/app", "app");
	assert_int_equal(fstatat(root, "etc/conf", &st, 0), 0);
	assert_int_equal(st.st_uid, 11);
	assert_int_equal(st.st_gid, 22);
	assert_int_equal(count_entries(b->dirfd, "mosaic/volumes"), 4);
	assert_ok(b, images_render(&b->im, id, again, NULL, &b->err));
	assert_string_equal(volume, again);
	assert_int_equal(count_entries(b->dirfd, "mosaic/volumes"), 4);
	assert_nothing_staged(b);
}

static void test_whitelist(void **state)
{
	struct bench *b = *state;
	char id[STORE_ID_TEXT], volume[MOSAIC_NAME_MAX + 1];
	_close_ int root = -1;

	import_one(b, "base", "etc/gone", "x", "", id);
	import_one(b, "lib", "etc/kept", "x", "", id);
	import_one(b, "app", "bin/app", "x",
		   DEPENDS(ON("base") "," ON(
			   "lib")) ",\"pathWhitelist\":[\"/etc/kept\",\"/bin/app\"]",
		   id);
	root = render(b, id, volume);
	assert_true(str_starts(volume, "chain."));
	assert_file(root, "etc/kept", "x");
	assert_file(root, "bin/app", "x");
	assert_missing(root, "etc/gone");
}

/* What an archive only implies does not undo what a lower image says. */
static void test_implied_directories(void **state)
{
	struct bench *b = *state;
	char id[STORE_ID_TEXT], volume[MOSAIC_NAME_MAX + 1];
	_free_ char *base = image_directory(b, "base", ""), *app = NULL;
	_close_ int root = -1;
	struct stat st;

	put(b->dirfd, "base/rootfs/etc/x", "x");
	assert_int_equal(fchmodat(b->dirfd, "base/rootfs/etc", 0700, 0), 0);
	import(b, base, id);
	/* the fixture has "rootfs/d/e/f" without an entry for "d/e" and one for "d": 0700, 5:0 */
	app = str_printf("%s/child-before-directory.aci", getenv("CAROB_ARCHIVES"));
	import(b, app, id);
	{
		_free_ char *implied = NULL;
		size_t len;

		assert_ok(b, store_read(b->im.store, id, "implied", &implied, &len, &b->err));
		assert_non_null(implied);
		assert_string_equal(implied, "d/e");
		assert_int_equal(len, 4);
	}
	import_one(b, "upper", "x", "x", DEPENDS(ON("base") "," ON("example.com/child")), id);
	root = render(b, id, volume);
	assert_int_equal(fstatat(root, "etc", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(fstatat(root, "d", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(st.st_uid, 5);
}

static void test_renders_at_once(void **state)
{
	struct bench *b = *state;
	char id[STORE_ID_TEXT];
	pid_t children[3];

	import_one(b, "base", "x", "x", "", id);
	import_one(b, "app", "y", "y", DEPENDS(ON("base")), id);
	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		children[i] = fork();
		if (children[i] == 0) {
			_free_ char *store = str_printf("%s/store", b->path);
			char volume[MOSAIC_NAME_MAX + 1];
			struct images im = b->im;

			if (store_open(&im.store, store, false, NULL) < 0)
				_exit(2);
			_exit(images_render(&im, id, volume, NULL, NULL) < 0);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		int status;

		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(count_entries(b->dirfd, "mosaic/volumes"), 3);
	assert_nothing_staged(b);
}

/* ---- away ------------------------------------------------------------------------------------ */

#define POD "pod.0b0a4c7e-2c0b-4f7e-9d11-6a8d3c9b1f00.web"

static void test_remove(void **state)
{
	struct bench *b = *state;
	char base[STORE_ID_TEXT], id[STORE_ID_TEXT], volume[MOSAIC_NAME_MAX + 1];

	bench_use_overlay(b); /* its clones depend on what they come from */
	import_one(b, "base", "x", "x", "", base);
	import_one(b, "app", "y", "y", DEPENDS(ON("base")), id);
	assert_ok(b, images_render(&b->im, id, volume, NULL, &b->err));
	assert_int_equal(images_remove(&b->im, base, &b->err), -EBUSY);
	assert_non_null(strstr(b->err.text, "image app "));
	assert_ok(b, mosaic_clone(b->im.mosaic, POD, volume, &b->err));
	assert_int_equal(images_remove(&b->im, id, &b->err), -EBUSY);
	assert_non_null(strstr(b->err.text, "app web of pod 0b0a4c7e-2c0b-4f7e-9d11-6a8d3c9b1f00"));
	assert_true(mosaic_have(b->im.mosaic, volume));
	assert_ok(b, mosaic_drop(b->im.mosaic, POD, MOSAIC_DROP_UNCHECKED, &b->err));
	assert_ok(b, images_remove(&b->im, id, &b->err));
	assert_false(mosaic_have(b->im.mosaic, volume));
	assert_int_equal(images_remove(&b->im, id, &b->err), -ENOENT);
	assert_ok(b, images_remove(&b->im, base, &b->err));
	assert_int_equal(count_entries(b->dirfd, "mosaic/volumes"), 0);
	assert_int_equal(count_entries(b->dirfd, "store/images"), 0);
	assert_int_equal(count_entries(b->dirfd, "store/names"), 0);
	assert_nothing_staged(b);
}

static void make_volume(struct bench *b, const char *name)
{
	struct mosaic_staged staged;
	_close_ int root = -1;

	assert_ok(b, mosaic_stage(b->im.mosaic, &staged, &root, &b->err));
	assert_ok(b, mosaic_commit(b->im.mosaic, &staged, name, &b->err));
}

static void test_collect(void **state)
{
	struct bench *b = *state;
	char base[STORE_ID_TEXT], id[STORE_ID_TEXT], volume[MOSAIC_NAME_MAX + 1];
	unsigned n;

	import_one(b, "base", "x", "x", "", base);
	import_one(b, "app", "y", "y", DEPENDS(ON("base")), id);
	assert_ok(b, images_render(&b->im, id, volume, NULL, &b->err));
	make_volume(b, "chain.0000");        /* of images that are gone */
	make_volume(b, "image.sha512-dead"); /* its maker died before it was adopted */
	make_volume(b, "data.somebody-elses");
	assert_ok(b, images_collect(&b->im, &n, &b->err));
	assert_int_equal(n, 2);
	assert_int_equal(count_entries(b->dirfd, "mosaic/volumes"), 4);
	assert_true(mosaic_have(b->im.mosaic, volume));
	assert_ok(b, images_collect(&b->im, &n, &b->err));
	assert_int_equal(n, 0);
	/* a newer base: what was rendered of the older one is no longer what "app" is */
	put(b->dirfd, "base/rootfs/x", "newer");
	{
		_free_ char *path = str_printf("%s/base", b->path);
		char newer[STORE_ID_TEXT], now[MOSAIC_NAME_MAX + 1];
		_close_ int root = -1;

		import(b, path, newer);
		root = render(b, id, now);
		assert_string_not_equal(now, volume);
		assert_file(root, "x", "newer");
		assert_ok(b, images_collect(&b->im, &n, &b->err));
		assert_int_equal(n, 1);
		assert_false(mosaic_have(b->im.mosaic, volume));
		assert_true(mosaic_have(b->im.mosaic, now));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(simple_render_needs_no_copy),
		TEST(lost_volume_comes_back),
		TEST(dependencies),
		TEST(whitelist),
		TEST(implied_directories),
		TEST(renders_at_once),
		TEST(remove),
		TEST(collect),
	};

	return cmocka_run_group_tests_name("volumes", tests, NULL, NULL);
}
