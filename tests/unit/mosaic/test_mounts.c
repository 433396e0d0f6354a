/* Where volumes are mounted and who uses them: in this mount namespace and in others. As root. */
#include "scratch.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kernel/kernel.h"
#include "mosaic/driver.h"

static int open_as(void **state, const char *driver)
{
	struct error err = { 0 };
	struct scratch *s;

	scratch_setup_vol(state, driver);
	s = *state;
	assert_ok(mosaic_create(s->mosaic, "other", NULL, &err), &err);
	assert_int_equal(mkdirat(s->dirfd, "at one", 0755), 0);
	assert_int_equal(mkdirat(s->dirfd, "at\ntwo\\040", 0755), 0);
	return 0;
}

static int plain_setup(void **state)
{
	return open_as(state, "plain");
}

static int overlay_setup(void **state)
{
	return open_as(state, "overlay");
}

static const char *place(const struct scratch *s, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", s->path, name);
	return path;
}

static void mount_at(struct scratch *s, const char *volume, const char *name, unsigned flags)
{
	const struct mosaic_mount how = { .flags = flags };
	struct error err = { 0 };

	assert_ok(mosaic_mount_at(s->mosaic, volume, place(s, name), &how, &err), &err);
}

static void umount_from(struct scratch *s, const char *volume, const char *name)
{
	struct error err = { 0 };

	assert_ok(mosaic_umount(s->mosaic, volume, place(s, name), &err), &err);
}

static int mounted(struct scratch *s, const char *volume)
{
	struct error err = { 0 };
	int r = mosaic_is_mounted(s->mosaic, volume, &err);

	assert_ok(r, &err);
	return r;
}

static int used(struct scratch *s, const char *volume)
{
	struct error err = { 0 };
	int r = mosaic_is_used(s->mosaic, volume, &err);

	assert_ok(r, &err);
	return r;
}

struct points {
	unsigned n, here, read_only;
	pid_t pid;       /* of the last that is not here */
	char text[1024]; /* their paths, "|" between */
};

static int note(const struct mosaic_mount_point *p, void *arg)
{
	struct points *all = arg;
	size_t len = strlen(all->text);

	snprintf(all->text + len, sizeof(all->text) - len, "%s|", p->path);
	all->n++;
	all->here += p->here;
	all->read_only += p->read_only;
	if (!p->here)
		all->pid = p->pid;
	return 0;
}

static struct points find(struct scratch *s, const char *volume)
{
	struct points all = { 0 };
	struct error err = { 0 };

	assert_ok(mosaic_each_mount_point(s->mosaic, volume, note, &all, &err), &err);
	return all;
}

static void mount_points_are_found(void **state)
{
	struct scratch *s = *state;
	struct points p;
	char both[300];

	assert_int_equal(mounted(s, "vol"), 0);
	assert_int_equal(used(s, "vol"), 0);
	mount_at(s, "vol", "at one", 0);
	assert_file(s->dirfd, "at one/hello", "hello");
	assert_int_equal(mounted(s, "vol"), 1);
	assert_int_equal(used(s, "vol"), 1);
	assert_int_equal(mounted(s, "other"), 0);
	assert_int_equal(mounted(s, "tree"), 0);
	umount_from(s, "vol", "at one");
	assert_int_equal(mounted(s, "vol"), 0);
	assert_int_equal(used(s, "vol"), 0);

	/* a name that the kernel writes with escapes, read-only, and two at once */
	mount_at(s, "tree", "at one", MOSAIC_MOUNT_READONLY);
	mount_at(s, "tree", "at\ntwo\\040", MOSAIC_MOUNT_READONLY);
	p = find(s, "tree");
	snprintf(both, sizeof(both), "%s/at one|%s/at\ntwo\\040|", s->path, s->path);
	assert_string_equal(p.text, both);
	assert_int_equal(p.n, 2);
	assert_int_equal(p.here, 2);
	assert_int_equal(p.read_only, 2);
	umount_from(s, NULL, "at\ntwo\\040");
	umount_from(s, "tree", "at one");
	assert_int_equal(find(s, "tree").n, 0);
}

/* A process with a mount namespace of its own, in which something is mounted. */
struct elsewhere {
	pid_t pid;
	int end; /* closed: it ends */
};

