/* Volumes that are image files: what clones and snapshots hold, also of a volume that is in use. */
#include "image_cases.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_clone_is_its_own),
		CASE(a_clone_of_a_tree_is_writable),
		CASE(a_snapshot_of_a_volume_in_use_is_whole),
		CASE(a_set_of_snapshots_is_of_one_instant),
		CASE(a_snapshot_during_writes_is_of_one_instant),
		CASE(a_killed_copier_leaves_nothing_frozen),
		CASE(what_was_left_frozen_is_thawed),
		CASE(a_volume_goes_back_to_its_snapshot),
	};

	return image_run(tests, ARRAY_SIZE(tests));
}
