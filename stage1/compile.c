/*
 * From an app of the manifest to its launch plan: what stage3 will do is decided here, by tables
 * where it is the same for every app.
 */
#include <fcntl.h>
#include <sched.h>

#include "stage1/stage1.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* The file systems of every app, in mounting order (appc spec, "ace"; the rest as OCI runtimes do). */
static const struct {
	const char *target, *fstype;
	uint64_t attributes;
	const char *options[8]; /* key, value, ... */
} system_mounts[] = {
	{ "/proc", "proc", MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC, { 0 } },
	{ "/sys", "sysfs", MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC | MOUNT_READONLY, { 0 } },
	{ "/dev",
	  "tmpfs",
	  MOUNT_NOSUID | MOUNT_NOEXEC,
	  { "mode", "755", "size", "65536k", "nr_inodes", "8192" } },
	{ "/dev/pts",
	  "devpts",
	  MOUNT_NOSUID | MOUNT_NOEXEC,
	  { "ptmxmode", "0666", "mode", "0620", "gid", "5" } },
	{ "/dev/mqueue", "mqueue", MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC, { 0 } },
};

static const struct plan_device devices[] = {
	{ .path = "null", .mode = 0666, .major = 1, .minor = 3 },
	{ .path = "zero", .mode = 0666, .major = 1, .minor = 5 },
	{ .path = "full", .mode = 0666, .major = 1, .minor = 7 },
	{ .path = "random", .mode = 0666, .major = 1, .minor = 8 },
	{ .path = "urandom", .mode = 0666, .major = 1, .minor = 9 },
	{ .path = "tty", .mode = 0666, .major = 5, .minor = 0, .gid = 5 },
	/* without a terminal the console is another null; with one, stage3 binds it over this */
	{ .path = "console", .mode = 0620, .major = 1, .minor = 3, .gid = 5 },
};

static const struct plan_link links[] = {
	{ "ptmx", "pts/ptmx" },          { "fd", "/proc/self/fd" },
	{ "stdin", "/proc/self/fd/0" },  { "stdout", "/proc/self/fd/1" },
	{ "stderr", "/proc/self/fd/2" },
};

/* What tells about, or reaches into, the host (as in the OCI runtimes' defaults, and dynamic_debug,
 * which root may write without any capability). */
static const char *const masks[] = {
	"/proc/asound",        "/proc/acpi",        "/proc/interrupts",
	"/proc/kcore",         "/proc/keys",        "/proc/latency_stats",
	"/proc/timer_list",    "/proc/timer_stats", "/proc/sched_debug",
	"/proc/scsi",          "/sys/firmware",     "/sys/devices/virtual/powercap",
	"/proc/dynamic_debug",
};

static const char *const readonly[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
					"/proc/sysrq-trigger" };

void compiled_deinit(struct compiled *c)
{
	for (size_t i = 0; i < c->env_owned.n; i++)
		free(c->env_owned.list[i]);
	free(c->env_owned.list);
	free(c->envp);
	c->env_owned = (struct appc_strings){ 0 };
	c->envp = NULL;
}

/* The index of fd in the plan's fds[]. */
static uint32_t add_fd(struct compiled *c, int fd)
{
	c->fds[c->plan.n_fds] = fd;
	return c->plan.n_fds++;
}

static struct plan_mount *add_mount(struct compiled *c)
{
	return &c->mounts[c->plan.n_mounts++];
}

static void add_system_mounts(struct compiled *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(system_mounts); i++) {
		struct plan_mount *m = add_mount(c);

		*m = (struct plan_mount){ .source = PLAN_SOURCE_NEW,
					  .fstype = system_mounts[i].fstype,
					  .option_first = c->plan.n_options,
					  .target = system_mounts[i].target,
					  .attributes = system_mounts[i].attributes,
					  .flags = PLAN_MOUNT_NO_LINKS };
		for (size_t k = 0;
		     k < ARRAY_SIZE(system_mounts[i].options) && system_mounts[i].options[k];
		     k += 2) {
			c->options[c->plan.n_options++] = system_mounts[i].options[k];
			c->options[c->plan.n_options++] = system_mounts[i].options[k + 1];
			m->option_n++;
		}
	}
	*add_mount(c) = (struct plan_mount){ .source = PLAN_SOURCE_POD,
					     .fstype = "/shm",
					     .target = "/dev/shm",
					     .attributes = MOUNT_NOSUID | MOUNT_NODEV,
					     .flags = PLAN_MOUNT_NO_LINKS };
}

/* On a pure v2 host the app sees its own part of the tree, read-only. */
static void add_cgroup_mount(struct compiled *c, const struct supervisor *s)
{
	if (s->cgroups.mode != CGROUP_V2)
		return;
	*add_mount(c) = (struct plan_mount){ .source = PLAN_SOURCE_NEW,
					     .fstype = "cgroup2",
					     .target = "/sys/fs/cgroup",
					     .attributes = MOUNT_READONLY | MOUNT_NOSUID |
							   MOUNT_NODEV | MOUNT_NOEXEC,
					     .flags = PLAN_MOUNT_NO_LINKS };
}

