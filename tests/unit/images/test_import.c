/* Images from archive and directory to rendered volume, and away again. Runs as root: owners
 * are kept. */
#include "bench.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "images/unpack/unpack.h"

#define DEPENDS(list) ",\"dependencies\":[" list "]"
#define ON(name)      "{\"imageName\":\"" name "\"}"

/* An image directory below the bench: its path, to be freed. Files are added with put(). */
static char *image_directory(struct bench *b, const char *name, const char *more)
{
	_free_ char *manifest = str_printf("%s/manifest", name),
		    *rootfs = str_printf("%s/rootfs", name);
	_free_ char *text = manifest_text(name, more);
	_close_ int fd = -1;

	put(b->dirfd, manifest, text);
	fd = path_make_dirs(b->dirfd, rootfs);
	assert_true(fd >= 0);
	return str_printf("%s/%s", b->path, name);
}

static void import(struct bench *b, const char *path, char id[STORE_ID_TEXT])
{
	assert_ok(b, images_import(&b->im, path, id, NULL, NULL, &b->err));
}

/* An image "name" with one file, imported. */
static void import_one(struct bench *b, const char *name, const char *file, const char *text,
		       const char *more, char id[STORE_ID_TEXT])
{
	_free_ char *path = image_directory(b, name, more),
		    *inside = str_printf("%s/rootfs/%s", name, file);

	put(b->dirfd, inside, text);
	import(b, path, id);
}

static void build(struct bench *b, const char *name, const char *out, const char *compression,
		  char id[STORE_ID_TEXT])
{
	_free_ char *rootfs = str_printf("%s/%s/rootfs", b->path, name);
	_free_ char *manifest = str_printf("%s/%s/manifest", b->path, name);
	_free_ char *file = str_printf("%s/%s", b->path, out);
	const struct images_recipe recipe = { rootfs, manifest, file, compression, false };

	assert_ok(b, images_build(&b->im, &recipe, id, NULL, &b->err));
}

static int open_volume(struct bench *b, const char *volume)
{
	int fd;

	assert_ok(b, mosaic_mount(b->im.mosaic, volume,
				  &(struct mosaic_mount){ .flags = MOSAIC_MOUNT_READONLY }, &fd,
				  &b->err));
	return fd;
}

static int render(struct bench *b, const char *id, char *volume)
{
	assert_ok(b, images_render(&b->im, id, volume, NULL, &b->err));
	return open_volume(b, volume);
}

static void assert_same_files(int a, const char *x, int b, const char *y)
{
	_free_ char *one = NULL, *two = NULL;
	size_t n, m;

	assert_int_equal(file_read(a, x, 64 << 20, &one, &n), 0);
	assert_int_equal(file_read(b, y, 64 << 20, &two, &m), 0);
	assert_int_equal(n, m);
	assert_memory_equal(one, two, n);
}

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
	assert_int_equal(images_import(&b->im, path, id, NULL, NULL, &b->err), 0);
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

	assert_int_equal(images_import(&b->im, path, id, NULL, NULL, &b->err), code);
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
	char id[STORE_ID_TEXT];

	if (store_open(&im.store, store, false, NULL) < 0 ||
	    mosaic_open(&im.mosaic, mosaic, NULL, 0, NULL) < 0)
		_exit(2);
	_exit(images_import(&im, path, id, NULL, NULL, NULL) < 0);
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
		assert_int_equal(images_import(&b->im, path, id, NULL, NULL, &b->err), -ENOSPC);
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
		TEST(directory_is_archive),
		TEST(archive_is_kept),
		TEST(what_is_no_image),
		TEST(socket_is_left_out),
		TEST(fetched_file_changes_nothing),
		TEST(helpers_fail),
		TEST(imports_at_once),
		TEST(killed_imports),
		cmocka_unit_test_setup_teardown(test_disk_is_full, bench_setup, teardown_small),
		cmocka_unit_test_setup_teardown(test_remove_on_full_disk, bench_setup,
						teardown_small),
		TEST(few_descriptors),
		TEST(simple_render_needs_no_copy),
		TEST(lost_volume_comes_back),
		TEST(dependencies),
		TEST(whitelist),
		TEST(implied_directories),
		TEST(renders_at_once),
		TEST(remove),
		TEST(collect),
		TEST(build_is_deterministic),
		TEST(source_date_epoch),
		TEST(build_refuses),
		TEST(validate),
	};

	return cmocka_run_group_tests_name("import", tests, NULL, NULL);
}
