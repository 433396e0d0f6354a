/* An app of a manifest -> its plan: what the app may not decide, nor whoever enters it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>

#include "stage1/stage1.h"

struct fixture {
	struct supervisor s;
	struct app app;
	struct pod_launch_app launch;
	struct compiled c;
};

static const char manifest[] =
	"{\"acKind\":\"PodManifest\",\"acVersion\":\"0.8.11\",\"apps\":[{\"name\":\"web\","
	"\"image\":{\"id\":\"sha512-"
	"00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
	"000000000000000000000000000000001\"},\"readOnlyRootFS\":true,\"app\":{\"exec\":[\"/bin/web\",\"-v\"],"
	"\"user\":\"www\",\"group\":\"web\",\"supplementaryGIDs\":[5,6],\"workingDirectory\":\"/srv\","
	"\"environment\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"AC_APP_NAME\",\"value\":\"evil\"},"
	"{\"name\":\"PATH\",\"value\":\"/own\"}],"
	"\"eventHandlers\":[{\"name\":\"post-stop\",\"exec\":[\"/bin/after\"]}]}}]}";

static int setup(void **state)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	struct fixture *f = calloc(1, sizeof(*f));

	assert_int_equal(appc_pod_read(&f->s.pod.manifest, manifest, strlen(manifest), &faults), 0);
	f->s.podinit = 100;
	f->s.apps = &f->app;
	f->s.n_apps = 1;
	f->app.s = &f->s;
	f->app.manifest = &f->s.pod.manifest->apps[0];
	f->app.launch = &f->launch;
	f->app.rootfs = 101;
	f->app.namespace = -1;
	f->app.child.pidfd = 102;
	f->app.confinement = (struct confinement){ .capabilities = CAPS_APP_DEFAULT,
						   .oom_score_adj = INT32_MIN };
	f->app.cgroup.host = &f->s.cgroups;
	f->app.entrance.v2 = -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	compiled_deinit(&f->c);
	appc_pod_free(f->s.pod.manifest);
	free(f);
	return 0;
}

static const char *env_of(const struct compiled *c, const char *name)
{
	size_t n = strlen(name);

	for (uint32_t i = 0; i < c->plan.n_envp; i++)
		if (strncmp(c->plan.envp[i], name, n) == 0 && c->plan.envp[i][n] == '=')
			return c->plan.envp[i] + n + 1;
	return NULL;
}

static void test_main_builds_its_root(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };

	assert_int_equal(compile_app(&f->app, ROLE_MAIN, NULL, &f->c, &err), 0);
	assert_true(f->c.plan.flags & PLAN_BUILD_ROOT);
	assert_true(f->c.plan.flags & PLAN_READONLY_ROOT);
	assert_true(f->c.plan.flags & PLAN_SEND_NAMESPACE); /* the handler will need it */
	assert_true(f->c.plan.flags & PLAN_SESSION);
	assert_int_equal(f->c.fds[f->c.plan.root_fd], 101);
	assert_int_equal(f->c.plan.n_joins, 1);
	assert_int_equal(f->c.fds[f->c.joins[0].fd], 100);
	assert_int_equal(f->c.plan.unshare, CLONE_NEWNS);
	assert_string_equal(f->c.plan.argv[0], "/bin/web");
	assert_int_equal(f->c.plan.n_argv, 2);
	assert_int_equal(f->c.plan.n_gids, 2);
	assert_string_equal(f->c.plan.directory, "/srv");
}

static void test_environment(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };

	assert_int_equal(compile_app(&f->app, ROLE_MAIN, NULL, &f->c, &err), 0);
	assert_string_equal(env_of(&f->c, "A"), "1");
	assert_string_equal(env_of(&f->c, "PATH"), "/own");
	assert_string_equal(env_of(&f->c, "AC_APP_NAME"), "web");
	assert_string_equal(env_of(&f->c, "container"), "carob");
	assert_int_equal(f->c.plan.n_envp, 4);
}

