/* PID 1 of the pod: started early, so that it sets the namespaces up while we do other things. */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include "initd/pod/podinit.h"
#include "stage1/stage1.h"

static const char *const step_names[PODINIT_STEPS] = {
	[PODINIT_STEP_NONE] = "start",        [PODINIT_STEP_RECEIVE] = "receive",
	[PODINIT_STEP_CGROUP] = "cgroup",     [PODINIT_STEP_HOSTNAME] = "hostname",
	[PODINIT_STEP_LOOPBACK] = "loopback", [PODINIT_STEP_ROOT] = "root",
	[PODINIT_STEP_CONFINE] = "confine",
};

static int send_config(struct supervisor *s, int lifeline, struct error *err)
{
	const struct entrance *e = &s->init_entrance;
	struct podinit_config config = { .magic = PLAN_MAGIC, .n_cgroup_fds = e->n };
	int fds[PODINIT_FD_CGROUPS + CGROUP_MAX], r;

	snprintf(config.hostname, sizeof(config.hostname), "%s", s->pod.launch.hostname);
	fds[PODINIT_FD_REPORT] = s->report_fd;
	fds[PODINIT_FD_LIFELINE] = lifeline;
	memcpy(fds + PODINIT_FD_CGROUPS, e->tasks, e->n * sizeof(int));
	r = socket_send_fds(s->podinit_sock, &config, sizeof(config), fds,
			    PODINIT_FD_CGROUPS + e->n);
	return r < 0 ? error_set(err, r, "cannot send pod-init its configuration") : 0;
}

static int spawn(struct supervisor *s, int keep, struct error *err)
{
	static const char *const argv[] = { "carob-pod-init", NULL }, *const envp[] = { NULL };
	const struct process_spec spec = {
		.exe_fd = s->podinit_exe,
		.argv = argv,
		.envp = envp,
		.clone_flags = CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS,
		.cgroup_fd = s->init_entrance.v2,
		.stdio = { -1, -1, -1 },
		.keep_fd = keep,
		.new_session = true,
	};

	s->podinit = process_spawn(&spec, &s->podinit_pid);
	return s->podinit < 0
		       ? error_set(err, s->podinit, "cannot start carob-pod-init in new namespaces")
		       : 0;
}

int podinit_start(struct supervisor *s, struct error *err)
{
	_close_ int theirs = -1, lifeline = -1;
	int pair[2], ends[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set(err, -errno, "cannot make a socket pair");
	s->podinit_sock = pair[0];
	theirs = pair[1];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(err, -errno, "cannot make a pipe");
	lifeline = ends[0];
	s->lifeline = ends[1];
	r = send_config(s, lifeline, err);
	return r < 0 ? r : spawn(s, theirs, err);
}

int podinit_enter(struct supervisor *s, struct error *err)
{
	struct pollfd pfd = { .fd = s->podinit_sock, .events = POLLIN };
	char ready;
	int n;

	do
		n = poll(&pfd, 1, 30000);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return error_set(err, -ETIMEDOUT, "pod-init did not become ready");
	if (recv(s->podinit_sock, &ready, 1, MSG_DONTWAIT) != 1) {
		uint32_t step = s->report->step < PODINIT_STEPS ? s->report->step
								: PODINIT_STEP_NONE;
		int error = s->report->error > 0 ? s->report->error : EPIPE;

		return error_set(err, -error, "pod-init failed in step %s", step_names[step]);
	}
	close(take_fd(&s->podinit_sock));
	if (setns(s->podinit, CLONE_NEWPID) < 0)
		return error_set(err, -errno, "cannot enter the pod's process namespace");
	return 0;
}
