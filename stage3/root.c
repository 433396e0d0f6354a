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
	const char *name = l->plan.root + strspn(l->plan.root, "/");
	int place;

	l->root = launch_fd(l, l->plan.root_fd);
	if (*name && !strchr(name, '/')) /* one part, and a mount goes onto no link */
		return mount_attach_at(l->root, AT_FDCWD, name);
	place = path_open(AT_FDCWD, l->plan.root, PATH_NO_LINKS, O_PATH | O_DIRECTORY, 0);
	return place < 0 ? place : mount_attach(l->root, place);
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

/* What a volume goes onto; made when it is missing. */
static int open_target(int root, const struct plan_mount *m)
{
	int fd;

	/* A volume lies on the app's own root, wherever links of the image lead: not in /dev, /proc
	 * or /sys, where devices and masks are made next, and not in another volume. */
	if (m->source == PLAN_SOURCE_FD) {
		fd = path_open(root, m->target, PATH_ONE_MOUNT, O_PATH, 0);
		if (fd == -EXDEV)
			return fd;
		if (fd >= 0)
			close(fd);
	}
	if (m->flags & PLAN_MOUNT_MAKE_FILE)
		return path_make_file(root, m->target);
	fd = path_open(root, m->target, PATH_IN_ROOT, O_PATH | O_DIRECTORY, 0);
	return fd == -ENOENT || fd == -ENOTDIR ? make_directory(root, m->target) : fd;
}

static int attach_volume(const struct launch *l, int fd, const struct plan_mount *m)
{
	int target = open_target(l->root, m);

	return target < 0 ? target : mount_attach(fd, target);
}

/* The directory above a system mount's place; most are right in the root or in /dev. */
static int open_above(struct launch *l, const char *target, const char *name)
{
	char path[LIMIT_PATH_BYTES];
	size_t len = (size_t)(name - target) - 1;

	if (len == 0)
		return l->root;
	memcpy(path, target, len);
	path[len] = '\0';
	if (str_eq(path, "/dev") && l->dev >= 0)
		return l->dev;
	return path_open(l->root, path, PATH_NO_LINKS, O_PATH | O_DIRECTORY, 0);
}

/* Where a system mount goes, no link leads: a real directory, made when it is missing. In most
 * images it is there, in a /dev of our own making it never is. */
static int attach_system(struct launch *l, int fd, const struct plan_mount *m)
{
	const char *name = strrchr(m->target, '/') + 1;
	int dir = open_above(l, m->target, name), r = -ENOENT, why;

	if (dir < 0)
		return dir;
	if (dir != l->dev)
		r = mount_attach_at(fd, dir, name);
	if (r == -ENOENT) {
		/* lint: path ok: one part, in a directory found by path.h */
		if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
			return -errno;
		r = mount_attach_at(fd, dir, name);
	}
	if (r == 0)
		return 0;
	why = path_open(dir, name, PATH_NO_LINKS, O_PATH | O_DIRECTORY, 0);
	return why < 0 ? why : r;
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
	fd = m->source == PLAN_SOURCE_FD ? launch_fd(l, m->fd)
					 : mount_clone(AT_FDCWD, m->fstype, false);
	if (fd < 0 || !m->attributes)
		return fd;
	r = mount_change(fd, m->attributes, 0, m->flags & PLAN_MOUNT_RECURSIVE);
	return r < 0 ? r : fd;
}

/* The mounts that we need ourselves later. */
static void keep_mount(struct launch *l, int fd, const struct plan_mount *m)
{
	if (str_eq(m->target, "/dev"))
		l->dev = fd;
	if (m->source == PLAN_SOURCE_NEW && str_eq(m->fstype, "proc"))
		l->proc = fd;
}

int step_mount(struct launch *l)
{
	for (uint32_t i = 0; i < l->plan.n_mounts; i++) {
		const struct plan_mount *m = &l->plan.mounts[i];
		int fd, r;

		l->report->index = i;
		fd = open_source(l, m);
		if (fd < 0)
			return fd;
		r = m->flags & PLAN_MOUNT_NO_LINKS ? attach_system(l, fd, m)
						   : attach_volume(l, fd, m);
		if (r < 0)
			return r;
		keep_mount(l, fd, m);
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
	if (fd < 0)
		return -errno;
	return fd;
}