static int compile_root(struct app *app, struct compiled *c, struct error *err)
{
	if (ARRAY_SIZE(system_mounts) + 2 + app->n_mounts > LIMIT_MOUNTS)
		return error_set(err, -E2BIG, "more than %zu volumes in one app.",
				 LIMIT_MOUNTS - ARRAY_SIZE(system_mounts) - 2);
	c->plan.flags |= PLAN_BUILD_ROOT;
	c->plan.unshare = CLONE_NEWNS;
	c->plan.root = "/root";
	c->plan.root_fd = add_fd(c, app->rootfs);
	if (app->manifest->read_only_rootfs)
		c->plan.flags |= PLAN_READONLY_ROOT;
	add_system_mounts(c);
	add_cgroup_mount(c, app->s);
	for (size_t i = 0; i < app->n_mounts; i++)
		*add_mount(c) = (struct plan_mount){ .source = PLAN_SOURCE_FD,
						     .fd = add_fd(c, app->mounts[i].fd),
						     .fstype = "",
						     .target = app->mounts[i].path,
						     .flags = app->mounts[i].file
								      ? PLAN_MOUNT_MAKE_FILE
								      : 0 };
	c->plan.mounts = c->mounts;
	c->plan.options = c->options;
	c->plan.devices = devices;
	c->plan.n_devices = ARRAY_SIZE(devices);
	c->plan.links = links;
	c->plan.n_links = ARRAY_SIZE(links);
	c->plan.masks = masks;
	c->plan.n_masks = ARRAY_SIZE(masks);
	c->plan.readonly = readonly;
	c->plan.n_readonly = ARRAY_SIZE(readonly);
	return 0;
}

/* Whose namespaces: the pod's and a mount namespace of its own, the one kept from the app's first
 * process, or those of the running app. */
static void compile_namespaces(struct app *app, enum role role, struct compiled *c)
{
	const uint32_t pod = CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET;

	c->plan.joins = c->joins;
	if (role == ROLE_EXEC) {
		c->joins[c->plan.n_joins++] = (struct plan_join){
			add_fd(c, app->child.pidfd), pod | CLONE_NEWNS | CLONE_NEWCGROUP
		};
		return;
	}
	c->plan.flags |= PLAN_UNSHARE_CGROUP;
	if (app->namespace >= 0) {
		c->joins[c->plan.n_joins++] = (struct plan_join){ add_fd(c, app->s->podinit), pod };
		c->joins[c->plan.n_joins++] = (struct plan_join){ add_fd(c, app->namespace),
								  CLONE_NEWNS };
		return;
	}
	c->joins[c->plan.n_joins++] = (struct plan_join){ add_fd(c, app->s->podinit),
							  pod | CLONE_NEWNS };
	if (app->manifest->app->pre_start.n || app->manifest->app->post_stop.n)
		c->plan.flags |= PLAN_SEND_NAMESPACE;
}

static void compile_cgroup(const struct app *app, struct compiled *c)
{
	const struct entrance *e = &app->entrance;

	c->cgroup = e->v2;
	for (unsigned i = 0; i < e->n; i++)
		c->cgroup_indices[i] = add_fd(c, e->tasks[i]);
	c->plan.cgroup_fds = c->cgroup_indices;
	c->plan.n_cgroup_fds = e->n;
}

/* Keeps a string made for the environment and puts it there, over one of the same name. */
static int put_env(struct compiled *c, char *entry)
{
	size_t name = entry ? strcspn(entry, "=") + 1 : 0;

	if (!entry)
		return -ENOMEM;
	c->env_owned.list[c->env_owned.n++] = entry;
	for (uint32_t i = 0; i < c->plan.n_envp; i++) {
		if (strncmp(c->envp[i], entry, name) == 0) {
			c->envp[i] = entry;
			return 0;
		}
	}
	c->envp[c->plan.n_envp++] = entry;
	return 0;
}

static int fill_environment(const struct app *app, const struct role_options *o, struct compiled *c)
{
	const struct appc_pairs *own = &app->manifest->app->environment;
	int r = put_env(c, strdup(DEFAULT_PATH));

	for (size_t i = 0; i < own->n && r == 0; i++)
		r = put_env(c, str_printf("%s=%s", own->list[i].name, own->list[i].value));
	if (r == 0 && o->terminal)
		r = put_env(c, str_printf("TERM=%s", getenv("TERM") ? getenv("TERM") : "xterm"));
	for (size_t i = 0; o->env && o->env[i] && r == 0; i++)
		r = put_env(c, strdup(o->env[i]));
	/* last, so that neither the image nor a caller can say otherwise (appc spec, "ace") */
	if (r == 0)
		r = put_env(c, str_printf("AC_APP_NAME=%s", app->manifest->name));
	return r < 0 ? r : put_env(c, strdup("container=carob"));
}

