/*
 * What a valid pod manifest can still lack when it is to be run (spec/pods.md "reified", and the
 * points that docs/appc-rulings.md leaves to the start). Pure: what only the host can tell, such
 * as whether a volume's source exists, is stage1's matter.
 */
#include <stdarg.h>

#include "appc/document.h"

struct check {
	const struct appc_pod *pod;
	struct appc_faults *faults;
	size_t n; /* faults found here */
	int error;
};

static void add_fault(struct check *c, const char *value, const char *text, const char *path,
		      va_list ap)
{
	char buf[512];
	int r;

	vsnprintf(buf, sizeof(buf), path, ap);
	c->n++;
	r = appc_fault(c->faults, buf, "%s%s%s", value, *value ? " " : "", text);
	if (r < 0)
		c->error = r;
}

static void fault(struct check *c, const char *text, const char *path, ...) _printf_(3, 4);

/* text is the sentence, path the format. */
static void fault(struct check *c, const char *text, const char *path, ...)
{
	va_list ap;

	va_start(ap, path);
	add_fault(c, "", text, path, ap);
	va_end(ap);
}

static void fault_value(struct check *c, const char *value, const char *text, const char *path, ...)
	_printf_(4, 5);

/* The same with the value that is wrong before the sentence. */
static void fault_value(struct check *c, const char *value, const char *text, const char *path, ...)
{
	va_list ap;

	va_start(ap, path);
	add_fault(c, value, text, path, ap);
	va_end(ap);
}

/* ---- exec ------------------------------------------------------------------------------------ */

static void check_exec(struct check *c, const struct appc_app *app, size_t index)
{
	size_t bytes = 0;

	for (size_t i = 0; i < app->exec.n; i++)
		bytes += strlen(app->exec.list[i]) + 1;
	for (size_t i = 0; i < app->environment.n; i++)
		bytes += strlen(app->environment.list[i].name) +
			 strlen(app->environment.list[i].value) + 2;
	if (app->exec.n == 0)
		fault(c, "is empty: there is nothing to run", "apps[%zu].app.exec", index);
	else if (!*app->exec.list[0])
		fault(c, "is empty: it must be the name of a program", "apps[%zu].app.exec[0]",
		      index);
	if (app->exec.n > LIMIT_ARGS)
		fault(c, "has more entries than a program can be given", "apps[%zu].app.exec",
		      index);
	if (app->environment.n > LIMIT_ARGS)
		fault(c, "has more entries than a program can be given",
		      "apps[%zu].app.environment", index);
	if (bytes > LIMIT_ARG_BYTES)
		fault(c, "is too long together with the environment", "apps[%zu].app.exec", index);
	if (app->pre_start.n > 0 && !*app->pre_start.list[0])
		fault(c, "pre-start: the name of the program is empty",
		      "apps[%zu].app.eventHandlers", index);
	if (app->post_stop.n > 0 && !*app->post_stop.list[0])
		fault(c, "post-stop: the name of the program is empty",
		      "apps[%zu].app.eventHandlers", index);
}

/* ---- isolators ------------------------------------------------------------------------------- */

static void check_isolators(struct check *c, const struct appc_isolators *set, const char *path)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct appc_isolator *iso = &set->list[i];

		if (iso->limit_milli == 0)
			fault(c, "is zero: nothing could run", "%s[%zu].value.limit", path, i);
		if (iso->kind != APPC_ISOLATOR_CAPS_RETAIN &&
		    iso->kind != APPC_ISOLATOR_CAPS_REMOVE)
			continue;
		for (size_t k = 0; k < iso->set.n; k++)
			if (appc_capability(iso->set.list[k]) < 0)
				fault_value(
					c, iso->set.list[k],
					"is no capability of capabilities(7), such as CAP_NET_RAW",
					"%s[%zu].value.set[%zu]", path, i, k);
	}
}

/* ---- mounts ---------------------------------------------------------------------------------- */

/* Where something is mounted in an app, cleaned, and which member says so. */
struct target {
	char path[LIMIT_PATH_BYTES];
	const char *list;
	size_t index;
};

