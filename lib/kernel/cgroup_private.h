#pragma once
/* Between the cgroup_*.c files. */
#include "kernel/cgroup.h"

enum {
	CGROUP_FILE = 256, /* "carob/UUID/app/memory.limit_in_bytes" */
	CGROUP_DEPTH = 32, /* groups below groups: deeper ones are refused */
};

/* cgroup_host.c: the hierarchies that this text of /proc/self/mountinfo names, opened below rootfd
 * (AT_FDCWD: the real ones). */
int cgroup_host_parse(struct cgroup_host *ret, const char *mountinfo, int rootfd, struct error *err)
	_must_check_;

/* The hierarchy that can enforce the controller, v1 first; NULL when there is none. */
const struct cgroup_hierarchy *cgroup_with(const struct cgroup_host *h,
					   enum cgroup_controller controller);

/* "cpu", "memory", ... of one controller. */
const char *cgroup_controller_name(enum cgroup_controller controller);

/* "PATH/FILE"; -ENAMETOOLONG. */
int cgroup_file(char dst[CGROUP_FILE], const char *path, const char *file) _must_check_;

/* Writes value to the file of the group. */
int cgroup_put(const struct cgroup_hierarchy *h, const char *path, const char *file,
	       const char *value) _must_check_;

/* cgroup_freeze.c: asks for it, and does not wait. -EOPNOTSUPP: there is no freezer. */
int cgroup_put_frozen(const struct cgroup_host *h, const char *path, bool on) _must_check_;

/* Enables our controllers for the children of the v2 group path ("" is the root) as far as they are
 * available and it allows. */
void cgroup_enable_controllers(const struct cgroup_host *h, const struct cgroup_hierarchy *v2,
			       const char *path);

/* cgroup_tree.c: calls fn for the group path of this hierarchy and all below it, children first:
 * name in parent is the group, fd its open directory. A missing group is nothing. */
typedef int (*cgroup_tree_fn)(int parent, const char *name, int fd, void *arg);
int cgroup_tree_each(const struct cgroup_hierarchy *h, const char *path, cgroup_tree_fn fn,
		     void *arg) _must_check_;

/* Calls fn for every process of the group path of this hierarchy and below. */
int cgroup_tree_each_pid(const struct cgroup_hierarchy *h, const char *path,
			 int (*fn)(pid_t pid, void *arg), void *arg) _must_check_;

/* cgroup_devices.c */
int cgroup_limit_devices(const struct cgroup *g, struct error *err) _must_check_;
