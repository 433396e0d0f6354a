/* What api.sock answers. Each parameter is checked here; the doing is in supervise.c. */
#include "stage1/api.h"

#define PHASE(p) (1U << PHASE_##p)

static int bad(struct error *err, const char *what)
{
	return error_set(err, -EINVAL, "%s.", what);
}

/* params.app: the app of that name, or NULL when absent. */
static int get_app(struct client *c, json_t *params, struct app **ret, struct error *err)
{
	json_t *app = json_object_get(params, "app");

	*ret = NULL;
	if (!app || json_is_null(app))
		return 0;
	if (!json_is_string(app))
		return bad(err, "app is to be a string");
	*ret = supervisor_app(c->api->s, json_string_value(app));
	return *ret ? 0
		    : error_set(err, -EINVAL, "app %s: the pod has no app of that name.",
				json_string_value(app));
}

/* An integer between low and high; absent: *ret stays. */
static int get_integer(json_t *params, const char *name, json_int_t low, json_int_t high,
		       json_int_t *ret, struct error *err)
{
	json_t *value = json_object_get(params, name);

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < low ||
	    json_integer_value(value) > high)
		return error_set(err, -EINVAL, "%s is to be an integer from %lld to %lld.", name,
				 (long long)low, (long long)high);
	*ret = json_integer_value(value);
	return 0;
}

static int method_status(struct client *c, json_t *params, json_t *id, json_t **result, int *ret_fd,
			 struct error *err)
{
	const struct supervisor *s = c->api->s;
	_cleanup_(pod_status_deinit) struct pod_status status = { 0 };
	struct cgroup_stats stats;

	(void)params, (void)id, (void)ret_fd;
	if (supervise_status(s, &status) < 0)
		return error_set(err, -ENOMEM, "out of memory");
	*result = pod_status_json(&status);
	if (cgroup_stats(&s->cgroups, s->group.path, &stats) == 0)
		json_object_set_new(*result, "stats",
				    json_pack("{s:I, s:I, s:I, s:I}", "cpu_ns",
					      (json_int_t)stats.cpu_ns, "memory_bytes",
					      (json_int_t)stats.memory_bytes, "memory_peak_bytes",
					      (json_int_t)stats.memory_peak_bytes, "pids",
					      (json_int_t)stats.pids));
	return 0;
}

static int method_wait(struct client *c, json_t *params, json_t *id, json_t **result, int *ret_fd,
		       struct error *err)
{
	struct app *app;
	int r = get_app(c, params, &app, err);

	(void)ret_fd;
	if (r < 0)
		return r;
	if (app && (app->state == POD_APP_EXITED || app->state == POD_APP_FAILED)) {
		*result = json_pack("{s:i}", "exit", app->exit);
		return 0;
	}
	if (c->waiting_id)
		return bad(err, "one wait at a time on a connection");
	c->waiting_id = json_incref(id);
	c->wait_app = app;
	return API_DEFERRED;
}

static int method_signal(struct client *c, json_t *params, json_t *id, json_t **result, int *ret_fd,
			 struct error *err)
{
	json_int_t sig = 0, exec = -1;
	struct app *app;
	int r = get_app(c, params, &app, err);

	(void)id, (void)ret_fd;
	if (r == 0)
		r = get_integer(params, "signal", 1, 64, &sig, err);
	if (r == 0)
		r = get_integer(params, "id", 0, INT32_MAX, &exec, err);
	if (r < 0)
		return r;
	if (sig == 0)
		return bad(err, "signal is missing");
	if (exec < 0) {
		*result = json_pack("{s:i}", "sent", supervise_signal(c->api->s, app, (int)sig));
		return 0;
	}
	for (struct exec *e = c->api->s->execs; e; e = e->next) {
		if (e->id != exec || e->client != c)
			continue;
		*result = json_pack("{s:i}", "sent", process_signal(e->child.pidfd, (int)sig) == 0);
		return 0;
	}
	return error_set(err, -ENOENT, "id %lld: no process of this connection.", (long long)exec);
}

static int method_stop(struct client *c, json_t *params, json_t *id, json_t **result, int *ret_fd,
		       struct error *err)
{
	json_int_t grace = c->api->s->pod.launch.stop_grace_s;
	int r = get_integer(params, "grace", 0, 86400, &grace, err);

	(void)id, (void)ret_fd;
	if (r < 0)
		return r;
	*result = json_object();
	return supervise_stop(c->api->s, (unsigned)grace);
}

/* An array of strings as a vector that borrows them; NULL when absent. The caller frees. */
static int get_strings(json_t *params, const char *name, const char ***ret, struct error *err)
{
	json_t *list = json_object_get(params, name), *value;
	const char **vector;
	size_t i;

	*ret = NULL;
	if (!list || json_is_null(list))
		return 0;
	if (!json_is_array(list) || json_array_size(list) > LIMIT_ARGS)
		return error_set(err, -EINVAL, "%s is to be an array of strings.", name);
	vector = calloc(json_array_size(list) + 1, sizeof(*vector));
	if (!vector)
		return error_set(err, -ENOMEM, "out of memory");
	json_array_foreach(list, i, value) {
		vector[i] = json_string_value(value);
		if (!vector[i]) {
			free(vector);
			return error_set(err, -EINVAL, "%s[%zu] is to be a string.", name, i);
		}
	}
	*ret = vector;
	return 0;
}

