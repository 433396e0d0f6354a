#include "cli/volume_still.h"

#include <fcntl.h>
#include <jansson.h>
#include <string.h>

#include "base/base.h"

enum { FREEZE_MS = 5000, GROUPS_BYTES = 1 << 20 };

static void group_of(char dst[64], const json_t *uuid)
{
	snprintf(dst, 64, "carob/%s", json_string_value(uuid));
}

static void thaw_all(void *arg)
{
	const struct still *s = arg;
	char path[64];
	const json_t *uuid;
	size_t i;

	json_array_foreach(s->pods, i, uuid) {
		group_of(path, uuid);
		(void)!cgroup_thaw(&s->host, path);
	}
}

/* ---- who else writes ------------------------------------------------------------------------- */

struct looking {
	const struct still *s;
	const char *volume;
	struct error *err;
};

/* Is a line of the process's /proc/PID/cgroup the group of one of the pods, or below it? */
static bool is_in_pod(const struct still *s, pid_t pid)
{
	_free_ char *text = NULL;
	char path[64];
	const json_t *uuid;
	size_t i;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	if (file_read(AT_FDCWD, path, GROUPS_BYTES, &text, NULL) < 0)
		return false;
	json_array_foreach(s->pods, i, uuid) {
		group_of(path, uuid);
		if (strstr(text, path))
			return true;
	}
	return false;
}

static int look_at_mount(const struct mosaic_mount_point *p, void *arg)
{
	struct looking *l = arg;

	if (p->read_only || (!p->here && is_in_pod(l->s, p->pid)))
		return 0;
	return error_set(l->err, -EBUSY,
			 "volume %s is mounted at %s%s by who is no pod: unmount it there, or take "
			 "the snapshot when nobody writes.",
			 l->volume, p->path ? p->path : "a place that has no name",
			 p->here ? "" : " of another mount namespace");
}

static int look_for_others(const struct still *s, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->n; i++) {
		struct looking l = { s, s->pairs[i].from, err };

		r = mosaic_each_mount_point(s->m, s->pairs[i].from, look_at_mount, &l, err);
	}
	return r;
}

/* ---- standing still -------------------------------------------------------------------------- */

int still_begin(void *arg, struct error *err)
{
	struct still *s = arg;
	const json_t *uuid;
	char path[64];
	size_t i;
	int r = cgroup_host_open(&s->host, err);

	s->guard = (struct guard)GUARD_NONE;
	if (r == 0 && (r = guard_start(&s->guard, thaw_all, s)) < 0)
		error_set(err, r, "cannot start who thaws the pods");
	json_array_foreach(s->pods, i, uuid) {
		group_of(path, uuid);
		if (r == 0)
			r = cgroup_freeze(&s->host, path, FREEZE_MS, err);
	}
	if (r == 0)
		r = look_for_others(s, err);
	if (r < 0)
		still_end(s);
	return r;
}

void still_end(void *arg)
{
	struct still *s = arg;

	guard_end(&s->guard);
	cgroup_host_close(&s->host);
}
