/*
 * The life of the apps, event by event: a process of an app ends, and what it was (its role) says
 * which small function is next.
 *
 *	start ─► pre-start ─ok─► main ─► post-stop ─► over
 *	             └─failed────────────►┘
 *
 * The pod is over when every app is, and stops all the others as soon as one failed.
 */
#include <fcntl.h>
#include <signal.h>

#include "stage1/stage1.h"

static int launch_role(struct app *app, enum role role);
static int app_over(struct app *app);

struct app *supervisor_app(struct supervisor *s, const char *name)
{
	if (!name)
		return s->n_apps == 1 ? &s->apps[0] : NULL;
	for (size_t i = 0; i < s->n_apps; i++)
		if (str_eq(s->apps[i].manifest->name, name))
			return &s->apps[i];
	return NULL;
}

static bool is_over(const struct app *app)
{
	return app->state == POD_APP_EXITED || app->state == POD_APP_FAILED;
}

static void remember_failure(struct app *app, const struct error *err)
{
	char line[sizeof(err->text) + sizeof(err->object) + sizeof(err->step)];

	error_format(err, line, sizeof(line));
	if (!app->error)
		app->error = strdup(line);
	if (!app->s->failure.code)
		app->s->failure = *err;
}

/* ---- the ends of processes ----------------------------------------------------------------- */

static int after_main(struct app *app)
{
	/* what the app left behind in a pod with others would live on beside them */
	if (app->s->n_apps > 1 && app->s->podinit >= 0) {
		struct error err = { 0 };

		if (cgroup_kill(&app->s->cgroups, app->cgroup.path, 2000, &err) < 0)
			remember_failure(app, &err);
	}
	if (app->manifest->app->post_stop.n && app->namespace >= 0)
		return launch_role(app, ROLE_POST_STOP);
	return app_over(app);
}

static int pre_start_ended(struct app *app, int status)
{
	struct error err = { 0 };

	if (status == 0 && app->s->phase != PHASE_STOPPING)
		return launch_role(app, ROLE_MAIN);
	if (status != 0) {
		error_set(&err, -ECHILD, "pre-start handler ended with %d.", status);
		error_context(&err, -ECHILD, "app", app->manifest->name);
		remember_failure(app, &err);
	}
	app->exit = status ? 125 : 143;
	return after_main(app);
}

static int main_ended(struct app *app, int status)
{
	struct cgroup_stats stats;

	app->exit = status;
	app->oom = status == 128 + SIGKILL &&
		   cgroup_stats(&app->s->cgroups, app->cgroup.path, &stats) == 0 &&
		   stats.oom_kills > 0;
	return after_main(app);
}

static int post_stop_ended(struct app *app, int status)
{
	if (status != 0 && supervisor_note(app->s, "app %s: post-stop handler ended with %d",
					   app->manifest->name, status) < 0)
		return -ENOMEM;
	return app_over(app);
}

static int (*const ended[])(struct app *app, int status) = {
	[ROLE_MAIN] = main_ended,
	[ROLE_PRE_START] = pre_start_ended,
	[ROLE_POST_STOP] = post_stop_ended,
};

/* Did the kernel end something of the app for want of memory? */
static bool had_no_memory(const struct app *app)
{
	struct cgroup_stats stats;

	return cgroup_stats(&app->s->cgroups, app->cgroup.path, &stats) == 0 && stats.oom_kills > 0;
}

static int on_child_ended(struct loop_source *source, uint32_t events)
{
	struct child *child = source->data;
	int status, signal, r = process_try_wait_signal(child->pidfd, &status, &signal);

	(void)events;
	if (r <= 0)
		return r;
	if (child->role == ROLE_MAIN) {
		child->app->signal = signal;
		child->app->oom = status != 0 && had_no_memory(child->app);
	}
	loop_remove(&child->app->s->loop, &child->source);
	close(take_fd(&child->pidfd));
	child->pid = 0;
	return ended[child->role](child->app, status);
}

