/*
 * Starting a process of the pod: clone, one message, and then waiting for the socket to close,
 * which happens at the execve or at the end of a stage3 that failed. The report page tells which.
 *
 * Launches are one after the other; each takes about a millisecond, and one that hangs (a program
 * on a dead network file system) is ended after LAUNCH_TIMEOUT_MS.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "stage1/stage1.h"
#include "stage3/launch.h"

enum { LAUNCH_TIMEOUT_MS = 30000 };

/* The manifest's field that a step of stage3 carries out: what a user can change. */
static const char *const step_fields[PLAN_STEPS] = {
	[PLAN_STEP_MOUNT] = "mount",
	[PLAN_STEP_USER] = "user",
	[PLAN_STEP_DIRECTORY] = "workingDirectory",
	[PLAN_STEP_EXEC] = "exec",
	[PLAN_STEP_RLIMIT] = "carob/rlimits",
	[PLAN_STEP_OOM_SCORE] = "os/linux/oom-score-adj",
	[PLAN_STEP_READONLY] = "readOnlyRootFS",
};

int launch_exit_code(const struct supervisor *s)
{
	if (!s->report || s->report->step != PLAN_STEP_EXEC)
		return 125;
	return s->report->error == ENOENT || s->report->error == ENOTDIR ? 127 : 126;
}

/* Words for what the report page says. stage3 could write it: only its range is trusted. */
static int explain(const struct supervisor *s, const struct plan *plan, struct error *err)
{
	struct plan_report report = *s->report;
	const char *field = "";
	char what[160];
	int error = report.error > 0 && report.error < 4096 ? report.error : EPROTO;

	if (report.step >= PLAN_STEPS)
		report.step = PLAN_STEP_NONE;
	if (report.step == PLAN_STEP_USER && report.index == 1)
		field = "group ";
	else if (step_fields[report.step])
		field = step_fields[report.step];
	compile_describe(plan, report.step, report.index, what, sizeof(what));
	if (report.step == PLAN_STEP_USER && error == ENOENT)
		error_set(err, -error, "%s %s: neither a number nor in the image's /etc/%s.",
			  report.index ? "group" : "user", what, report.index ? "group" : "passwd");
	else if (report.step == PLAN_STEP_EXEC && error == ENOENT)
		error_set(err, -error,
			  "exec: %s: no such program in the image (or its interpreter is missing).",
			  what);
	else if (report.step == PLAN_STEP_MOUNT && error == EXDEV)
		error_set(err, -error, "mount %s: a link of the image leads into another mount.",
			  what);
	else
		error_set(err, -error, "%s%s%s", field, *field && *what ? " " : "",
			  *what || *field ? what : "failed");
	return error_context(err, -error, plan_step_name(report.step), plan->app);
}

static int send_plan(const struct compiled *c, int sock, int report_fd, struct error *err)
{
	struct launch_message message = { .magic = PLAN_MAGIC };
	int fds[LAUNCH_FD_FIRST + PLAN_MAX_FDS];
	_free_ void *block = NULL;
	_close_ int memfd = -1;
	size_t len;
	int r;

	r = plan_encode(&c->plan, &block, &len);
	if (r < 0)
		return error_set(err, r,
				 "the plan is too large (arguments and environment together)");
	memfd = process_sealed_bytes("carob-plan", block, len);
	if (memfd < 0)
		return error_set(err, memfd, "cannot seal the plan");
	message.plan_len = (uint32_t)len;
	fds[LAUNCH_FD_PLAN] = memfd;
	fds[LAUNCH_FD_REPORT] = report_fd;
	memcpy(fds + LAUNCH_FD_FIRST, c->fds, c->plan.n_fds * sizeof(int));
	r = socket_send_fds(sock, &message, sizeof(message), fds, LAUNCH_FD_FIRST + c->plan.n_fds);
	return r < 0 ? error_set(err, r, "cannot send the plan") : 0;
}

/* Takes what stage3 sends until it closes the socket. 0, or -ETIMEDOUT. */
static int receive_replies(int sock, struct launched *ret)
{
	struct pollfd pfd = { .fd = sock, .events = POLLIN };

	for (;;) {
		int fds[1], n = poll(&pfd, 1, LAUNCH_TIMEOUT_MS);
		size_t n_fds = 1;
		char kind;
		ssize_t got;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ETIMEDOUT;
		got = socket_receive_fds(sock, &kind, 1, fds, &n_fds);
		if (got <= 0)
			return got == -ECONNRESET ? 0 : (int)got;
		if (n_fds == 0)
			continue;
		if (kind == LAUNCH_REPLY_TERMINAL && ret->terminal < 0)
			ret->terminal = fds[0];
		else if (kind == LAUNCH_REPLY_NAMESPACE && ret->namespace < 0)
			ret->namespace = fds[0];
		else
			close(fds[0]);
	}
}

static int spawn(struct supervisor *s, const struct compiled *c, const int stdio[3], int keep,
		 struct launched *ret)
{
	static const char *const argv[] = { "carob-stage3", NULL }, *const envp[] = { NULL };
	const struct process_spec spec = {
		.exe_fd = s->stage3_exe,
		.argv = argv,
		.envp = envp,
		.cgroup_fd = c->cgroup,
		.stdio = { stdio[0], stdio[1], stdio[2] },
		.keep_fd = keep,
	};

	return process_spawn(&spec, &ret->pid);
}

static void give_up(struct launched *l)
{
	int status;

	if (l->pidfd >= 0) {
		(void)!process_signal(l->pidfd, SIGKILL); /* it may have ended by itself */
		(void)!process_wait(l->pidfd, &status);
		close(l->pidfd);
	}
	if (l->terminal >= 0)
		close(l->terminal);
	if (l->namespace >= 0)
		close(l->namespace);
	l->pidfd = l->terminal = l->namespace = -1;
}

int launch_process(struct supervisor *s, const struct compiled *c, const int stdio[3],
		   struct launched *ret, struct error *err)
{
	struct launched l = { .pidfd = -1, .terminal = -1, .namespace = -1 };
	_close_ int ours = -1, theirs = -1;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set(err, -errno, "cannot make a socket pair");
	ours = pair[0];
	theirs = pair[1];
	memset(s->report, 0, sizeof(*s->report));
	r = send_plan(c, ours, s->report_fd, err);
	if (r < 0)
		return error_context(err, r, "plan", c->plan.app);
	l.pidfd = spawn(s, c, stdio, theirs, &l);
	if (l.pidfd < 0) {
		r = error_set(err, l.pidfd, "cannot start carob-stage3");
		return error_context(err, r, "launch", c->plan.app);
	}
	close(take_fd(&theirs));
	r = receive_replies(ours, &l);
	if (r == 0 && s->report->step == PLAN_STEP_EXEC && s->report->error == 0) {
		l.uid = s->report->uid;
		l.gid = s->report->gid;
		*ret = l;
		return 0;
	}
	give_up(&l);
	if (r == 0)
		return explain(s, &c->plan, err);
	error_set(err, r, "carob-stage3 hung in step %s", plan_step_name(s->report->step));
	return error_context(err, r, "launch", c->plan.app);
}
