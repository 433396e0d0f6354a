#pragma once
/*
 * Control groups on a v1, hybrid or pure v2 host (kernel documents admin-guide/cgroup-v1 and
 * admin-guide/cgroup-v2).
 *
 * A group is one path ("carob/UUID" or "carob/UUID/app") present in every hierarchy that we use:
 *
 *   v2, also the v2 part of a hybrid host: processes are born in it (CLONE_INTO_CGROUP);
 *   v1: each process writes "0" to the group's "tasks" file itself while it has one thread, which
 *       is far cheaper than a pid written to cgroup.procs by somebody else.
 *
 * A limit that no hierarchy of this host can enforce is an error (-EOPNOTSUPP), never ignored.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/base.h"

enum cgroup_mode { CGROUP_NONE, CGROUP_V1, CGROUP_HYBRID, CGROUP_V2 };

enum { CGROUP_MAX = 12 }; /* hierarchies that we use at most */

struct cgroup_hierarchy {
	char controllers[64]; /* v1: "cpu,cpuacct", only those of enum cgroup_controller; v2: "" */
	char mount[128];      /* "/sys/fs/cgroup/memory" */
	uint32_t has;         /* bits of enum cgroup_controller that it can enforce */
	bool v2;
	int fd; /* O_PATH directory of mount, or -1 */
};

struct cgroup_host {
	enum cgroup_mode mode;
	struct cgroup_hierarchy list[CGROUP_MAX];
	unsigned n;
	uint32_t v2_controllers; /* bits of enum cgroup_controller available at the v2 root */
};

enum cgroup_controller {
	CGROUP_CPU = 1,
	CGROUP_CPUACCT = 2,
	CGROUP_MEMORY = 4,
	CGROUP_PIDS = 8,
	CGROUP_DEVICES = 16,
	CGROUP_FREEZER = 32,
	CGROUP_BLKIO = 64,
};

/* Finds the hierarchies from /proc/self/mountinfo (v1: those with one of our controllers; v2:
 * any). */
int cgroup_host_open(struct cgroup_host *ret, struct error *err) _must_check_;
void cgroup_host_close(struct cgroup_host *h);

struct cgroup_limits {
	uint64_t memory_max; /* bytes, swap included where the kernel counts it; 0: none */
	uint64_t memory_low; /* bytes; 0: none */
	uint64_t cpu_milli;  /* 1000 is one core; 0: none */
	uint64_t cpu_weight; /* 1-10000; 0: default */
	uint64_t pids_max;   /* 0: none */
	bool devices;        /* only the standard devices below may be opened */
};

/* One group in every hierarchy. */
struct cgroup {
	const struct cgroup_host *host;
	char path[160]; /* "carob/UUID/app" */
};

/* Makes the group (and "carob" above it). delegate: children will be made, so on v2 the controllers
 * are enabled for them and no process may live in it. -EEXIST; nothing remains after an error. path
 * counts from the root of each hierarchy, or of this process's cgroup namespace. */
int cgroup_create(struct cgroup *ret, const struct cgroup_host *h, const char *path, bool delegate,
		  struct error *err) _must_check_;

/* v1 limits that this group is to have, and v2 ones. devices: the v1 devices controller or a v2
 * device program (BPF_PROG_TYPE_CGROUP_DEVICE): read, write and mknod of null, zero, full, random,
 * urandom, tty, ptmx and pts/N; mknod only of any other. */
int cgroup_limit(const struct cgroup *g, const struct cgroup_limits *limits, struct error *err)
	_must_check_;

/* Descriptors for a process to be: *ret_v2 the v2 directory (-1: none), tasks[] the v1 files to
 * write "0" to; *n gets their number. The caller closes them. */
int cgroup_open_for_spawn(const struct cgroup *g, int *ret_v2, int tasks[CGROUP_MAX], unsigned *n,
			  struct error *err) _must_check_;

/* Kills every process in the group and below (cgroup.kill, or freezer and signals) and waits until
 * it is empty, at most timeout_ms: -ETIMEDOUT. Missing group: 0. */
int cgroup_kill(const struct cgroup_host *h, const char *path, int timeout_ms, struct error *err)
	_must_check_;

/* Every process in the group and below stands still when this returns: at most timeout_ms later,
 * else -ETIMEDOUT and they go on. -EOPNOTSUPP: no hierarchy can do that. Missing group: 0. */
int cgroup_freeze(const struct cgroup_host *h, const char *path, int timeout_ms, struct error *err)
	_must_check_;

/* They go on. Missing group: 0. */
int cgroup_thaw(const struct cgroup_host *h, const char *path) _must_check_;

/* Removes the group and everything below in all hierarchies; missing is fine; -EBUSY when processes
 * are left. */
int cgroup_remove(const struct cgroup_host *h, const char *path, struct error *err) _must_check_;

/* Calls fn for every process in the group and below; a return that is not 0 ends the walk and is
 * returned. Processes outside of our pid namespace have no number and are passed over. */
int cgroup_each_pid(const struct cgroup_host *h, const char *path, int (*fn)(pid_t pid, void *arg),
		    void *arg) _must_check_;

struct cgroup_stats {
	uint64_t cpu_ns, memory_bytes, memory_peak_bytes, pids, oom_kills;
};

/* What no hierarchy of this host counts is 0. -ENOENT when there is no such group. */
int cgroup_stats(const struct cgroup_host *h, const char *path, struct cgroup_stats *ret)
	_must_check_;
