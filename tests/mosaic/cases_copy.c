/* Clones, snapshots, rollbacks. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

static void make_tree(struct suite *s, const char *name)
{
	struct mosaic_staged staged;
	int fd;

	ok(s, mosaic_stage(s->m, &staged, &fd, &s->err));
	fill(fd);
	close(fd);
	ok(s, mosaic_commit(s->m, &staged, name, &s->err));
}

static void clone_of_tree(struct suite *s)
{
	struct mosaic_volume v;
	char was[65], is[65];

	make_tree(s, "t");
	describe_volume(s, "t", was);
	ok(s, mosaic_clone(s->m, "a", "t", &s->err));
	ok(s, mosaic_clone(s->m, "b", "t", &s->err));
	ok(s, mosaic_info(s->m, "a", &v, &s->err));
	need(!v.read_only && strcmp(v.parent, "t") == 0);
	describe_volume(s, "a", is);
	need(strcmp(was, is) == 0);
	put_in(s, "a", "d/file", "changed");
	put_in(s, "a", "new", "one");
	same_in(s, "b", "d/file", "content\n");
	need(!has_in(s, "b", "new"));
	describe_volume(s, "t", is);
	need(strcmp(was, is) == 0);
	describe_volume(s, "b", is);
	need(strcmp(was, is) == 0);
	fails(s, EEXIST, mosaic_clone(s->m, "a", "t", &s->err));
	same_in(s, "a", "new", "one");
}

static void clone_of_volume(struct suite *s)
{
	char was[65], is[65];
	int fd;

	create(s, "v");
	fd = mount_rw(s, "v");
	fill(fd);
	describe(fd, was);
	close(fd);
	mosaic_close(s->m); /* nobody uses it now */
	ok(s, mosaic_open_named(&s->m, s->what, 0, &s->err));
	ok(s, mosaic_clone(s->m, "a", "v", &s->err));
	ok(s, mosaic_clone(s->m, "b", "a", &s->err));
	ok(s, mosaic_sync(s->m, &s->err));
	describe_volume(s, "a", is);
	need(strcmp(was, is) == 0);
	describe_volume(s, "b", is);
	need(strcmp(was, is) == 0);
	put_in(s, "v", "in", "v");
	put_in(s, "a", "in", "a");
	put_in(s, "b", "in", "b");
	same_in(s, "v", "in", "v");
	same_in(s, "a", "in", "a");
	same_in(s, "b", "in", "b");
	ok(s, mosaic_drop(s->m, "v", 0, &s->err));
	ok(s, mosaic_drop(s->m, "a", 0, &s->err));
	same_in(s, "b", "in", "b");
	same_in(s, "b", "d/file", "content\n");
}

