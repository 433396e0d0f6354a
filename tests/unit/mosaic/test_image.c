/* Volumes that are image files: the same cases for each driver and file system. The place is given
 * by the environment: IMAGE_TEST_DIR (else /tmp), so that it can be one that shares data. */
#include "scratch.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/kernel.h"
#include "mosaic/driver.h"
#include "mosaic/ploop_images.h"

#define MIB (1ULL << 20)
enum { SIZE_MIB = 320, LARGER_MIB = 512, SMALLER_MIB = 64 };

static const struct setup {
	const char *type, *fs;
} setups[] = {
	{ "fsimg", "ext4" },
	{ "fsimg", "xfs" },
	{ "ploop", "ext4" },
	{ "ploop", "xfs" },
};
static const struct setup *setup;

static int image_setup(void **state)
{
	struct mosaic_option option = { (char *)"size", (char *)"320M" };
	struct mosaic_config config = { .options = &option, .n_options = 1 };
	struct error err = { 0 };
	struct scratch *s = calloc(1, sizeof(*s));
	const char *dir = getenv("IMAGE_TEST_DIR");

	if (!s)
		return -1;
	snprintf(s->path, sizeof(s->path), "%s/test-mosaic-XXXXXX", dir ? dir : "/tmp");
	assert_non_null(mkdtemp(s->path));
	snprintf(s->location, sizeof(s->location), "%s/a b:c", s->path);
	s->dirfd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	config.location = s->location;
	config.type = (char *)setup->type;
	config.default_fs = (char *)setup->fs;
	assert_ok(mosaic_open_config(&s->mosaic, &config, MOSAIC_OPEN_CREATE, &err), &err);
	*state = s;
	return 0;
}

static int count_ours(struct loopdev *d, const struct loopdev_status *status, void *arg)
{
	(void)d;
	return strstr(status->label, arg) ? 1 : 0;
}

/* No device of this mosaic is left. The last umount may be under way still. */
static int image_teardown(void **state)
{
	struct scratch *s = *state;
	_close_ int parent = -1;
	char id[17], *name = strrchr(s->path, '/');
	int left = 1;

	snprintf(id, sizeof(id), "%.16s", mosaic_id(s->mosaic));
	mosaic_close(s->mosaic);
	close(s->dirfd);
	for (int i = 0; i < 100 && left; i++) {
		left = loopdev_each(count_ours, id);
		usleep(left ? 20000 : 0);
	}
	assert_int_equal(left, 0);
	*name = '\0';
	parent = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(path_remove_tree(parent, name + 1), 0);
	free(s);
	return 0;
}

static void make(struct scratch *s, const char *name, uint64_t mib, unsigned flags)
{
	const struct mosaic_create how = { .size = mib * MIB, .flags = flags };
	struct error err = { 0 };

	assert_ok(mosaic_create(s->mosaic, name, &how, &err), &err);
}

/* The root of the volume, mounted for as long as the descriptor is open. */
static int use(struct scratch *s, const char *name, unsigned flags)
{
	const struct mosaic_mount how = { .flags = flags };
	struct error err = { 0 };
	_close_ int fd = -1;
	int root;

	assert_ok(mosaic_mount(s->mosaic, name, &how, &fd, &err), &err);
	root = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(root >= 0);
	return root;
}

/* Nobody uses it any more, as far as this process goes. */
static void unuse(struct scratch *s, const char *name, int *root)
{
	cleanup_close(root);
	while (volume_unuse(s->mosaic, name, false))
		;
}

static void write_in(struct scratch *s, const char *volume, const char *file, const char *text)
{
	int root = use(s, volume, 0);

	put(root, file, text);
	unuse(s, volume, &root);
}

static void assert_in(struct scratch *s, const char *volume, const char *file, const char *text)
{
	int root = use(s, volume, MOSAIC_MOUNT_READONLY);

	if (text)
		assert_file(root, file, text);
	else
		assert_missing(root, file);
	unuse(s, volume, &root);
}

static uint64_t bytes_of(int root)
{
	struct statvfs st;

	assert_int_equal(fstatvfs(root, &st), 0);
	return (uint64_t)st.f_blocks * st.f_frsize;
}

