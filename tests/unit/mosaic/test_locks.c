/* What several processes do to one volume at the same moment. As root. */
#include "scratch.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "kernel/kernel.h"
#include "mosaic/driver.h"

enum { ROUNDS = 60, TRIES = 600, WAIT_MS = 300 };

static int plain_setup(void **state)
{
	return scratch_setup_vol(state, "plain");
}

static int overlay_setup(void **state)
{
	return scratch_setup_vol(state, "overlay");
}

/* ---- a process beside ------------------------------------------------------------------------ */

struct other {
	pid_t pid;
	int said; /* what work() returned, as an int; its end when it died */
};

static struct other start(struct scratch *s, int (*work)(struct mosaic *m, int until), int until)
{
	struct other o;
	int pipes[2];

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	o.pid = fork();
	assert_true(o.pid >= 0);
	if (o.pid == 0) {
		struct mosaic *m = NULL;
		int r = mosaic_open(&m, s->location, NULL, 0, NULL);

		if (r == 0)
			r = work(m, until);
		_exit(write(pipes[1], &r, sizeof(r)) == sizeof(r) ? 0 : 1);
	}
	close(pipes[1]);
	o.said = pipes[0];
	return o;
}

/* 1: it has said something. */
static int wait_a_while(const struct other *o)
{
	struct pollfd p = { .fd = o->said, .events = POLLIN };

	return poll(&p, 1, WAIT_MS);
}

static int end(struct other *o)
{
	int r = 0, status = 0;

	assert_int_equal(read(o->said, &r, sizeof(r)), sizeof(r));
	assert_int_equal(waitpid(o->pid, &status, 0), o->pid);
	assert_int_equal(status, 0);
	close(o->said);
	return r;
}

/* ---- beginning to use what is dropped -------------------------------------------------------- */

/* The next time that the volume is moved away, somebody acts before or after that. A process of
 * before: a new one would have our locks too. */
static struct {
	struct other other;
	int go;      /* -1: not yet, or it has gone */
	bool before; /* the move waits for it a while; else the move comes first */
	int said;    /* it had said something after that while */
} interloper = { .go = -1 };

static void prepare(struct scratch *s, int (*work)(struct mosaic *m, int until), bool before)
{
	int go[2];

	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	interloper.other = start(s, work, go[0]);
	close(go[0]);
	interloper.go = go[1];
	interloper.before = before;
}

static void act(void)
{
	assert_int_equal(write(interloper.go, "x", 1), 1);
	cleanup_close(&interloper.go);
	interloper.said = wait_a_while(&interloper.other);
}

int __real_renameat(int olddir, const char *old, int newdir, const char *new);
int __wrap_renameat(int olddir, const char *old, int newdir, const char *new);
int __wrap_renameat(int olddir, const char *old, int newdir, const char *new)
{
	bool now = interloper.go >= 0 && str_eq(old, "volumes/vol");
	int r;

	if (now && interloper.before)
		act();
	r = __real_renameat(olddir, old, newdir, new);
	if (now && !interloper.before)
		act();
	return r;
}

static int mount_vol(struct mosaic *m, int until)
{
	int fd = -1;
	char c;

	return read(until, &c, 1) == 1 ? mosaic_mount(m, "vol", NULL, &fd, NULL) : -EPIPE;
}

static void nobody_begins_to_use_what_is_dropped(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };

	prepare(s, mount_vol, true);
	assert_ok(mosaic_drop(s->mosaic, "vol", 0, &err), &err);
	assert_int_equal(interloper.go, -1);
	assert_int_equal(interloper.said, 0);
	assert_int_equal(end(&interloper.other), -ENOENT);
	assert_false(mosaic_have(s->mosaic, "vol"));
	assert_int_equal(count_entries(s, "staging"), 0);
}

static int collect(struct mosaic *m, int until)
{
	unsigned n = 0;
	char c;
	int r = read(until, &c, 1) == 1 ? mosaic_collect(m, &n, NULL) : -EPIPE;

	return r < 0 ? r : (int)n;
}

