#include "kernel/cgroup.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"
#include "kernel/cgroup_private.h"

int cgroup_file(char dst[CGROUP_FILE], const char *path, const char *file)
{
	int n = snprintf(dst, CGROUP_FILE, "%s%s%s", path, *path ? "/" : "", file);

	return n < CGROUP_FILE ? 0 : -ENAMETOOLONG;
}

int cgroup_put(const struct cgroup_hierarchy *h, const char *path, const char *file,
	       const char *value)
{
	char name[CGROUP_FILE];
	int r = cgroup_file(name, path, file);

	return r < 0 ? r : file_put(h->fd, name, value);
}

/* Relative, without empty, "." and ".." components. */
static bool path_is_valid(const char *path)
{
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(((struct cgroup *)NULL)->path))
		return false;
	for (const char *p = path; *p;) {
		size_t part = strcspn(p, "/");

		if (part == 0 || (part == 1 && p[0] == '.') ||
		    (part == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += part;
		if (*p == '/' && !*++p)
			return false;
	}
	return true;
}

/* One by one: a controller that refuses (cpu does while real-time processes are about) must not
 * keep the others away. What is missing in the end is told by the limit that needs it. */
void cgroup_enable_controllers(const struct cgroup_host *h, const struct cgroup_hierarchy *v2,
			       const char *path)
{
	static const struct {
		enum cgroup_controller bit;
		const char *word;
	} words[] = {
		{ CGROUP_CPU, "+cpu" },
		{ CGROUP_MEMORY, "+memory" },
		{ CGROUP_PIDS, "+pids" },
		{ CGROUP_BLKIO, "+io" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (h->v2_controllers & words[i].bit)
			(void)!cgroup_put(v2, path, "cgroup.subtree_control", words[i].word);
}

/* Makes what is missing of the groups above path. */
static int make_parents(const struct cgroup_host *h, const struct cgroup_hierarchy *in,
			const char *path)
{
	char part[sizeof(((struct cgroup *)NULL)->path)];

	if (in->v2)
		cgroup_enable_controllers(h, in, "");
	snprintf(part, sizeof(part), "%s", path);
	for (char *p = part; (p = strchr(p, '/')) != NULL; *p++ = '/') {
		*p = '\0';
		if (mkdirat(in->fd, part, 0755) < 0 && errno != EEXIST)
			return -errno;
		if (in->v2)
			cgroup_enable_controllers(h, in, part);
	}
	return 0;
}

/* "carob" is nearly always there: it is made when its absence shows. */
static int make_group(const struct cgroup_host *h, const struct cgroup_hierarchy *in,
		      const char *path)
{
	int r;

	if (mkdirat(in->fd, path, 0755) == 0)
		return 0;
	if (errno != ENOENT)
		return -errno;
	r = make_parents(h, in, path);
	if (r == 0 && mkdirat(in->fd, path, 0755) < 0)
		r = -errno;
	return r;
}

/* The inode of the first cgroup namespace is fixed in the kernel (PROC_CGROUP_INIT_INO). */
static bool in_cgroup_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/cgroup", &st) == 0 && st.st_ino != 0xEFFFFFFB;
}

static int explain(int r, const struct cgroup_hierarchy *h, const char *path, struct error *err)
{
	if (r == -EEXIST)
		return error_set(err, r, "the control group %s exists already in %s.", path,
				 h->mount);
	if ((r == -EACCES || r == -EPERM || r == -EROFS) && in_cgroup_namespace())
		return error_set(
			err, r,
			"%s cannot be written, because this process is in a cgroup namespace that "
			"was given no rights to its control groups: start it outside, or mount them writable.",
			h->mount);
	return error_set(err, r, "cannot make the control group %s in %s", path, h->mount);
}

int cgroup_create(struct cgroup *ret, const struct cgroup_host *h, const char *path, bool delegate,
		  struct error *err)
{
	if (!path_is_valid(path))
		return error_set(err, -EINVAL, "'%s' is no path of a control group.", path);
	for (unsigned i = 0; i < h->n; i++) {
		const struct cgroup_hierarchy *in = &h->list[i];
		int r = make_group(h, in, path);

		if (r < 0) {
			explain(r, in, path, err);
			while (i-- > 0)
				unlinkat(h->list[i].fd, path, AT_REMOVEDIR);
			return r;
		}
		if (in->v2 && delegate)
			cgroup_enable_controllers(h, in, path);
	}
	ret->host = h;
	snprintf(ret->path, sizeof(ret->path), "%s", path);
	return 0;
}

int cgroup_open_for_spawn(const struct cgroup *g, int *ret_v2, int tasks[CGROUP_MAX], unsigned *n,
			  struct error *err)
{
	unsigned count = 0;
	int v2 = -1;

	for (unsigned i = 0; i < g->host->n; i++) {
		const struct cgroup_hierarchy *h = &g->host->list[i];
		char name[CGROUP_FILE];
		int fd, r;

		r = cgroup_file(name, g->path, "tasks");
		if (h->v2)
			fd = openat(h->fd, g->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		else
			fd = openat(h->fd, name, O_WRONLY | O_CLOEXEC);
		if (r < 0 || fd < 0) {
			r = r < 0 ? r : -errno;
			error_set(err, r, "cannot open the control group %s in %s", g->path,
				  h->mount);
			while (count-- > 0)
				close(tasks[count]);
			cleanup_close(&v2);
			return r;
		}
		*(h->v2 ? &v2 : &tasks[count++]) = fd;
	}
	*ret_v2 = v2;
	*n = count;
	return 0;
}
