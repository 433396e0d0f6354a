#include "pods.h"

#include <sys/file.h>

static void a_new_pod_is_locked_and_private(void **state)
{
	struct pod_dirs dirs = pods_dirs(*state);
	struct error err = { 0 };
	char uuid[UUID_TEXT];
	_close_ int fd = pod_create(&dirs, uuid, &err), other = -1;
	struct stat st;

	assert_true(fd >= 0);
	assert_true(uuid_is(uuid));
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	other = pod_open(&dirs, uuid, &err);
	assert_true(other >= 0);
	assert_int_equal(pod_lock(other, false, &err), POD_BUSY);
	assert_int_equal(pod_is_held(other), 1);
	assert_int_equal(close(take_fd(&fd)), 0);
	assert_int_equal(pod_is_held(other), 0);
	assert_int_equal(pod_lock(other, false, &err), 0);
}

/* Looking takes the lock shared for an instant; that is no reason to call a pod alive. */
static void who_only_looks_does_not_make_a_pod_busy(void **state)
{
	struct pod_dirs dirs = pods_dirs(*state);
	struct error err = { 0 };
	char uuid[UUID_TEXT];
	int status;
	pid_t looker;

	assert_int_equal(close(pod_create(&dirs, uuid, &err)), 0);
	looker = fork();
	assert_true(looker >= 0);
	if (looker == 0) {
		int fd = pod_open(&dirs, uuid, NULL);
		bool ok = true;

		for (int i = 0; i < 3000; i++)
			ok = ok && fd >= 0 && pod_is_held(fd) >= 0;
		_exit(!ok);
	}
	for (int i = 0; i < 300; i++) {
		_close_ int fd = pod_open(&dirs, uuid, &err);

		assert_int_equal(pod_lock(fd, false, &err), 0);
	}
	assert_int_equal(waitpid(looker, &status, 0), looker);
	assert_int_equal(status, 0);
}

static void waits_until_the_living_has_gone(void **state)
{
	struct pod_dirs dirs = pods_dirs(*state);
	struct error err = { 0 };
	char uuid[UUID_TEXT];
	_close_ int fd = pod_create(&dirs, uuid, &err), other = pod_open(&dirs, uuid, &err);
	int ready[2], status;
	pid_t living;
	char c;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	living = fork();
	assert_true(living >= 0);
	if (living == 0) { /* holds the lock by what it inherited, like carob-stage1 */
		close(ready[1]);
		(void)!read(ready[0], &c, 1);
		_exit(0);
	}
	close(take_fd(&fd));
	close(ready[0]);
	assert_int_equal(pod_is_held(other), 1);
	close(ready[1]);
	assert_ok(pod_wait_free(other, &err), &err);
	assert_int_equal(waitpid(living, &status, 0), living);
	assert_int_equal(pod_is_held(other), 0);
}

/* ---- finding --------------------------------------------------------------------------------- */

static void make_pod(const struct scratch *s, const char *uuid)
{
	struct pod_dirs dirs = pods_dirs(s);
	char path[LIMIT_PATH_BYTES];

	snprintf(path, sizeof(path), "%s/pods/%s", dirs.root, uuid);
	assert_int_equal(make_dirs(path, 0700), 0);
}

#define ONE   "11112222-0000-4000-8000-000000000001"
#define TWO   "11112222-0000-4000-8000-000000000002"
#define THREE "abcd3333-0000-4000-8000-000000000003"

static void finds_by_uuid_beginning_and_name(void **state)
{
	struct pod_dirs dirs = pods_dirs(*state);
	struct error err = { 0 };
	char uuid[UUID_TEXT];

	make_pod(*state, ONE);
	make_pod(*state, TWO);
	make_pod(*state, THREE);
	assert_ok(pod_name_claim(&dirs, "web", TWO, &err), &err);
	assert_ok(pod_find(&dirs, ONE, uuid, &err), &err);
	assert_string_equal(uuid, ONE);
	assert_ok(pod_find(&dirs, "abcd", uuid, &err), &err);
	assert_string_equal(uuid, THREE);
	assert_ok(pod_find(&dirs, "web", uuid, &err), &err);
	assert_string_equal(uuid, TWO);
	assert_int_equal(pod_find(&dirs, "11112222", uuid, &err), POD_AMBIGUOUS);
	assert_non_null(strstr(err.text, ONE));
	assert_non_null(strstr(err.text, TWO));
	assert_string_equal(uuid, TWO); /* untouched */
}

static void finds_nothing_for_what_is_no_pod(void **state)
{
	static const char *const words[] = { "",          "abc",
					     "ABCD",      "..",
					     ".",         "../../etc",
					     "abcd3333/", "/",
					     "nope",      "ab\n",
					     "abcdx",     "ffff",
					     "-",         "abcd3333-0000-4000-8000-0000000000031" };
	struct pod_dirs dirs = pods_dirs(*state);
	char uuid[UUID_TEXT] = "untouched";

	for (int made = 0; made < 2; made++) { /* without any directory, then with a pod */
		for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
			struct error err = { 0 };

			assert_int_equal(pod_find(&dirs, words[i], uuid, &err), POD_MISSING);
			assert_true(err.code < 0);
		}
		make_pod(*state, THREE);
	}
	assert_string_equal(uuid, "untouched");
}

