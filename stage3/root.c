/*
 * The app's view: its root attached in the pod's small tmpfs, the mounts in it, then the pivot. All
 * names in the root are the image's, so each is resolved by descriptor, inside the root.
 */
#include "stage3/stage3.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

int step_root(struct launch *l)
{
	int place = path_open(AT_FDCWD, l->plan.root, PATH_NO_LINKS, O_PATH | O_DIRECTORY, 0);

	if (place < 0)
		return place;
	l->root = launch_fd(l, l->plan.root_fd);
	return mount_attach(l->root, place);
}

/* Makes the directory path below root, with its parents, where something else or nothing is.
 * A file in its place goes away (appc spec, "pods", volumes). Returns an O_PATH descriptor. */
static int make_directory(int root, const char *path)
{
	char parent[LIMIT_PATH_BYTES], *name;
	int dir, r;

	r = path_clean(parent, path);
	if (r < 0)
		return r;
	name = strrchr(parent, '/');
	*name++ = '\0';
	dir = path_make_dirs(root, parent[0] ? parent : "/");
	if (dir < 0)
		return dir;
	r = mkdirat(dir, name, 0755); /* lint: path ok: one part, in a directory found by path.h */
	if (r < 0 && errno == EEXIST && unlinkat(dir, name, 0) == 0)
		r = mkdirat(dir, name, 0755); /* lint: path ok: the same */
	return r < 0 ? -errno : path_open(dir, name, PATH_NO_LINKS, O_PATH | O_DIRECTORY, 0);
}

/* What a mount goes onto; made when it is missing. */
static int open_target(int root, const struct plan_mount *m)
{
	bool no_links = m->flags & PLAN_MOUNT_NO_LINKS;
	int fd;

	if (m->flags & PLAN_MOUNT_MAKE_FILE && !no_links)
		return path_make_file(root, m->target);
	fd = path_open(root, m->target, no_links ? PATH_NO_LINKS : PATH_IN_ROOT,
		       m->flags & PLAN_MOUNT_MAKE_FILE ? O_PATH : O_PATH | O_DIRECTORY, 0);
	if (fd == -ENOENT && m->flags & PLAN_MOUNT_MAKE_FILE)
		return path_make_file(root, m->target);
	if (fd == -ENOENT || (fd == -ENOTDIR && !no_links))
		return make_directory(root, m->target);
	return fd;
}

static int new_mount(const struct plan *p, const struct plan_mount *m)
{
	struct mount_option options[PLAN_MAX_OPTIONS];

	for (uint32_t i = 0; i < m->option_n; i++) {
		options[i].key = p->options[m->option_first + 2 * i];
		options[i].value = p->options[m->option_first + 2 * i + 1];
	}
	return mount_new(m->fstype, options, m->option_n, m->attributes, NULL, 0);
}

/* The detached mount, with its attributes. */
static int open_source(const struct launch *l, const struct plan_mount *m)
{
	int fd, r;

	if (m->source == PLAN_SOURCE_NEW)
		return new_mount(&l->plan, m);
	fd = m->source == PLAN_SOURCE_FD ? launch_fd(l, m->fd) : mount_clone(AT_FDCWD, m->fstype, false);
	if (fd < 0 || !m->attributes)
		return fd;
	r = mount_change(fd, m->attributes, 0, m->flags & PLAN_MOUNT_RECURSIVE);
	return r < 0 ? r : fd;
}

int step_mount(struct launch *l)
{
	for (uint32_t i = 0; i < l->plan.n_mounts; i++) {
		const struct plan_mount *m = &l->plan.mounts[i];
		int fd, target, r;

		l->report->index = i;
		fd = open_source(l, m);
		if (fd < 0)
			return fd;
		target = open_target(l->root, m);
		if (target < 0)
			return target;
		r = mount_attach(fd, target);
		if (r < 0)
			return r;
		if (m->source == PLAN_SOURCE_NEW && str_eq(m->fstype, "proc"))
			l->proc = fd;
	}
	return 0;
}

int step_pivot(struct launch *l)
{
	int r, fd;

	r = mount_pivot(l->root);
	if (r < 0 || !(l->plan.flags & PLAN_SEND_NAMESPACE))
		return r;
	fd = launch_open_proc(l, "self/ns/mnt", O_RDONLY);
	if (fd < 0)
		return fd;
	return socket_send_fds(PLAN_SOCKET_FD, &(char){ LAUNCH_REPLY_NAMESPACE }, 1, &fd, 1);
}

/* The procfs that the plan has us mount is ours to the last byte. Of one that is there already
 * that cannot be said: what runs in the app may have mounted something over it. */
int launch_open_proc(struct launch *l, const char *name, int flags)
{
	int fd;

	if (l->proc < 0) {
		l->proc = mount_new("proc", NULL, 0, 0, NULL, 0);
		if (l->proc < 0)
			return l->proc;
	}
	fd = openat(l->proc, name, flags | O_CLOEXEC); /* lint: path ok: procfs of our own making */
	return fd < 0 ? -errno : fd;
}
