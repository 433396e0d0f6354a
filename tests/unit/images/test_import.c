/* Images from archive and directory into the store. Runs as root: owners are kept. */
#include "samples.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- import ---------------------------------------------------------------------------------- */

static void test_directory_is_archive(void **state)
{
	static const char *const compressions[] = { "none", "gzip", "bzip2", "xz" };
	struct bench *b = *state;
	char id[STORE_ID_TEXT], built[STORE_ID_TEXT], again[STORE_ID_TEXT];
	_free_ char *path = image_directory(b, "app", "");
	_close_ int root = -1;
	char volume[MOSAIC_NAME_MAX + 1];
	int r;

	put(b->dirfd, "app/rootfs/bin/app", "#!/bin/sh");
	put(b->dirfd, "app/rootfs/etc/motd", "hello");
	assert_int_equal(fchownat(b->dirfd, "app/rootfs/etc/motd", 12, 34, 0), 0);
	import(b, path, id);
	for (size_t i = 0; i < ARRAY_SIZE(compressions); i++) {
		_free_ char *out = str_printf("app.%s.aci", compressions[i]);
		_free_ char *archive = str_printf("%s/%s", b->path, out);

		build(b, "app", out, compressions[i], built);
		assert_string_equal(built, id);
		r = images_import(&b->im, archive, again, NULL, NULL, &b->err);
		assert_ok(b, r);
		assert_int_equal(r, STORE_EXISTS);
		assert_string_equal(again, id);
	}
	root = render(b, id, volume);
	assert_true(str_starts(volume, "image.sha512-"));
	assert_file(root, "etc/motd", "hello");
	assert_nothing_staged(b);
}

static void test_archive_is_kept(void **state)
{
	struct bench *b = *state;
	char id[STORE_ID_TEXT], built[STORE_ID_TEXT];
	_free_ char *path = image_directory(b, "app", ""), *file = str_printf("%s/x.aci", b->path);
	_free_ char *kept = NULL;

	build(b, "app", "x.aci", "xz", built);
	import(b, file, id);
	kept = str_printf("store/images/%s/aci", id);
	assert_same_files(b->dirfd, "x.aci", b->dirfd, kept);
}

static void refuse(struct bench *b, const char *name, int code)
{
	_free_ char *path = str_printf("%s/%s", b->path, name);
	char id[STORE_ID_TEXT];

	assert_error(b, images_import(&b->im, path, id, NULL, NULL, &b->err), code);
	assert_nothing_staged(b);
	assert_int_equal(count_entries(b->dirfd, "store/images"), 0);
	assert_int_equal(count_entries(b->dirfd, "mosaic/volumes"), 0);
}

static void test_what_is_no_image(void **state)
{
	struct bench *b = *state;
	_free_ char *path = image_directory(b, "bad", ",\"name\":7");

	put(b->dirfd, "empty/file", "");
	put(b->dirfd, "text", "hello");
	put(b->dirfd, "linked/rootfs/x", "");
	assert_int_equal(symlinkat("../text", b->dirfd, "linked/manifest"), 0);
	assert_int_equal(mkfifoat(b->dirfd, "fifo", 0600), 0);
	put(b->dirfd, "fifos/rootfs/x", "");
	assert_int_equal(mkfifoat(b->dirfd, "fifos/manifest", 0600), 0);
	refuse(b, "nothing", -ENOENT);
	refuse(b, "empty", -ENOENT);
	refuse(b, "text", -EBADMSG);
	refuse(b, "linked", -ELOOP);
	refuse(b, "fifo", -EINVAL);
	refuse(b, "fifos", -EINVAL);
	refuse(b, "bad", -EBADMSG);
}

/* What cannot be packed is said, what is a socket is left out. */
static void test_socket_is_left_out(void **state)
{
	struct bench *b = *state;
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	_free_ char *path = image_directory(b, "app", "");
	char id[STORE_ID_TEXT], volume[MOSAIC_NAME_MAX + 1];
	_close_ int root = -1;

	assert_int_equal(mknodat(b->dirfd, "app/rootfs/socket", S_IFSOCK | 0600, 0), 0);
	put(b->dirfd, "app/rootfs/x", "x");
	assert_ok(b, images_import(&b->im, path, id, &faults, NULL, &b->err));
	assert_int_equal(faults.n_errors, 0);
	assert_int_equal(faults.n, 1);
	assert_string_equal(faults.list[0].path, "rootfs/socket");
	root = render(b, id, volume);
	assert_missing(root, "socket");
	assert_file(root, "x", "x");
}

static void test_fetched_file_changes_nothing(void **state)
{
	struct bench *b = *state;
	_free_ char *path = image_directory(b, "app", ""), *file = str_printf("%s/x.aci", b->path);
	char id[STORE_ID_TEXT], built[STORE_ID_TEXT], volume[MOSAIC_NAME_MAX + 1];
	_close_ int root = -1;

	put(b->dirfd, "app/rootfs/x", "before");
	build(b, "app", "x.aci", "none", built);
	import(b, file, id);
	put(b->dirfd, "x.aci", "overwritten"); /* the same inode */
	assert_ok(b, mosaic_drop(b->im.mosaic, (store_volume_name(volume, id), volume),
				 MOSAIC_DROP_UNCHECKED, &b->err));
	root = render(b, id, volume);
	assert_file(root, "x", "before");
}

