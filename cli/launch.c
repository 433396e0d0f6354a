#include "cli/launch.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cli/edit.h"
#include "cli/interrupt.h"
#include "cli/teardown.h"

enum { GRACE_DEFAULT = 10 };

void launch_deinit(struct launch *l)
{
	pod_deinit(&l->pod);
	cleanup_close(&l->dirfd);
}

/* ---- making ---------------------------------------------------------------------------------- */

static int copy(char **dst, const char *value)
{
	*dst = value ? strdup(value) : NULL;
	return value && !*dst ? -ENOMEM : 0;
}

static int fill_ignored(struct pod_launch *launch, const struct cli_list *names)
{
	if (names->n == 0)
		return 0;
	launch->ignored_isolators = calloc(names->n, sizeof(*launch->ignored_isolators));
	if (!launch->ignored_isolators)
		return -ENOMEM;
	for (size_t i = 0; i < names->n; i++, launch->n_ignored_isolators++)
		if (copy(&launch->ignored_isolators[i], names->items[i]) < 0)
			return -ENOMEM;
	return 0;
}

static int fill_apps(struct pod *pod)
{
	struct pod_launch *launch = &pod->launch;
	size_t n = pod->manifest->n_apps;

	launch->apps = calloc(n, sizeof(*launch->apps));
	if (!launch->apps)
		return -ENOMEM;
	for (; launch->n_apps < n; launch->n_apps++) {
		struct pod_launch_app *app = &launch->apps[launch->n_apps];

		app->volume = str_printf("pod.%s.%s", pod->uuid,
					 pod->manifest->apps[launch->n_apps].name);
		if (copy(&app->name, pod->manifest->apps[launch->n_apps].name) < 0 || !app->volume)
			return -ENOMEM;
	}
	return 0;
}

/* Named volumes have to be there: nothing is made in passing. */
static int fill_volumes(struct launch *l, struct error *err)
{
	const struct appc_pod *manifest = l->pod.manifest;
	struct pod_launch *launch = &l->pod.launch;

	for (size_t i = 0; i < manifest->n_volumes; i++) {
		const struct appc_volume *v = &manifest->volumes[i];
		struct pod_launch_volume *at;

		if (!v->named)
			continue;
		at = edit_grow(&launch->volumes, &launch->n_volumes, sizeof(*launch->volumes));
		if (!at || copy(&at->name, v->name) < 0 ||
		    (at->volume = str_printf("volume.%s", v->named)) == NULL)
			return error_set(err, -ENOMEM, "the pod");
		if (!mosaic_have(l->mosaic, at->volume))
			return error_set(
				err, -ENOENT,
				"there is no volume %s in %s: carob volume create %s makes it.",
				v->named, mosaic_location(l->mosaic), v->named);
	}
	return 0;
}

static int fill(struct launch *l, const struct launch_plan *plan, struct error *err)
{
	const struct pod_request *o = &plan->request->pod;
	struct pod_launch *launch = &l->pod.launch;
	char hostname[32];

	snprintf(hostname, sizeof(hostname), "carob-%.8s", l->pod.uuid);
	launch->created_ns = time_now_ns();
	launch->detached = plan->request->start.detach;
	launch->keep = !o->remove;
	launch->stop_grace_s = o->grace.given ? (unsigned)o->grace.value : GRACE_DEFAULT;
	if (copy(&launch->name, o->name) < 0 ||
	    copy(&launch->hostname, o->hostname ? o->hostname : hostname) < 0 ||
	    copy(&launch->mosaic, mosaic_location(l->mosaic)) < 0 || fill_apps(&l->pod) < 0 ||
	    fill_ignored(launch, &o->ignored_isolators) < 0)
		return error_set(err, -ENOMEM, "the pod");
	return fill_volumes(l, err);
}

static int write_uuid_file(struct launch *l, const char *path, struct error *err)
{
	char line[UUID_TEXT + 1];
	_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY | O_CLOEXEC, 0644);
	int r = fd < 0 ? -errno : 0;

	snprintf(line, sizeof(line), "%s\n", l->pod.uuid);
	if (r == 0) {
		l->uuid_file = path;
		r = write_all(fd, line, strlen(line));
	}
	return r < 0 ? error_set(err, r, "cannot write %s", path) : 0;
}

