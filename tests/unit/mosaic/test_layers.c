/* The overlay driver's layers: what snapshots and clones of written volumes share, and how it is
 * let go, folded, and mended. */
#include "scratch.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kernel/kernel.h"
#include "mosaic/overlay.h"

static int layers_setup(void **state)
{
	struct error err = { 0 };
	struct scratch *s;

	scratch_setup(state);
	s = *state;
	assert_ok(mosaic_open(&s->mosaic, s->location, "overlay", MOSAIC_OPEN_CREATE, &err), &err);
	return 0;
}

/* ---- helpers --------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
	char *list[256];
	size_t n;
};

static int add_name(int dirfd, const char *name, void *arg)
{
	struct names *names = arg;

	(void)dirfd;
	names->list[names->n++] = strdup(name);
	return names->n == ARRAY_SIZE(names->list);
}

/* The directory has these entries, sorted, with a blank between them; none is a whiteout. */
static void assert_entries(int dirfd, const char *path, const char *expected)
{
	_close_ int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct names names = { .n = 0 };
	char text[4096] = "";
	size_t len = 0;

	assert_true(fd >= 0);
	assert_int_equal(dir_each(fd, add_name, &names), 0);
	qsort(names.list, names.n, sizeof(names.list[0]), compare_names);
	for (size_t i = 0; i < names.n; i++) {
		struct stat st;

		assert_int_equal(fstatat(fd, names.list[i], &st, AT_SYMLINK_NOFOLLOW), 0);
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "",
					names.list[i]);
		free(names.list[i]);
	}
	assert_string_equal(text, expected);
}

static void make_volume(struct scratch *s, const char *name)
{
	struct error err = { 0 };

	assert_ok(mosaic_create(s->mosaic, name, NULL, &err), &err);
}

/* Nobody uses anything afterwards. */
static void write_to(struct scratch *s, const char *volume, const char *file, const char *text)
{
	int fd = mount_here(s, volume, 0);

	if (text)
		put(fd, file, text);
	else
		assert_int_equal(unlinkat(fd, file, 0), 0);
	umount_here(s, &fd, volume);
	reopen(s);
}

static void assert_in(struct scratch *s, const char *volume, const char *file, const char *text)
{
	int fd = mount_here(s, volume, MOSAIC_MOUNT_READONLY);

	if (text)
		assert_file(fd, file, text);
	else
		assert_missing(fd, file);
	umount_here(s, &fd, volume);
	reopen(s);
}

static void snapshot(struct scratch *s, const char *name, const char *from)
{
	struct error err = { 0 };

	assert_ok(mosaic_snapshot(s->mosaic, name, from, &err), &err);
}

static void clone_volume(struct scratch *s, const char *name, const char *from)
{
	struct error err = { 0 };

	assert_ok(mosaic_clone(s->mosaic, name, from, &err), &err);
}

static void drop(struct scratch *s, const char *name)
{
	struct error err = { 0 };

	assert_ok(mosaic_drop(s->mosaic, name, MOSAIC_DROP_UNCHECKED, &err), &err);
}

static void assert_nothing_left(struct scratch *s)
{
	assert_int_equal(count_entries(s, "volumes"), 0);
	assert_int_equal(count_entries(s, "staging"), 0);
}

/* Layers below the volume's own. */
static size_t depth_of(struct scratch *s, const char *name)
{
	_volume_ struct volume v = VOLUME_CLOSED;
	_layers_ struct layers l = LAYERS_CLOSED;
	struct error err = { 0 };

	assert_ok(volume_open(s->mosaic, name, &v, &err), &err);
	assert_int_equal(layers_open(s->mosaic->dirfd, v.dirfd, &v, &l), 0);
	return l.n;
}

/* ---- tests ----------------------------------------------------------------------------------- */

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

