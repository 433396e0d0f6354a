#include "pods.h"

#include <jansson.h>
#include <sys/file.h>

static char name_one[] = "one", name_two[] = "two", because[] = "no such program",
	    note[] = "ignored: x";

static struct pod_app_status apps[] = {
	{ .name = name_one,
	  .state = POD_APP_EXITED,
	  .exit = 137,
	  .signal = 9,
	  .started_ns = 1790000000000000001,
	  .ended_ns = 1790000001000000000,
	  .oom = true },
	{ .name = name_two, .state = POD_APP_FAILED, .exit = 127, .error = because },
};
static char *notes[] = { note };
static const struct pod_status full = { POD_EXITED, 137, apps, 2, notes, 1 };

static void check_full(const struct pod_status *s)
{
	assert_int_equal(s->exit, 137);
	assert_int_equal(s->n_apps, 2);
	assert_string_equal(s->apps[0].name, "one");
	assert_int_equal(s->apps[0].state, POD_APP_EXITED);
	assert_int_equal(s->apps[0].exit, 137);
	assert_int_equal(s->apps[0].signal, 9);
	assert_int_equal(s->apps[0].started_ns, 1790000000000000001);
	assert_int_equal(s->apps[0].ended_ns, 1790000001000000000);
	assert_true(s->apps[0].oom);
	assert_null(s->apps[0].error);
	assert_int_equal(s->apps[1].state, POD_APP_FAILED);
	assert_int_equal(s->apps[1].started_ns, 0);
	assert_int_equal(s->apps[1].pid, 0);
	assert_string_equal(s->apps[1].error, "no such program");
	assert_int_equal(s->n_notes, 1);
	assert_string_equal(s->notes[0], "ignored: x");
}

static void what_is_written_is_read(void **state)
{
	const struct scratch *s = *state;
	_cleanup_(pod_status_deinit) struct pod_status got = { 0 };
	struct error err = { 0 };

	assert_int_equal(pod_status_load(&got, s->fd), -ENOENT);
	assert_ok(pod_status_write(&full, s->fd, true, &err), &err);
	assert_int_equal(pod_status_load(&got, s->fd), 0);
	assert_int_equal(got.state, POD_EXITED);
	check_full(&got);
}

/* What the API documentation promises of each member. */
static void json_has_the_members_of_the_api(void **state _unused_)
{
	json_t *json = pod_status_json(&full),
	       *one = json_array_get(json_object_get(json, "apps"), 0);
	json_t *two = json_array_get(json_object_get(json, "apps"), 1);

	assert_string_equal(json_string_value(json_object_get(json, "state")), "exited");
	assert_int_equal(json_integer_value(json_object_get(one, "signal")), 9);
	assert_string_equal(json_string_value(json_object_get(one, "ended")),
			    "2026-09-21T14:13:21.000000000Z");
	assert_true(json_is_null(json_object_get(one, "pid")));
	assert_true(json_is_null(json_object_get(one, "error")));
	assert_true(json_is_null(json_object_get(two, "started")));
	assert_true(json_is_null(json_object_get(two, "signal")));
	assert_true(json_is_false(json_object_get(two, "oom")));
	json_decref(json);
}

static void what_is_no_status_is_refused(void **state _unused_)
{
	static const char *const bad[] = {
		"{}",
		"[]",
		"{\"state\":\"dead\",\"apps\":[]}",
		"{\"state\":1,\"apps\":[]}",
		"{\"state\":\"exited\"}",
		"{\"state\":\"exited\",\"exit\":256,\"apps\":[]}",
		"{\"state\":\"exited\",\"exit\":-1,\"apps\":[]}",
		"{\"state\":\"exited\",\"exit\":\"0\",\"apps\":[]}",
		"{\"state\":\"exited\",\"apps\":[{}]}",
		"{\"state\":\"exited\",\"apps\":[{\"name\":\"a\"}]}",
		"{\"state\":\"exited\",\"apps\":[{\"name\":\"a\",\"state\":\"x\"}]}",
		"{\"state\":\"exited\",\"apps\":[{\"name\":\"a\",\"state\":\"exited\",\"started\":\"x\"}]}",
		"{\"state\":\"exited\",\"apps\":[{\"name\":\"a\",\"state\":\"exited\",\"signal\":65}]}",
		"{\"state\":\"exited\",\"apps\":[],\"notes\":[1]}",
		"{\"state\":\"exited\",\"apps\":[],\"notes\":{}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct pod_status got;
		json_t *json = json_loads(bad[i], 0, NULL);

		assert_non_null(json);
		assert_int_equal(pod_status_from_json(&got, json, NULL), -EBADMSG);
		json_decref(json);
	}
}

/* ---- the state, by lock and files ------------------------------------------------------------ */

static enum pod_state state_now(const struct scratch *s)
{
	_cleanup_(pod_status_deinit) struct pod_status got = { 0 };

	assert_int_equal(pod_status_read(&got, s->fd, NULL), 0);
	return got.state;
}

static void state_of_lock_and_files(void **state)
{
	const struct scratch *s = *state;
	struct pod_status prepared = { .state = POD_PREPARED, .exit = -1 },
			  running = { .state = POD_RUNNING, .exit = -1 };
	int holder;

	assert_int_equal(state_now(s), POD_ABORTED); /* died before the pod file */
	assert_int_equal(pod_status_write(&prepared, s->fd, false, NULL), 0);
	assert_int_equal(state_now(s), POD_ABORTED); /* still without the pod file */
	scratch_put(s->fd, "pod", "{}");
	assert_int_equal(state_now(s), POD_PREPARED);
	assert_int_equal(pod_status_write(&full, s->fd, false, NULL), 0);
	assert_int_equal(state_now(s), POD_EXITED);
	assert_int_equal(pod_status_write(&running, s->fd, false, NULL), 0);
	assert_int_equal(state_now(s), POD_ABORTED); /* whoever wrote that is gone */

	holder = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(holder, LOCK_EX), 0);
	assert_int_equal(state_now(s), POD_RUNNING);
	assert_int_equal(unlinkat(s->fd, "pod", 0), 0);
	assert_int_equal(state_now(s), POD_PREPARING);
	close(holder);
}

static void a_damaged_status_means_aborted_and_says_so(void **state)
{
	const struct scratch *s = *state;
	_cleanup_(pod_status_deinit) struct pod_status got = { 0 };

	scratch_put(s->fd, "pod", "{}");
	scratch_put(s->fd, "status", "{\"state\":\"exi");
	assert_int_equal(pod_status_read(&got, s->fd, NULL), 0);
	assert_int_equal(got.state, POD_ABORTED);
	assert_int_equal(got.n_notes, 1);
	assert_non_null(strstr(got.notes[0], "damaged"));
}

static void a_pod_removed_meanwhile_is_gone(void **state)
{
	const struct scratch *s = *state;
	struct pod_status got = { 0 };
	_close_ int fd = -1;

	assert_int_equal(mkdirat(s->fd, "pod-to-be-removed", 0700), 0);
	fd = openat(s->fd, "pod-to-be-removed", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(unlinkat(s->fd, "pod-to-be-removed", AT_REMOVEDIR), 0);
	assert_int_equal(pod_status_read(&got, fd, NULL), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(what_is_written_is_read),
		cmocka_unit_test(json_has_the_members_of_the_api),
		cmocka_unit_test(what_is_no_status_is_refused),
		scratch_test(state_of_lock_and_files),
		scratch_test(a_damaged_status_means_aborted_and_says_so),
		scratch_test(a_pod_removed_meanwhile_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