static void snapshots(struct suite *s)
{
	struct mosaic_volume v;
	int fd;

	create(s, "v");
	put_in(s, "v", "n", "1");
	ok(s, mosaic_snapshot(s->m, "s1", "v", &s->err));
	put_in(s, "v", "n", "2");
	ok(s, mosaic_snapshot(s->m, "s2", "v", &s->err));
	put_in(s, "v", "n", "3");
	same_in(s, "s1", "n", "1");
	same_in(s, "s2", "n", "2");
	same_in(s, "v", "n", "3");
	ok(s, mosaic_info(s->m, "s1", &v, &s->err));
	need(v.read_only);
	fd = mount_rw(s, "s1");
	need(openat(fd, "x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 && errno == EROFS);
	close(fd);
	ok(s, mosaic_clone(s->m, "c", "s1", &s->err));
	put_in(s, "c", "n", "c");
	same_in(s, "s1", "n", "1");
	fails(s, EEXIST, mosaic_snapshot(s->m, "s1", "v", &s->err));
	fails(s, EROFS, mosaic_rollback(s->m, "s1", "s2", &s->err));
}

static void rollback(struct suite *s)
{
	char was[65], is[65];
	int fd;

	create(s, "v");
	{
		struct mosaic *m;

		ok(s, mosaic_open_named(&m, s->what, 0, &s->err));
		ok(s, mosaic_mount(m, "v", NULL, &fd, &s->err));
		fill(fd);
		close(fd);
		mosaic_close(m);
	}
	describe_volume(s, "v", was);
	ok(s, mosaic_snapshot(s->m, "s", "v", &s->err));
	put_in(s, "v", "d/file", "spoilt");
	put_in(s, "v", "junk", "junk");
	ok(s, mosaic_rollback(s->m, "v", "s", &s->err));
	describe_volume(s, "v", is);
	need(strcmp(was, is) == 0);
	put_in(s, "v", "junk", "again");
	ok(s, mosaic_rollback(s->m, "v", "s", &s->err));
	need(!has_in(s, "v", "junk"));
	describe_volume(s, "s", is);
	need(strcmp(was, is) == 0);
	fails(s, ENOENT, mosaic_rollback(s->m, "v", "none", &s->err));
	fd = mount_rw(s, "v");
	fails(s, EBUSY, mosaic_rollback(s->m, "v", "s", &s->err));
	close(fd);
}

/* What was removed stays so in copies of copies; a directory made anew shows nothing of the old
 * one. */
static void removed_things(struct suite *s)
{
	char was[65], is[65];
	int fd;

	make_tree(s, "t");
	ok(s, mosaic_clone(s->m, "a", "t", &s->err));
	{
		struct mosaic *m;

		ok(s, mosaic_open_named(&m, s->what, 0, &s->err));
		ok(s, mosaic_mount(m, "a", NULL, &fd, &s->err));
		if (unlinkat(fd, "hard", 0) < 0 || unlinkat(fd, "d/file", 0) < 0 ||
		    unlinkat(fd, "d/e/deep", 0) < 0 || unlinkat(fd, "d/e", AT_REMOVEDIR) < 0 ||
		    unlinkat(fd, "d", AT_REMOVEDIR) < 0 || mkdirat(fd, "d", 0711) < 0 ||
		    renameat(fd, "bytes", fd, "d/moved") < 0)
			fail("cannot change the clone: %m");
		put(fd, "empty/full", "now");
		describe(fd, was);
		close(fd);
		mosaic_close(m);
	}
	ok(s, mosaic_snapshot(s->m, "s", "a", &s->err));
	ok(s, mosaic_clone(s->m, "b", "s", &s->err));
	ok(s, mosaic_clone(s->m, "c", "a", &s->err));
	describe_volume(s, "s", is);
	need(strcmp(was, is) == 0);
	describe_volume(s, "b", is);
	need(strcmp(was, is) == 0);
	describe_volume(s, "c", is);
	need(strcmp(was, is) == 0);
	ok(s, mosaic_rollback(s->m, "a", "s", &s->err));
	describe_volume(s, "a", is);
	need(strcmp(was, is) == 0);
}

static void deep_chains(struct suite *s)
{
	char name[16], before[16], text[16];

	create(s, "v0");
	put_in(s, "v0", "base", "0");
	for (int i = 1; i <= 40; i++) {
		snprintf(before, sizeof(before), "v%d", i - 1);
		snprintf(name, sizeof(name), "v%d", i);
		ok(s, mosaic_clone(s->m, name, before, &s->err));
		snprintf(text, sizeof(text), "f%d", i);
		put_in(s, name, text, text);
	}
	same_in(s, "v40", "base", "0");
	same_in(s, "v40", "f1", "f1");
	same_in(s, "v40", "f40", "f40");
	need(!has_in(s, "v39", "f40"));
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "v%d", i);
		ok(s, mosaic_drop(s->m, name, 0, &s->err));
	}
	same_in(s, "v40", "f20", "f20");
}

static void many_snapshots(struct suite *s)
{
	char name[16];

	create(s, "v");
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		put_in(s, "v", "n", name);
		ok(s, mosaic_snapshot(s->m, name, "v", &s->err));
	}
	for (int i = 0; i < 40; i += 13) {
		snprintf(name, sizeof(name), "s%d", i);
		same_in(s, name, "n", name);
	}
	for (int i = 0; i < 39; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		ok(s, mosaic_drop(s->m, name, 0, &s->err));
	}
	same_in(s, "s39", "n", "s39");
	same_in(s, "v", "n", "s39");
}

/* ---- of what is being written -------------------------------------------------------------------
 * */

/* Writes the numbers 1, 2, ... into two files, first into "a": at any instant b <= a <= b + 1. A
 * driver whose copies are what a power cut would have left promises that only of what is synced. */
static _Noreturn void write_pairs(struct suite *s, const char *one, const char *two, int ready)
{
	bool synced = !(s->features & MOSAIC_SNAPSHOT_SET);
	int a, b;

	ok(s, mosaic_open_named(&s->m, s->what, 0, &s->err));
	a = openat(mount_rw(s, one), "a", O_RDWR | O_CREAT | O_DSYNC | O_CLOEXEC, 0600);
	b = openat(mount_rw(s, two), "b", O_RDWR | O_CREAT | O_DSYNC | O_CLOEXEC, 0600);
	for (uint64_t i = 1;; i++) {
		if (pwrite(a, &i, sizeof(i), 0) < 0 || (synced && fdatasync(a) < 0) ||
		    pwrite(b, &i, sizeof(i), 0) < 0 || (synced && fdatasync(b) < 0))
			fail("write: %m");
		if (i == 1 && write(ready, "r", 1) != 1)
			fail("write: %m");
	}
}

static pid_t start_writer(struct suite *s, const char *one, const char *two)
{
	int ends[2];
	char ready;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0 || (pid = fork_child()) < 0)
		fail("fork: %m");
	if (pid == 0)
		write_pairs(s, one, two, ends[1]);
	close(ends[1]);
	if (read(ends[0], &ready, 1) != 1)
		fail("the writer did not begin");
	close(ends[0]);
	return pid;
}

