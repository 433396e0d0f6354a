/* The overlay driver, and what only root can copy. */
#include "scratch.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "kernel/kernel.h"
#include "mosaic/copy_tree.h"

static int overlay_setup(void **state)
{
	struct error err = { 0 };
	struct scratch *s;

	scratch_setup(state);
	s = *state;
	assert_ok(mosaic_open(&s->mosaic, s->location, NULL, MOSAIC_OPEN_CREATE, &err), &err);
	return 0;
}

static struct stat stat_of(int dirfd, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st;
}

static void overlay_is_chosen_where_it_works(void **state)
{
	struct scratch *s = *state;

	assert_string_equal(mosaic_type(s->mosaic), "overlay");
	assert_int_equal(mosaic_features(s->mosaic), MOSAIC_CLONE | MOSAIC_SNAPSHOT);
	assert_int_equal(count_entries(s, "staging"), 0);
}

static void overlay_on_overlay_falls_back_to_plain(void **state)
{
	struct scratch *s = *state;
	struct mosaic *m = NULL;
	struct error err = { 0 };
	char inner[128];
	int at;

	commit_hello(s, "tree");
	assert_ok(mosaic_clone(s->mosaic, "clone", "tree", &err), &err);
	at = mount_here(s, "clone", 0);
	snprintf(inner, sizeof(inner), "%s/at-clone/inner", s->path);
	assert_int_equal(mosaic_open(&m, inner, "overlay", MOSAIC_OPEN_CREATE, &err), -EINVAL);
	assert_non_null(strstr(err.text, "does not work"));
	assert_ok(mosaic_open(&m, inner, NULL, MOSAIC_OPEN_CREATE, &err), &err);
	assert_string_equal(mosaic_type(m), "plain");
	mosaic_close(m);
	umount_here(s, &at, "clone");
}

static void clones_share_and_do_not_disturb(void **state)
{
	struct scratch *s = *state;
	struct mosaic_volume v;
	struct error err = { 0 };
	int one, two, tree;

	commit_hello(s, "tree");
	assert_ok(mosaic_clone(s->mosaic, "one", "tree", &err), &err);
	assert_ok(mosaic_clone(s->mosaic, "two", "tree", &err), &err);
	assert_int_equal(mosaic_clone(s->mosaic, "two", "tree", &err), -EEXIST);
	assert_int_equal(mosaic_clone(s->mosaic, "three", "nothing", &err), -ENOENT);
	assert_ok(mosaic_info(s->mosaic, "one", &v, &err), &err);
	assert_string_equal(v.parent, "tree");
	assert_false(v.read_only);

	one = mount_here(s, "one", 0);
	two = mount_here(s, "two", 0);
	tree = mount_here(s, "tree", 0);
	assert_file(one, "hello", "hello");
	put(one, "hello", "changed");
	assert_int_equal(unlinkat(two, "hello", 0), 0);
	assert_file(one, "hello", "changed");
	assert_missing(two, "hello");
	assert_file(tree, "hello", "hello");
	umount_here(s, &one, "one");
	umount_here(s, &two, "two");
	umount_here(s, &tree, "tree");

	one = mount_here(s, "one", 0); /* what was written stays */
	assert_file(one, "hello", "changed");
	umount_here(s, &one, "one");
}

