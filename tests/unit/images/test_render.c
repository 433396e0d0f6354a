/*
 * Rendering, by the text of appc (spec/aci.md, "dependency matching" and the path white list) and not
 * by its reference renderer, whose departures are each a test here. Runs as root: owners are kept.
 */
#include "bench.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define DEPENDS(list) ",\"dependencies\":[" list "]"
#define ON(name)      "{\"imageName\":\"" name "\"}"
#define ONLY(list)    ",\"pathWhitelist\":[" list "]"

/* An image below the bench, with these files (NULL ends), each with the image's name in it. */
static void prepare(struct bench *b, const char *name, const char *more, const char *const *files)
{
	_free_ char *manifest = str_printf("%s/manifest", name);
	_free_ char *rootfs = str_printf("%s/rootfs", name);
	_free_ char *text = manifest_text(name, more);
	_close_ int fd = -1;

	put(b->dirfd, manifest, text);
	fd = path_make_dirs(b->dirfd, rootfs);
	assert_true(fd >= 0);
	for (; *files; files++) {
		_free_ char *path = str_printf("%s/%s", rootfs, *files);

		put(b->dirfd, path, name);
	}
}

static void import(struct bench *b, const char *name, char id[STORE_ID_TEXT])
{
	_free_ char *path = str_printf("%s/%s", b->path, name);

	assert_ok(b, images_import(&b->im, path, id, NULL, NULL, &b->err));
}

#define FILES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void image(struct bench *b, const char *name, const char *more, const char *const *files)
{
	char id[STORE_ID_TEXT];

	prepare(b, name, more, files);
	import(b, name, id);
}

static int open_volume(struct bench *b, const char *volume)
{
	int fd;

	assert_ok(b, mosaic_mount(b->im.mosaic, volume,
				  &(struct mosaic_mount){ .flags = MOSAIC_MOUNT_READONLY }, &fd,
				  &b->err));
	return fd;
}

/* The image "name" is made and rendered: its tree. */
static int render(struct bench *b, const char *name, const char *more, const char *const *files)
{
	char id[STORE_ID_TEXT], volume[MOSAIC_NAME_MAX + 1];

	prepare(b, name, more, files);
	import(b, name, id);
	assert_ok(b, images_render(&b->im, id, volume, NULL, &b->err));
	return open_volume(b, volume);
}

/* A -> [B, C], B -> [D], C -> [D]: D B D C A. D is laid down twice, so it beats B. */
static void test_shared_dependency(void **state)
{
	struct bench *b = *state;
	_close_ int root = -1;

	image(b, "d", "", FILES("bd", "dc", "d"));
	image(b, "b", DEPENDS(ON("d")), FILES("bd", "bc", "b"));
	image(b, "c", DEPENDS(ON("d")), FILES("dc", "bc", "ca"));
	root = render(b, "a", DEPENDS(ON("b") "," ON("c")), FILES("ca"));
	assert_file(root, "bd", "d");
	assert_file(root, "dc", "c");
	assert_file(root, "bc", "c");
	assert_file(root, "ca", "a");
	assert_file(root, "b", "b");
	assert_file(root, "d", "d");
}

/* The white list of a sibling is none of B's business; that of the parent is D's. */
static void test_sibling_whitelist(void **state)
{
	struct bench *b = *state;
	_close_ int root = -1;

	image(b, "d", "", FILES("kept", "dropped"));
	image(b, "b", "", FILES("b", "dropped2"));
	image(b, "c", DEPENDS(ON("d")) ONLY("\"/kept\",\"/c\""), FILES("c", "other"));
	root = render(b, "a", DEPENDS(ON("b") "," ON("c")), FILES("a"));
	assert_file(root, "b", "b");
	assert_file(root, "dropped2", "b");
	assert_file(root, "kept", "d");
	assert_missing(root, "dropped");
	assert_file(root, "c", "c");
	assert_missing(root, "other");
	assert_file(root, "a", "a");
}

/* All lists on the way up count, those between too; a file needs each of them. */
static void test_intermediate_whitelists(void **state)
{
	struct bench *b = *state;
	_close_ int root = -1;

	image(b, "d", ONLY("\"/all\",\"/dc\",\"/da\""), FILES("all", "dc", "da", "none"));
	image(b, "c", DEPENDS(ON("d")) ONLY("\"/all\",\"/dc\",\"/none\",\"/c\""), FILES("c"));
	root = render(b, "a", DEPENDS(ON("c")) ONLY("\"/all\",\"/da\",\"/none\",\"/a\""),
		      FILES("a", "a2"));
	assert_file(root, "all", "d");
	assert_missing(root, "dc");
	assert_missing(root, "da");
	assert_missing(root, "none");
	assert_missing(root, "c");
	assert_file(root, "a", "a");
	assert_missing(root, "a2");
}