static int collect(const char *uuid, void *arg)
{
	struct buf *b = arg;

	return buf_addf(b, "%s\n", uuid);
}

static void each_passes_over_what_is_no_pod(void **state)
{
	const struct scratch *s = *state;
	struct pod_dirs dirs = pods_dirs(s);
	_buf_ struct buf b = BUF_INIT(1024);
	struct error err = { 0 };

	assert_int_equal(pod_each(&dirs, collect, &b, &err), 0);
	assert_int_equal(b.len, 0);
	make_pod(s, ONE);
	make_pod(s, "lost+found");
	assert_int_equal(pod_each(&dirs, collect, &b, &err), 0);
	assert_string_equal(b.data, ONE "\n");
}

/* ---- names ----------------------------------------------------------------------------------- */

static void a_name_belongs_to_one_pod(void **state)
{
	const struct scratch *s = *state;
	struct pod_dirs dirs = pods_dirs(s);
	struct error err = { 0 };
	char uuid[UUID_TEXT], path[LIMIT_PATH_BYTES];

	make_pod(s, ONE);
	make_pod(s, TWO);
	assert_ok(pod_name_claim(&dirs, "web", ONE, &err), &err);
	assert_int_equal(pod_name_claim(&dirs, "web", TWO, &err), POD_BUSY);
	assert_non_null(strstr(err.text, ONE));
	assert_ok(pod_name_claim(&dirs, "web", ONE, &err), &err); /* its own */
	pod_name_release(&dirs, "web", TWO);                      /* not its own: stays */
	assert_ok(pod_find(&dirs, "web", uuid, &err), &err);
	pod_name_release(&dirs, "web", ONE);
	assert_int_equal(pod_find(&dirs, "web", uuid, &err), POD_MISSING);

	/* of a pod that is gone */
	assert_ok(pod_name_claim(&dirs, "web", ONE, &err), &err);
	snprintf(path, sizeof(path), "%s/pods/" ONE, dirs.root);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(pod_find(&dirs, "web", uuid, &err), POD_MISSING);
	assert_ok(pod_name_claim(&dirs, "web", TWO, &err), &err);
	assert_ok(pod_find(&dirs, "web", uuid, &err), &err);
	assert_string_equal(uuid, TWO);
}

static void a_name_is_an_ac_name(void **state)
{
	static const char *const bad[] = { "",    ".",  "..", "a/b", "../x", "A",
					   "a_b", "-a", "a-", "a b", "a\n",  ONE };
	struct pod_dirs dirs = pods_dirs(*state);

	make_pod(*state, ONE);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(pod_name_claim(&dirs, bad[i], ONE, NULL), -EINVAL);
}

/* Eight processes want the same name, whose last pod is gone: one gets it. */
static void of_many_claims_one_wins(void **state)
{
	const struct scratch *s = *state;
	struct pod_dirs dirs = pods_dirs(s);
	struct error err = { 0 };
	char path[LIMIT_PATH_BYTES];
	pid_t pids[8];
	int won = 0;

	assert_int_equal(make_dirs(dirs.run, 0700), 0);
	snprintf(path, sizeof(path), "%s/names", dirs.run);
	assert_int_equal(make_dirs(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/names/web", dirs.run);
	assert_int_equal(symlink("99999999-0000-4000-8000-000000000009", path), 0);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		char uuid[UUID_TEXT];

		snprintf(uuid, sizeof(uuid), "5555555%zu-0000-4000-8000-000000000005", i);
		make_pod(s, uuid);
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			int r = pod_name_claim(&dirs, "web", uuid, &err);

			_exit(r == 0 ? 0 : r == POD_BUSY ? 1 : 2);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
		won += WEXITSTATUS(status) == 0;
	}
	assert_int_equal(won, 1);
}

static void collects_names_of_pods_that_are_gone(void **state)
{
	struct pod_dirs dirs = pods_dirs(*state);
	struct error err = { 0 };
	char uuid[UUID_TEXT];
	unsigned n = 99;

	assert_ok(pod_names_collect(&dirs, false, &n, &err), &err);
	assert_int_equal(n, 0);
	make_pod(*state, ONE);
	assert_ok(pod_name_claim(&dirs, "here", ONE, &err), &err);
	assert_ok(pod_name_claim(&dirs, "gone", TWO, &err), &err);
	assert_ok(pod_names_collect(&dirs, true, &n, &err), &err);
	assert_int_equal(n, 1);
	assert_ok(pod_names_collect(&dirs, false, &n, &err), &err);
	assert_int_equal(n, 1);
	assert_ok(pod_names_collect(&dirs, false, &n, &err), &err);
	assert_int_equal(n, 0);
	assert_ok(pod_find(&dirs, "here", uuid, &err), &err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(a_new_pod_is_locked_and_private),
		scratch_test(who_only_looks_does_not_make_a_pod_busy),
		scratch_test(waits_until_the_living_has_gone),
		scratch_test(finds_by_uuid_beginning_and_name),
		scratch_test(finds_nothing_for_what_is_no_pod),
		scratch_test(each_passes_over_what_is_no_pod),
		scratch_test(a_name_belongs_to_one_pod),
		scratch_test(a_name_is_an_ac_name),
		scratch_test(of_many_claims_one_wins),
		scratch_test(collects_names_of_pods_that_are_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
