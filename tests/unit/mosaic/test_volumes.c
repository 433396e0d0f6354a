/* The life of volumes, on the plain driver: no privileges needed. */
#include "scratch.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

static int plain_setup(void **state)
{
	struct error err = { 0 };
	struct scratch *s;

	scratch_setup(state);
	s = *state;
	assert_ok(mosaic_open(&s->mosaic, s->location, "plain", MOSAIC_OPEN_CREATE, &err), &err);
	return 0;
}

static int volume_dir(const struct scratch *s, const char *volume, const char *part)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/volumes/%s/%s", s->location, volume, part);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void open_says_what_is_wrong(void **state)
{
	struct scratch *s = *state;
	struct mosaic *m = NULL;
	struct error err = { 0 };
	_close_ int dir = -1;

	assert_int_equal(mosaic_open(&m, s->location, NULL, 0, &err), -ENOENT);
	assert_non_null(strstr(err.text, "no mosaic"));
	assert_null(m);
	assert_int_equal(mosaic_open(&m, s->location, "nonsense", MOSAIC_OPEN_CREATE, &err),
			 -EINVAL);
	assert_non_null(strstr(err.text, "nonsense"));
	assert_int_equal(access(s->location, F_OK), -1);

	assert_ok(mosaic_open(&m, s->location, "plain", MOSAIC_OPEN_CREATE, &err), &err);
	assert_string_equal(mosaic_type(m), "plain");
	assert_string_equal(mosaic_location(m), s->location);
	assert_int_equal(mosaic_features(m), 0);
	mosaic_close(m);
	m = NULL;
	assert_ok(mosaic_open(&m, s->location, NULL, 0, &err), &err);
	mosaic_close(m);
	m = NULL;
	assert_int_equal(mosaic_open(&m, s->location, "overlay", MOSAIC_OPEN_CREATE, &err),
			 -EINVAL);
	assert_non_null(strstr(err.text, "not overlay"));

	dir = open(s->location, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(dir, "type", "of\x1b[my own\n");
	assert_int_equal(mosaic_open(&m, s->location, NULL, 0, &err), -EOPNOTSUPP);
	assert_null(strchr(err.text, '\x1b'));
	assert_null(m);
}

static void names_are_plain_components(void **state)
{
	static const char *const bad[] = { "", ".", "..", ".x", "a/b", "a\nb", "a\x7f", "/" };
	struct scratch *s = *state;
	struct error err = { 0 };
	char longest[MOSAIC_NAME_MAX + 2];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(mosaic_create(s->mosaic, bad[i], NULL, &err), -EINVAL);
		assert_int_equal(mosaic_clone(s->mosaic, "x", bad[i], &err), -EINVAL);
		assert_int_equal(mosaic_clone(s->mosaic, bad[i], "x", &err), -EINVAL);
		assert_int_equal(mosaic_drop(s->mosaic, bad[i], MOSAIC_DROP_UNCHECKED, &err),
				 -EINVAL);
		assert_false(mosaic_have(s->mosaic, bad[i]));
	}
	memset(longest, 'n', sizeof(longest));
	longest[MOSAIC_NAME_MAX + 1] = '\0';
	assert_int_equal(mosaic_create(s->mosaic, longest, NULL, &err), -EINVAL);
	longest[MOSAIC_NAME_MAX] = '\0';
	assert_ok(mosaic_create(s->mosaic, longest, NULL, &err), &err);
	assert_true(mosaic_have(s->mosaic, longest));
	assert_int_equal(count_entries(s, "volumes"), 1);
	assert_int_equal(count_entries(s, "staging"), 0);
}