struct targets {
	struct target *list;
	size_t n;
};

static bool has_volume(const struct appc_pod *pod, const char *name)
{
	for (size_t i = 0; i < pod->n_volumes; i++)
		if (str_eq(pod->volumes[i].name, name))
			return true;
	return false;
}

/* Is a equal to b, or below it? */
static bool is_within(const char *a, const char *b)
{
	size_t len = strlen(b);

	return strncmp(a, b, len) == 0 && (a[len] == '\0' || a[len] == '/');
}

/* Adds a target, or says what is wrong with it. */
static void add_target(struct check *c, struct targets *targets, size_t app, struct target *t)
{
	char text[LIMIT_NAME_BYTES + 64];

	if (!path_is_clean_absolute(t->path) || str_eq(t->path, "/")) {
		fault(c, "must be below the root, without \"..\"", "apps[%zu].%s[%zu].path", app,
		      t->list, t->index);
		return;
	}
	for (size_t i = 0; i < targets->n; i++) {
		const struct target *other = &targets->list[i];

		if (!is_within(t->path, other->path) && !is_within(other->path, t->path))
			continue;
		snprintf(text, sizeof(text), "overlaps with %s[%zu], \"%.128s\"", other->list,
			 other->index, other->path);
		fault(c, text, "apps[%zu].%s[%zu].path", app, t->list, t->index);
	}
	targets->list[targets->n++] = *t;
}

static bool is_target(const struct targets *targets, const char *path)
{
	for (size_t i = 0; i < targets->n; i++)
		if (str_eq(targets->list[i].path, path))
			return true;
	return false;
}

static void check_mounts(struct check *c, const struct appc_pod_app *app, size_t index)
{
	size_t n_points = app->app ? app->app->n_mount_points : 0;
	_free_ struct target *list = calloc(app->n_mounts + n_points + 1, sizeof(*list));
	struct targets targets = { .list = list };
	struct target t;

	if (!list) {
		c->error = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < app->n_mounts; i++) {
		const struct appc_mount *mount = &app->mounts[i];

		t = (struct target){ .list = "mounts", .index = i };
		if (!mount->app_volume && !has_volume(c->pod, mount->volume))
			fault_value(c, mount->volume, "is no volume of the pod",
				    "apps[%zu].mounts[%zu].volume", index, i);
		if (path_clean(t.path, mount->path) < 0)
			t.path[0] = '\0';
		add_target(c, &targets, index, &t);
	}
	for (size_t i = 0; i < n_points; i++) {
		const struct appc_mount_point *point = &app->app->mount_points[i];

		t = (struct target){ .list = "app.mountPoints", .index = i };
		if (path_clean(t.path, point->path) < 0)
			t.path[0] = '\0';
		if (is_target(&targets, t.path))
			continue;
		if (!has_volume(c->pod, point->name))
			fault(c,
			      "has no volume: neither a mount at its path nor a volume of its name",
			      "apps[%zu].app.mountPoints[%zu]", index, i);
		add_target(c, &targets, index, &t);
	}
}

/* ---- ports ----------------------------------------------------------------------------------- */

/* One app's port among all of the pod's, in order. */
struct app_port {
	const struct appc_port *port;
	size_t app, index;
};

struct app_ports {
	struct app_port *list;
	size_t n;
};

static int collect_ports(const struct appc_pod *pod, struct app_ports *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < pod->n_apps; i++)
		n += pod->apps[i].app ? pod->apps[i].app->n_ports : 0;
	ret->list = calloc(n + 1, sizeof(*ret->list));
	if (!ret->list)
		return -ENOMEM;
	for (size_t i = 0; i < pod->n_apps; i++)
		for (size_t k = 0; pod->apps[i].app && k < pod->apps[i].app->n_ports; k++)
			ret->list[ret->n++] = (struct app_port){ &pod->apps[i].app->ports[k], i,
								 k };
	return 0;
}

static bool ranges_meet(unsigned a, unsigned a_count, unsigned b, unsigned b_count)
{
	return a < b + b_count && b < a + a_count;
}

