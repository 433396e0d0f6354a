/*
 * PID 1 starts nothing and is told nothing. What falls to it, the kernel reaps: a process whose
 * parent ignores SIGCHLD leaves no zombie. So all that is left to do is to wait for the end.
 */
#include "initd/pod/pod.h"

#include <sys/mman.h>
#include <sys/syscall.h>

enum { EXIT_SETUP = 125 };

static int (*const steps[PODINIT_STEPS])(struct podinit *p) = {
	[PODINIT_STEP_RECEIVE] = podinit_receive,   [PODINIT_STEP_CGROUP] = podinit_cgroup,
	[PODINIT_STEP_HOSTNAME] = podinit_hostname, [PODINIT_STEP_LOOPBACK] = podinit_loopback,
	[PODINIT_STEP_ROOT] = podinit_root,         [PODINIT_STEP_CONFINE] = podinit_confine,
};

/* Until the lifeline ends: nobody writes to it, so anything but EINTR is its end. */
static void wait_for_the_end(void)
{
	char c;

	while (read(PODINIT_LIFELINE, &c, 1) < 0 && errno == EINTR)
		;
}

int main(void)
{
	struct plan_report unseen = { 0 }; /* until the shared page is there */
	struct podinit p = { .report = &unseen };
	int r = 0;

	for (uint32_t step = PODINIT_STEP_RECEIVE; step < PODINIT_STEPS && r == 0; step++) {
		p.report->step = step;
		r = steps[step](&p);
	}
	if (r < 0) {
		p.report->error = -r;
		_exit(EXIT_SETUP);
	}
	if (write(PLAN_SOCKET_FD, "r", 1) == 1) {
		close(PLAN_SOCKET_FD);
		wait_for_the_end();
	}
	_exit(0);
}