static void assert_no_device(struct scratch *s, const char *name)
{
	char device[MOSAIC_DEVICE_MAX];
	struct error err = { 0 };
	struct volume v;

	assert_ok(volume_open(s->mosaic, name, &v, &err), &err);
	assert_int_equal(s->mosaic->driver->device(s->mosaic, &v, device, &err), MOSAIC_NO_DEVICE);
	volume_close(&v);
}

/* ---- cases ----------------------------------------------------------------------------------- */

static void a_tree_is_staged_committed_and_mounted_read_only(void **state)
{
	struct scratch *s = *state;
	struct mosaic_staged staged;
	struct error err = { 0 };
	_close_ int root = -1;
	unsigned n = 0;
	struct stat st;
	int mounted;

	assert_ok(mosaic_stage(s->mosaic, &staged, &root, &err), &err);
	assert_int_equal(fstat(root, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
	assert_missing(root, "lost+found");
	put(root, "hello", "hello");
	cleanup_close(&root);
	assert_ok(mosaic_commit(s->mosaic, &staged, "tree", &err), &err);
	assert_no_device(s, "tree");
	mounted = use(s, "tree", 0);
	assert_file(mounted, "hello", "hello");
	assert_int_equal(mkdirat(mounted, "no", 0755), -1);
	assert_int_equal(errno, EROFS);
	unuse(s, "tree", &mounted);
	(void)n;
}

static void a_tree_that_somebody_has_open_is_not_committed(void **state)
{
	struct scratch *s = *state;
	struct mosaic_staged staged;
	struct error err = { 0 };
	_close_ int root = -1;

	assert_ok(mosaic_stage(s->mosaic, &staged, &root, &err), &err);
	assert_int_equal(mosaic_commit(s->mosaic, &staged, "tree", &err), -EBUSY);
	assert_non_null(strstr(err.text, "/dev/loop"));
	cleanup_close(&root);
	assert_ok(mosaic_commit(s->mosaic, &staged, "tree", &err), &err);
}

static int open_ours(struct loopdev *d, const struct loopdev_status *status, void *arg)
{
	if (!strstr(status->label, arg))
		return 0;
	return fcntl(d->fd, F_DUPFD_CLOEXEC, 3);
}

/* Another process has every loop device open for a moment when it looks for its own. */
static void who_only_looks_is_not_in_the_way(void **state)
{
	struct scratch *s = *state;
	struct mosaic_staged staged;
	struct error err = { 0 };
	int root = -1, ready[2], status;
	char id[17], byte;
	pid_t pid;

	snprintf(id, sizeof(id), "%.16s", mosaic_id(s->mosaic));
	assert_ok(mosaic_stage(s->mosaic, &staged, &root, &err), &err);
	put(root, "file", "content");
	cleanup_close(&root);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		close(staged.tree_fd);
		close(staged.lock_fd);
		(void)!write(ready[1], loopdev_each(open_ours, id) > 0 ? "y" : "n", 1);
		usleep(200000);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 'y');
	assert_ok(mosaic_commit(s->mosaic, &staged, "tree", &err), &err);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(ready[0]);
	close(ready[1]);
	assert_in(s, "tree", "file", "content");
}

static void a_volume_has_its_size_and_its_file_system(void **state)
{
	struct scratch *s = *state;
	struct mosaic_volume info;
	struct error err = { 0 };
	int root;

	make(s, "v", LARGER_MIB, 0);
	assert_no_device(s, "v");
	assert_ok(mosaic_info(s->mosaic, "v", &info, &err), &err);
	assert_int_equal(info.size, LARGER_MIB * MIB);
	assert_string_equal(info.fs, setup->fs);
	assert_false(info.read_only || info.raw);
	root = use(s, "v", 0);
	assert_in_range(bytes_of(root), LARGER_MIB * MIB / 2, LARGER_MIB * MIB);
	assert_missing(root, "lost+found");
	unuse(s, "v", &root);
	assert_no_device(s, "v");
}

static void two_users_share_one_file_system(void **state)
{
	struct scratch *s = *state;
	int one, two;

	make(s, "v", 0, 0);
	one = use(s, "v", MOSAIC_MOUNT_READONLY);
	two = use(s, "v", 0);
	put(two, "file", "seen");
	assert_file(one, "file", "seen");
	assert_int_equal(mkdirat(one, "no", 0755), -1);
	assert_int_equal(errno, EROFS);
	cleanup_close(&one);
	assert_file(two, "file", "seen");
	unuse(s, "v", &two);
	assert_no_device(s, "v");
}

static void a_clone_is_its_own(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	int both[2];

	make(s, "v", 0, 0);
	write_in(s, "v", "file", "before");
	assert_ok(mosaic_clone(s->mosaic, "c", "v", &err), &err);
	both[0] = use(s, "v", 0); /* at once: they have the same identity */
	both[1] = use(s, "c", 0);
	put(both[0], "file", "of v");
	put(both[1], "file", "of c");
	unuse(s, "v", &both[0]);
	unuse(s, "c", &both[1]);
	assert_in(s, "v", "file", "of v");
	assert_in(s, "c", "file", "of c");
	assert_ok(mosaic_drop(s->mosaic, "v", 0, &err), &err);
	assert_in(s, "c", "file", "of c");
}

static void a_clone_of_a_tree_is_writable(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };

	commit_hello(s, "tree");
	assert_ok(mosaic_clone(s->mosaic, "c", "tree", &err), &err);
	write_in(s, "c", "hello", "changed");
	assert_in(s, "c", "hello", "changed");
	assert_in(s, "tree", "hello", "hello");
}