static void check_app_ports(struct check *c, const struct app_ports *ports)
{
	for (size_t i = 0; i < ports->n; i++) {
		const struct app_port *p = &ports->list[i];
		bool same_name = false, same_port = false;

		for (size_t k = 0; k < i; k++) {
			const struct appc_port *other = ports->list[k].port;

			same_name = same_name || str_eq(p->port->name, other->name);
			same_port = same_port || (str_eq(p->port->protocol, other->protocol) &&
						  ranges_meet(p->port->port, p->port->count,
							      other->port, other->count));
		}
		if (same_name)
			fault(c, "another port of the pod has this name",
			      "apps[%zu].app.ports[%zu].name", p->app, p->index);
		if (same_port)
			fault(c,
			      "another port of the pod has this number, and they share one network",
			      "apps[%zu].app.ports[%zu].port", p->app, p->index);
	}
}

/* The app's port that a port of the pod stands for, or NULL. */
static const struct appc_port *find_port(const struct app_ports *ports,
					 const struct appc_pod_port *pod_port)
{
	if (pod_port->pod_port)
		return pod_port->pod_port;
	for (size_t i = 0; i < ports->n; i++)
		if (str_eq(ports->list[i].port->name, pod_port->name))
			return ports->list[i].port;
	return NULL;
}

/* Do two ports want the same of the host? */
static bool host_ports_meet(const struct appc_pod_port *a, const struct appc_port *a_port,
			    const struct appc_pod_port *b, const struct appc_port *b_port)
{
	return str_eq(a_port->protocol, b_port->protocol) &&
	       (!a->host_ip || !b->host_ip || str_eq(a->host_ip, b->host_ip)) &&
	       ranges_meet(a->host_port, a_port->count, b->host_port, b_port->count);
}

static int check_pod_ports(struct check *c, const struct app_ports *ports)
{
	const struct appc_pod_port *list = c->pod->ports;
	_free_ const struct appc_port **found = calloc(c->pod->n_ports + 1, sizeof(*found));

	if (!found)
		return -ENOMEM;
	for (size_t i = 0; i < c->pod->n_ports; i++) {
		bool taken = false;

		found[i] = find_port(ports, &list[i]);
		if (!found[i]) {
			fault(c, "names no port of an app", "ports[%zu].name", i);
			continue;
		}
		if (list[i].host_port + found[i]->count - 1 > UINT16_MAX)
			fault(c, "the range ends past 65535", "ports[%zu].hostPort", i);
		for (size_t k = 0; k < i; k++)
			taken = taken || (found[k] &&
					  host_ports_meet(&list[i], found[i], &list[k], found[k]));
		if (taken)
			fault(c, "another port of the pod has this number on the host",
			      "ports[%zu].hostPort", i);
	}
	return 0;
}

/* ---- the pod --------------------------------------------------------------------------------- */

int appc_pod_check_runnable(const struct appc_pod *pod, struct appc_faults *faults)
{
	struct check c = { .pod = pod, .faults = faults };
	struct app_ports ports = { 0 };
	char path[64];

	if (pod->n_apps == 0)
		fault(&c, "is empty: there is nothing to run", "apps");
	check_isolators(&c, &pod->isolators, "isolators");
	for (size_t i = 0; i < pod->n_apps; i++) {
		const struct appc_pod_app *app = &pod->apps[i];

		if (!*app->image_id)
			fault(&c, "is missing: what runs is named by its image ID",
			      "apps[%zu].image.id", i);
		check_mounts(&c, app, i);
		if (!app->app)
			continue;
		check_exec(&c, app->app, i);
		snprintf(path, sizeof(path), "apps[%zu].app.isolators", i);
		check_isolators(&c, &app->app->isolators, path);
	}
	if (collect_ports(pod, &ports) < 0)
		return -ENOMEM;
	check_app_ports(&c, &ports);
	if (check_pod_ports(&c, &ports) < 0)
		c.error = -ENOMEM;
	free(ports.list);
	if (c.error < 0)
		return c.error;
	return c.n > 0 ? -EBADMSG : 0;
}