/* ---- starting ------------------------------------------------------------------------------ */

static int watch(struct supervisor *s, struct child *child, struct app *app, enum role role,
		 const struct launched *l, loop_fn fn)
{
	*child = (struct child){ .app = app, .role = role, .pidfd = l->pidfd, .pid = l->pid };
	child->source = (struct loop_source){ .fd = -1, .fn = fn, .data = child };
	return loop_add(&s->loop, &child->source, child->pidfd, EPOLLIN);
}

/* Pipes for output, or the terminal. stdio[] gets the app's ends; 1 and 2 to be closed after. */
static int open_stdio(struct app *app, bool terminal, int stdio[3], int ours[2], struct error *err)
{
	int out[2], errs[2];

	stdio[0] = stdio[1] = stdio[2] = ours[0] = ours[1] = -1;
	if (terminal)
		return 0;
	if (app->launch->input == POD_STDIN_INHERIT)
		stdio[0] = STDIN_FILENO;
	if (pipe2(out, O_CLOEXEC) < 0)
		return error_set(err, -errno, "cannot make a pipe");
	ours[0] = out[0];
	stdio[1] = out[1];
	if (pipe2(errs, O_CLOEXEC) < 0) {
		close(out[0]);
		close(out[1]);
		return error_set(err, -errno, "cannot make a pipe");
	}
	ours[1] = errs[0];
	stdio[2] = errs[1];
	return 0;
}

static int start_output(struct app *app, const struct launched *l, const int ours[2])
{
	struct supervisor *s = app->s;
	int r;

	if (l->terminal >= 0) {
		r = output_start(&app->out, app, "stdout", l->terminal, &s->out);
		return r < 0 ? r : terminal_attach(s, l->terminal);
	}
	r = output_start(&app->out, app, "stdout", ours[0], &s->out);
	return r < 0 ? r : output_start(&app->err, app, "stderr", ours[1], &s->err);
}

/* Handlers write into the same log; their pipe is the app's stderr stream of that time. */
static int launch_compiled(struct app *app, enum role role, const struct compiled *c,
			   struct launched *l, struct error *err)
{
	bool terminal = c->plan.flags & PLAN_TERMINAL;
	int stdio[3], ours[2], r;

	output_drain(&app->out);
	output_drain(&app->err);
	output_flush(&app->out);
	output_flush(&app->err);
	r = open_stdio(app, terminal, stdio, ours, err);
	if (r < 0)
		return r;
	if (role != ROLE_MAIN)
		stdio[0] = -1;
	r = launch_process(app->s, c, stdio, l, err);
	for (int i = 1; i < 3; i++)
		if (stdio[i] >= 0)
			close(stdio[i]);
	if (r == 0)
		r = start_output(app, l, ours);
	else
		for (int i = 0; i < 2; i++)
			if (ours[i] >= 0)
				close(ours[i]);
	return r;
}

/* The mounts were attached in the app's namespace: our copies would only keep them alive. */
static void release_mounts(struct app *app)
{
	if (app->rootfs >= 0)
		close(take_fd(&app->rootfs));
	volumes_close(app->mounts, app->n_mounts);
	app->mounts = NULL;
	app->n_mounts = 0;
}

static int try_launch(struct app *app, enum role role, struct error *err)
{
	struct role_options options = { .terminal = role == ROLE_MAIN &&
						    app->launch->input == POD_STDIN_TTY };
	_cleanup_(compiled_deinit) struct compiled c;
	struct launched l = { .pidfd = -1, .terminal = -1, .namespace = -1 };
	int r;

	if (options.terminal)
		terminal_size(&options.rows, &options.columns);
	r = compile_app(app, role, &options, &c, err);
	if (r == 0)
		r = launch_compiled(app, role, &c, &l, err);
	if (r < 0)
		return r;
	release_mounts(app);
	if (l.namespace >= 0)
		app->namespace = l.namespace;
	if (role == ROLE_MAIN)
		app->started_ns = time_now_ns();
	app->state = role == ROLE_MAIN        ? POD_APP_RUNNING
		     : role == ROLE_PRE_START ? POD_APP_STARTING
					      : app->state;
	app->stopping = role == ROLE_POST_STOP;
	return watch(app->s, &app->child, app, role, &l, on_child_ended);
}