/* What the list does not have goes, directories too; what is above a path that stays, stays. */
static void test_whitelist_is_exact(void **state)
{
	struct bench *b = *state;
	_close_ int root = -1;
	struct stat st;

	prepare(b, "base", "", FILES("dir/in", "deep/er/kept", "deep/er/gone", "glob1"));
	assert_int_equal(fchmodat(b->dirfd, "base/rootfs/deep", 0710, 0), 0);
	assert_int_equal(fchownat(b->dirfd, "base/rootfs/deep", 7, 8, 0), 0);
	{
		char id[STORE_ID_TEXT];

		import(b, "base", id);
	}
	root = render(b, "a", DEPENDS(ON("base")) ONLY("\"/dir/\",\"/./deep//er/kept\",\"/glob*\""),
		      FILES("own/file"));
	assert_int_equal(fstatat(root, "dir", &st, 0), 0);
	assert_missing(root, "dir/in");
	assert_file(root, "deep/er/kept", "base");
	assert_missing(root, "deep/er/gone");
	assert_int_equal(fstatat(root, "deep", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0710);
	assert_int_equal(st.st_gid, 8);
	assert_missing(root, "glob1");
	assert_missing(root, "own");
}

/* rkt #1653, acbuild #151: the name that stays has its own image's content. */
static void test_hard_links_across_images(void **state)
{
	struct bench *b = *state;
	_close_ int root = -1;
	struct stat one, two;
	char id[STORE_ID_TEXT];

	prepare(b, "base", "", FILES("bin/target", "lists/target"));
	assert_int_equal(linkat(b->dirfd, "base/rootfs/bin/target", b->dirfd,
				"base/rootfs/bin/link", 0),
			 0);
	assert_int_equal(linkat(b->dirfd, "base/rootfs/bin/target", b->dirfd, "base/rootfs/zlink",
				0),
			 0);
	import(b, "base", id);
	/* the upper image has a link of its own over one name of the lower */
	prepare(b, "middle", DEPENDS(ON("base")), FILES("bin/target"));
	assert_int_equal(linkat(b->dirfd, "middle/rootfs/bin/target", b->dirfd,
				"middle/rootfs/again", 0),
			 0);
	import(b, "middle", id);
	root = render(b, "a",
		      DEPENDS(ON("middle")) ONLY("\"/bin/link\",\"/zlink\",\"/bin/target\","
						 "\"/again\""),
		      FILES("x"));
	assert_file(root, "bin/target", "middle");
	assert_file(root, "again", "middle");
	assert_file(root, "bin/link", "base");
	assert_file(root, "zlink", "base");
	assert_int_equal(fstatat(root, "bin/link", &one, 0), 0);
	assert_int_equal(fstatat(root, "zlink", &two, 0), 0);
	assert_int_equal(one.st_ino, two.st_ino);
	assert_int_equal(one.st_nlink, 2);
	assert_int_equal(fstatat(root, "again", &one, 0), 0);
	assert_int_equal(one.st_nlink, 2);
}

/* The root directory is one like others: the last image's attributes stay. */
static void test_mode_of_the_root(void **state)
{
	struct bench *b = *state;
	_close_ int root = -1;
	struct stat st;

	image(b, "base", "", FILES("x"));
	prepare(b, "a", DEPENDS(ON("base")), FILES("y"));
	assert_int_equal(fchmodat(b->dirfd, "a/rootfs", 0711, 0), 0);
	assert_int_equal(fchownat(b->dirfd, "a/rootfs", 3, 4, 0), 0);
	root = render(b, "a", DEPENDS(ON("base")), FILES("y"));
	assert_int_equal(fstat(root, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	assert_int_equal(st.st_uid, 3);
}

/* These are OCI's; here they are names like others. */
static void test_no_whiteouts(void **state)
{
	struct bench *b = *state;
	_close_ int root = -1;

	image(b, "base", "", FILES("x", "d/y"));
	root = render(b, "a", DEPENDS(ON("base")), FILES(".wh.x", "d/.wh..wh..opq"));
	assert_file(root, "x", "base");
	assert_file(root, "d/y", "base");
	assert_file(root, ".wh.x", "a");
	assert_file(root, "d/.wh..wh..opq", "a");
}

/* A path through what is a link below replaces the link, and does not go through it. */
static void test_links_are_replaced(void **state)
{
	struct bench *b = *state;
	_close_ int root = -1;
	char id[STORE_ID_TEXT];

	prepare(b, "base", "", FILES("real/old"));
	assert_int_equal(symlinkat("/real", b->dirfd, "base/rootfs/link"), 0);
	assert_int_equal(symlinkat("../../../../../etc", b->dirfd, "base/rootfs/out"), 0);
	import(b, "base", id);
	root = render(b, "a", DEPENDS(ON("base")), FILES("link/new", "out/passwd"));
	assert_file(root, "link/new", "a");
	assert_file(root, "out/passwd", "a");
	assert_missing(root, "real/new");
	assert_file(root, "real/old", "base");
}

static void test_cycles_by_name(void **state)
{
	struct bench *b = *state;
	char id[STORE_ID_TEXT], volume[MOSAIC_NAME_MAX + 1];

	prepare(b, "a", DEPENDS(ON("b")), FILES("x"));
	import(b, "a", id);
	image(b, "b", DEPENDS(ON("a")), FILES("x"));
	assert_int_equal(images_render(&b->im, id, volume, NULL, &b->err), -ELOOP);
	assert_non_null(strstr(b->err.text, "image a depends on itself, through b"));
	assert_nothing_staged(b);
}

/* ---- once more ------------------------------------------------------------------------------- */

static void assert_same(struct bench *b, int one, int two)
{
	const struct comparison c = { one, two, NULL };
	_free_ char *what = NULL;
	int r = compare_trees(&c, &what, &b->err);

	if (r != 1)
		fail_msg("%s", r < 0 ? b->err.text : what);
}

/* Byte for byte and attribute for attribute, whenever it is made. */
static void test_rendered_once_more(void **state)
{
	static const struct timespec times[] = { { 1000, 1 }, { 1234567890, 987654321 } };
	struct bench *b = *state;
	char id[STORE_ID_TEXT], one[MOSAIC_NAME_MAX + 1], two[MOSAIC_NAME_MAX + 1];
	_close_ int first = -1, second = -1, kept = -1;

	prepare(b, "base", "", FILES("etc/a", "etc/b", "bin/x", "sub/only"));
	assert_int_equal(linkat(b->dirfd, "base/rootfs/bin/x", b->dirfd, "base/rootfs/bin/y", 0),
			 0);
	assert_int_equal(symlinkat("a", b->dirfd, "base/rootfs/etc/link"), 0);
	assert_int_equal(mknodat(b->dirfd, "base/rootfs/null", S_IFCHR | 0666, makedev(1, 3)), 0);
	assert_int_equal(fchownat(b->dirfd, "base/rootfs/etc/b", 1000, 1001, 0), 0);
	assert_int_equal(utimensat(b->dirfd, "base/rootfs/etc/b", times, 0), 0);
	assert_int_equal(utimensat(b->dirfd, "base/rootfs/sub", times, 0), 0);
	import(b, "base", id);
	prepare(b, "a", DEPENDS(ON("base")), FILES("etc/a", "new"));
	import(b, "a", id);
	assert_ok(b, images_render(&b->im, id, one, NULL, &b->err));
	first = open_volume(b, one);
	assert_int_equal(mkdirat(b->dirfd, "kept", 0700), 0);
	kept = openat(b->dirfd, "kept", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_ok(b, lay_tree(&(struct lay){ .src = first, .dst = kept }, &b->err));
	assert_same(b, first, kept);
	close(take_fd(&first));
	assert_ok(b, mosaic_drop(b->im.mosaic, one, MOSAIC_DROP_UNCHECKED, &b->err));
	assert_ok(b, images_render(&b->im, id, two, NULL, &b->err));
	assert_string_equal(one, two);
	second = open_volume(b, two);
	assert_same(b, kept, second);
}

/* ---- compare_trees() ------------------------------------------------------------------------- */

static void tree(int fd)
{
	static const struct timespec times[] = { { 1000, 0 }, { 1000, 0 } };

	put(fd, "etc/a", "content");
	put(fd, "etc/deep/b", "other");
	assert_int_equal(linkat(fd, "etc/a", fd, "etc/c", 0), 0);
	assert_int_equal(symlinkat("a", fd, "etc/link"), 0);
	assert_int_equal(mknodat(fd, "null", S_IFCHR | 0666, makedev(1, 3)), 0);
	assert_int_equal(utimensat(fd, "null", times, 0), 0);
	assert_int_equal(utimensat(fd, "etc/link", times, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(utimensat(fd, "etc/a", times, 0), 0);
	assert_int_equal(utimensat(fd, "etc/deep/b", times, 0), 0);
	assert_int_equal(utimensat(fd, "etc/deep", times, 0), 0);
	assert_int_equal(utimensat(fd, "etc", times, 0), 0);
	assert_int_equal(utimensat(fd, ".", times, 0), 0);
}

static void set_times(int fd, const char *path)
{
	static const struct timespec times[] = { { 1000, 0 }, { 1000, 0 } };

	assert_int_equal(utimensat(fd, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void change(int fd, const char *how)
{
	if (str_eq(how, "content")) {
		put(fd, "etc/deep/b", "othEr");
		set_times(fd, "etc/deep/b");
	} else if (str_eq(how, "size")) {
		put(fd, "etc/deep/b", "others");
		set_times(fd, "etc/deep/b");
	} else if (str_eq(how, "mode")) {
		assert_int_equal(fchmodat(fd, "etc/deep", 0700, 0), 0);
	} else if (str_eq(how, "owner")) {
		assert_int_equal(fchownat(fd, "etc/link", 1, 1, AT_SYMLINK_NOFOLLOW), 0);
	} else if (str_eq(how, "time")) {
		assert_int_equal(utimensat(fd, "etc/deep/b", NULL, 0), 0);
	} else if (str_eq(how, "missing")) {
		assert_int_equal(unlinkat(fd, "etc/deep/b", 0), 0);
		set_times(fd, "etc/deep");
	} else if (str_eq(how, "more")) {
		put(fd, "etc/deep/c", "");
		set_times(fd, "etc/deep");
	} else if (str_eq(how, "links")) {
		assert_int_equal(unlinkat(fd, "etc/c", 0), 0);
		put(fd, "etc/c", "content");
		set_times(fd, "etc/c");
		set_times(fd, "etc");
	} else if (str_eq(how, "target")) {
		assert_int_equal(unlinkat(fd, "etc/link", 0), 0);
		assert_int_equal(symlinkat("b", fd, "etc/link"), 0);
		set_times(fd, "etc/link");
		set_times(fd, "etc");
	} else if (str_eq(how, "kind")) {
		assert_int_equal(unlinkat(fd, "null", 0), 0);
		assert_int_equal(mkfifoat(fd, "null", 0666), 0);
		set_times(fd, ".");
	} else if (str_eq(how, "device")) {
		assert_int_equal(unlinkat(fd, "null", 0), 0);
		assert_int_equal(mknodat(fd, "null", S_IFCHR | 0666, makedev(1, 5)), 0);
		set_times(fd, "null");
		set_times(fd, ".");
	} else if (str_eq(how, "attribute")) {
		_close_ int deep = openat(fd, "etc/deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		assert_int_equal(fsetxattr(deep, "user.x", "y", 1, 0), 0);
	}
}

static void test_differences(void **state)
{
	static const struct {
		const char *how, *what;
	} cases[] = {
		{ "content", "/etc/deep/b has another content" },
		{ "size", "/etc/deep/b has another size" },
		{ "mode", "/etc/deep has another mode" },
		{ "owner", "/etc/link has another owner" },
		{ "time", "/etc/deep/b has another time" },
		{ "missing", "/etc/deep/b is missing" },
		{ "more", "/etc/deep/c should not be there" },
		{ "links", "/etc/a has other hard links" },
		{ "target", "/etc/link has another target" },
		{ "kind", "/null is another kind of file" },
		{ "device", "/null is another device" },
		{ "attribute", "/etc/deep has other extended attributes" },
	};
	struct bench *b = *state;
	_close_ int one = -1;

	umask(0);
	assert_int_equal(mkdirat(b->dirfd, "one", 0755), 0);
	one = openat(b->dirfd, "one", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tree(one);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_free_ char *what = NULL;
		_close_ int two = -1;

		assert_int_equal(mkdirat(b->dirfd, cases[i].how, 0755), 0);
		two = openat(b->dirfd, cases[i].how, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		tree(two);
		assert_same(b, one, two);
		change(two, cases[i].how);
		assert_int_equal(compare_trees(&(struct comparison){ one, two, NULL }, &what,
					       &b->err),
				 0);
		assert_string_equal(what, cases[i].what);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(shared_dependency),
		TEST(sibling_whitelist),
		TEST(intermediate_whitelists),
		TEST(whitelist_is_exact),
		TEST(hard_links_across_images),
		TEST(mode_of_the_root),
		TEST(no_whiteouts),
		TEST(links_are_replaced),
		TEST(cycles_by_name),
		TEST(rendered_once_more),
		TEST(differences),
	};

	return cmocka_run_group_tests_name("render", tests, NULL, NULL);
}
