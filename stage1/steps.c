/*
 * What a pod needs before its apps, in order, and the way back. Every step can be undone whether
 * or not it was done, so the same way down serves a normal end, a failed start and a killed pod
 * (there `carob gc` walks it, cli/teardown.c).
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>

#include "mosaic/mosaic.h"
#include "stage1/stage1.h"

struct step {
	const char *name;
	int (*up)(struct supervisor *s, struct error *err);
	void (*down)(struct supervisor *s);
};

static int open_copy(const struct supervisor *s, const char *name, struct error *err)
{
	char path[512];
	_close_ int fd = -1;
	int copy;

	snprintf(path, sizeof(path), "%s/%s", s->libexec, name);
	fd = open(path, O_RDONLY | O_CLOEXEC); /* lint: path ok: our own program on the host */
	if (fd < 0)
		return error_set(err, -errno, "cannot open %s; is Carob installed completely?",
				 path);
	copy = process_sealed_copy(fd, name);
	return copy < 0 ? error_set(err, copy, "cannot copy %s into memory", path) : copy;
}

static int programs_up(struct supervisor *s, struct error *err)
{
	s->podinit_exe = open_copy(s, "carob-pod-init", err);
	if (s->podinit_exe < 0)
		return s->podinit_exe;
	s->report_fd = memfd_create("carob-report", MFD_CLOEXEC);
	if (s->report_fd < 0 || ftruncate(s->report_fd, sizeof(*s->report)) < 0)
		return error_set(err, -errno, "cannot make the report page");
	s->report = mmap(NULL, sizeof(*s->report), PROT_READ | PROT_WRITE, MAP_SHARED, s->report_fd,
			 0);
	if (s->report == MAP_FAILED)
		return error_set(err, -errno, "cannot map the report page");
	return 0;
}

static void take_lower(uint64_t *limit, uint64_t other)
{
	if (other && (!*limit || other < *limit))
		*limit = other;
}

/* An app alone in its pod has the pod's group, so both limits meet there. */
static void merge_limits(struct cgroup_limits *pod, const struct cgroup_limits *app)
{
	take_lower(&pod->memory_max, app->memory_max);
	take_lower(&pod->cpu_milli, app->cpu_milli);
	take_lower(&pod->pids_max, app->pids_max);
	if (app->memory_low > pod->memory_low)
		pod->memory_low = app->memory_low;
	if (app->cpu_weight)
		pod->cpu_weight = app->cpu_weight;
}

static int open_entrance(const struct cgroup *group, struct entrance *ret, struct error *err)
{
	return cgroup_open_for_spawn(group, &ret->v2, ret->tasks, &ret->n, err);
}

static int app_group_up(struct supervisor *s, struct app *app, struct error *err)
{
	char path[sizeof(s->group.path)];
	int r;

	if (snprintf(path, sizeof(path), "carob/%s/%s", s->pod.uuid, app->manifest->name) >=
	    (int)sizeof(path))
		return error_set(err, -ENAMETOOLONG, "app %s: the name is too long",
				 app->manifest->name);
	r = cgroup_create(&app->cgroup, &s->cgroups, path, false, err);
	if (r == 0)
		r = cgroup_limit(&app->cgroup, &app->confinement.limits, err);
	return r < 0 ? r : open_entrance(&app->cgroup, &app->entrance, err);
}

/* Apps beside each other have groups of their own below the pod's, and so has PID 1. */
static int app_groups_up(struct supervisor *s, struct error *err)
{
	char path[sizeof(s->group.path)];
	struct cgroup init;
	int r;

	snprintf(path, sizeof(path), "carob/%s/.init", s->pod.uuid);
	r = cgroup_create(&init, &s->cgroups, path, false, err);
	if (r == 0)
		r = open_entrance(&init, &s->init_entrance, err);
	for (size_t i = 0; i < s->n_apps && r == 0; i++)
		r = app_group_up(s, &s->apps[i], err);
	return r;
}

static int cgroups_up(struct supervisor *s, struct error *err)
{
	struct cgroup_limits limits;
	char path[sizeof(s->group.path)];
	int r;

	r = isolators_compile_pod(s, &limits, err);
	for (size_t i = 0; i < s->n_apps && r == 0; i++)
		r = isolators_compile_app(s, s->apps[i].manifest, &s->apps[i].confinement, err);
	if (r == 0)
		r = cgroup_host_open(&s->cgroups, err);
	if (r < 0)
		return r;
	if (s->n_apps == 1)
		merge_limits(&limits, &s->apps[0].confinement.limits);
	snprintf(path, sizeof(path), "carob/%s", s->pod.uuid);
	r = cgroup_create(&s->group, &s->cgroups, path, s->n_apps > 1, err);
	if (r == 0)
		r = cgroup_limit(&s->group, &limits, err);
	if (r < 0 || s->n_apps > 1)
		return r < 0 ? r : app_groups_up(s, err);
	s->apps[0].cgroup = s->group;
	r = open_entrance(&s->group, &s->init_entrance, err);
	s->apps[0].entrance = s->init_entrance;
	return r;
}

static void cgroups_down(struct supervisor *s)
{
	struct error err = { 0 };
	char path[sizeof(s->group.path)];

	snprintf(path, sizeof(path), "carob/%s", s->pod.uuid);
	if (cgroup_remove(&s->cgroups, path, &err) < 0 &&
	    supervisor_note(s, "cgroup %s could not be removed: %s", path, err.text) < 0)
		err.code = -ENOMEM;
}