static struct elsewhere mount_elsewhere(struct scratch *s, const char *volume, const char *name)
{
	int ready[2], end[2];
	struct mosaic *own = NULL;
	struct elsewhere e;
	char c = 0;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(end, O_CLOEXEC), 0);
	e.pid = fork();
	assert_true(e.pid >= 0);
	if (e.pid == 0) {
		close(end[1]);
		if (unshare(CLONE_NEWNS) < 0 || mount_all_private() < 0 ||
		    mosaic_open(&own, s->location, NULL, 0, NULL) < 0 ||
		    mosaic_mount_at(own, volume, place(s, name), NULL, NULL) < 0 ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		_exit(read(end[0], &c, 1) == 0 ? 0 : 1);
	}
	close(ready[1]);
	close(end[0]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	e.end = end[1];
	return e;
}

static void end_elsewhere(struct elsewhere *e)
{
	int status = -1;

	close(e->end);
	assert_int_equal(waitpid(e->pid, &status, 0), e->pid);
	assert_int_equal(status, 0);
}

static void other_namespaces_count(void **state)
{
	struct scratch *s = *state;
	struct elsewhere e = mount_elsewhere(s, "vol", "at one");
	struct error err = { 0 };
	struct points p = find(s, "vol");
	char words[300];

	assert_int_equal(p.n, 1);
	assert_int_equal(p.here, 0);
	assert_int_equal(p.pid, e.pid);
	assert_int_equal(used(s, "vol"), 1);
	assert_int_equal(mosaic_drop(s->mosaic, "vol", 0, &err), -EBUSY);
	snprintf(words, sizeof(words), "cannot drop volume vol: it is mounted at %s of process %d",
		 place(s, "at one"), e.pid);
	assert_string_equal(err.text, words);
	end_elsewhere(&e);
	assert_int_equal(used(s, "vol"), 0);
	assert_ok(mosaic_drop(s->mosaic, "vol", 0, &err), &err);
}

static void busy_is_said_with_the_place(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };

	mount_at(s, "vol", "at one", 0);
	assert_int_equal(mosaic_drop(s->mosaic, "vol", 0, &err), -EBUSY);
	assert_non_null(strstr(err.text, "mounted at "));
	assert_non_null(strstr(err.text, place(s, "at one")));
	assert_int_equal(mosaic_clone(s->mosaic, "copy", "vol", &err), -EBUSY);
	assert_non_null(strstr(err.text, place(s, "at one")));
	assert_false(mosaic_have(s->mosaic, "copy"));
	umount_from(s, "vol", "at one");
	assert_ok(mosaic_clone(s->mosaic, "copy", "vol", &err), &err);
}

/* In no mount table, but somebody has it. */
static void detached_mounts_count_while_their_user_lives(void **state)
{
	struct scratch *s = *state;
	struct mosaic *second = NULL;
	struct error err = { 0 };
	int fd = -1;

	assert_ok(mosaic_open(&second, s->location, NULL, 0, &err), &err);
	assert_ok(mosaic_mount(second, "vol", NULL, &fd, &err), &err);
	assert_int_equal(mounted(s, "vol"), 0);
	assert_int_equal(used(s, "vol"), 1);
	assert_int_equal(mosaic_drop(s->mosaic, "vol", 0, &err), -EBUSY);
	assert_non_null(strstr(err.text, "this process has it"));
	close(fd);
	mosaic_close(second);
	assert_int_equal(used(s, "vol"), 0);
	assert_ok(mosaic_drop(s->mosaic, "vol", 0, &err), &err);
}