/* What is being taken apart is not left over, also when nobody looked at who uses it. */
static void collectors_keep_away_from_what_is_dropped(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };

	prepare(s, collect, false);
	assert_ok(mosaic_drop(s->mosaic, "vol", MOSAIC_DROP_UNCHECKED, &err), &err);
	assert_int_equal(interloper.go, -1);
	assert_int_equal(interloper.said, 1);
	assert_int_equal(end(&interloper.other), 0);
	assert_int_equal(count_entries(s, "staging"), 0);
}

/* ---- rollback -------------------------------------------------------------------------------- */

static bool is_over(int until)
{
	struct pollfd p = { .fd = until, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

/* The name leads to a whole volume at every moment. */
static int look_on(struct mosaic *m, int until)
{
	static const struct timespec moment = { 0, 3000000 };

	while (!is_over(until)) {
		_free_ char *value = NULL;
		struct mosaic_usage usage;
		struct mosaic_volume v;
		int fd = -1, r;
		size_t len;

		if (!mosaic_have(m, "vol"))
			return -ENOENT;
		r = mosaic_info(m, "vol", &v, NULL);
		if (r == 0)
			r = mosaic_get_data(m, "vol", "key", &value, &len, NULL);
		if (r == 0)
			r = mosaic_usage(m, "vol", &usage, NULL);
		if (r == 0)
			r = mosaic_is_used(m, "vol", NULL);
		if (r >= 0)
			r = mosaic_mount(m, "vol", &(struct mosaic_mount){ MOSAIC_MOUNT_READONLY },
					 &fd, NULL);
		if (r < 0)
			return r;
		close(fd);
		volume_unuse(m, "vol", false);
		nanosleep(&moment, NULL); /* for the rollback to find it unused now and then */
	}
	return 0;
}

static void a_rollback_is_at_once_for_who_looks(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	unsigned done = 0, tries = 0;
	struct other o;
	int until[2];

	assert_ok(mosaic_snapshot(s->mosaic, "snap", "vol", &err), &err);
	assert_ok(mosaic_set_data(s->mosaic, "vol", "key", "value", 5, &err), &err);
	assert_int_equal(pipe2(until, O_CLOEXEC), 0);
	o = start(s, look_on, until[0]);
	while (done < ROUNDS && tries++ < TRIES && !is_over(o.said)) {
		int r = mosaic_rollback(s->mosaic, "vol", "snap", &err);

		if (r != -EBUSY)
			assert_ok(r, &err);
		done += r == 0;
	}
	assert_int_equal(write(until[1], "x", 1), 1);
	assert_int_equal(end(&o), 0);
	assert_int_equal(done, ROUNDS);
	close(until[0]);
	close(until[1]);
}

static int roll_back_often(struct mosaic *m, _unused_ int until)
{
	for (int i = 0; i < ROUNDS; i++) {
		int r = mosaic_rollback(m, "vol", "snap", NULL);

		if (r < 0 && r != -EBUSY)
			return r;
	}
	return 0;
}

static void two_rollbacks_keep_the_data(void **state)
{
	struct scratch *s = *state;
	_free_ char *value = NULL;
	struct error err = { 0 };
	struct other a, b;
	size_t len;

	assert_ok(mosaic_snapshot(s->mosaic, "snap", "vol", &err), &err);
	assert_ok(mosaic_set_data(s->mosaic, "vol", "key", "value", 5, &err), &err);
	a = start(s, roll_back_often, -1);
	b = start(s, roll_back_often, -1);
	assert_int_equal(end(&a), 0);
	assert_int_equal(end(&b), 0);
	assert_ok(mosaic_get_data(s->mosaic, "vol", "key", &value, &len, &err), &err);
	assert_string_equal(value, "value");
	assert_int_equal(count_entries(s, "staging"), 0);
	assert_int_equal(mosaic_rollback(s->mosaic, "vol", "vol", &err), -EINVAL);
}

/* ---- readers --------------------------------------------------------------------------------- */

static void check_copy(struct scratch *s, const char *name, const char *hello)
{
	struct error err = { 0 };
	_close_ int fd = -1;

	assert_ok(mosaic_mount(s->mosaic, name, &(struct mosaic_mount){ MOSAIC_MOUNT_READONLY },
			       &fd, &err),
		  &err);
	assert_file(fd, "hello", hello);
}

static void check_copies(struct scratch *s, int reader)
{
	const struct mosaic_pair pairs[] = { { "set1", "vol" }, { "set2", "vol" } };
	struct error err = { 0 };

	assert_ok(mosaic_snapshot(s->mosaic, "snap", "vol", &err), &err);
	assert_ok(mosaic_clone(s->mosaic, "clone", "vol", &err), &err);
	assert_ok(mosaic_snapshot_set(s->mosaic, pairs, 2, NULL, &err), &err);
	check_copy(s, "snap", "changed");
	check_copy(s, "clone", "changed");
	check_copy(s, "set1", "changed");
	check_copy(s, "set2", "changed");
	assert_file(reader, "hello", "changed");
	/* the reader counts for all that would take the volume away from it */
	assert_int_equal(mosaic_is_used(s->mosaic, "vol", &err), 1);
	assert_int_equal(mosaic_drop(s->mosaic, "vol", 0, &err), -EBUSY);
	assert_int_equal(mosaic_rollback(s->mosaic, "vol", "snap", &err), -EBUSY);
	for (size_t i = 0; i < 4; i++)
		assert_ok(mosaic_drop(s->mosaic,
				      (const char *[]){ "snap", "clone", "set1", "set2" }[i],
				      MOSAIC_DROP_UNCHECKED, &err),
			  &err);
	assert_file(reader, "hello", "changed");
}

static void change(struct scratch *s)
{
	int fd = mount_here(s, "vol", 0);

	put(fd, "hello", "changed");
	umount_here(s, &fd, "vol");
	reopen(s);
}

static void readers_do_not_block_copies(void **state)
{
	struct scratch *s = *state;
	struct mosaic *second = NULL;
	struct error err = { 0 };
	int fd = -1;

	change(s);
	/* attached */
	fd = mount_here(s, "vol", MOSAIC_MOUNT_READONLY);
	reopen(s);
	check_copies(s, fd);
	umount_here(s, &fd, "vol");
	/* detached */
	assert_ok(mosaic_open(&second, s->location, NULL, 0, &err), &err);
	assert_ok(mosaic_mount(second, "vol", &(struct mosaic_mount){ MOSAIC_MOUNT_READONLY }, &fd,
			       &err),
		  &err);
	check_copies(s, fd);
	/* who can write counts, whoever reads besides */
	cleanup_close(&fd);
	assert_ok(mosaic_mount(second, "vol", NULL, &fd, &err), &err);
	assert_int_equal(mosaic_snapshot(s->mosaic, "snap", "vol", &err), -EBUSY);
	cleanup_close(&fd);
	mosaic_close(second);
	assert_int_equal(mosaic_is_used(s->mosaic, "vol", &err), 0);
	assert_ok(mosaic_snapshot(s->mosaic, "snap", "vol", &err), &err);
	assert_ok(mosaic_drop(s->mosaic, "vol", 0, &err), &err);
}

/* A volume that was made, not cloned: its only directory is what the reader sees. */
static void readers_of_a_made_volume_keep_it(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	int fd;

	assert_ok(mosaic_drop(s->mosaic, "vol", 0, &err), &err);
	assert_ok(mosaic_create(s->mosaic, "vol", NULL, &err), &err);
	change(s);
	fd = mount_here(s, "vol", MOSAIC_MOUNT_READONLY);
	reopen(s);
	check_copies(s, fd);
	umount_here(s, &fd, "vol");
}

/* ---- what there is not ----------------------------------------------------------------------- */

static void what_there_is_not_is_refused(void **state)
{
	const struct mosaic_create made = { .flags = 1U << 9 };
	const struct mosaic_mount how = { .flags = 1U << 9 };
	struct mosaic_staged none = MOSAIC_STAGED_NONE;
	struct scratch *s = *state;
	struct error err = { 0 };
	int fd = -1;

	assert_int_equal(mosaic_create(s->mosaic, "made", &made, &err), -EINVAL);
	assert_false(mosaic_have(s->mosaic, "made"));
	assert_int_equal(mosaic_mount(s->mosaic, "vol", &how, &fd, &err), -EINVAL);
	assert_int_equal(fd, -1);
	assert_int_equal(mosaic_drop(s->mosaic, "vol", 1U << 9, &err), -EINVAL);
	assert_true(mosaic_have(s->mosaic, "vol"));
	assert_int_equal(mosaic_commit(s->mosaic, &none, "made", &err), -EINVAL);
	assert_non_null(strstr(err.text, "nothing is staged"));
}

/* ---- owners ---------------------------------------------------------------------------------- */

static void check_owner(struct scratch *s, const char *name, const char *owner)
{
	char got[MOSAIC_NAME_MAX + 1];
	struct error err = { 0 };

	assert_ok(mosaic_get_owner(s->mosaic, name, got, &err), &err);
	assert_string_equal(got, owner);
}

/* By every way that a volume comes to be, on any driver. */
static void owners_are_there_from_the_beginning(void **state)
{
	const struct mosaic_pair set[] = { { "set", "vol" } };
	struct scratch *s = *state;
	struct error err = { 0 };

	check_owner(s, "vol", "");
	assert_int_equal(mosaic_is_foreign(s->mosaic, "vol", &err), 0);
	assert_ok(mosaic_set_owner(s->mosaic, "mine", &err), &err);
	assert_int_equal(mosaic_is_foreign(s->mosaic, "vol", &err), 0);
	commit_hello(s, "tree 2");
	assert_ok(mosaic_create(s->mosaic, "made", NULL, &err), &err);
	assert_ok(mosaic_clone(s->mosaic, "clone", "tree 2", &err), &err);
	assert_ok(mosaic_snapshot(s->mosaic, "snap", "clone", &err), &err);
	assert_ok(mosaic_snapshot_set(s->mosaic, set, 1, NULL, &err), &err);
	check_owner(s, "tree 2", "mine");
	check_owner(s, "made", "mine");
	check_owner(s, "clone", "mine");
	check_owner(s, "snap", "mine");
	check_owner(s, "set", "mine");
	assert_int_equal(mosaic_is_foreign(s->mosaic, "made", &err), 0);

	/* who rolls back does not take it over */
	assert_ok(mosaic_set_owner(s->mosaic, "yours", &err), &err);
	assert_int_equal(mosaic_is_foreign(s->mosaic, "clone", &err), 1);
	assert_ok(mosaic_rollback(s->mosaic, "clone", "snap", &err), &err);
	check_owner(s, "clone", "mine");
	assert_ok(mosaic_rollback(s->mosaic, "vol", "set", &err), &err);
	check_owner(s, "vol", "");
	assert_ok(mosaic_set_owner(s->mosaic, NULL, &err), &err);
	assert_int_equal(mosaic_is_foreign(s->mosaic, "clone", &err), 1);
	assert_ok(mosaic_clone(s->mosaic, "nobody", "tree 2", &err), &err);
	check_owner(s, "nobody", "");
	assert_int_equal(mosaic_set_owner(s->mosaic, "a/b", &err), -EINVAL);
	assert_int_equal(mosaic_is_foreign(s->mosaic, "none", &err), -ENOENT);
}

#define PLAIN(test)   cmocka_unit_test_setup_teardown(test, plain_setup, scratch_teardown)
#define OVERLAY(test) cmocka_unit_test_setup_teardown(test, overlay_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLAIN(nobody_begins_to_use_what_is_dropped),
		OVERLAY(nobody_begins_to_use_what_is_dropped),
		PLAIN(collectors_keep_away_from_what_is_dropped),
		PLAIN(a_rollback_is_at_once_for_who_looks),
		OVERLAY(a_rollback_is_at_once_for_who_looks),
		PLAIN(two_rollbacks_keep_the_data),
		OVERLAY(two_rollbacks_keep_the_data),
		PLAIN(readers_do_not_block_copies),
		OVERLAY(readers_do_not_block_copies),
		PLAIN(readers_of_a_made_volume_keep_it),
		OVERLAY(readers_of_a_made_volume_keep_it),
		PLAIN(what_there_is_not_is_refused),
		PLAIN(owners_are_there_from_the_beginning),
		OVERLAY(owners_are_there_from_the_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
