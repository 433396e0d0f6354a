/* The overlay driver's layers: what snapshots and clones of written volumes share, how it is let
 * go, and how it is mounted. */
#include "layers.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kernel/kernel.h"

/* ---- snapshots and clones -------------------------------------------------------------------- */

static void snapshots_keep_what_was(void **state)
{
	struct scratch *s = *state;
	struct mosaic_volume v;
	struct error err = { 0 };
	int fd;

	make_volume(s, "data");
	write_to(s, "data", "file", "one");
	snapshot(s, "first", "data");
	write_to(s, "data", "file", "two");
	snapshot(s, "second", "data");
	write_to(s, "data", "file", NULL);
	assert_in(s, "first", "file", "one");
	assert_in(s, "second", "file", "two");
	assert_in(s, "data", "file", NULL);

	assert_ok(mosaic_info(s->mosaic, "second", &v, &err), &err);
	assert_true(v.read_only);
	assert_string_equal(v.parent, "data");
	assert_ok(mosaic_info(s->mosaic, "data", &v, &err), &err);
	assert_false(v.read_only);
	assert_string_equal(v.parent, "");
	fd = mount_here(s, "first", 0);
	assert_int_equal(mkdirat(fd, "new", 0755), -1);
	assert_int_equal(errno, EROFS);
	umount_here(s, &fd, "first");

	clone_volume(s, "clone", "first");
	drop(s, "first");
	drop(s, "data");
	write_to(s, "clone", "more", "three");
	assert_in(s, "clone", "file", "one");
	assert_in(s, "second", "file", "two");
	assert_in(s, "second", "more", NULL);
	drop(s, "second");
	drop(s, "clone");
	assert_nothing_left(s);
}

/* Whatever it holds, a clone moves one directory. */
static void nothing_is_copied(void **state)
{
	struct scratch *s = *state;
	struct stat before, after;
	int fd;

	make_volume(s, "data");
	write_to(s, "data", "file", "one");
	fd = mount_here(s, "data", 0);
	assert_int_equal(fstatat(fd, "file", &before, 0), 0);
	umount_here(s, &fd, "data");
	reopen(s);
	clone_volume(s, "clone", "data");
	fd = mount_here(s, "clone", MOSAIC_MOUNT_READONLY);
	assert_int_equal(fstatat(fd, "file", &after, 0), 0);
	assert_true(before.st_ino == after.st_ino);
	umount_here(s, &fd, "clone");
}

static void what_was_not_written_to_gets_no_layer(void **state)
{
	struct scratch *s = *state;

	commit_hello(s, "tree");
	clone_volume(s, "one", "tree");
	clone_volume(s, "two", "one");
	snapshot(s, "three", "two");
	assert_int_equal(count_entries(s, "volumes"), 4);
	write_to(s, "one", "hello", "changed");
	clone_volume(s, "four", "one");
	assert_int_equal(count_entries(s, "volumes"), 6); /* with a base */
	clone_volume(s, "five", "one");
	clone_volume(s, "six", "four");
	assert_int_equal(count_entries(s, "volumes"), 8);
	assert_in(s, "six", "hello", "changed");
	assert_in(s, "three", "hello", "hello");
}

static void volumes_in_use_are_refused(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	int fd;

	make_volume(s, "data");
	fd = mount_here(s, "data", 0);
	assert_int_equal(mosaic_clone(s->mosaic, "clone", "data", &err), -EBUSY);
	assert_int_equal(mosaic_snapshot(s->mosaic, "snapshot", "data", &err), -EBUSY);
	assert_int_equal(count_entries(s, "volumes"), 1);
	umount_here(s, &fd, "data");
}

struct writer {
	int fd;
	bool resumed;
};

static int stand_still(void *arg, struct error *err)
{
	struct writer *w = arg;

	(void)err;
	put(w->fd, "file", "quiet");
	return 0;
}

static void go_on(void *arg)
{
	struct writer *w = arg;

	put(w->fd, "file", "later");
	w->resumed = true;
}

