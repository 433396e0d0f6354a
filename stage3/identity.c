/*
 * Who the app is, and what it may. The order is that of docs/architecture.md: the bounding set
 * while CAP_SETPCAP is there, groups and users while CAP_SETGID and CAP_SETUID are, capabilities
 * last, except CAP_SYS_ADMIN where the filter still needs it; the execve takes that one.
 */
#include "stage3/stage3.h"

#include <linux/magic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

int step_user(struct launch *l)
{
	int r = users_resolve(l->root, USERS_PASSWD, l->plan.user, &l->uid);

	if (r < 0)
		return r;
	l->report->index = 1;
	r = users_resolve(l->root, USERS_GROUP, l->plan.group, &l->gid);
	if (r < 0)
		return r;
	l->report->uid = l->uid;
	l->report->gid = l->gid;
	return 0;
}

int step_capabilities(struct launch *l)
{
	return caps_bound(l->plan.capabilities);
}

/* The primary group is one of the supplementary ones: else a process could get rid of a group that
 * a file's mode denies something to (CVE-2022-2989). */
static int set_groups(const struct launch *l)
{
	uint32_t groups[1 + PLAN_MAX_GIDS];
	uint32_t n = 0;

	groups[n++] = l->gid;
	for (uint32_t i = 0; i < l->plan.n_gids; i++)
		if (l->plan.gids[i] != l->gid)
			groups[n++] = l->plan.gids[i];
	return syscall(SYS_setgroups, n, groups) < 0 ? -errno : 0;
}

/* The terminal becomes the user's. So do pipes without a name: an app that opens /dev/stdout again
 * needs that. Nothing else that came from outside is touched. */
static int own_stdio(const struct launch *l)
{
	if (l->terminal >= 0)
		return fchown(l->terminal, l->uid, (gid_t)-1) < 0 ? -errno : 0;
	for (int i = 0; i < 3; i++) {
		int fd = l->plan.flags & PLAN_STDIO_FDS ? launch_fd(l, l->plan.stdio_fds[i]) : i;
		struct statfs fs;

		if (fstatfs(fd, &fs) == 0 && fs.f_type == PIPEFS_MAGIC &&
		    fchown(fd, l->uid, (gid_t)-1) < 0)
			return -errno;
	}
	return 0;
}

/* The system calls themselves: the C library's functions would look for other threads. */
int step_ids(struct launch *l)
{
	bool filter_needs_admin = l->plan.n_seccomp && !(l->plan.flags & PLAN_NO_NEW_PRIVS);
	uint64_t keep = (l->uid ? 0 : l->plan.capabilities) |
			(filter_needs_admin ? CAPS_SYS_ADMIN : 0);
	int r = l->uid ? own_stdio(l) : 0;

	if (r < 0)
		return r;
	r = set_groups(l);
	if (r < 0)
		return r;
	if (syscall(SYS_setresgid, l->gid, l->gid, l->gid) < 0)
		return -errno;
	if (l->uid && keep && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return -errno;
	if (syscall(SYS_setresuid, l->uid, l->uid, l->uid) < 0)
		return -errno;
	return caps_set(keep);
}