/* ---- helpers that fail ----------------------------------------------------------------------- */

static void replace_helper(struct bench *b, const char *name, const char *by)
{
	_free_ char *path = str_printf("libexec/%s", name);

	assert_int_equal(unlinkat(b->dirfd, path, 0), 0);
	if (by)
		assert_int_equal(symlinkat(by, b->dirfd, path), 0);
}

static void test_helpers_fail(void **state)
{
	struct bench *b = *state;
	_free_ char *path = image_directory(b, "app", "");
	char id[STORE_ID_TEXT];

	put(b->dirfd, "app/rootfs/x", "x");
	build(b, "app", "x.aci", "gzip", id);
	replace_helper(b, "carob-unpack", "/bin/false");
	refuse(b, "x.aci", -EIO);
	refuse(b, "app", -EIO);
	replace_helper(b, "carob-unpack", "/bin/cat"); /* says nothing, reads everything */
	refuse(b, "app", -EIO);
	replace_helper(b, "carob-unpack", "/bin/yes"); /* not what a record looks like */
	refuse(b, "app", -EIO);
	replace_helper(b, "carob-unpack", NULL);
	refuse(b, "x.aci", -ENOENT);
	replace_helper(b, "carob-pack", "/bin/false");
	refuse(b, "app", -EIO);
}

/* ---- many at once, and the killed ------------------------------------------------------------ */

static void import_in_child(struct bench *b, const char *path)
{
	struct images im = { .libexec = b->libexec };
	_free_ char *store = str_printf("%s/store", b->path),
		    *mosaic = str_printf("%s/mosaic", b->path);
	char id[STORE_ID_TEXT], text[1024];
	struct error err = { 0 };

	if (store_open(&im.store, store, false, NULL) < 0 ||
	    mosaic_open(&im.mosaic, mosaic, NULL, 0, NULL) < 0)
		_exit(2);
	if (images_import(&im, path, id, NULL, NULL, &err) < 0) {
		error_format(&err, text, sizeof(text));
		dprintf(STDERR_FILENO, "%s\n", text);
		_exit(1);
	}
	_exit(0);
}

static void test_imports_at_once(void **state)
{
	struct bench *b = *state;
	_free_ char *path = image_directory(b, "app", "");
	pid_t children[4];

	put(b->dirfd, "app/rootfs/x", "x");
	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		children[i] = fork();
		if (children[i] == 0)
			import_in_child(b, path);
	}
	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		int status;

		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(count_entries(b->dirfd, "store/images"), 1);
	assert_int_equal(count_entries(b->dirfd, "mosaic/volumes"), 1);
	assert_nothing_staged(b);
}

/* The name comes last: an image that has none yet is whole, and a repair names it. */
static int name_again(struct bench *b, char ret_id[STORE_ID_TEXT])
{
	assert_ok(b, store_lock(b->im.store, STORE_LOCK_EXCLUSIVE, &b->err));
	assert_ok(b, store_index_repair(b->im.store, &b->err));
	store_unlock(b->im.store);
	assert_int_equal(store_find_name(b->im.store, "app", "", ret_id, &b->err), 0);
	return 0;
}

static void test_killed_imports(void **state)
{
	struct bench *b = *state;
	_free_ char *path = image_directory(b, "app", "");
	char id[STORE_ID_TEXT], volume[MOSAIC_NAME_MAX + 1];

	for (int i = 0; i < 40; i++) {
		_free_ char *file = str_printf("app/rootfs/%d/x", i);

		put(b->dirfd, file, "x");
	}
	for (int i = 0; i < 25; i++) {
		pid_t child = fork();
		int status, r;
		unsigned n;

		if (child == 0)
			import_in_child(b, path);
		usleep((useconds_t)(i * 3000));
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &status, 0), child);
		r = store_find_name(b->im.store, "app", "", id, &b->err);
		if (r == STORE_MISSING && count_entries(b->dirfd, "store/images") == 1)
			r = name_again(b, id);
		if (r == 0) { /* it was quick: then all of it is there */
			_close_ int root = render(b, id, volume);

			assert_file(root, "39/x", "x");
			assert_ok(b, images_remove(&b->im, id, &b->err));
		} else {
			assert_int_equal(r, STORE_MISSING);
		}
		/* carob-unpack ends with its parent, and then what it locked is free */
		for (int tries = 0; tries < 100 && (count_entries(b->dirfd, "store/staging") ||
						    count_entries(b->dirfd, "mosaic/staging"));
		     tries++) {
			assert_ok(b, images_collect(&b->im, &n, &b->err));
			usleep(10000);
		}
		assert_ok(b, images_collect(&b->im, &n, &b->err));
		assert_nothing_staged(b);
		assert_int_equal(count_entries(b->dirfd, "store/images"), 0);
		assert_int_equal(count_entries(b->dirfd, "mosaic/volumes"), 0);
	}
}