static void mounts_are_of_nobody_until_attached(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	_close_ int fd = -1;
	_free_ char *before = NULL, *after = NULL;

	commit_hello(s, "tree");
	assert_ok(mosaic_clone(s->mosaic, "clone", "tree", &err), &err);
	assert_int_equal(file_read(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &before, NULL), 0);
	assert_ok(mosaic_mount(s->mosaic, "clone",
			       &(struct mosaic_mount){ .attributes = MOUNT_NOSUID | MOUNT_NODEV },
			       &fd, &err),
		  &err);
	assert_int_equal(file_read(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &after, NULL), 0);
	assert_string_equal(before, after);
	assert_file(fd, "hello", "hello");
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

/* A pod must not read where its host keeps things. */
static void mountinfo_tells_no_host_path(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	_free_ char *info = NULL;
	int fd;

	commit_hello(s, "tree");
	assert_ok(mosaic_clone(s->mosaic, "clone", "tree", &err), &err);
	fd = mount_here(s, "clone", 0);
	assert_int_equal(file_read(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &info, NULL), 0);
	assert_non_null(strstr(info, "upperdir="));
	assert_null(strstr(info, "volumes/"));
	umount_here(s, &fd, "clone");
}

static void read_only_is_read_only(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	int tree, clone, running;

	commit_hello(s, "tree");
	assert_ok(mosaic_clone(s->mosaic, "clone", "tree", &err), &err);
	tree = mount_here(s, "tree", 0);
	assert_int_equal(mkdirat(tree, "new", 0755), -1);
	assert_int_equal(errno, EROFS);
	umount_here(s, &tree, "tree");

	running = mount_here(s, "clone", MOSAIC_MOUNT_VOLATILE);
	put(running, "hello", "changed");
	assert_int_equal(mkdirat(s->dirfd, "reader", 0755), 0);
	assert_ok(mosaic_mount(s->mosaic, "clone",
			       &(struct mosaic_mount){ .flags = MOSAIC_MOUNT_READONLY }, &clone,
			       &err),
		  &err);
	assert_file(clone, "hello", "changed");
	assert_int_equal(mkdirat(clone, "new", 0755), -1);
	assert_int_equal(errno, EROFS);
	cleanup_close(&clone);
	umount_here(s, &running, "clone");
}

static void attributes_of_the_root_are_kept(void **state)
{
	struct scratch *s = *state;
	struct mosaic_staged staged;
	struct error err = { 0 };
	_close_ int root = -1;
	struct stat st;
	char value[8];
	int fd;

	assert_ok(mosaic_stage(s->mosaic, &staged, &root, &err), &err);
	assert_int_equal(fchown(root, 1234, 4321), 0);
	assert_int_equal(fchmod(root, 03771), 0);
	assert_int_equal(fsetxattr(root, "user.kept", "yes", 3, 0), 0);
	assert_int_equal(fsetxattr(root, "trusted.overlay.opaque", "y", 1, 0), 0);
	assert_ok(mosaic_commit(s->mosaic, &staged, "tree", &err), &err);
	umask(077);
	assert_ok(mosaic_clone(s->mosaic, "clone", "tree", &err), &err);
	umask(022);
	fd = mount_here(s, "clone", 0);
	st = stat_of(fd, ".");
	assert_int_equal(st.st_uid, 1234);
	assert_int_equal(st.st_gid, 4321);
	assert_int_equal(st.st_mode & 07777, 03771);
	assert_int_equal(fgetxattr(fd, "user.kept", value, sizeof(value)), 3);
	umount_here(s, &fd, "clone");
}

static void clone_of_a_clone_is_independent(void **state)
{
	struct scratch *s = *state;
	struct mosaic_volume v;
	struct error err = { 0 };
	int one, two;

	commit_hello(s, "tree");
	assert_ok(mosaic_clone(s->mosaic, "one", "tree", &err), &err);
	one = mount_here(s, "one", 0);
	assert_int_equal(unlinkat(one, "hello", 0), 0);
	put(one, "mine", "first");
	umount_here(s, &one, "one");
	reopen(s);

	assert_ok(mosaic_clone(s->mosaic, "two", "one", &err), &err);
	assert_ok(mosaic_info(s->mosaic, "two", &v, &err), &err);
	assert_string_equal(v.parent, "one");
	assert_ok(mosaic_drop(s->mosaic, "one", MOSAIC_DROP_UNCHECKED, &err), &err);
	two = mount_here(s, "two", 0);
	assert_missing(two, "hello");
	assert_file(two, "mine", "first");
	umount_here(s, &two, "two");
}

static void clone_of_a_created_volume_is_independent(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	int fd;

	assert_ok(mosaic_create(s->mosaic, "data", NULL, &err), &err);
	fd = mount_here(s, "data", 0);
	put(fd, "file", "kept");
	umount_here(s, &fd, "data");
	reopen(s);
	assert_ok(mosaic_clone(s->mosaic, "copy", "data", &err), &err);
	assert_ok(mosaic_drop(s->mosaic, "data", MOSAIC_DROP_UNCHECKED, &err), &err);
	fd = mount_here(s, "copy", 0);
	assert_file(fd, "file", "kept");
	put(fd, "file", "changed");
	umount_here(s, &fd, "copy");
}

static void parent_in_use_cannot_be_dropped(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };

	commit_hello(s, "tree");
	assert_ok(mosaic_clone(s->mosaic, "clone", "tree", &err), &err);
	assert_int_equal(mosaic_drop(s->mosaic, "tree", MOSAIC_DROP_UNCHECKED, &err), -EBUSY);
	assert_non_null(strstr(err.text, "clone"));
	assert_true(mosaic_have(s->mosaic, "tree"));
	assert_ok(mosaic_drop(s->mosaic, "clone", MOSAIC_DROP_UNCHECKED, &err), &err);
	assert_ok(mosaic_drop(s->mosaic, "tree", MOSAIC_DROP_UNCHECKED, &err), &err);
	assert_int_equal(count_entries(s, "volumes"), 0);
	assert_int_equal(count_entries(s, "staging"), 0);
}