static int launch_role(struct app *app, enum role role)
{
	struct error err = { 0 };
	int r = try_launch(app, role, &err);

	if (r == 0)
		return 0;
	remember_failure(app, &err);
	if (role == ROLE_POST_STOP)
		return app_over(app);
	app->exit = launch_exit_code(app->s);
	return role == ROLE_MAIN && app->namespace >= 0 ? after_main(app) : app_over(app);
}

int supervise_start(struct supervisor *s, struct error *err)
{
	for (size_t i = 0; i < s->n_apps; i++) {
		struct app *app = &s->apps[i];
		int r = launch_role(app,
				    app->manifest->app->pre_start.n ? ROLE_PRE_START : ROLE_MAIN);

		if (s->failure.code) {
			*err = s->failure;
			return err->code;
		}
		if (r < 0)
			return error_set(err, r, "cannot watch app %s", app->manifest->name);
	}
	if (s->phase == PHASE_STARTING)
		s->phase = PHASE_RUNNING;
	return 0;
}

/* ---- the pod ------------------------------------------------------------------------------- */

static int pod_exit_code(const struct supervisor *s)
{
	for (size_t i = 0; i < s->n_apps; i++)
		if (s->apps[i].exit > 0)
			return s->apps[i].exit;
	return 0;
}

static int app_over(struct app *app)
{
	struct supervisor *s = app->s;
	bool all = true;

	app->ended_ns = time_now_ns();
	app->state = app->error && !app->started_ns ? POD_APP_FAILED : POD_APP_EXITED;
	app->stopping = false;
	api_app_ended(s, app);
	for (size_t i = 0; i < s->n_apps; i++)
		all = all && is_over(&s->apps[i]);
	/* the failure that ends the pod is its exit code, not those that follow from it */
	if (app->exit > 0 && s->phase != PHASE_STOPPING && s->exit < 0)
		s->exit = app->exit;
	if (all) {
		s->phase = PHASE_OVER;
		if (s->exit < 0)
			s->exit = pod_exit_code(s);
		return 1;
	}
	return app->exit > 0 && s->phase == PHASE_RUNNING
		       ? supervise_stop(s, s->pod.launch.stop_grace_s)
		       : 0;
}

int supervise_signal(struct supervisor *s, struct app *only, int sig)
{
	int sent = 0;

	for (size_t i = 0; i < s->n_apps; i++) {
		struct app *app = &s->apps[i];

		if ((!only || only == app) && app->child.pidfd >= 0 &&
		    process_signal(app->child.pidfd, sig) == 0)
			sent++;
	}
	return sent;
}

static int on_grace_over(struct loop_timer *timer)
{
	struct supervisor *s = timer->data;

	supervise_signal(s, NULL, SIGKILL);
	/* a post-stop handler that comes now gets as long, and no longer */
	loop_timer_arm(&s->loop, timer, (int64_t)s->pod.launch.stop_grace_s * 1000000000);
	return 0;
}

int supervise_stop(struct supervisor *s, unsigned grace_s)
{
	s->phase = PHASE_STOPPING;
	for (size_t i = 0; i < s->n_apps; i++)
		if (s->apps[i].child.pidfd >= 0 && s->apps[i].child.role != ROLE_POST_STOP)
			supervise_signal(s, &s->apps[i], grace_s ? SIGTERM : SIGKILL);
	s->kill_timer.fn = on_grace_over;
	s->kill_timer.data = s;
	loop_timer_arm(&s->loop, &s->kill_timer, (int64_t)grace_s * 1000000000);
	return 0;
}

