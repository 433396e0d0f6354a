#include "stage3/stage3.h"

#include <fcntl.h>
#include <sched.h>

/* "0" is whoever writes it. Into "tasks" of cgroup v1 that moves one thread, the only one we have,
 * and takes none of the locks that a pid in cgroup.procs waits for. */
int step_cgroup(struct launch *l)
{
	for (uint32_t i = 0; i < l->plan.n_cgroup_fds; i++) {
		l->report->index = i;
		if (write(launch_fd(l, l->plan.cgroup_fds[i]), "0", 1) < 0)
			return -errno;
	}
	return 0;
}

int step_namespaces(struct launch *l)
{
	const struct plan *p = &l->plan;
	uint32_t fresh = p->unshare | (p->flags & PLAN_UNSHARE_CGROUP ? CLONE_NEWCGROUP : 0);

	for (uint32_t i = 0; i < p->n_joins; i++) {
		l->report->index = i;
		if (setns(launch_fd(l, p->joins[i].fd), (int)p->joins[i].flags) < 0)
			return -errno;
	}
	if (fresh && unshare((int)fresh) < 0)
		return -errno;
	if (p->flags & PLAN_BUILD_ROOT)
		return 0;
	/* setns() left us in the root of the mount namespace, which is the app's */
	l->root = path_open(AT_FDCWD, ".", PATH_NO_LINKS, O_PATH | O_DIRECTORY, 0);
	return l->root < 0 ? l->root : 0;
}