static int check_environment(const char *const *env, struct error *err)
{
	for (size_t i = 0; env && env[i]; i++) {
		char name[LIMIT_NAME_BYTES + 1];
		size_t n = strcspn(env[i], "=");

		if (env[i][n] != '=' || n >= sizeof(name))
			return error_set(err, -EINVAL, "environment[%zu] is to be NAME=VALUE.", i);
		memcpy(name, env[i], n);
		name[n] = '\0';
		if (!appc_is_env_name(name))
			return error_set(err, -EINVAL,
					 "environment[%zu]: %s is no name of a variable.", i, name);
	}
	return 0;
}

static int get_exec_options(json_t *params, struct role_options *o, struct error *err)
{
	json_int_t rows = 0, columns = 0;
	int r;

	o->directory = json_string_value(json_object_get(params, "directory"));
	o->user = json_string_value(json_object_get(params, "user"));
	o->group = json_string_value(json_object_get(params, "group"));
	o->terminal = json_is_true(json_object_get(params, "terminal"));
	r = get_integer(params, "rows", 0, UINT16_MAX, &rows, err);
	if (r == 0)
		r = get_integer(params, "columns", 0, UINT16_MAX, &columns, err);
	o->rows = (uint16_t)rows;
	o->columns = (uint16_t)columns;
	if (r == 0 && o->directory && o->directory[0] != '/')
		return bad(err, "directory is to be an absolute path");
	if (r == 0 && ((o->user && !*o->user) || (o->group && !*o->group)))
		return bad(err, "user and group are not to be empty");
	return r;
}

static int run_exec(struct client *c, struct app *app, const struct role_options *o,
		    json_t **result, int *ret_fd, struct error *err)
{
	struct exec_request request = {
		.app = app, .options = o, .stdio = { -1, -1, -1 }, .client = c
	};
	struct launched l = { .pidfd = -1, .terminal = -1, .namespace = -1 };
	int id, r;

	if (!o->argv || !o->argv[0])
		return bad(err, "argv is missing");
	if (!o->terminal && c->n_fds != API_REQUEST_FDS)
		return bad(
			err,
			"three descriptors are to come with the request: standard input, output, error");
	for (size_t i = 0; !o->terminal && i < API_REQUEST_FDS; i++)
		request.stdio[i] = c->fds[i];
	r = supervise_exec(c->api->s, &request, &l, &id, err);
	if (r < 0) {
		*result = json_pack("{s:i}", "exit", launch_exit_code(c->api->s));
		return r == -EINVAL ? -ECANCELED : r; /* the parameters were right */
	}
	*ret_fd = l.terminal;
	*result = json_pack("{s:i, s:i}", "id", id, "pid", (int)l.pid);
	return 0;
}

static int method_exec(struct client *c, json_t *params, json_t *id, json_t **result, int *ret_fd,
		       struct error *err)
{
	struct role_options options = { 0 };
	_free_ const char **argv = NULL;
	_free_ const char **env = NULL;
	struct app *app;
	int r = get_app(c, params, &app, err);

	(void)id;
	if (r < 0)
		return r;
	if (!app)
		app = supervisor_app(c->api->s, NULL);
	if (!app)
		return bad(err, "app is missing, and the pod has more than one");
	if (app->state != POD_APP_RUNNING || app->child.role != ROLE_MAIN || app->child.pidfd < 0)
		return error_set(err, -ESRCH, "app %s is not running.", app->manifest->name);
	r = get_strings(params, "argv", &argv, err);
	if (r == 0)
		r = get_strings(params, "environment", &env, err);
	if (r == 0)
		r = check_environment(env, err);
	if (r == 0)
		r = get_exec_options(params, &options, err);
	if (r < 0)
		return r;
	options.argv = argv;
	options.env = env;
	return run_exec(c, app, &options, result, ret_fd, err);
}

static const struct api_method methods[] = {
	{ "status", method_status, PHASE(STARTING) | PHASE(RUNNING) | PHASE(STOPPING) },
	{ "wait", method_wait, PHASE(STARTING) | PHASE(RUNNING) | PHASE(STOPPING) },
	{ "signal", method_signal, PHASE(RUNNING) | PHASE(STOPPING) },
	{ "stop", method_stop, PHASE(STARTING) | PHASE(RUNNING) | PHASE(STOPPING) },
	{ "exec", method_exec, PHASE(RUNNING) },
};

const struct api_method *api_method_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (str_eq(methods[i].name, name))
			return &methods[i];
	return NULL;
}
