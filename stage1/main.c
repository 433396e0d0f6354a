/*
 * carob-stage1 --root DIR --run DIR --lock-fd N [--ready-fd N] UUID
 *
 * Started by `carob run` in its own place (foreground) or in a session of its own (detached). The
 * pod directory's lock comes open on --lock-fd: as long as this process lives, the pod does.
 */
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "stage1/stage1.h"

static const int forwarded[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH };

/* ---- arguments ----------------------------------------------------------------------------- */

static int take_descriptor(const char *word, int *ret)
{
	uint64_t number;

	if (str_to_u64(word, INT32_MAX, &number) < 0 || fcntl((int)number, F_SETFD, FD_CLOEXEC) < 0)
		return -EBADF;
	*ret = (int)number;
	return 0;
}

static int parse(struct supervisor *s, int argc, char **argv, struct error *err)
{
	const char *uuid = NULL;
	int r = 0;

	for (int i = 1; i < argc && r == 0; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (argv[i][0] != '-' && !uuid) {
			uuid = argv[i];
			continue;
		}
		if (!value)
			return error_set(err, -EINVAL, "%s: unexpected", argv[i]);
		if (str_eq(argv[i], "--root"))
			snprintf(s->dirs.root, sizeof(s->dirs.root), "%s", value);
		else if (str_eq(argv[i], "--run"))
			snprintf(s->dirs.run, sizeof(s->dirs.run), "%s", value);
		else if (str_eq(argv[i], "--lock-fd"))
			r = take_descriptor(value, &s->dir);
		else if (str_eq(argv[i], "--ready-fd"))
			r = take_descriptor(value, &s->ready_fd);
		else
			r = -EINVAL;
		i++;
	}
	if (r < 0 || !uuid || !uuid_is(uuid) || s->dir < 0 || !s->dirs.root[0] || !s->dirs.run[0])
		return error_set(err, -EINVAL,
				 "carob-stage1 is started by `carob run`, not by hand.");
	memcpy(s->pod.uuid, uuid, UUID_TEXT);
	return 0;
}

/* ---- loading ------------------------------------------------------------------------------- */

static int load(struct supervisor *s, struct error *err)
{
	char uuid[UUID_TEXT];
	int r;

	memcpy(uuid, s->pod.uuid, sizeof(uuid));
	r = pod_read(&s->pod, s->dir, uuid, err);
	if (r < 0)
		return error_context(err, r, "pod", uuid);
	if (s->pod.launch.n_apps != s->pod.manifest->n_apps || s->pod.manifest->n_apps == 0)
		return error_set(err, -EBADMSG,
				 "pod %s: the pod file is damaged: apps and launch do not agree.",
				 uuid);
	s->n_apps = s->pod.manifest->n_apps;
	s->apps = calloc(s->n_apps, sizeof(*s->apps));
	if (!s->apps)
		return error_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < s->n_apps; i++) {
		struct app *app = &s->apps[i];

		app->s = s;
		app->manifest = &s->pod.manifest->apps[i];
		app->launch = &s->pod.launch.apps[i];
		app->rootfs = app->namespace = app->log = app->child.pidfd = app->exit =
			app->entrance.v2 = -1;
	}
	return 0;
}