/* Their layers stay where they are: the kernel writes to them. */
static void volumes_in_use_are_copied_while_quiet(void **state)
{
	static const struct mosaic_pair pairs[] = { { "snapshot", "data" } };
	struct scratch *s = *state;
	struct error err = { 0 };
	struct writer w;
	const struct mosaic_quiesce q = { stand_still, go_on, &w };

	commit_hello(s, "tree");
	clone_volume(s, "data", "tree");
	w = (struct writer){ mount_here(s, "data", 0), false };
	assert_int_equal(unlinkat(w.fd, "hello", 0), 0);
	assert_ok(mosaic_snapshot_set(s->mosaic, pairs, 1, &q, &err), &err);
	assert_true(w.resumed);
	assert_file(w.fd, "file", "later");
	umount_here(s, &w.fd, "data");
	reopen(s);
	assert_in(s, "data", "file", "later");
	assert_in(s, "snapshot", "file", "quiet");
	assert_in(s, "snapshot", "hello", NULL);
	drop(s, "data");
	drop(s, "snapshot");
	drop(s, "tree");
	assert_nothing_left(s);
}

static void rollback_lets_go_of_layers(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };

	make_volume(s, "data");
	write_to(s, "data", "file", "one");
	snapshot(s, "snapshot", "data");
	write_to(s, "data", "file", "two");
	clone_volume(s, "clone", "data");
	drop(s, "clone");
	assert_int_equal(count_entries(s, "volumes"), 4); /* with two bases */
	assert_ok(mosaic_rollback(s->mosaic, "data", "snapshot", &err), &err);
	assert_int_equal(count_entries(s, "volumes"), 3);
	assert_in(s, "data", "file", "one");
	write_to(s, "data", "file", "three");
	assert_in(s, "snapshot", "file", "one");
	drop(s, "data");
	drop(s, "snapshot");
	assert_nothing_left(s);
}

static void attributes_of_the_root_go_along(void **state)
{
	struct scratch *s = *state;
	struct stat st;
	int fd;

	make_volume(s, "data");
	fd = mount_here(s, "data", 0);
	assert_int_equal(fchown(fd, 12, 34), 0);
	assert_int_equal(fchmod(fd, 01770), 0);
	umount_here(s, &fd, "data");
	reopen(s);
	snapshot(s, "snapshot", "data");
	clone_volume(s, "clone", "snapshot");
	for (size_t i = 0; i < 3; i++) {
		static const char *const volumes[] = { "data", "snapshot", "clone" };

		fd = mount_here(s, volumes[i], MOSAIC_MOUNT_READONLY);
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_uid, 12);
		assert_int_equal(st.st_gid, 34);
		assert_int_equal(st.st_mode & 07777, 01770);
		umount_here(s, &fd, volumes[i]);
	}
}

static void deleted_stays_deleted(void **state)
{
	struct scratch *s = *state;
	int fd;

	commit_directories(s);
	clone_volume(s, "one", "tree");
	fd = mount_here(s, "one", 0);
	assert_int_equal(unlinkat(fd, "a/1", 0), 0);
	assert_int_equal(unlinkat(fd, "b/1", 0), 0);
	assert_int_equal(unlinkat(fd, "b/2", 0), 0);
	assert_int_equal(unlinkat(fd, "b", AT_REMOVEDIR), 0);
	assert_int_equal(mkdirat(fd, "b", 0700), 0); /* opaque */
	put(fd, "b/3", "one");
	umount_here(s, &fd, "one");
	reopen(s);
	clone_volume(s, "two", "one");
	fd = mount_here(s, "two", 0);
	assert_entries(fd, ".", "a b c");
	assert_entries(fd, "a", "2");
	assert_entries(fd, "b", "3");
	assert_int_equal(unlinkat(fd, "c", 0), 0);
	assert_int_equal(mkdirat(fd, "c", 0700), 0);
	umount_here(s, &fd, "two");
	reopen(s);
	snapshot(s, "three", "two");
	fd = mount_here(s, "three", 0);
	assert_entries(fd, ".", "a b c");
	assert_entries(fd, "a", "2");
	assert_entries(fd, "b", "3");
	assert_entries(fd, "c", "");
	umount_here(s, &fd, "three");
}

/* ---- id maps --------------------------------------------------------------------------------- */