static void staged_tree_is_no_volume_before_commit(void **state)
{
	struct scratch *s = *state;
	struct mosaic_staged staged;
	struct mosaic_volume v;
	struct error err = { 0 };
	int64_t before = time_now_ns();
	_close_ int root = -1, tree = -1;
	struct stat st;

	umask(077);
	assert_ok(mosaic_stage(s->mosaic, &staged, &root, &err), &err);
	umask(022);
	assert_int_equal(fstat(root, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	put(root, "file", "x");
	assert_int_equal(count_entries(s, "volumes"), 0);
	assert_false(mosaic_have(s->mosaic, "tree"));
	assert_ok(mosaic_commit(s->mosaic, &staged, "tree", &err), &err);
	assert_true(mosaic_have(s->mosaic, "tree"));
	assert_int_equal(count_entries(s, "staging"), 0);
	tree = volume_dir(s, "tree", "tree");
	assert_file(tree, "file", "x");

	assert_ok(mosaic_info(s->mosaic, "tree", &v, &err), &err);
	assert_string_equal(v.name, "tree");
	assert_string_equal(v.parent, "");
	assert_true(v.read_only);
	assert_true(v.created_ns > before - 2000000000LL && v.created_ns < before + 60000000000LL);
}

static void second_commit_of_a_name_is_discarded(void **state)
{
	struct scratch *s = *state;
	struct mosaic_staged staged;
	struct error err = { 0 };
	_close_ int root = -1, tree = -1;

	commit_hello(s, "tree");
	assert_ok(mosaic_stage(s->mosaic, &staged, &root, &err), &err);
	put(root, "hello", "other");
	assert_int_equal(mosaic_commit(s->mosaic, &staged, "tree", &err), MOSAIC_EXISTS);
	assert_int_equal(staged.lock_fd, -1);
	assert_int_equal(count_entries(s, "staging"), 0);
	tree = volume_dir(s, "tree", "tree");
	assert_file(tree, "hello", "hello");
}

static void discard_leaves_nothing(void **state)
{
	struct scratch *s = *state;
	struct mosaic_staged staged;
	struct error err = { 0 };
	_close_ int root = -1;

	assert_ok(mosaic_stage(s->mosaic, &staged, &root, &err), &err);
	put(root, "file", "x");
	mosaic_discard(s->mosaic, &staged);
	assert_int_equal(count_entries(s, "staging"), 0);
	mosaic_discard(s->mosaic, &staged); /* nothing is staged: nothing happens */
}

static void collect_takes_what_the_dead_left(void **state)
{
	struct scratch *s = *state;
	struct mosaic_staged alive, dead;
	struct error err = { 0 };
	_close_ int alive_root = -1, dead_root = -1;
	unsigned n = 99;
	_close_ int location = open(s->location, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_close_ int busy = -1;

	commit_hello(s, "tree");
	assert_ok(mosaic_stage(s->mosaic, &alive, &alive_root, &err), &err);
	assert_ok(mosaic_stage(s->mosaic, &dead, &dead_root, &err), &err);
	put(dead_root, "file", "x");
	close(dead.lock_fd); /* what the kernel does when its maker dies */
	put(location, "staging/stray", "a file");
	/* clones that were begun, one by somebody alive */
	assert_int_equal(mkdirat(location, "volumes/begun", 0700), 0);
	assert_int_equal(mkdirat(location, "volumes/begun/upper", 0700), 0);
	assert_int_equal(mkdirat(location, "volumes/busy", 0700), 0);
	busy = openat(location, "volumes/busy", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(busy, LOCK_EX), 0);

	assert_ok(mosaic_collect(s->mosaic, &n, &err), &err);
	assert_int_equal(n, 3);
	assert_missing(location, "volumes/begun");
	assert_int_equal(faccessat(location, "volumes/busy", F_OK, 0), 0);
	assert_true(mosaic_have(s->mosaic, "tree"));
	assert_int_equal(count_entries(s, "staging"), 1);
	assert_ok(mosaic_commit(s->mosaic, &alive, "survivor", &err), &err);
	assert_true(mosaic_have(s->mosaic, "survivor"));
	assert_ok(mosaic_collect(s->mosaic, &n, &err), &err);
	assert_int_equal(n, 0);
}

static void clones_are_independent_copies(void **state)
{
	struct scratch *s = *state;
	struct mosaic_volume v;
	struct error err = { 0 };
	_close_ int first = -1, second = -1;

	assert_int_equal(mosaic_clone(s->mosaic, "first", "tree", &err), -ENOENT);
	commit_hello(s, "tree");
	assert_ok(mosaic_clone(s->mosaic, "first", "tree", &err), &err);
	assert_int_equal(mosaic_clone(s->mosaic, "first", "tree", &err), -EEXIST);
	first = volume_dir(s, "first", "data");
	put(first, "hello", "changed");
	assert_ok(mosaic_clone(s->mosaic, "second", "first", &err), &err);
	put(first, "hello", "changed again");
	second = volume_dir(s, "second", "data");
	assert_file(second, "hello", "changed");
	assert_ok(mosaic_info(s->mosaic, "second", &v, &err), &err);
	assert_false(v.read_only);
	assert_int_equal(count_entries(s, "staging"), 0);
	assert_ok(mosaic_drop(s->mosaic, "tree", MOSAIC_DROP_UNCHECKED, &err),
		  &err); /* copies need no parent */
	assert_ok(mosaic_sync(s->mosaic, &err), &err);
}

static void drop_removes_and_missing_is_fine(void **state)
{
	struct scratch *s = *state;
	struct mosaic_volume v;
	struct error err = { 0 };

	assert_ok(mosaic_drop(s->mosaic, "nothing", MOSAIC_DROP_UNCHECKED, &err), &err);
	assert_ok(mosaic_create(s->mosaic, "data", NULL, &err), &err);
	assert_int_equal(mosaic_create(s->mosaic, "data", NULL, &err), -EEXIST);
	assert_ok(mosaic_drop(s->mosaic, "data", MOSAIC_DROP_UNCHECKED, &err), &err);
	assert_false(mosaic_have(s->mosaic, "data"));
	assert_int_equal(mosaic_info(s->mosaic, "data", &v, &err), -ENOENT);
	assert_int_equal(count_entries(s, "volumes"), 0);
	assert_int_equal(count_entries(s, "staging"), 0);
}

/* The linker puts this before the C library's (meson.build): a disk without a block for a new
 * name. */
static bool disk_is_full;
int __real_renameat(int from, const char *old, int to, const char *new);
int __wrap_renameat(int from, const char *old, int to, const char *new);

int __wrap_renameat(int from, const char *old, int to, const char *new)
{
	if (!disk_is_full || !str_starts(new, "staging/"))
		return __real_renameat(from, old, to, new);
	errno = ENOSPC;
	return -1;
}

static void drop_needs_no_room(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	int r;

	commit_hello(s, "tree");
	assert_ok(mosaic_create(s->mosaic, "data", NULL, &err), &err);
	disk_is_full = true;
	r = mosaic_drop(s->mosaic, "tree", MOSAIC_DROP_UNCHECKED, &err);
	assert_ok(r, &err);
	r = mosaic_drop(s->mosaic, "data", MOSAIC_DROP_UNCHECKED, &err);
	disk_is_full = false;
	assert_ok(r, &err);
	assert_int_equal(count_entries(s, "volumes"), 0);
}

struct seen {
	unsigned n, read_only;
	unsigned stop_at;
};

static int see(const struct mosaic_volume *v, void *arg)
{
	struct seen *seen = arg;

	seen->n++;
	seen->read_only += v->read_only;
	return seen->n == seen->stop_at ? -ECANCELED : 0;
}

static void each_sees_whole_volumes_only(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	struct seen seen = { 0 }, stopped = { .stop_at = 1 };
	_close_ int location = open(s->location, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	commit_hello(s, "tree");
	assert_ok(mosaic_create(s->mosaic, "data", NULL, &err), &err);
	assert_int_equal(mkdirat(location, "volumes/begun", 0700), 0);
	assert_ok(mosaic_each(s->mosaic, see, &seen, &err), &err);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.read_only, 1);
	assert_int_equal(mosaic_each(s->mosaic, see, &stopped, &err), -ECANCELED);
	assert_int_equal(stopped.n, 1);
}

static void damaged_parent_is_told(void **state)
{
	struct scratch *s = *state;
	struct mosaic_volume v;
	struct error err = { 0 };
	_close_ int location = open(s->location, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(mkdirat(location, "volumes/odd", 0700), 0);
	assert_int_equal(symlinkat("../../../etc", location, "volumes/odd/parent"), 0);
	assert_int_equal(mosaic_info(s->mosaic, "odd", &v, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "odd"));
}

#define PLAIN(f) cmocka_unit_test_setup_teardown(f, plain_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(open_says_what_is_wrong, scratch_setup,
						scratch_teardown),
		PLAIN(names_are_plain_components),
		PLAIN(staged_tree_is_no_volume_before_commit),
		PLAIN(second_commit_of_a_name_is_discarded),
		PLAIN(discard_leaves_nothing),
		PLAIN(collect_takes_what_the_dead_left),
		PLAIN(clones_are_independent_copies),
		PLAIN(drop_removes_and_missing_is_fine),
		PLAIN(drop_needs_no_room),
		PLAIN(each_sees_whole_volumes_only),
		PLAIN(damaged_parent_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