static int on_signal(struct loop_source *source, uint32_t events)
{
	struct supervisor *s = source->data;
	struct signalfd_siginfo info;

	(void)events;
	if (read(source->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	if (info.ssi_signo == SIGWINCH) {
		terminal_resize(&s->terminal);
		return 0;
	}
	if (s->pod.launch.detached && (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT))
		return supervise_stop(s, s->pod.launch.stop_grace_s);
	supervise_signal(s, NULL, (int)info.ssi_signo);
	return 0;
}

static int prepare(struct supervisor *s, struct error *err)
{
	bool foreground = !s->pod.launch.detached;
	sigset_t set;
	int r;

	umask(0077);
	r = process_reset_signals();
	if (r < 0)
		return error_set(err, r, "cannot reset signals");
	/* a closed pipe is an error of write(2); ignored, the signal would be so in apps too */
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return error_set(err, -errno, "cannot block SIGPIPE");
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
		sigaddset(&set, forwarded[i]);
	r = loop_init(&s->loop);
	if (r < 0)
		return error_set(err, r, "cannot make an event loop");
	s->signals = loop_signalfd(&set);
	s->signal_source = (struct loop_source){ .fd = -1, .fn = on_signal, .data = s };
	r = s->signals < 0 ? s->signals
			   : loop_add(&s->loop, &s->signal_source, s->signals, EPOLLIN);
	if (r < 0)
		return error_set(err, r, "cannot watch signals");
	sink_init(&s->out, s, foreground ? STDOUT_FILENO : -1);
	sink_init(&s->err, s, foreground ? STDERR_FILENO : -1);
	return 0;
}

/* ---- the end ------------------------------------------------------------------------------- */

/* Tells `carob run --detach` how the start went. */
static void tell_ready(struct supervisor *s, int code, const char *message)
{
	if (s->ready_fd < 0)
		return;
	if (code == 0)
		dprintf(s->ready_fd, "ok\n");
	else
		dprintf(s->ready_fd, "%d %s\n", code, message);
	close(take_fd(&s->ready_fd));
}

static void remove_pod_directory(struct supervisor *s)
{
	char path[sizeof(s->dirs.root) + 8];
	_close_ int pods = -1;

	if (s->pod.launch.name)
		pod_name_release(&s->dirs, s->pod.launch.name, s->pod.uuid);
	snprintf(path, sizeof(path), "%s/pods", s->dirs.root);
	pods = open(path,
		    O_PATH | O_DIRECTORY | O_CLOEXEC); /* lint: path ok: our own state directory */
	if (pods >= 0 && path_remove_tree(pods, s->pod.uuid) < 0)
		return; /* `carob gc` finds it */
}

static void write_status(struct supervisor *s)
{
	_cleanup_(pod_status_deinit) struct pod_status status = { 0 };
	struct error err = { 0 };
	char line[1024];

	s->phase = PHASE_OVER;
	if (supervise_status(s, &status) == 0 &&
	    pod_status_write(&status, s->dir, s->pod.launch.detached, &err) == 0)
		return;
	error_format(&err, line, sizeof(line));
	dprintf(STDERR_FILENO, "carob: the status of pod %s could not be written: %s\n",
		s->pod.uuid, line);
}

static void finish(struct supervisor *s, bool failed)
{
	if (failed)
		s->pod.launch.keep = false;
	steps_down(s);
	if (s->pod.launch.keep)
		write_status(s);
	else
		remove_pod_directory(s);
	/* who waited may go on to remove the pod: before they hear, it is free and its
	 * status written */
	(void)flock(s->dir, LOCK_UN);
	api_pod_ended(s);
	api_stop(s);
	for (size_t i = 0; i < s->n_apps; i++) {
		output_flush(&s->apps[i].out);
		output_flush(&s->apps[i].err);
	}
	/* what came last was made for a raw terminal, too */
	terminal_restore(&s->terminal);
}

static int run(struct supervisor *s, struct error *err)
{
	int r = load(s, err);

	if (r == 0)
		r = prepare(s, err);
	if (r == 0)
		r = steps_up(s, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < s->n_notes; i++)
		if (s->ready_fd < 0)
			dprintf(STDERR_FILENO, "carob: %s\n", s->notes[i]);
	tell_ready(s, 0, NULL);
	malloc_trim(0);
	if (s->phase != PHASE_OVER)
		r = loop_run(&s->loop);
	return r < 0 ? error_set(err, r, "the event loop failed") : 0;
}

int main(int argc, char **argv)
{
	static struct supervisor s = { .dir = -1,
				       .podinit_exe = -1,
				       .stage3_exe = -1,
				       .report_fd = -1,
				       .podinit_sock = -1,
				       .podinit = -1,
				       .lifeline = -1,
				       .signals = -1,
				       .ready_fd = -1,
				       .init_entrance = { .v2 = -1 },
				       .exit = -1,
				       .terminal = { .master = -1 } };
	struct error err = { 0 };
	char line[1024];
	int code, r;

	json_seed();
	s.libexec = getenv("CAROB_LIBEXEC") ? getenv("CAROB_LIBEXEC") : CAROB_LIBEXEC;
	s.debug = getenv("CAROB_DEBUG") != NULL;
	s.begun_ns = s.debug ? time_boot_ns() : 0;
	r = parse(&s, argc, argv, &err);
	if (r == 0)
		r = run(&s, &err);
	if (r == 0) {
		finish(&s, false);
		if (s.failure.code) { /* of an app, after the start */
			error_format(&s.failure, line, sizeof(line));
			dprintf(STDERR_FILENO, "carob: %s\n", line);
		}
		return s.exit;
	}
	code = s.failure.code ? launch_exit_code(&s) : 125;
	s.exit = code;
	if (s.pod.manifest)
		finish(&s, true);
	error_format(&err, line, sizeof(line));
	if (s.ready_fd < 0)
		dprintf(STDERR_FILENO, "carob: %s\n", line);
	tell_ready(&s, code, line);
	return code;
}