/* a/1 a/2 b/1 b/2 c */
static void commit_directories(struct scratch *s)
{
	struct mosaic_staged staged;
	struct error err = { 0 };
	_close_ int root = -1;

	assert_ok(mosaic_stage(s->mosaic, &staged, &root, &err), &err);
	assert_int_equal(mkdirat(root, "a", 0755), 0);
	assert_int_equal(mkdirat(root, "b", 0755), 0);
	put(root, "a/1", "tree");
	put(root, "a/2", "tree");
	put(root, "b/1", "tree");
	put(root, "b/2", "tree");
	put(root, "c", "tree");
	assert_ok(mosaic_commit(s->mosaic, &staged, "tree", &err), &err);
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

/* ---- folding --------------------------------------------------------------------------------- */

/* Round i makes "i" and "dir/i", takes i - 2 away, and makes the directory "again" anew. */
static void fold_round(struct scratch *s, unsigned i)
{
	char name[32];
	int fd = mount_here(s, "data", 0);

	if (i > 0) {
		snprintf(name, sizeof(name), "again/%u", i - 1);
		assert_int_equal(unlinkat(fd, name, 0), 0);
		assert_int_equal(unlinkat(fd, "again", AT_REMOVEDIR), 0);
	}
	assert_int_equal(mkdirat(fd, "again", 0755), 0);
	snprintf(name, sizeof(name), "again/%u", i);
	put(fd, name, "again");
	snprintf(name, sizeof(name), "dir/%u", i);
	put(fd, name, "dir");
	snprintf(name, sizeof(name), "%u", i);
	put(fd, name, "file");
	put(fd, "count", name);
	if (i >= 2) {
		snprintf(name, sizeof(name), "dir/%u", i - 2);
		assert_int_equal(unlinkat(fd, name, 0), 0);
		snprintf(name, sizeof(name), "%u", i - 2);
		assert_int_equal(unlinkat(fd, name, 0), 0);
	}
	umount_here(s, &fd, "data");
	reopen(s);
}

static void assert_round(struct scratch *s, const char *volume, unsigned i)
{
	char text[64], all[128], last[16], before[16];
	int fd = mount_here(s, volume, MOSAIC_MOUNT_READONLY);

	snprintf(last, sizeof(last), "%u", i);
	snprintf(before, sizeof(before), "%u", i - 1);
	if (strcmp(last, before) > 0)
		snprintf(text, sizeof(text), "%s %s", before, last);
	else
		snprintf(text, sizeof(text), "%s %s", last, before);
	assert_entries(fd, "dir", text);
	assert_entries(fd, "again", last);
	snprintf(all, sizeof(all), "%s a again b c count dir hello", text);
	assert_entries(fd, ".", all);
	assert_file(fd, "count", last);
	assert_entries(fd, "a", "2");
	umount_here(s, &fd, volume);
	reopen(s);
}

enum { ROUNDS = 2 * OVERLAY_LAYERS + 3 };

static void stacks_are_folded(void **state)
{
	struct scratch *s = *state;
	char name[32];
	int fd;

	commit_directories(s);
	clone_volume(s, "data", "tree");
	fd = mount_here(s, "data", 0);
	assert_int_equal(unlinkat(fd, "a/1", 0), 0);
	assert_int_equal(mkdirat(fd, "dir", 0755), 0);
	put(fd, "hello", "hello");
	umount_here(s, &fd, "data");
	reopen(s);
	for (unsigned i = 0; i < ROUNDS; i++) {
		fold_round(s, i);
		snprintf(name, sizeof(name), "snapshot-%u", i);
		snapshot(s, name, "data");
		assert_true(depth_of(s, "data") <= OVERLAY_LAYERS);
	}
	for (unsigned i = 1; i < ROUNDS; i++) {
		snprintf(name, sizeof(name), "snapshot-%u", i);
		assert_round(s, name, i);
	}
	assert_round(s, "data", ROUNDS - 1);
	assert_in(s, "tree", "a/1", "tree");
	for (unsigned i = 0; i < ROUNDS; i++) {
		snprintf(name, sizeof(name), "snapshot-%u", i);
		drop(s, name);
	}
	assert_round(s, "data", ROUNDS - 1);
	drop(s, "data");
	drop(s, "tree");
	assert_nothing_left(s);
}

/* Without snapshots in between, what a fold made a copy of is let go. */
static void folding_frees_layers(void **state)
{
	struct scratch *s = *state;
	char name[32];

	make_volume(s, "data");
	write_to(s, "data", "file", "first");
	for (unsigned i = 0; i <= OVERLAY_LAYERS; i++) {
		clone_volume(s, "clone", "data");
		drop(s, "clone");
		snprintf(name, sizeof(name), "file-%u", i);
		write_to(s, "data", name, "more");
	}
	assert_true(depth_of(s, "data") <= 3);
	assert_int_equal(count_entries(s, "volumes"), 1 + depth_of(s, "data"));
	assert_in(s, "data", "file", "first");
	assert_in(s, "data", "file-0", "more");
	assert_in(s, "data", name, "more");
}

/* ---- dying ----------------------------------------------------------------------------------- */

/* Only what changes something on disk matters. */
static bool changes(uint64_t nr)
{
	static const uint64_t calls[] = {
		SYS_mkdirat,   SYS_unlinkat, SYS_renameat,        SYS_renameat2, SYS_symlinkat,
		SYS_linkat,    SYS_mknodat,  SYS_setxattr,        SYS_fsetxattr, SYS_fchmod,
		SYS_fchmodat,  SYS_fchownat, SYS_copy_file_range, SYS_write,     SYS_utimensat,
		SYS_ftruncate, SYS_ioctl,    SYS_openat,
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i] == nr)
			return true;
	return false;
}

