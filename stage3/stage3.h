#pragma once
/*
 * carob-stage3: carries out one launch plan and becomes the app (docs/architecture.md).
 *
 *	main.c	     the table of steps
 *	receive.c    the message and the plan
 *	namespaces.c cgroup and namespaces
 *	root.c	     the root file system and its mounts;  dev.c what is in /dev
 *	hide.c	     masked and read-only paths
 *	terminal.c   a terminal of the app's own
 *	process.c    oom score, resource limits, keyring, working directory, stdio
 *	identity.c   user, group, capabilities
 *	exec.c	     the filter and the program
 *
 * Every step is a function that returns 0 or a negative errno. Nothing is allocated. Descriptors
 * are close-on-exec and left to the execve, which closes all of them in one go.
 */
#include "base/base.h"
#include "kernel/kernel.h"
#include "plan/plan.h"
#include "stage3/launch.h"

struct launch {
	struct plan plan;
	struct plan_report *report;
	size_t plan_len;
	int fds[SOCKET_MAX_FDS]; /* as they came: plan, report, then the plan's own */
	size_t n_fds;
	int root;     /* the app's root directory */
	int dev;      /* its /dev; -1: not opened yet */
	int proc;     /* a procfs that nobody else can have touched; -1: none yet */
	int terminal; /* the app's side of it; -1: none */
	uint32_t uid, gid;
};

/* The descriptor that the plan calls index. */
static inline int launch_fd(const struct launch *l, uint32_t index)
{
	return l->fds[LAUNCH_FD_FIRST + index];
}

/* Opens a file in a procfs of ours, whatever is mounted on the app's /proc. */
int launch_open_proc(struct launch *l, const char *name, int flags) _must_check_;

/* The steps, in the order of enum plan_step. */
int step_receive(struct launch *l) _must_check_;
int step_decode(struct launch *l) _must_check_;
int step_cgroup(struct launch *l) _must_check_;
int step_namespaces(struct launch *l) _must_check_;
int step_root(struct launch *l) _must_check_;
int step_mount(struct launch *l) _must_check_;
int step_device(struct launch *l) _must_check_;
int step_link(struct launch *l) _must_check_;
int step_mask(struct launch *l) _must_check_;
int step_readonly(struct launch *l) _must_check_;
int step_pivot(struct launch *l) _must_check_;
int step_terminal(struct launch *l) _must_check_;
int step_oom_score(struct launch *l) _must_check_;
int step_rlimit(struct launch *l) _must_check_;
int step_keyring(struct launch *l) _must_check_;
int step_user(struct launch *l) _must_check_;
int step_directory(struct launch *l) _must_check_;
int step_capabilities(struct launch *l) _must_check_;
int step_ids(struct launch *l) _must_check_;
int step_stdio(struct launch *l) _must_check_;
int step_seccomp(struct launch *l) _must_check_;
int step_exec(struct launch *l) _must_check_;