/* pod-init closes the other end of its lifeline before the kernel kills the others for its end. */
static bool podinit_is_gone(const struct supervisor *s)
{
	struct pollfd pfd = { .fd = s->lifeline };

	return s->lifeline >= 0 && poll(&pfd, 1, 0) == 1 && pfd.revents & POLLERR;
}

static void processes_down(struct supervisor *s)
{
	if (podinit_is_gone(s) && supervisor_note(s, "the pod's PID 1 ended before its apps") < 0)
		s->exit = s->exit < 0 ? 125 : s->exit;
	supervise_reap_all(s);
}

static int mount_root(struct app *app, struct error *err)
{
	unsigned flags = app->s->pod.launch.detached ? 0 : MOSAIC_MOUNT_VOLATILE;
	int r;

	r = mosaic_mount(app->s->mosaic, app->launch->volume,
			 &(struct mosaic_mount){ .flags = flags, .attributes = MOUNT_NODEV },
			 &app->rootfs, err);
	return r < 0 ? error_context(err, r, "root file system", app->manifest->name) : 0;
}

static int app_up(struct app *app, struct error *err)
{
	struct supervisor *s = app->s;
	struct confinement *c = &app->confinement;
	int r;

	r = output_open_log(app, err);
	if (r == 0)
		r = mount_root(app, err);
	if (r == 0)
		r = volumes_open(s, app->manifest, &app->mounts, &app->n_mounts, err);
	if (r == 0)
		r = filter_compile(s, &app->manifest->app->isolators, c->capabilities, &c->filter,
				   &c->n_filter, err);
	return r;
}

static int apps_up(struct supervisor *s, struct error *err)
{
	int r;

	s->stage3_exe = open_copy(s, "carob-stage3", err);
	if (s->stage3_exe < 0)
		return s->stage3_exe;
	r = mosaic_open(&s->mosaic, s->pod.launch.mosaic, NULL, 0, err);
	for (size_t i = 0; i < s->n_apps && r == 0; i++)
		r = app_up(&s->apps[i], err);
	return r;
}

static void apps_down(struct supervisor *s)
{
	for (size_t i = 0; i < s->n_apps; i++) {
		struct app *app = &s->apps[i];

		output_drain(&app->out);
		output_drain(&app->err);
		if (app->log >= 0)
			close(take_fd(&app->log));
		if (app->rootfs >= 0)
			close(take_fd(&app->rootfs));
		if (app->namespace >= 0)
			close(take_fd(&app->namespace));
		volumes_close(app->mounts, app->n_mounts);
		app->mounts = NULL;
		app->n_mounts = 0;
		confinement_deinit(&app->confinement);
	}
}

static void volumes_down(struct supervisor *s)
{
	struct error err = { 0 };

	/* a start that failed early had no use for the mosaic yet, but the volumes are there */
	if (!s->pod.launch.keep && !s->mosaic &&
	    mosaic_open(&s->mosaic, s->pod.launch.mosaic, NULL, 0, &err) < 0)
		return;
	for (size_t i = 0; i < s->n_apps && !s->pod.launch.keep; i++)
		if (mosaic_drop(s->mosaic, s->apps[i].launch->volume, MOSAIC_DROP_UNCHECKED, &err) <
			    0 &&
		    supervisor_note(s, "volume %s could not be removed: %s",
				    s->apps[i].launch->volume, err.text) < 0)
			return;
	mosaic_close(s->mosaic);
	s->mosaic = NULL;
}

static int api_up(struct supervisor *s, struct error *err)
{
	return api_start(s, err);
}

static int apps_start(struct supervisor *s, struct error *err)
{
	return supervise_start(s, err);
}

/* pod-init sets itself up while api_up and apps_up open and mount; enter waits for it. The API is
 * left for main.c to end: who waits is answered last of all. */
static const struct step steps[] = {
	{ "programs", programs_up, NULL },
	{ "mosaic", NULL, volumes_down },
	{ "cgroup", cgroups_up, cgroups_down },
	{ "apps", NULL, apps_down },
	{ "pod-init", podinit_start, processes_down },
	{ "api", api_up, NULL },
	{ "apps", apps_up, NULL },
	{ "pod-init", podinit_enter, NULL },
	{ "start", apps_start, NULL },
};

static void tell(const struct supervisor *s, const char *what, const char *name)
{
	if (s->debug)
		dprintf(STDERR_FILENO, "carob-stage1: %8.3f ms %s %s\n",
			(double)(time_boot_ns() - s->begun_ns) / 1e6, what, name);
}

int steps_up(struct supervisor *s, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int r;

		if (!steps[i].up)
			continue;
		tell(s, "begins", steps[i].name);
		r = steps[i].up(s, err);
		if (r < 0)
			return error_context(err, r, steps[i].name, s->pod.uuid);
	}
	return 0;
}

/* Descriptors that nobody waits for stay open: this process ends right after. */
void steps_down(struct supervisor *s)
{
	for (size_t i = ARRAY_SIZE(steps); i-- > 0;) {
		if (!steps[i].down)
			continue;
		tell(s, "undoes", steps[i].name);
		steps[i].down(s);
	}
}