static void volatile_use_is_remembered(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	int fd = -1;

	commit_hello(s, "tree");
	assert_ok(mosaic_clone(s->mosaic, "clone", "tree", &err), &err);
	fd = mount_here(s, "clone", MOSAIC_MOUNT_VOLATILE);
	put(fd, "hello", "changed");
	umount_here(s, &fd, "clone");
	assert_int_equal(mosaic_mount(s->mosaic, "clone", NULL, &fd, &err), -ESTALE);
	assert_non_null(strstr(err.text, "volatile"));
	fd = mount_here(s, "clone", MOSAIC_MOUNT_VOLATILE);
	assert_file(fd, "hello", "changed");
	umount_here(s, &fd, "clone");
	assert_ok(mosaic_drop(s->mosaic, "clone", MOSAIC_DROP_UNCHECKED, &err), &err);
	assert_int_equal(count_entries(s, "volumes"), 1);
	assert_int_equal(count_entries(s, "staging"), 0);
}

static void damage_is_told(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	_close_ int location = open(s->location, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = -1;

	commit_hello(s, "tree");
	assert_ok(mosaic_clone(s->mosaic, "clone", "tree", &err), &err);
	assert_int_equal(renameat(location, "volumes/tree", location, "volumes/lost"), 0);
	assert_int_equal(mosaic_mount(s->mosaic, "clone", NULL, &fd, &err), -ENOENT);
	assert_non_null(strstr(err.text, "damaged"));
	assert_int_equal(mosaic_mount(s->mosaic, "nothing", NULL, &fd, &err), -ENOENT);
	assert_non_null(strstr(err.text, "no volume nothing"));
	assert_int_equal(fd, -1);
}

/* Devices, owners, file capabilities, overlay's own marks. */
static void copy_keeps_what_is_roots(void **state)
{
	static const char capability[20] = { 0, 0, 0, 2, 1 }; /* VFS_CAP_REVISION_2, CAP_CHOWN */
	struct scratch *s = *state;
	struct error err = { 0 };
	_close_ int src = -1, dst = -1, fd = -1, out = -1;
	char value[32];

	assert_int_equal(mkdirat(s->dirfd, "src", 0755), 0);
	assert_int_equal(mkdirat(s->dirfd, "dst", 0700), 0);
	src = openat(s->dirfd, "src", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dst = openat(s->dirfd, "dst", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mknodat(src, "null", S_IFCHR | 0666, makedev(1, 3)), 0);
	assert_int_equal(mknodat(src, "block", S_IFBLK | 0600, makedev(7, 9)), 0);
	assert_int_equal(mknodat(src, "whiteout", S_IFCHR, 0), 0);
	assert_int_equal(fchownat(src, "null", 5, 6, 0), 0);
	assert_int_equal(symlinkat("x", src, "link"), 0);
	assert_int_equal(fchownat(src, "link", 7, 8, AT_SYMLINK_NOFOLLOW), 0);
	put(src, "tool", "x");
	fd = openat(src, "tool", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fchown(fd, 9, 10), 0);
	assert_int_equal(fchmod(fd, 06755), 0);
	assert_int_equal(fsetxattr(fd, "security.capability", capability, sizeof(capability), 0),
			 0);
	assert_int_equal(fsetxattr(fd, "trusted.test", "t", 1, 0), 0);

	assert_ok(copy_tree(src, dst, &err), &err);
	assert_true(stat_of(dst, "null").st_rdev == makedev(1, 3));
	assert_int_equal(stat_of(dst, "null").st_uid, 5);
	assert_true(S_ISBLK(stat_of(dst, "block").st_mode));
	assert_true(stat_of(dst, "block").st_rdev == makedev(7, 9));
	assert_true(stat_of(dst, "whiteout").st_rdev == 0);
	assert_int_equal(stat_of(dst, "link").st_gid, 8);
	assert_int_equal(stat_of(dst, "tool").st_gid, 10);
	assert_int_equal(stat_of(dst, "tool").st_mode & 07777, 06755);
	out = openat(dst, "tool", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fgetxattr(out, "security.capability", value, sizeof(value)),
			 sizeof(capability));
	assert_memory_equal(value, capability, sizeof(capability));
	assert_int_equal(fgetxattr(out, "trusted.test", value, sizeof(value)), 1);
}

/* A pod writes 4 KiB files until the disk is full; what it was must still be removable. */
static void drop_works_on_a_full_disk(void **state)
{
	struct scratch *s = *state;
	struct mount_option options[] = { { "size", "256k" }, { "mode", "0700" } };
	struct mosaic *m = NULL;
	struct error err = { 0 };
	_close_ int tmpfs = -1, target = -1, data = -1;
	char small[128], name[16], place[160];
	unsigned n = 0;

	assert_int_equal(mkdirat(s->dirfd, "small", 0755), 0);
	target = openat(s->dirfd, "small", O_PATH | O_DIRECTORY | O_CLOEXEC);
	tmpfs = mount_new("tmpfs", options, 2, 0, NULL, 0);
	assert_true(tmpfs >= 0);
	assert_int_equal(mount_attach(tmpfs, target), 0);
	snprintf(small, sizeof(small), "%s/small/m", s->path);
	assert_ok(mosaic_open(&m, small, "plain", MOSAIC_OPEN_CREATE, &err), &err);
	assert_ok(mosaic_create(m, "data", NULL, &err), &err);
	snprintf(place, sizeof(place), "%s/volumes/data/data", small);
	data = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	do
		snprintf(name, sizeof(name), "%u", n++);
	while (file_write(data, name, small, 100, 0600, 0) == 0 && n < 10000);
	assert_true(n < 10000);
	assert_ok(mosaic_drop(m, "data", MOSAIC_DROP_UNCHECKED, &err), &err);
	assert_false(mosaic_have(m, "data"));
	mosaic_close(m);
	snprintf(place, sizeof(place), "%s/small", s->path);
	assert_int_equal(umount2(place, MNT_DETACH), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, overlay_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(overlay_is_chosen_where_it_works),
		TEST(overlay_on_overlay_falls_back_to_plain),
		TEST(clones_share_and_do_not_disturb),
		TEST(mounts_are_of_nobody_until_attached),
		TEST(mountinfo_tells_no_host_path),
		TEST(read_only_is_read_only),
		TEST(attributes_of_the_root_are_kept),
		TEST(clone_of_a_clone_is_independent),
		TEST(clone_of_a_created_volume_is_independent),
		TEST(parent_in_use_cannot_be_dropped),
		TEST(volatile_use_is_remembered),
		TEST(damage_is_told),
		TEST(copy_keeps_what_is_roots),
		TEST(drop_works_on_a_full_disk),
	};

	/* Mounts of this test stay in a namespace of its own. */
	if (unshare(CLONE_NEWNS) < 0 || mount_all_private() < 0) {
		print_error("this test needs root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