/* A user namespace where 0 is 1000 here. */
static int make_userns(void)
{
	char path[64];
	int ready[2], fd, status;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (unshare(CLONE_NEWUSER) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], path, 1), 1);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	assert_int_equal(file_put(AT_FDCWD, path, "0 1000 100\n"), 0);
	snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	assert_int_equal(file_put(AT_FDCWD, path, "0 1000 100\n"), 0);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(ready[0]);
	close(ready[1]);
	return fd;
}

static void layers_are_id_mapped(void **state)
{
	struct scratch *s = *state;
	_close_ int userns = make_userns(), fd = -1, at = -1;
	const struct mosaic_mount how = { .userns = userns };
	struct error err = { 0 };
	struct stat st;

	commit_hello(s, "tree");
	clone_volume(s, "clone", "tree");
	write_to(s, "clone", "upper", "x");
	assert_ok(mosaic_mount(s->mosaic, "clone", &how, &fd, &err), &err);
	assert_int_equal(fstatat(fd, "hello", &st, 0), 0);
	assert_int_equal(st.st_uid, 1000);
	assert_int_equal(fstatat(fd, "upper", &st, 0), 0);
	assert_int_equal(st.st_gid, 1000);
	put(fd, "hello", "changed");
	assert_int_equal(fchownat(fd, "hello", 1005, 1006, 0), 0);
	cleanup_close(&fd);
	reopen(s);
	at = mount_here(s, "clone", 0);
	assert_file(at, "hello", "changed");
	assert_int_equal(fstatat(at, "hello", &st, 0), 0);
	assert_int_equal(st.st_uid, 5);
	assert_int_equal(st.st_gid, 6);
	umount_here(s, &at, "clone");
}

/* ---- at several places ----------------------------------------------------------------------- */

/* In a mount namespace of its own it has the volume mounted, attached or not, until it is told. */
static pid_t start_user(const struct scratch *s, bool attached, int *ret_end)
{
	int ready[2], end[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(end, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct mosaic *m = NULL;
		struct error err = { 0 };
		int fd = -1, target, r;

		close(end[1]);
		r = unshare(CLONE_NEWNS);
		target = open(s->path, O_PATH | O_CLOEXEC);
		if (r == 0)
			r = mosaic_open(&m, s->location, NULL, 0, &err);
		if (r == 0)
			r = mosaic_mount(m, "clone", NULL, &fd, &err);
		if (r == 0 && attached)
			r = mount_attach(fd, target);
		if (r < 0) {
			print_error("%d: %s\n", r, err.text);
			_exit(1);
		}
		if (write(ready[1], "x", 1) != 1 || read(end[0], &byte, 1) < 0)
			_exit(1);
		_exit(faccessat(fd, "from-there", F_OK, 0) < 0);
	}
	close(ready[1]);
	close(end[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	*ret_end = end[1];
	return pid;
}

static void one_overlay_is_mounted_at_several_places(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	int fd = -1, end, status;
	pid_t pid;

	commit_hello(s, "tree");
	clone_volume(s, "clone", "tree");
	pid = start_user(s, true, &end);
	fd = mount_here(s, "clone", 0);
	put(fd, "hello", "changed"); /* copied up: needs a work directory that is whole */
	put(fd, "from-there", "x");
	umount_here(s, &fd, "clone");
	close(end);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	reopen(s);
	assert_in(s, "clone", "hello", "changed");

	pid = start_user(s, false, &end);
	assert_int_equal(mosaic_mount(s->mosaic, "clone", NULL, &fd, &err), -EBUSY);
	assert_non_null(strstr(err.text, "mounted already"));
	close(end);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	fd = mount_here(s, "clone", 0);
	put(fd, "hello", "again");
	umount_here(s, &fd, "clone");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(snapshots_keep_what_was),
		TEST(nothing_is_copied),
		TEST(what_was_not_written_to_gets_no_layer),
		TEST(volumes_in_use_are_refused),
		TEST(volumes_in_use_are_copied_while_quiet),
		TEST(rollback_lets_go_of_layers),
		TEST(attributes_of_the_root_go_along),
		TEST(deleted_stays_deleted),
		TEST(layers_are_id_mapped),
		TEST(one_overlay_is_mounted_at_several_places),
	};

	if (!layers_own_mounts())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