static void test_handler_joins_the_root_that_is_there(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };

	f->app.namespace = 103;
	assert_int_equal(compile_app(&f->app, ROLE_POST_STOP, NULL, &f->c, &err), 0);
	assert_false(f->c.plan.flags & PLAN_BUILD_ROOT);
	assert_int_equal(f->c.plan.n_joins, 2);
	assert_int_equal(f->c.fds[f->c.joins[1].fd], 103);
	assert_string_equal(f->c.plan.argv[0], "/bin/after");
	assert_int_equal(f->c.plan.n_mounts, 0);
	assert_string_equal(env_of(&f->c, "AC_APP_NAME"), "web");
}

static void test_enter_is_as_confined_as_the_app(void **state)
{
	static const char *const argv[] = { "sh", NULL }, *const env[] = { "AC_APP_NAME=other",
									   "B=2", NULL };
	const struct role_options options = { .argv = argv, .env = env, .user = "root" };
	struct fixture *f = *state;
	struct error err = { 0 };

	assert_int_equal(compile_app(&f->app, ROLE_EXEC, &options, &f->c, &err), 0);
	assert_int_equal(f->c.plan.n_joins, 1);
	assert_int_equal(f->c.fds[f->c.joins[0].fd], 102);
	assert_int_equal(f->c.joins[0].flags, CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET |
						      CLONE_NEWNS | CLONE_NEWCGROUP);
	assert_true(f->c.plan.capabilities == CAPS_APP_DEFAULT);
	assert_string_equal(f->c.plan.user, "root");
	assert_string_equal(f->c.plan.group, "web");
	assert_string_equal(env_of(&f->c, "AC_APP_NAME"), "web");
	assert_string_equal(env_of(&f->c, "B"), "2");
	assert_int_equal(f->c.plan.flags & (PLAN_BUILD_ROOT | PLAN_UNSHARE_CGROUP), 0);
}

static void test_no_program(void **state)
{
	static const char *const nothing[] = { NULL };
	const struct role_options options = { .argv = nothing };
	struct fixture *f = *state;
	struct error err = { 0 };

	assert_int_equal(compile_app(&f->app, ROLE_MAIN, &options, &f->c, &err), -EINVAL);
	assert_non_null(strstr(err.text, "exec"));
	assert_string_equal(err.object, "web");
}

static void test_plan_survives_encoding(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	_free_ void *block = NULL;
	struct plan decoded;
	size_t len;

	assert_int_equal(compile_app(&f->app, ROLE_MAIN, NULL, &f->c, &err), 0);
	assert_int_equal(plan_encode(&f->c.plan, &block, &len), 0);
	assert_int_equal(plan_decode(&decoded, block, len), 0);
	assert_int_equal(decoded.n_mounts, f->c.plan.n_mounts);
	for (uint32_t i = 0; i < decoded.n_mounts; i++)
		assert_string_equal(decoded.mounts[i].target, f->c.plan.mounts[i].target);
	assert_string_equal(decoded.argv[1], "-v");
}

static void test_descriptions(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	char what[160];

	assert_int_equal(compile_app(&f->app, ROLE_MAIN, NULL, &f->c, &err), 0);
	compile_describe(&f->c.plan, PLAN_STEP_MOUNT, 0, what, sizeof(what));
	assert_string_equal(what, "/proc");
	compile_describe(&f->c.plan, PLAN_STEP_USER, 1, what, sizeof(what));
	assert_string_equal(what, "web");
	compile_describe(&f->c.plan, PLAN_STEP_MOUNT, 1000, what, sizeof(what));
	assert_string_equal(what, "");
	compile_describe(&f->c.plan, 4000000000U, 4000000000U, what, sizeof(what));
	assert_string_equal(what, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_main_builds_its_root, setup, teardown),
		cmocka_unit_test_setup_teardown(test_environment, setup, teardown),
		cmocka_unit_test_setup_teardown(test_handler_joins_the_root_that_is_there, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_enter_is_as_confined_as_the_app, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_no_program, setup, teardown),
		cmocka_unit_test_setup_teardown(test_plan_survives_encoding, setup, teardown),
		cmocka_unit_test_setup_teardown(test_descriptions, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