static void a_snapshot_of_a_volume_in_use_is_whole(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	int root;

	make(s, "v", 0, 0);
	root = use(s, "v", 0);
	put(root, "file", "not synced");
	assert_ok(mosaic_snapshot(s->mosaic, "s1", "v", &err), &err);
	put(root, "file", "later"); /* thawed */
	assert_ok(mosaic_snapshot(s->mosaic, "s2", "v", &err), &err);
	assert_ok(mosaic_clone(s->mosaic, "c", "v", &err), &err);
	put(root, "more", "last");
	unuse(s, "v", &root);
	assert_in(s, "s1", "file", "not synced");
	assert_in(s, "s2", "file", "later");
	assert_in(s, "c", "file", "later");
	assert_in(s, "c", "more", NULL);
	assert_in(s, "v", "more", "last");
	assert_in(s, "v", "file", "later");
}

static void a_set_of_snapshots_is_of_one_instant(void **state)
{
	struct scratch *s = *state;
	const struct mosaic_pair pairs[] = { { "sb", "b" }, { "sa", "a" }, { "sb2", "b" } };
	struct error err = { 0 };
	int a, b;

	make(s, "a", 0, 0);
	make(s, "b", 0, 0);
	a = use(s, "a", 0);
	b = use(s, "b", 0);
	put(a, "file", "a");
	put(b, "file", "b");
	assert_ok(mosaic_snapshot_set(s->mosaic, pairs, 3, NULL, &err), &err);
	put(a, "file", "-");
	put(b, "file", "-");
	unuse(s, "a", &a);
	unuse(s, "b", &b);
	assert_in(s, "sa", "file", "a");
	assert_in(s, "sb", "file", "b");
	assert_in(s, "sb2", "file", "b");
	assert_in(s, "a", "file", "-");
}

