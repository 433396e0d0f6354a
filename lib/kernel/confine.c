#include "kernel/confine.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "kernel/caps.h"
#include "kernel/mount.h"

/* ---- namespaces and files -------------------------------------------------------------------- */

int confine_leave_namespaces(struct error *err)
{
	int flags = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;

	if (geteuid() != 0)
		flags |= CLONE_NEWUSER;
	if (unshare(flags) < 0)
		return error_set(err, -errno, "cannot make namespaces");
	return 0;
}

int confine_enter_root(int root, struct error *err)
{
	_close_ int slash = -1;
	int r = mount_all_private();

	if (r == 0) {
		slash = path_open(AT_FDCWD, "/", PATH_IN_ROOT, O_PATH | O_DIRECTORY, 0);
		r = slash < 0 ? slash : mount_attach(root, slash);
	}
	if (r == 0)
		r = mount_pivot(root);
	return r < 0 ? error_set(err, r, "cannot leave the file tree") : 0;
}

/* ---- rights ---------------------------------------------------------------------------------- */

int confine_drop_capabilities(uint64_t keep, struct error *err)
{
	int r = caps_bound(0);

	if (r == 0)
		r = caps_set(keep);
	return r < 0 ? error_set(err, r, "cannot give up capabilities") : 0;
}

static int limit_resource(const struct process_limit *limit)
{
	struct rlimit l;

	if (getrlimit((__rlimit_resource_t)limit->resource, &l) < 0)
		return -errno;
	if (limit->max < l.rlim_max)
		l.rlim_max = limit->max;
	l.rlim_cur = l.rlim_max;
	return setrlimit((__rlimit_resource_t)limit->resource, &l) < 0 ? -errno : 0;
}

int confine_limit_resources(const struct process_limit *limits, size_t n, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		int r = limit_resource(&limits[i]);

		if (r < 0)
			return error_set(err, r, "cannot set resource limit %d",
					 limits[i].resource);
	}
	return 0;
}

int confine_bind_to_parent(struct error *err)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(err, -errno, "cannot give up privileges");
	return 0;
}

/* ---- system calls ---------------------------------------------------------------------------- */

struct rules {
	struct seccomp_rule all[CONFINE_RULES_MAX];
	size_t n;
	bool full;
};

static void add(struct rules *rules, struct seccomp_rule rule)
{
	if (rules->n == ARRAY_SIZE(rules->all))
		rules->full = true;
	else
		rules->all[rules->n++] = rule;
}

static void add_list(struct rules *rules, const char *const *names, enum seccomp_action action)
{
	for (; *names; names++)
		add(rules, (struct seccomp_rule){ *names, action, .errno_value = EACCES });
}

/* Memory, but none that could be executed. */
static void add_memory(struct rules *rules)
{
	static const char *const names[] = { "mmap", "mprotect" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		add(rules,
		    (struct seccomp_rule){ names[i], SECCOMP_ACTION_ALLOW,
					   .compare = { { 2, PROT_EXEC, 0 } }, .n_compare = 1 });
}

static int load(const struct seccomp_spec *spec, struct error *err)
{
	_free_ void *filter = NULL;
	struct sock_fprog program;
	size_t n;
	int r = seccomp_compile(spec, &filter, &n, err);

	if (r < 0)
		return r;
	program = (struct sock_fprog){ .len = (unsigned short)n, .filter = filter };
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return error_set(err, -errno, "cannot load the system call filter");
	return 0;
}

int confine_calls(const struct confine_filter *filter, struct error *err)
{
	struct rules rules = { .n = 0 };
	struct seccomp_spec spec = { .default_action = SECCOMP_ACTION_KILL,
				     .rules = rules.all,
				     .native_only = true };

	for (size_t i = 0; i < ARRAY_SIZE(filter->allowed) && filter->allowed[i]; i++)
		add_list(&rules, filter->allowed[i], SECCOMP_ACTION_ALLOW);
	if (filter->refused)
		add_list(&rules, filter->refused, SECCOMP_ACTION_ERRNO);
	for (size_t i = 0; i < filter->n_rules; i++)
		add(&rules, filter->rules[i]);
	add_memory(&rules);
	if (rules.full)
		return error_set(err, -E2BIG,
				 "a filter has more than CONFINE_RULES_MAX (%d) rules.",
				 CONFINE_RULES_MAX);
	spec.n_rules = rules.n;
	return load(&spec, err);
}