static void dead_users_are_none(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	int ready[2], status;
	char c, words[64];
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int fd;

		if (mosaic_mount(s->mosaic, "vol", NULL, &fd, NULL) < 0 ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(mosaic_drop(s->mosaic, "vol", 0, &err), -EBUSY);
	snprintf(words, sizeof(words), "cannot drop volume vol: process %d has it", pid);
	assert_string_equal(err.text, words);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(ready[0]);
	close(ready[1]);
	assert_int_equal(used(s, "vol"), 0);
	assert_ok(mosaic_drop(s->mosaic, "vol", 0, &err), &err);
}

static void umount_takes_only_what_it_was_asked_for(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	_close_ int inside = -1;
	int fd, target;

	assert_int_equal(mosaic_umount(s->mosaic, "vol", place(s, "at one"), &err), -EINVAL);
	assert_non_null(strstr(err.text, "nothing is mounted"));
	assert_int_equal(mosaic_umount(s->mosaic, NULL, place(s, "none"), &err), -ENOENT);
	mount_at(s, "vol", "at one", 0);
	assert_int_equal(mosaic_umount(s->mosaic, "other", place(s, "at one"), &err), -EINVAL);
	assert_non_null(strstr(err.text, "is not volume other"));
	assert_int_equal(mosaic_umount(s->mosaic, "vol", place(s, "at one/hello"), &err), -EINVAL);

	inside = openat(s->dirfd, "at one/hello", O_RDONLY | O_CLOEXEC);
	assert_int_equal(mosaic_umount(s->mosaic, "vol", place(s, "at one"), &err), -EBUSY);
	assert_non_null(strstr(err.text, "in use"));
	close(inside);
	inside = -1;

	/* the uppermost of two */
	mount_at(s, "other", "at one", 0);
	assert_int_equal(mosaic_umount(s->mosaic, "vol", place(s, "at one"), &err), -EINVAL);
	umount_from(s, NULL, "at one");
	assert_file(s->dirfd, "at one/hello", "hello");
	/* by a link to it too */
	assert_int_equal(symlinkat("at one", s->dirfd, "link"), 0);
	umount_from(s, "vol", "link");

	/* what is no volume stays */
	fd = mount_new("tmpfs", NULL, 0, 0, NULL, 0);
	target = openat(s->dirfd, "at one", O_PATH | O_CLOEXEC);
	assert_int_equal(mount_attach(fd, target), 0);
	close(target);
	close(fd);
	assert_int_equal(mosaic_umount(s->mosaic, NULL, place(s, "at one"), &err), -EINVAL);
	assert_non_null(strstr(err.text, "no volume of"));
	assert_int_equal(mount_end(place(s, "at one")), 0);
}

static void failing_mount_leaves_nothing(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };

	assert_int_equal(mosaic_mount_at(s->mosaic, "vol", place(s, "none"), NULL, &err), -ENOENT);
	put(s->dirfd, "file", "");
	assert_int_equal(mosaic_mount_at(s->mosaic, "vol", place(s, "file"), NULL, &err), -ENOTDIR);
	assert_int_equal(mosaic_mount_at(s->mosaic, "no", place(s, "at one"), NULL, &err), -ENOENT);
	assert_int_equal(used(s, "vol"), 0);
}

static void metadata_lies_where_the_layout_says(void **state)
{
	struct scratch *s = *state;
	const struct mosaic_mount read_only = { .flags = MOSAIC_MOUNT_READONLY };
	_close_ int fd = -1, again = -1;
	struct error err = { 0 };

	s->mosaic->metadata = strdup("a/b");
	assert_ok(mosaic_mount_metadata(s->mosaic, NULL, &fd, &err), &err);
	put(fd, "note", "mine");
	assert_file(s->mosaic->dirfd, "a/b/note", "mine");
	assert_ok(mosaic_mount_metadata(s->mosaic, &read_only, &again, &err), &err);
	assert_file(again, "note", "mine");
	assert_int_equal(openat(again, "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0644), -1);
	assert_int_equal(errno, EROFS);
}

static void mounts_are_told(void **state)
{
	struct scratch *s = *state;
	struct mosaic_event got;
	struct mosaic_events *e;
	struct error err = { 0 };

	assert_ok(mosaic_events_open(s->mosaic, 0, &e, &err), &err);
	mount_at(s, "vol", "at one", 0);
	umount_from(s, NULL, "at one");
	assert_int_equal(mosaic_events_next(e, &got, &err), 1);
	assert_int_equal(got.kind, MOSAIC_EVENT_MOUNT);
	assert_string_equal(got.volume, "vol");
	assert_string_equal(got.other, place(s, "at one"));
	assert_int_equal(mosaic_events_next(e, &got, &err), 1);
	assert_int_equal(got.kind, MOSAIC_EVENT_UMOUNT);
	assert_string_equal(got.volume, "vol");
	assert_string_equal(got.other, place(s, "at one"));
	assert_int_equal(mosaic_events_next(e, &got, &err), 0);
	mosaic_events_close(e);
}

#define PLAIN(test)   cmocka_unit_test_setup_teardown(test, plain_setup, scratch_teardown)
#define OVERLAY(test) cmocka_unit_test_setup_teardown(test, overlay_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLAIN(mount_points_are_found),
		OVERLAY(mount_points_are_found),
		PLAIN(other_namespaces_count),
		OVERLAY(other_namespaces_count),
		PLAIN(busy_is_said_with_the_place),
		PLAIN(detached_mounts_count_while_their_user_lives),
		PLAIN(dead_users_are_none),
		PLAIN(umount_takes_only_what_it_was_asked_for),
		OVERLAY(umount_takes_only_what_it_was_asked_for),
		PLAIN(failing_mount_leaves_nothing),
		PLAIN(metadata_lies_where_the_layout_says),
		PLAIN(mounts_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