/* While a process writes pairs of files, one after the other, a snapshot has both or the first. */
static void a_snapshot_during_writes_is_of_one_instant(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	int root, status;
	pid_t writer;

	make(s, "v", 0, 0);
	root = use(s, "v", 0);
	writer = fork();
	if (writer == 0) {
		for (unsigned i = 0;; i++) {
			char text[16];
			_close_ int one = -1, two = -1;

			snprintf(text, sizeof(text), "%u", i);
			one = openat(root, "one", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
			if (one < 0 || write_all(one, text, strlen(text)) < 0 || fsync(one) < 0)
				_exit(1);
			two = openat(root, "two", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
			if (two < 0 || write_all(two, text, strlen(text)) < 0 || fsync(two) < 0)
				_exit(1);
		}
	}
	for (int i = 0; i < 4; i++) {
		char name[8];

		usleep(50000);
		snprintf(name, sizeof(name), "s%d", i);
		assert_ok(mosaic_snapshot(s->mosaic, name, "v", &err), &err);
	}
	assert_int_equal(kill(writer, SIGKILL), 0);
	assert_int_equal(waitpid(writer, &status, 0), writer);
	assert_true(WIFSIGNALED(status));
	unuse(s, "v", &root);
	for (int i = 0; i < 4; i++) {
		_free_ char *one = NULL, *two = NULL;
		char name[8];

		snprintf(name, sizeof(name), "s%d", i);
		root = use(s, name, 0);
		assert_int_equal(file_read(root, "one", 16, &one, NULL), 0);
		assert_int_equal(file_read(root, "two", 16, &two, NULL), 0);
		if (*one && *two) { /* either may be seen just truncated */
			uint64_t first, second;

			assert_int_equal(str_to_u64(one, UINT64_MAX, &first), 0);
			assert_int_equal(str_to_u64(two, UINT64_MAX, &second), 0);
			assert_in_range(first - second, 0, 1);
		}
		unuse(s, name, &root);
	}
}

/* Killed at the worst moment: the file system does not stay frozen. */
static void a_killed_copier_leaves_nothing_frozen(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	int root, status;

	make(s, "v", 0, 0);
	root = use(s, "v", 0);
	for (int delay = 0; delay < 12; delay++) {
		pid_t child = fork();

		if (child == 0) {
			for (int i = 0;; i++) {
				char name[32];

				snprintf(name, sizeof(name), "s%d-%d", (int)getpid(), i);
				if (mosaic_snapshot(s->mosaic, name, "v", NULL) < 0)
					_exit(1);
			}
		}
		usleep(20000 + 3000 * (useconds_t)delay);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		alarm(20); /* a frozen one would keep us here */
		put(root, "file", "written");
		assert_int_equal(syncfs(root), 0);
		alarm(0);
	}
	unuse(s, "v", &root);
	assert_ok(mosaic_collect(s->mosaic, &(unsigned){ 0 }, &err), &err);
	assert_in(s, "v", "file", "written");
}

static int count_problem(const struct mosaic_problem *p, void *arg)
{
	(void)p;
	(*(unsigned *)arg)++;
	return 0;
}

/* The child that thaws was killed too: a check finds it by the mark. */
static void what_was_left_frozen_is_thawed(void **state)
{
	struct scratch *s = *state;
	unsigned told = 0;
	struct check c = { .m = s->mosaic, .repair = true, .fn = count_problem, .arg = &told };
	struct error err = { 0 };
	struct volume v;
	int root;

	make(s, "v", 0, 0);
	root = use(s, "v", 0);
	assert_ok(volume_open(s->mosaic, "v", &v, &err), &err);
	put(v.dirfd, "frozen", "");
	assert_int_equal(ioctl(root, FIFREEZE, 0), 0);
	assert_ok(s->mosaic->driver->check(s->mosaic, &v, &c, &err), &err);
	assert_int_equal(told, 1);
	assert_int_equal(ioctl(root, FITHAW, 0), -1); /* is not frozen */
	assert_missing(v.dirfd, "frozen");
	/* and who takes the next snapshot does so too */
	put(v.dirfd, "frozen", "");
	assert_int_equal(ioctl(root, FIFREEZE, 0), 0);
	assert_ok(mosaic_snapshot(s->mosaic, "s", "v", &err), &err);
	put(root, "file", "goes on");
	/* what somebody else has frozen, for reasons of his own, is not touched */
	assert_int_equal(ioctl(root, FIFREEZE, 0), 0);
	assert_int_equal(mosaic_snapshot(s->mosaic, "s2", "v", &err), -EBUSY);
	assert_int_equal(ioctl(root, FITHAW, 0), 0);
	volume_close(&v);
	unuse(s, "v", &root);
}

/* Growing a mounted ext4 needs a capability that not every root has. */
static bool may_grow(void)
{
	uint64_t has;

	assert_int_equal(caps_permitted(&has), 0);
	return !str_eq(setup->fs, "ext4") || has & CAP_BIT(24) /* SYS_RESOURCE */;
}

static void it_grows_while_it_is_mounted(void **state)
{
	struct scratch *s = *state;
	struct mosaic_volume info;
	struct error err = { 0 };
	uint64_t before;
	int root, r;

	make(s, "v", SIZE_MIB, 0);
	root = use(s, "v", 0);
	before = bytes_of(root);
	put(root, "file", "stays");
	r = mosaic_resize(s->mosaic, "v", LARGER_MIB * MIB, &err);
	if (!may_grow()) { /* then it says why, and works when nobody uses it */
		assert_int_equal(r, -EPERM);
		assert_non_null(strstr(err.text, "CAP_SYS_RESOURCE"));
		unuse(s, "v", &root);
		r = mosaic_resize(s->mosaic, "v", LARGER_MIB * MIB, &err);
		root = use(s, "v", 0);
	}
	assert_ok(r, &err);
	assert_in_range(bytes_of(root), before + 150 * MIB, LARGER_MIB * MIB);
	if (may_grow())
		assert_ok(mosaic_resize(s->mosaic, "v", LARGER_MIB * MIB, &err),
			  &err); /* it has that */
	put(root, "more", "fits");
	unuse(s, "v", &root);
	assert_ok(mosaic_resize(s->mosaic, "v", 2 * LARGER_MIB * MIB, &err),
		  &err); /* and when not */
	assert_no_device(s, "v");
	assert_ok(mosaic_info(s->mosaic, "v", &info, &err), &err);
	assert_int_equal(info.size, 2 * LARGER_MIB * MIB);
	root = use(s, "v", 0);
	assert_in_range(bytes_of(root), before + 600 * MIB, 2 * LARGER_MIB * MIB);
	assert_file(root, "file", "stays");
	assert_file(root, "more", "fits");
	unuse(s, "v", &root);
	assert_int_equal(mosaic_resize(s->mosaic, "v", 1ULL << 50, &err), -EFBIG);
	assert_int_equal(mosaic_resize(s->mosaic, "v", 0, &err), -EINVAL);
}

/* Killed when the new top had its name, and the server did not know of it yet. */
static void it_grows_after_a_copy_that_was_killed(void **state)
{
	_ploop_images_ struct ploop_images p = PLOOP_IMAGES_NONE;
	struct scratch *s = *state;
	struct mosaic_volume info;
	struct error err = { 0 };
	uint64_t bytes, before;
	struct volume v;
	int root;

	if (!str_eq(setup->type, "ploop") || !may_grow())
		return;
	make(s, "v", SIZE_MIB, 0);
	root = use(s, "v", 0);
	before = bytes_of(root);
	put(root, "file", "stays");
	assert_ok(volume_open(s->mosaic, "v", &v, &err), &err);
	assert_int_equal(ploop_images_open(v.dirfd, "data", true, &p), 0);
	assert_int_equal(ploop_images_size(&p, &bytes), 0);
	assert_int_equal(ploop_images_push(&p, bytes, 0), 0);
	volume_close(&v);
	assert_ok(mosaic_resize(s->mosaic, "v", LARGER_MIB * MIB, &err), &err);
	put(root, "more", "fits");
	unuse(s, "v", &root);
	assert_ok(mosaic_info(s->mosaic, "v", &info, &err), &err);
	assert_int_equal(info.size, LARGER_MIB * MIB);
	root = use(s, "v", 0);
	assert_in_range(bytes_of(root), before + 150 * MIB, LARGER_MIB * MIB);
	assert_file(root, "file", "stays");
	assert_file(root, "more", "fits");
	unuse(s, "v", &root);
}

static void fill(int root, const char *name, size_t mib)
{
	_close_ int fd = openat(root, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	static char block[MIB];

	memset(block, 'x', sizeof(block));
	for (size_t i = 0; i < mib; i++)
		assert_int_equal(write_all(fd, block, sizeof(block)), 0);
	assert_int_equal(fsync(fd), 0);
}

static void it_shrinks_when_nobody_uses_it(void **state)
{
	struct scratch *s = *state;
	struct mosaic_volume info;
	struct error err = { 0 };
	int root, r;

	make(s, "v", SIZE_MIB, 0);
	root = use(s, "v", 0);
	fill(root, "large", 20);
	assert_int_equal(mosaic_resize(s->mosaic, "v", SMALLER_MIB * MIB, &err),
			 str_eq(setup->fs, "xfs") ? -EINVAL : -EBUSY);
	unuse(s, "v", &root);
	r = mosaic_resize(s->mosaic, "v", SMALLER_MIB * MIB, &err);
	if (str_eq(setup->fs, "xfs")) {
		assert_int_equal(r, -EINVAL);
		assert_int_equal(mosaic_resize(s->mosaic, "v", 310 * MIB, &err), -EOPNOTSUPP);
		return;
	}
	assert_ok(r, &err);
	assert_ok(mosaic_info(s->mosaic, "v", &info, &err), &err);
	assert_int_equal(info.size, SMALLER_MIB * MIB);
	r = mosaic_resize(s->mosaic, "v", 24 * MIB, &err);
	assert_int_equal(r, -ENOSPC);
	assert_non_null(strstr(err.text, "holds"));
	root = use(s, "v", 0);
	assert_in_range(bytes_of(root), 24 * MIB, SMALLER_MIB * MIB);
	unuse(s, "v", &root);
}

static void a_full_volume_says_so_and_can_be_dropped(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	static char block[MIB];
	_close_ int fd = -1;
	ssize_t n = 1;
	int root;

	make(s, "v", 0, 0);
	root = use(s, "v", 0);
	fd = openat(root, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	for (int i = 0; i < SIZE_MIB + 1 && n > 0; i++)
		n = write(fd, block, sizeof(block));
	assert_int_equal(n, -1);
	assert_int_equal(errno, ENOSPC);
	cleanup_close(&fd);
	unuse(s, "v", &root);
	assert_ok(mosaic_drop(s->mosaic, "v", 0, &err), &err);
	assert_false(mosaic_have(s->mosaic, "v"));
}

static void attach(struct scratch *s, const char *name, unsigned flags,
		   char device[MOSAIC_DEVICE_MAX], int *hold)
{
	struct error err = { 0 };
	struct volume v;

	assert_ok(volume_open(s->mosaic, name, &v, &err), &err);
	assert_ok(s->mosaic->driver->attach(s->mosaic, &v, flags, device, hold, &err), &err);
	volume_close(&v);
}

static void keep(struct scratch *s, const char *name, bool on)
{
	struct error err = { 0 };
	struct volume v;

	assert_ok(volume_open(s->mosaic, name, &v, &err), &err);
	assert_ok(s->mosaic->driver->keep(s->mosaic, &v, on, &err), &err);
	volume_close(&v);
}

static void a_raw_volume_is_a_device(void **state)
{
	char device[MOSAIC_DEVICE_MAX], again[MOSAIC_DEVICE_MAX], text[16] = "";
	struct scratch *s = *state;
	struct error err = { 0 };
	int hold = -1, second = -1, fd;
	struct mosaic_volume info;

	make(s, "raw", 16, MOSAIC_CREATE_RAW);
	assert_ok(mosaic_info(s->mosaic, "raw", &info, &err), &err);
	assert_true(info.raw);
	assert_string_equal(info.fs, "");
	assert_int_equal(info.size, 16 * MIB);
	attach(s, "raw", 0, device, &hold);
	attach(s, "raw", 0, again, &second);
	assert_string_equal(device, again);
	fd = open(device, O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "at the end", 10, 16 * MIB - 10), 10);
	assert_int_equal(mosaic_snapshot(s->mosaic, "s", "raw", &err), -EBUSY);
	close(fd);
	cleanup_close(&second);
	cleanup_close(&hold);
	assert_no_device(s, "raw");
	assert_ok(mosaic_clone(s->mosaic, "copy", "raw", &err), &err);
	attach(s, "copy", MOSAIC_ATTACH_READONLY, device, &hold);
	fd = open(device, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, text, 10, 16 * MIB - 10), 10);
	assert_string_equal(text, "at the end");
	close(fd);
	cleanup_close(&hold);
	assert_int_equal(mosaic_resize(s->mosaic, "raw", 8 * MIB, &err), -ENOSPC);
	assert_ok(mosaic_resize(s->mosaic, "raw", 32 * MIB, &err), &err);
	attach(s, "raw", 0, device, &hold);
	fd = open(device, O_RDONLY | O_CLOEXEC);
	memset(text, 0, sizeof(text));
	assert_int_equal(pread(fd, text, 10, 16 * MIB - 10), 10);
	assert_string_equal(text, "at the end");
	assert_int_equal(lseek(fd, 0, SEEK_END), 32 * MIB);
	close(fd);
	cleanup_close(&hold);
}

static void a_kept_device_stays_until_it_is_let_go(void **state)
{
	char device[MOSAIC_DEVICE_MAX];
	struct scratch *s = *state;
	struct error err = { 0 };
	struct volume v;
	int hold = -1;

	make(s, "v", 0, 0);
	attach(s, "v", 0, device, &hold);
	keep(s, "v", true);
	cleanup_close(&hold);
	assert_ok(volume_open(s->mosaic, "v", &v, &err), &err);
	assert_int_equal(s->mosaic->driver->device(s->mosaic, &v, device, &err), 0);
	volume_close(&v);
	write_in(s, "v", "file", "by the same device");
	keep(s, "v", false);
	assert_no_device(s, "v");
	keep(s, "v", false); /* is not up: fine */
	/* dropped while it is kept: the device goes with it, as teardown looks */
	attach(s, "v", 0, device, &hold);
	keep(s, "v", true);
	cleanup_close(&hold);
	assert_ok(mosaic_drop(s->mosaic, "v", MOSAIC_DROP_UNCHECKED, &err), &err);
}

/* The volume is gone, its device is not: nobody but a check knows. */
static void a_lost_device_is_found_by_a_check(void **state)
{
	char device[MOSAIC_DEVICE_MAX];
	struct scratch *s = *state;
	unsigned told = 0;
	struct check c = { .m = s->mosaic, .repair = true, .fn = count_problem, .arg = &told };
	_close_ int volumes = -1;
	struct error err = { 0 };
	int hold = -1;

	make(s, "v", 0, 0);
	make(s, "other", 0, 0);
	attach(s, "v", 0, device, &hold);
	keep(s, "v", true);
	cleanup_close(&hold);
	assert_ok(s->mosaic->driver->check(s->mosaic, NULL, &c, &err), &err);
	assert_int_equal(told, 0);
	volumes = openat(s->mosaic->dirfd, "volumes", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(path_remove_tree(volumes, "v"), 0);
	assert_ok(s->mosaic->driver->check(s->mosaic, NULL, &c, &err), &err);
	assert_int_equal(told, 1);
}

static void a_volume_goes_back_to_its_snapshot(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };

	make(s, "v", 0, 0);
	write_in(s, "v", "file", "good");
	assert_ok(mosaic_snapshot(s->mosaic, "s", "v", &err), &err);
	write_in(s, "v", "file", "bad");
	assert_ok(mosaic_rollback(s->mosaic, "v", "s", &err), &err);
	assert_in(s, "v", "file", "good");
	write_in(s, "v", "file", "better");
	assert_in(s, "s", "file", "good");
}

static void a_volume_in_use_is_known_by_its_device(void **state)
{
	struct scratch *s = *state;
	struct mount_identity identity;
	struct error err = { 0 };
	struct volume v;
	struct stat st;
	int root;

	make(s, "v", 0, 0);
	assert_ok(volume_open(s->mosaic, "v", &v, &err), &err);
	assert_int_equal(s->mosaic->driver->identify(s->mosaic, &v, &identity, &err), -ENODEV);
	root = use(s, "v", 0);
	assert_ok(s->mosaic->driver->identify(s->mosaic, &v, &identity, &err), &err);
	assert_int_equal(fstat(root, &st), 0);
	assert_int_equal(identity.device, st.st_dev);
	volume_close(&v);
	unuse(s, "v", &root);
}

static void what_a_volume_takes_is_told(void **state)
{
	struct scratch *s = *state;
	struct mosaic_usage before, after, shared;
	struct error err = { 0 };
	struct volume v;
	int root;

	make(s, "v", 0, 0);
	assert_ok(volume_open(s->mosaic, "v", &v, &err), &err);
	assert_ok(s->mosaic->driver->usage(s->mosaic, &v, &before, &err), &err);
	root = use(s, "v", 0);
	fill(root, "file", 20);
	unuse(s, "v", &root);
	assert_ok(s->mosaic->driver->usage(s->mosaic, &v, &after, &err), &err);
	assert_in_range(after.used - before.used, 19 * MIB, 30 * MIB);
	assert_int_equal(after.exclusive, after.used);
	assert_ok(mosaic_snapshot(s->mosaic, "s", "v", &err), &err);
	assert_ok(s->mosaic->driver->usage(s->mosaic, &v, &shared, &err), &err);
	if (mosaic_features(s->mosaic) & MOSAIC_EXCLUSIVE)
		assert_in_range(shared.shared, 20 * MIB, 120 * MIB);
	assert_int_equal(shared.exclusive + shared.shared, shared.used);
	volume_close(&v);
}

static void ids_are_mapped(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	int ready[2], root, fd = -1, userns;
	char map[] = "0 100000 65536";
	char path[64], c;
	struct stat st;
	pid_t child;

	make(s, "v", 0, 0);
	root = use(s, "v", 0);
	put(root, "file", "");
	assert_int_equal(fchownat(root, "file", 5, 5, 0), 0);
	unuse(s, "v", &root);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		if (unshare(CLONE_NEWUSER) < 0 || write(ready[1], "r", 1) != 1)
			_exit(1);
		pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)child);
	assert_int_equal(file_put(AT_FDCWD, path, map), 0);
	snprintf(path, sizeof(path), "/proc/%d/gid_map", (int)child);
	assert_int_equal(file_put(AT_FDCWD, path, map), 0);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)child);
	userns = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(userns > 0);
	{
		const struct mosaic_mount how = { .userns = userns, .attributes = MOUNT_NODEV };

		assert_ok(mosaic_mount(s->mosaic, "v", &how, &fd, &err), &err);
	}
	assert_int_equal(fstatat(fd, "file", &st, 0), 0);
	assert_int_equal(st.st_uid, 100005);
	close(userns);
	close(ready[0]);
	close(ready[1]);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	unuse(s, "v", &fd);
}

