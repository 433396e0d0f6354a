/* Groups below groups, and the processes in them. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/base.h"
#include "kernel/cgroup_private.h"

enum { PROCS_MAX = 64 << 20 };

struct walk {
	cgroup_tree_fn fn;
	void *arg;
};

static int walk_group(const struct walk *w, int parent, const char *name, unsigned depth);

static int walk_children(const struct walk *w, int fd, unsigned depth)
{
	_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int own, r;

	own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (own < 0)
		return -errno;
	dir = fdopendir(own);
	if (!dir) {
		close(own);
		return -ENOMEM;
	}
	while (errno = 0, (entry = readdir(dir)) != NULL) {
		if (entry->d_type != DT_DIR || str_eq(entry->d_name, ".") ||
		    str_eq(entry->d_name, ".."))
			continue;
		r = walk_group(w, fd, entry->d_name, depth + 1);
		if (r != 0)
			return r;
	}
	return -errno;
}

static int walk_group(const struct walk *w, int parent, const char *name, unsigned depth)
{
	_close_ int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = depth < CGROUP_DEPTH ? walk_children(w, fd, depth) : -ELOOP;
	return r != 0 ? r : w->fn(parent, name, fd, w->arg);
}

int cgroup_tree_each(const struct cgroup_hierarchy *h, const char *path, cgroup_tree_fn fn,
		     void *arg)
{
	const struct walk w = { fn, arg };

	return walk_group(&w, h->fd, path, 0);
}

struct each_pid {
	int (*fn)(pid_t pid, void *arg);
	void *arg;
};

static int each_pid_of(int parent, const char *name, int fd, void *arg)
{
	const struct each_pid *e = arg;
	_free_ char *text = NULL;
	char *rest, *line;
	int r = file_read(fd, "cgroup.procs", PROCS_MAX, &text, NULL);

	(void)parent;
	(void)name;
	/* ENODEV: removed since; EOPNOTSUPP: a threaded v2 group, whose processes its parent
	 * lists */
	if (r == -ENOENT || r == -ENODEV || r == -EOPNOTSUPP)
		return 0;
	if (r < 0)
		return r;
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL) {
		uint64_t pid;

		if (!*line)
			continue;
		r = str_to_u64(line, INT32_MAX, &pid);
		if (r < 0)
			return -EBADMSG;
		r = pid ? e->fn((pid_t)pid, e->arg) : 0;
		if (r != 0)
			return r;
	}
	return 0;
}

int cgroup_tree_each_pid(const struct cgroup_hierarchy *h, const char *path,
			 int (*fn)(pid_t pid, void *arg), void *arg)
{
	struct each_pid e = { fn, arg };

	return cgroup_tree_each(h, path, each_pid_of, &e);
}

/* Every process is in every hierarchy, but in v1 only after it has said so: v2 knows best. */
int cgroup_each_pid(const struct cgroup_host *h, const char *path, int (*fn)(pid_t pid, void *arg),
		    void *arg)
{
	unsigned best = 0;

	for (unsigned i = 0; i < h->n; i++)
		if (h->list[i].v2)
			best = i;
	return h->n > 0 ? cgroup_tree_each_pid(&h->list[best], path, fn, arg) : 0;
}