static int clone_volumes(const struct launch *l, const struct run_image *images, struct error *err)
{
	for (size_t i = 0; i < l->pod.launch.n_apps; i++) {
		int r = interrupt_check(err);

		if (r == 0)
			r = mosaic_clone(l->mosaic, l->pod.launch.apps[i].volume, images[i].volume,
					 err);
		if (r != 0)
			return r;
	}
	return 0;
}

/* A prepared pod is promised to be there after a crash: status first, so that the pod file, which
 * makes it a pod, comes last. */
static int write_files(struct launch *l, bool prepared, struct error *err)
{
	const struct pod_status status = { .state = POD_PREPARED, .exit = -1 };
	int r = 0;

	if (prepared || l->pod.launch.detached)
		r = mosaic_sync(l->mosaic, err);
	if (r == 0 && prepared)
		r = pod_status_write(&status, l->dirfd, true, err);
	return r < 0 ? r : pod_write(&l->pod, l->dirfd, prepared || l->pod.launch.detached, err);
}

int launch_prepare(struct launch *l, struct appc_pod *manifest, const struct launch_plan *plan,
		   struct error *err)
{
	const struct pod_request *o = &plan->request->pod;
	int r;

	l->pod.manifest = manifest;
	l->dirfd = pod_create(&l->cli->dirs, l->pod.uuid, err);
	if (l->dirfd < 0)
		return l->dirfd;
	r = fill(l, plan, err);
	if (r == 0 && !plan->prepared)
		r = launch_choose_input(&l->pod.launch, plan->request->apps, err);
	if (r == 0 && o->name) {
		r = pod_name_claim(&l->cli->dirs, o->name, l->pod.uuid, err);
		if (r == POD_BUSY)
			return -EEXIST;
	}
	if (r == 0)
		r = clone_volumes(l, plan->images, err);
	if (r == 0 && o->uuid_file)
		r = write_uuid_file(l, o->uuid_file, err);
	return r ? r : write_files(l, plan->prepared, err);
}

int launch_choose_input(struct pod_launch *launch, const struct app_request *apps,
			struct error *err)
{
	for (size_t i = 0; i < launch->n_apps; i++) {
		static const struct input_options nothing;
		const struct input_options *in = apps ? &apps[i].input : &nothing;
		bool alone = launch->n_apps == 1 && !launch->detached;
		bool in_is = (in->tty || alone) && isatty(STDIN_FILENO);
		bool both_are = in_is && isatty(STDOUT_FILENO);
		enum pod_stdin *input = &launch->apps[i].input;

		if (in->tty && !both_are) {
			error_set(err, -ENOTTY,
				  "--tty: standard input and output are no terminal.");
			return CLI_USAGE;
		}
		if (in->tty || (alone && !in->no_tty && both_are))
			*input = POD_STDIN_TTY;
		else if (in->interactive || (alone && !in_is))
			*input = POD_STDIN_INHERIT;
		else
			*input = POD_STDIN_NULL; /* nobody's terminal goes into a pod unasked */
	}
	return 0;
}

/* ---- becoming carob-stage1 ------------------------------------------------------------------- */

enum { TERM_BYTES = 256, ARGS = 12 };

struct stage1_call {
	char path[300], lock[16], ready[16];
	char env_term[TERM_BYTES], env_libexec[300];
	const char *argv[ARGS], *envp[6];
};