static void limits_and_faults_are_named(void **state)
{
	const struct mosaic_create small = { .size = MIB }, large = { .size = 1ULL << 60 };
	struct scratch *s = *state;
	struct error err = { 0 };
	unsigned told = 0;
	struct check c = { .m = s->mosaic, .fn = count_problem, .arg = &told };
	_close_ int fd = -1;
	struct volume v;

	assert_int_equal(mosaic_create(s->mosaic, "v", &small, &err), -EINVAL);
	assert_non_null(strstr(err.text, "bytes"));
	assert_int_equal(mosaic_create(s->mosaic, "v", &large, &err), -EFBIG);
	assert_int_equal(count_entries(s, "staging"), 0);
	make(s, "v", 0, 0);
	assert_ok(volume_open(s->mosaic, "v", &v, &err), &err);
	assert_ok(s->mosaic->driver->check(s->mosaic, &v, &c, &err), &err);
	assert_int_equal(told, 0);
	if (str_eq(setup->type, "fsimg")) {
		fd = openat(v.dirfd, "data", O_WRONLY | O_CLOEXEC);
		assert_int_equal(ftruncate(fd, 100 * MIB), 0);
		assert_ok(s->mosaic->driver->check(s->mosaic, &v, &c, &err), &err);
		assert_int_equal(told, 1);
	}
	volume_close(&v);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, image_setup, image_teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_tree_is_staged_committed_and_mounted_read_only),
		CASE(a_tree_that_somebody_has_open_is_not_committed),
		CASE(who_only_looks_is_not_in_the_way),
		CASE(a_volume_has_its_size_and_its_file_system),
		CASE(two_users_share_one_file_system),
		CASE(a_clone_is_its_own),
		CASE(a_clone_of_a_tree_is_writable),
		CASE(a_snapshot_of_a_volume_in_use_is_whole),
		CASE(a_set_of_snapshots_is_of_one_instant),
		CASE(a_snapshot_during_writes_is_of_one_instant),
		CASE(a_killed_copier_leaves_nothing_frozen),
		CASE(what_was_left_frozen_is_thawed),
		CASE(it_grows_while_it_is_mounted),
		CASE(it_grows_after_a_copy_that_was_killed),
		CASE(it_shrinks_when_nobody_uses_it),
		CASE(a_full_volume_says_so_and_can_be_dropped),
		CASE(a_raw_volume_is_a_device),
		CASE(a_kept_device_stays_until_it_is_let_go),
		CASE(a_lost_device_is_found_by_a_check),
		CASE(a_volume_goes_back_to_its_snapshot),
		CASE(a_volume_in_use_is_known_by_its_device),
		CASE(what_a_volume_takes_is_told),
		CASE(ids_are_mapped),
		CASE(limits_and_faults_are_named),
	};
	const char *only = getenv("IMAGE_TEST_SETUP"); /* "fsimg-xfs" */
	int failed = 0;

	for (size_t i = 0; i < ARRAY_SIZE(setups); i++) {
		char name[32];

		setup = &setups[i];
		snprintf(name, sizeof(name), "%s-%s", setup->type, setup->fs);
		if (!only || str_eq(only, name))
			failed += cmocka_run_group_tests_name(name, tests, NULL, NULL);
	}
	return failed;
}
