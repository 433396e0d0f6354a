#include "stage3/stage3.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

/* Non-dumpable before anything of the pod is near: what runs there can then neither trace us nor
 * look at our descriptors (CVE-2016-9962). The execve ends it. */
int step_receive(struct launch *l)
{
	struct launch_message message;
	struct plan_report *page;
	ssize_t n;

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	umask(0); /* modes are what the plan says */
	l->n_fds = SOCKET_MAX_FDS;
	n = socket_receive_fds(PLAN_SOCKET_FD, &message, sizeof(message), l->fds, &l->n_fds);
	if (n < 0)
		return (int)n;
	if (n != sizeof(message) || message.magic != PLAN_MAGIC || l->n_fds < LAUNCH_FD_FIRST)
		return -EBADMSG;
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED,
		    l->fds[LAUNCH_FD_REPORT], 0);
	if (page == MAP_FAILED)
		return -errno;
	page->step = PLAN_STEP_RECEIVE;
	l->report = page;
	l->plan_len = message.plan_len;
	return 0;
}

/* Private and writable: decoded where it lies, while the memfd behind it stays as it was sealed. */
int step_decode(struct launch *l)
{
	void *block = mmap(NULL, l->plan_len, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			   l->fds[LAUNCH_FD_PLAN], 0);
	int r;

	if (block == MAP_FAILED)
		return -errno;
	r = plan_decode(&l->plan, block, l->plan_len);
	if (r < 0)
		return r;
	return l->n_fds == LAUNCH_FD_FIRST + l->plan.n_fds ? 0 : -EBADMSG;
}