/* ---- little room ----------------------------------------------------------------------------- */

/* Moves the bench onto a file system of its own, of that size. */
static void shrink(struct bench *b, const char *size)
{
	const struct mount_option options[] = { { "size", size } };
	_close_ int fs = mount_new("tmpfs", options, 1, 0, NULL, 0), target = -1;
	_free_ char *store = str_printf("%s/small/store", b->path);
	_free_ char *mosaic = str_printf("%s/small/mosaic", b->path);

	assert_true(fs >= 0);
	target = path_make_dirs(b->dirfd, "small");
	assert_int_equal(mount_attach(fs, target), 0);
	store_close(b->im.store);
	mosaic_close(b->im.mosaic);
	assert_ok(b, store_open(&b->im.store, store, true, &b->err));
	assert_ok(b, mosaic_open(&b->im.mosaic, mosaic, "plain", MOSAIC_OPEN_CREATE, &b->err));
}

static int teardown_small(void **state)
{
	struct bench *b = *state;
	_free_ char *path = str_printf("%s/small", b->path);

	store_close(b->im.store);
	mosaic_close(b->im.mosaic);
	b->im = (struct images){ 0 };
	assert_int_equal(umount2(path, MNT_DETACH), 0);
	return bench_teardown(state);
}

static void assert_small_is_empty(struct bench *b)
{
	static const char *const directories[] = { "store/staging", "store/images", "store/names",
						   "mosaic/staging", "mosaic/volumes" };

	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		_free_ char *path = str_printf("small/%s", directories[i]);

		assert_int_equal(count_entries(b->dirfd, path), 0);
	}
}

static void fill_up(struct bench *b)
{
	_close_ int fd = openat(b->dirfd, "small/filler", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	static const char block[4096];
	int r;

	do
		r = write_all(fd, block, sizeof(block));
	while (r == 0);
	assert_int_equal(r, -ENOSPC);
}

/* Room for the archive and not for the tree, or not even for the archive: nothing is left of it. */
static void test_disk_is_full(void **state)
{
	static const char *const sizes[] = { "2m", "5m" };
	struct bench *b = *state;
	_free_ char *path = image_directory(b, "app", ""), *text = malloc((3 << 20) + 1);
	char id[STORE_ID_TEXT];

	memset(text, 'x', 3 << 20);
	text[3 << 20] = '\0';
	put(b->dirfd, "app/rootfs/large", text);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_free_ char *small = str_printf("%s/small", b->path);

		if (i)
			assert_int_equal(umount2(small, MNT_DETACH), 0);
		shrink(b, sizes[i]);
		assert_error(b, images_import(&b->im, path, id, NULL, NULL, &b->err), -ENOSPC);
		assert_small_is_empty(b);
	}
}

static void test_remove_on_full_disk(void **state)
{
	struct bench *b = *state;
	char one[STORE_ID_TEXT], two[STORE_ID_TEXT];

	shrink(b, "4m");
	import_one(b, "app", "x", "x", "", one);
	import_one(b, "app", "y", "y", "", two); /* of one name: its file has to be written anew */
	fill_up(b);
	assert_ok(b, images_remove(&b->im, one, &b->err));
	assert_ok(b, images_remove(&b->im, two, &b->err));
	assert_int_equal(unlinkat(b->dirfd, "small/filler", 0), 0);
	assert_ok(b, images_collect(&b->im, NULL, &b->err));
	assert_small_is_empty(b);
}

/* With ever more descriptors it fails ever later, until it does not. */
static void test_few_descriptors(void **state)
{
	struct bench *b = *state;
	_free_ char *path = image_directory(b, "app", "");
	int status = 1;

	put(b->dirfd, "app/rootfs/a/b/c/x", "x");
	for (rlim_t n = 4; n < 64 && status; n++) {
		pid_t child = fork();

		if (child == 0) {
			const struct rlimit limit = { n, n };

			if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
				_exit(3);
			import_in_child(b, path);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		assert_ok(b, images_collect(&b->im, NULL, &b->err));
		assert_nothing_staged(b);
		if (status)
			assert_int_equal(count_entries(b->dirfd, "store/images"), 0);
	}
	assert_int_equal(status, 0);
	assert_int_equal(count_entries(b->dirfd, "store/images"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(directory_is_archive),
		TEST(archive_is_kept),
		TEST(what_is_no_image),
		TEST(socket_is_left_out),
		TEST(fetched_file_changes_nothing),
		TEST(helpers_fail),
		TEST(imports_at_once),
		TEST(killed_imports),
		TEST(few_descriptors),
		cmocka_unit_test_setup_teardown(test_disk_is_full, bench_setup, teardown_small),
		cmocka_unit_test_setup_teardown(test_remove_on_full_disk, bench_setup,
						teardown_small),
	};

	return cmocka_run_group_tests_name("import", tests, NULL, NULL);
}