/* ---- processes of `carob enter` ------------------------------------------------------------ */

static int on_exec_ended(struct loop_source *source, uint32_t events)
{
	struct child *child = source->data;
	struct exec *e = (struct exec *)((char *)child - offsetof(struct exec, child));
	int status, r = process_try_wait(child->pidfd, &status);

	(void)events;
	if (r <= 0)
		return r;
	loop_remove(&e->s->loop, &child->source);
	close(child->pidfd);
	api_exec_ended(e, status);
	for (struct exec **at = &e->s->execs; *at; at = &(*at)->next) {
		if (*at != e)
			continue;
		*at = e->next;
		break;
	}
	free(e);
	return 0;
}

int supervise_exec(struct supervisor *s, const struct exec_request *request, struct launched *ret,
		   int *ret_id, struct error *err)
{
	_cleanup_(compiled_deinit) struct compiled c;
	struct exec *e;
	int r;

	r = compile_app(request->app, ROLE_EXEC, request->options, &c, err);
	if (r == 0)
		r = launch_process(s, &c, request->stdio, ret, err);
	if (r < 0)
		return r;
	e = calloc(1, sizeof(*e));
	if (!e) {
		(void)!process_signal(ret->pidfd, SIGKILL);
		close(ret->pidfd);
		return error_set(err, -ENOMEM, "out of memory");
	}
	e->s = s;
	e->client = request->client;
	e->id = s->next_exec++;
	e->next = s->execs;
	s->execs = e;
	*ret_id = e->id;
	return watch(s, &e->child, request->app, ROLE_EXEC, ret, on_exec_ended);
}

/* Takes every process of `carob enter` off the list, telling its client: how it ended, if it did by
 * itself; else that it is killed. */
static void end_execs(struct supervisor *s)
{
	while (s->execs) {
		struct exec *e = s->execs;
		int status;

		s->execs = e->next;
		if (process_try_wait(e->child.pidfd, &status) != 1)
			status = 128 + SIGKILL;
		api_exec_ended(e, status);
		loop_remove(&s->loop, &e->child.source);
		close(e->child.pidfd);
		free(e);
	}
}

void supervise_reap_all(struct supervisor *s)
{
	end_execs(s);
	/* PID 1 ends only when each process of its namespace was reaped, whoever its parent is */
	if (s->podinit >= 0 && process_signal(s->podinit, SIGKILL) < 0)
		close(take_fd(&s->podinit));
	while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR)
		;
	for (size_t i = 0; i < s->n_apps; i++)
		if (s->apps[i].child.pidfd >= 0)
			close(take_fd(&s->apps[i].child.pidfd));
}

int supervise_status(const struct supervisor *s, struct pod_status *ret)
{
	*ret = (struct pod_status){ .state = s->phase == PHASE_OVER ? POD_EXITED : POD_RUNNING,
				    .exit = s->exit };
	ret->apps = calloc(s->n_apps, sizeof(*ret->apps));
	ret->notes = calloc(s->n_notes + 1, sizeof(*ret->notes));
	if (!ret->apps || !ret->notes)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_apps; i++) {
		const struct app *app = &s->apps[i];

		ret->apps[ret->n_apps++] = (struct pod_app_status){
			.name = strdup(app->manifest->name),
			.state = app->state,
			.exit = app->exit,
			.signal = app->signal,
			.oom = app->oom,
			.started_ns = app->started_ns,
			.ended_ns = app->ended_ns,
			.pid = app->child.pid,
			.error = app->error ? strdup(app->error) : NULL,
			.oom = app->oom,
		};
	}
	for (size_t i = 0; i < s->n_notes; i++)
		ret->notes[ret->n_notes++] = strdup(s->notes[i]);
	return 0;
}
