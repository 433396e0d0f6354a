#include "cli/teardown.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/kernel.h"

enum { KILL_TIMEOUT_MS = 10000 };

int teardown_cgroups(const char *uuid, struct error *err)
{
	_cleanup_(cgroup_host_close) struct cgroup_host host = { 0 };
	char path[sizeof("carob/") + UUID_TEXT];
	int r = cgroup_host_open(&host, err);

	snprintf(path, sizeof(path), "carob/%s", uuid);
	if (r == 0)
		r = cgroup_kill(&host, path, KILL_TIMEOUT_MS, err);
	return r < 0 ? r : cgroup_remove(&host, path, err);
}

/* ---- volumes --------------------------------------------------------------------------------- */

struct volume_names {
	char prefix[sizeof("pod.") + UUID_TEXT + 1];
	struct buf names; /* each with its NUL */
};

static int volume_note(const struct mosaic_volume *v, void *arg)
{
	struct volume_names *n = arg;

	return str_starts(v->name, n->prefix) ? buf_add(&n->names, v->name, strlen(v->name) + 1)
					      : 0;
}

static int drop_found(struct mosaic *m, const char *uuid, struct error *err)
{
	struct volume_names n = { .names = BUF_INIT(LIMIT_APPS * (MOSAIC_NAME_MAX + 1)) };
	int r;

	snprintf(n.prefix, sizeof(n.prefix), "pod.%s.", uuid);
	r = mosaic_each(m, volume_note, &n, err);
	for (size_t at = 0; r == 0 && at < n.names.len; at += strlen(n.names.data + at) + 1)
		r = mosaic_drop(m, n.names.data + at, MOSAIC_DROP_UNCHECKED, err);
	buf_deinit(&n.names);
	return r;
}

static int drop_volumes(const struct teardown *t, struct error *err)
{
	_mosaic_ struct mosaic *own = NULL;
	struct mosaic *m = t->mosaic;
	int r = 0;

	if (!m) {
		r = t->launch && t->launch->mosaic
			    ? mosaic_open(&own, t->launch->mosaic, NULL, 0, err)
			    : cli_mosaic_open(t->cli, NULL, 0, &own, err);
		if (r == -ENOENT)
			return 0; /* no mosaic, no volumes */
		m = own;
	}
	if (r == 0 && !t->launch)
		return drop_found(m, t->uuid, err);
	for (size_t i = 0; r == 0 && i < t->launch->n_apps; i++)
		if (t->launch->apps[i].volume)
			r = mosaic_drop(m, t->launch->apps[i].volume, MOSAIC_DROP_UNCHECKED, err);
	return r;
}

/* ---- directories ----------------------------------------------------------------------------- */

static int remove_below(const char *dir, const char *uuid, struct error *err)
{
	char path[LIMIT_PATH_BYTES];
	_close_ int fd = -1;
	int r;

	snprintf(path, sizeof(path), "%s/pods", dir);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : error_set(err, -errno, "cannot open %s", path);
	r = path_remove_tree(fd, uuid);
	return r < 0 ? error_set(err, r, "cannot remove %s/%s", path, uuid) : 0;
}

int teardown(const struct teardown *t, struct error *err)
{
	int r = teardown_cgroups(t->uuid, err);

	if (r == 0)
		r = drop_volumes(t, err);
	if (r == 0)
		r = remove_below(t->cli->dirs.run, t->uuid, err);
	if (r == 0 && t->launch && t->launch->name)
		pod_name_release(&t->cli->dirs, t->launch->name, t->uuid);
	return r < 0 ? r : remove_below(t->cli->dirs.root, t->uuid, err);
}

int teardown_pod(const struct cli *cli, const char *uuid, int dirfd, struct error *err)
{
	_cleanup_(pod_deinit) struct pod pod = { 0 };
	bool known = pod_read(&pod, dirfd, uuid, NULL) == 0;
	const struct teardown t = { cli, NULL, uuid, known ? &pod.launch : NULL };

	return teardown(&t, err);
}