static uint64_t number_in(struct suite *s, const char *volume, const char *file)
{
	int dir = mount_ro(s, volume), fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	uint64_t n = 0;

	if (fd < 0 || read(fd, &n, sizeof(n)) != sizeof(n))
		fail("%s of %s: %m", file, volume);
	close(fd);
	close(dir);
	return n;
}

static void check_pair(uint64_t a, uint64_t b)
{
	if (a < b || a > b + 1)
		fail("of two instants: a is %llu, b is %llu", (unsigned long long)a,
		     (unsigned long long)b);
}

static void snapshot_in_use(struct suite *s)
{
	char name[16];
	int status;
	pid_t pid;

	create(s, "v");
	pid = start_writer(s, "v", "v");
	if (!(s->features & MOSAIC_SNAPSHOT_LIVE)) {
		fails(s, EBUSY, mosaic_snapshot(s->m, "s", "v", &s->err));
		fails(s, EBUSY, mosaic_clone(s->m, "s", "v", &s->err));
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		need(!mosaic_have(s->m, "s"));
		skip("refused as busy: the driver %s has no snapshot-live", mosaic_type(s->m));
	}
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		ok(s, mosaic_snapshot(s->m, name, "v", &s->err));
		check_pair(number_in(s, name, "a"), number_in(s, name, "b"));
		usleep(10000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	need(number_in(s, "s7", "a") > number_in(s, "s0", "a"));
}

static pid_t frozen;

static int freeze(void *arg, struct error *err)
{
	siginfo_t info;

	(void)arg;
	(void)err;
	kill(frozen, SIGSTOP);
	waitid(P_PID, (id_t)frozen, &info, WSTOPPED);
	return 0;
}

static void thaw(void *arg)
{
	(void)arg;
	kill(frozen, SIGCONT);
}

/* Quiescing does not unmount: a driver whose copies need the volume unused says so all the same. */
static void snapshots_of_several(struct suite *s)
{
	static const struct mosaic_pair pairs[] = { { "s1", "one" }, { "s2", "two" } };
	static const struct mosaic_quiesce q = { freeze, thaw, NULL };
	int status, r;

	create(s, "one");
	create(s, "two");
	put_in(s, "one", "a", "12345678");
	put_in(s, "two", "b", "12345678");
	ok(s, mosaic_snapshot_set(s->m, pairs, 2, NULL, &s->err));
	same_in(s, "s1", "a", "12345678");
	same_in(s, "s2", "b", "12345678");
	fails(s, EEXIST, mosaic_snapshot_set(s->m, pairs, 2, NULL, &s->err));
	ok(s, mosaic_drop(s->m, "s1", 0, &s->err));
	fails(s, EEXIST, mosaic_snapshot_set(s->m, pairs, 2, NULL, &s->err));
	need(!mosaic_have(s->m, "s1"));
	ok(s, mosaic_drop(s->m, "s2", 0, &s->err));
	frozen = start_writer(s, "one", "two");
	if (!(s->features & MOSAIC_SNAPSHOT_SET))
		fails(s, EBUSY, mosaic_snapshot_set(s->m, pairs, 2, NULL, &s->err));
	r = mosaic_snapshot_set(s->m, pairs, 2, &q, &s->err);
	kill(frozen, SIGKILL);
	waitpid(frozen, &status, 0);
	if (r == -EBUSY && !(s->features & (MOSAIC_SNAPSHOT_SET | MOSAIC_SNAPSHOT_LIVE)))
		return;
	ok(s, r);
	check_pair(number_in(s, "s1", "a"), number_in(s, "s2", "b"));
}

static void dropped_when_needed(struct suite *s)
{
	int r;

	make_tree(s, "t");
	ok(s, mosaic_clone(s->m, "a", "t", &s->err));
	r = mosaic_drop(s->m, "t", 0, &s->err);
	if (r == -EBUSY) {
		need(strstr(s->err.text, "a") != NULL);
		ok(s, mosaic_drop(s->m, "a", 0, &s->err));
		ok(s, mosaic_drop(s->m, "t", 0, &s->err));
		return;
	}
	ok(s, r);
	same_in(s, "a", "d/file", "content\n");
}

const struct test_case copy_cases[] = {
	{ "clone-tree", clone_of_tree },
	{ "clone-volume", clone_of_volume },
	{ "snapshot", snapshots },
	{ "rollback", rollback },
	{ "removed-things", removed_things },
	{ "deep-chain", deep_chains },
	{ "many-snapshots", many_snapshots },
	{ "snapshot-in-use", snapshot_in_use },
	{ "snapshot-set", snapshots_of_several },
	{ "drop-parent", dropped_when_needed },
	{ NULL, NULL },
};