static int compile_environment(const struct app *app, const struct role_options *o,
			       struct compiled *c, struct error *err)
{
	size_t most = app->manifest->app->environment.n + 5;
	int r = -ENOMEM;

	for (size_t i = 0; o->env && o->env[i]; i++)
		most++;
	c->envp = calloc(most + 1, sizeof(*c->envp));
	c->env_owned.list = calloc(most, sizeof(*c->env_owned.list));
	if (c->envp && c->env_owned.list)
		r = fill_environment(app, o, c);
	c->plan.envp = c->envp;
	return r < 0 ? error_set(err, r, "environment") : 0;
}

static int compile_argv(const struct app *app, enum role role, const struct role_options *o,
			struct compiled *c, struct error *err)
{
	const struct appc_app *a = app->manifest->app;
	const struct appc_strings *strings = role == ROLE_PRE_START   ? &a->pre_start
					     : role == ROLE_POST_STOP ? &a->post_stop
								      : &a->exec;

	c->plan.argv = o->argv ? o->argv : (const char *const *)strings->list;
	while (c->plan.argv && c->plan.argv[c->plan.n_argv])
		c->plan.n_argv++;
	if (c->plan.n_argv == 0 || !c->plan.argv[0][0])
		return error_set(err, -EINVAL,
				 "exec: the image names no program; give one behind the image.");
	return 0;
}

static void compile_identity(const struct app *app, const struct role_options *o,
			     struct compiled *c)
{
	const struct appc_app *a = app->manifest->app;
	const struct confinement *conf = &app->confinement;

	c->plan.user = o->user ? o->user : a->user;
	c->plan.group = o->group ? o->group : a->group;
	c->plan.gids = a->gids;
	c->plan.n_gids = (uint32_t)a->n_gids;
	c->plan.directory = o->directory ? o->directory : a->working_directory;
	c->plan.capabilities = conf->capabilities;
	c->plan.oom_score_adj = conf->oom_score_adj;
	c->plan.rlimits = conf->rlimits;
	c->plan.n_rlimits = conf->n_rlimits;
	c->plan.seccomp = conf->filter;
	c->plan.n_seccomp = (uint32_t)conf->n_filter;
	c->plan.umask = 022;
	c->plan.flags |= PLAN_SESSION | (conf->no_new_privileges ? PLAN_NO_NEW_PRIVS : 0);
	if (o->terminal) {
		c->plan.flags |= PLAN_TERMINAL;
		c->plan.rows = o->rows;
		c->plan.columns = o->columns;
	}
}

int compile_app(struct app *app, enum role role, const struct role_options *options,
		struct compiled *ret, struct error *err)
{
	static const struct role_options none;
	const struct role_options *o = options ? options : &none;
	int r;

	memset(&ret->plan, 0, sizeof(ret->plan));
	ret->env_owned = (struct appc_strings){ 0 };
	ret->argv = ret->envp = NULL;
	ret->plan.app = app->manifest->name;
	ret->plan.root = "";
	compile_namespaces(app, role, ret);
	compile_cgroup(app, ret);
	compile_identity(app, o, ret);
	r = compile_argv(app, role, o, ret, err);
	if (r == 0)
		r = compile_environment(app, o, ret, err);
	if (r == 0 && role != ROLE_EXEC && app->namespace < 0)
		r = compile_root(app, ret, err);
	return r < 0 ? error_context(err, r, "app", app->manifest->name) : 0;
}

void compile_describe(const struct plan *plan, uint32_t step, uint32_t index, char *dst,
		      size_t size)
{
	const char *what = "";

	if (step == PLAN_STEP_MOUNT && index < plan->n_mounts)
		what = plan->mounts[index].target;
	else if (step == PLAN_STEP_DEVICE && index < plan->n_devices)
		what = plan->devices[index].path;
	else if (step == PLAN_STEP_LINK && index < plan->n_links)
		what = plan->links[index].path;
	else if (step == PLAN_STEP_MASK && index < plan->n_masks)
		what = plan->masks[index];
	else if (step == PLAN_STEP_READONLY)
		what = index < plan->n_readonly ? plan->readonly[index] : "/";
	else if (step == PLAN_STEP_USER)
		what = index == 0 ? plan->user : plan->group;
	else if (step == PLAN_STEP_DIRECTORY)
		what = plan->directory;
	else if (step == PLAN_STEP_EXEC)
		what = plan->argv[0];
	else if (step == PLAN_STEP_RLIMIT && index < plan->n_rlimits)
		what = "rlimits";
	snprintf(dst, size, "%s", what);
}
