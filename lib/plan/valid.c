/* What a plan may say. Encoder and decoder both ask, so nothing is sent that would be refused. */
#include <linux/sched.h>
#include <string.h>

#include "base/base.h"
#include "plan/block.h"

enum {
	FLAGS = PLAN_BUILD_ROOT | PLAN_NO_NEW_PRIVS | PLAN_TERMINAL | PLAN_SEND_NAMESPACE |
		PLAN_READONLY_ROOT | PLAN_UNSHARE_CGROUP | PLAN_STDIO_FDS | PLAN_SESSION,
	MOUNT_FLAGS = PLAN_MOUNT_NO_LINKS | PLAN_MOUNT_MAKE_FILE | PLAN_MOUNT_RECURSIVE,
	NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
		     CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME,
	RLIMITS = 16,
	OOM_SCORE_MAX = 1000,
};

/* No part of a path is ".."? */
static bool goes_down(const char *path)
{
	for (const char *p = path; (p = strstr(p, "..")) != NULL; p += 2)
		if ((p == path || p[-1] == '/') && (p[2] == '/' || p[2] == '\0'))
			return false;
	return strlen(path) < LIMIT_PATH_BYTES;
}

static bool is_absolute(const char *path)
{
	return path[0] == '/' && goes_down(path);
}

static bool is_relative(const char *path)
{
	return path[0] && path[0] != '/' && goes_down(path);
}

static bool paths_valid(const char *const *paths, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (!is_absolute(paths[i]))
			return false;
	return true;
}

static bool source_valid(const struct plan *p, const struct plan_mount *m)
{
	switch ((enum plan_source)m->source) {
	case PLAN_SOURCE_FD:
		return m->fd < p->n_fds;
	case PLAN_SOURCE_NEW:
		return m->fstype[0];
	case PLAN_SOURCE_POD:
		return is_absolute(m->fstype);
	}
	return false;
}

/* A place without links is named by its one name, and is a directory. */
static bool target_valid(const struct plan_mount *m)
{
	if (!(m->flags & PLAN_MOUNT_NO_LINKS))
		return is_absolute(m->target);
	return path_is_clean_absolute(m->target) && m->target[1] &&
	       !(m->flags & PLAN_MOUNT_MAKE_FILE);
}

static bool mounts_valid(const struct plan *p)
{
	for (uint32_t i = 0; i < p->n_mounts; i++) {
		const struct plan_mount *m = &p->mounts[i];

		if (!source_valid(p, m) || !target_valid(m) || m->flags & ~MOUNT_FLAGS ||
		    m->option_n > PLAN_MAX_OPTIONS || m->option_first > p->n_options ||
		    2 * m->option_n > p->n_options - m->option_first)
			return false;
	}
	return true;
}

static bool dev_valid(const struct plan *p)
{
	for (uint32_t i = 0; i < p->n_devices; i++)
		if (!is_relative(p->devices[i].path) || p->devices[i].mode > 07777)
			return false;
	for (uint32_t i = 0; i < p->n_links; i++)
		if (!is_relative(p->links[i].path) || !p->links[i].target[0])
			return false;
	return true;
}

static bool fds_valid(const struct plan *p)
{
	if (p->n_fds > PLAN_MAX_FDS || (p->flags & PLAN_BUILD_ROOT && p->root_fd >= p->n_fds))
		return false;
	for (uint32_t i = 0; i < p->n_joins; i++)
		if (p->joins[i].fd >= p->n_fds || p->joins[i].flags & ~NAMESPACES ||
		    !p->joins[i].flags)
			return false;
	for (uint32_t i = 0; i < p->n_cgroup_fds; i++)
		if (p->cgroup_fds[i] >= p->n_fds)
			return false;
	for (unsigned i = 0; i < 3; i++)
		if (p->flags & PLAN_STDIO_FDS && p->stdio_fds[i] >= p->n_fds)
			return false;
	return true;
}

static bool environment_valid(const struct plan *p)
{
	for (uint32_t i = 0; i < p->n_envp; i++)
		if (p->envp[i][0] == '=' || !strchr(p->envp[i], '='))
			return false;
	return true;
}

static bool identity_valid(const struct plan *p)
{
	for (uint32_t i = 0; i < p->n_gids; i++)
		if (p->gids[i] == UINT32_MAX)
			return false;
	for (uint32_t i = 0; i < p->n_rlimits; i++)
		if (p->rlimits[i].resource >= RLIMITS || p->rlimits[i].soft > p->rlimits[i].hard)
			return false;
	if (p->oom_score_adj != INT32_MIN &&
	    (p->oom_score_adj < -OOM_SCORE_MAX || p->oom_score_adj > OOM_SCORE_MAX))
		return false;
	return p->user[0] && p->group[0] && (!p->directory[0] || p->directory[0] == '/') &&
	       strlen(p->directory) < LIMIT_PATH_BYTES && p->umask <= 0777;
}

bool plan_is_valid(const struct plan *p)
{
	if (p->flags & ~(uint32_t)FLAGS || p->unshare & ~(uint32_t)NAMESPACES || p->n_argv == 0)
		return false;
	if (p->flags & PLAN_BUILD_ROOT && !is_absolute(p->root))
		return false;
	return fds_valid(p) && identity_valid(p) && environment_valid(p) && mounts_valid(p) &&
	       dev_valid(p) && paths_valid(p->masks, p->n_masks) &&
	       paths_valid(p->readonly, p->n_readonly);
}
