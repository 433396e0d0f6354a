/* Volumes that are image files, in use: committed, mounted, and as devices. */
#include "image_cases.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/kernel.h"

/* ---- trees ----------------------------------------------------------------------------------- */

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

/* ---- mounts ---------------------------------------------------------------------------------- */

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

/* ---- devices --------------------------------------------------------------------------------- */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_tree_is_staged_committed_and_mounted_read_only),
		CASE(a_tree_that_somebody_has_open_is_not_committed),
		CASE(who_only_looks_is_not_in_the_way),
		CASE(two_users_share_one_file_system),
		CASE(a_raw_volume_is_a_device),
		CASE(a_kept_device_stays_until_it_is_let_go),
		CASE(a_lost_device_is_found_by_a_check),
		CASE(a_volume_in_use_is_known_by_its_device),
		CASE(ids_are_mapped),
	};

	return image_run(tests, ARRAY_SIZE(tests));
}