static int call_fill(struct stage1_call *c, const struct launch *l, int ready)
{
	const struct cli *cli = l->cli;
	const char *term = getenv("TERM");
	size_t n = 0, e = 0;

	snprintf(c->path, sizeof(c->path), "%s/carob-stage1", cli->libexec);
	snprintf(c->lock, sizeof(c->lock), "%d", l->dirfd);
	snprintf(c->ready, sizeof(c->ready), "%d", ready);
	snprintf(c->env_libexec, sizeof(c->env_libexec), "CAROB_LIBEXEC=%s", cli->libexec);
	c->envp[e++] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	c->envp[e++] = c->env_libexec;
	if (term && snprintf(c->env_term, TERM_BYTES, "TERM=%s", term) < TERM_BYTES)
		c->envp[e++] = c->env_term;
	if (cli->debug)
		c->envp[e++] = "CAROB_DEBUG=1";
	c->envp[e] = NULL;
	c->argv[n++] = "carob-stage1";
	c->argv[n++] = "--root";
	c->argv[n++] = cli->dirs.root;
	c->argv[n++] = "--run";
	c->argv[n++] = cli->dirs.run;
	c->argv[n++] = "--lock-fd";
	c->argv[n++] = c->lock;
	if (ready >= 0) {
		c->argv[n++] = "--ready-fd";
		c->argv[n++] = c->ready;
	}
	c->argv[n++] = l->pod.uuid;
	c->argv[n] = NULL;
	return fcntl(l->dirfd, F_SETFD, 0) < 0 || (ready >= 0 && fcntl(ready, F_SETFD, 0) < 0)
		       ? -errno
		       : 0;
}

static int call_execute(struct stage1_call *c, const struct launch *l, int ready, struct error *err)
{
	int r = call_fill(c, l, ready);

	if (r == 0) {
		execve(c->path, (char *const *)c->argv, (char *const *)c->envp);
		r = -errno;
	}
	return error_set(err, r, "cannot execute %s", c->path);
}

int launch_foreground(struct launch *l, struct error *err)
{
	struct stage1_call c;
	int r = interrupt_hold();

	if (r < 0)
		return error_set(err, r, "cannot block signals");
	r = interrupt_check(err);
	return r ? r : call_execute(&c, l, -1, err);
}

/* In the child: a process that nobody talks to and that keeps no directory busy. */
static int detach(void)
{
	_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || setsid() < 0 || chdir("/") < 0)
		return -errno;
	for (int i = 0; i < 3; i++)
		if (dup2(null, i) < 0)
			return -errno;
	return 0;
}

static _noreturn_ void child(struct launch *l, int ready)
{
	struct stage1_call c;
	struct error err = { 0 };
	int r = detach();

	if (r < 0)
		error_set(&err, r, "cannot detach");
	else
		(void)call_execute(&c, l, ready, &err);
	dprintf(ready, "%d %s\n", CLI_NOT_STARTED, err.text);
	_exit(CLI_NOT_STARTED);
}

/* "ok", or "CODE message". */
static int verdict(char *line, struct error *err)
{
	char *end = strchr(line, '\n'), *text = strchr(line, ' ');
	uint64_t code;

	if (!end) {
		error_set(err, -EPIPE, "carob-stage1 ended without a word.");
		return CLI_NOT_STARTED;
	}
	*end = '\0';
	if (str_eq(line, "ok"))
		return 0;
	if (text)
		*text++ = '\0';
	if (!text || str_to_u64(line, CLI_NOT_FOUND, &code) < 0 || code < CLI_NOT_STARTED)
		code = CLI_NOT_STARTED;
	error_set(err, -ECANCELED, "%s.", text ? text : line);
	return (int)code;
}

int launch_detached(struct launch *l, struct error *err)
{
	_close_ int ready = -1;
	char line[2048];
	int ends[2], r;
	ssize_t n;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(err, -errno, "cannot make a pipe");
	ready = ends[0];
	r = interrupt_check(err);
	pid = r ? -1 : fork();
	if (pid == 0)
		child(l, ends[1]);
	close(ends[1]);
	if (r != 0)
		return r;
	if (pid < 0)
		return error_set(err, -errno, "cannot fork");
	/* from here on the pod is carob-stage1's: an interruption leaves it running */
	interrupt_end();
	n = read_all(ready, line, sizeof(line) - 1);
	line[n < 0 ? 0 : n] = '\0';
	r = verdict(line, err);
	if (r != 0)
		(void)waitpid(pid, NULL, 0); /* its lock is gone before anything is taken away */
	return r;
}

/* ---- taking back ----------------------------------------------------------------------------- */

void launch_undo(struct launch *l)
{
	const struct teardown t = { l->cli, l->mosaic, l->pod.uuid, &l->pod.launch };

	if (l->dirfd < 0)
		return;
	if (l->uuid_file)
		unlink(l->uuid_file);
	(void)!teardown(&t, NULL); /* what cannot be removed now is left to gc */
}