static bool is_change(pid_t pid)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY || !changes(info.entry.nr))
		return false;
	return info.entry.nr != SYS_openat || info.entry.args[2] & O_CREAT;
}

/* A child that does it is killed when it enters its n-th system call that changes something. False
 * when it ended first. */
static bool killed_at(const struct scratch *s, unsigned n, void (*fn)(const struct scratch *s))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		fn(s);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, NULL,
				PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD),
			 0);
	while (n > 0) {
		assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFSTOPPED(status)) {
			assert_int_equal(WEXITSTATUS(status), 0);
			return false;
		}
		if (is_change(pid))
			n--;
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return true;
}

static void clone_in_child(const struct scratch *s)
{
	struct mosaic *m = NULL;
	struct error err = { 0 };
	int r = mosaic_open(&m, s->location, NULL, 0, &err);

	if (r == 0)
		r = mosaic_clone(m, "clone", "data", &err);
	if (r < 0)
		_exit(1);
}

static int must_not(const struct mosaic_problem *p, void *arg)
{
	(void)arg;
	fail_msg("%s %s", p->where, p->text);
	return 0;
}

/* Whatever is left of the clone: it has the content, or is not there. */
static void assert_content(struct scratch *s)
{
	struct error err = { 0 };
	unsigned n;
	int fd;

	reopen(s);
	fd = mount_here(s, "data", MOSAIC_MOUNT_READONLY);
	assert_file(fd, "file", "content");
	umount_here(s, &fd, "data");
	fd = mount_here(s, "data", 0);
	assert_file(fd, "file", "content");
	assert_missing(fd, "hello");
	put(fd, "mark", "x");
	assert_int_equal(unlinkat(fd, "mark", 0), 0);
	umount_here(s, &fd, "data");
	reopen(s);
	if (mosaic_have(s->mosaic, "clone")) {
		assert_in(s, "clone", "file", "content");
		assert_in(s, "clone", "hello", NULL);
		drop(s, "clone");
	}
	assert_ok(mosaic_check(s->mosaic, MOSAIC_CHECK_REPAIR, NULL, NULL, &n, &err), &err);
	assert_int_equal(n, 0);
	assert_ok(mosaic_check(s->mosaic, 0, must_not, NULL, &n, &err), &err);
	drop(s, "data");
	if (mosaic_have(s->mosaic, "tree"))
		drop(s, "tree");
	assert_nothing_left(s);
}

static void start_from_data(struct scratch *s)
{
	make_volume(s, "data");
	write_to(s, "data", "file", "content");
}

static void start_from_clone(struct scratch *s)
{
	if (!mosaic_have(s->mosaic, "tree"))
		commit_hello(s, "tree");
	clone_volume(s, "data", "tree");
	write_to(s, "data", "file", "content");
	write_to(s, "data", "hello", NULL);
}

static void start_from_deep(struct scratch *s)
{
	start_from_clone(s);
	for (unsigned i = 1; i < OVERLAY_LAYERS; i++) {
		char name[32];

		clone_volume(s, "other", "data");
		drop(s, "other");
		snprintf(name, sizeof(name), "file-%u", i % 3);
		write_to(s, "data", name, "more");
	}
	assert_int_equal(depth_of(s, "data"), OVERLAY_LAYERS);
}

static void kill_everywhere(struct scratch *s, void (*start)(struct scratch *s), unsigned step)
{
	unsigned n = 1, points = 0;

	for (;; n += step) {
		start(s);
		if (!killed_at(s, n, clone_in_child))
			break;
		points++;
		assert_content(s);
	}
	print_message("%u points\n", points);
	assert_true(points > 10);
	assert_in(s, "clone", "file", "content");
}

static void clone_of_data_is_killed_everywhere(void **state)
{
	kill_everywhere(*state, start_from_data, 1);
}

static void clone_of_a_clone_is_killed_everywhere(void **state)
{
	kill_everywhere(*state, start_from_clone, 1);
}

static void fold_is_killed_everywhere(void **state)
{
	kill_everywhere(*state, start_from_deep, 11);
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, layers_setup, scratch_teardown)

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
		TEST(stacks_are_folded),
		TEST(folding_frees_layers),
		TEST(clone_of_data_is_killed_everywhere),
		TEST(clone_of_a_clone_is_killed_everywhere),
		TEST(fold_is_killed_everywhere),
		TEST(layers_are_id_mapped),
		TEST(one_overlay_is_mounted_at_several_places),
	};

	/* Mounts of this test stay in a namespace of its own. */
	if (unshare(CLONE_NEWNS) < 0 || mount_all_private() < 0) {
		print_error("this test needs root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
