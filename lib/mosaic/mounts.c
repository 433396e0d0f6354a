/*
 * Where a volume is mounted: the mount tables of all mount namespaces that a process is in are
 * searched for what the driver says its mounts look like. A mount that nobody attached is in no
 * table; who has one holds a lock (used.c).
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"
#include "kernel/kernel.h"
#include "mosaic/driver.h"
#include "mosaic/mounts.h"

struct search {
	const struct mount_identity *identity;
	mosaic_mount_point_fn fn;
	void *arg;
	ino_t own;   /* the caller's namespace */
	ino_t *seen; /* those that were searched */
	size_t n_seen, room;
	bool told; /* fn ended the search */
};

static bool is_below(const char *path, const char *root)
{
	size_t n = strlen(root);

	if (str_eq(root, "/"))
		return true;
	return strncmp(path, root, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

bool mount_identity_fits(const struct mount_identity *i, const struct mountinfo *m)
{
	if (!i->device && !i->root && !i->source)
		return false;
	return (!i->device || i->device == m->device) && (!i->root || is_below(m->root, i->root)) &&
	       (!i->source || str_eq(i->source, m->source));
}

static int search_table(struct search *s, char *text, pid_t pid, bool here)
{
	struct mountinfo m;
	int r;

	while (mountinfo_next(&text, &m) > 0) {
		const struct mosaic_mount_point p = {
			.path = m.point,
			.here = here,
			.pid = pid,
			.read_only = str_eq(m.options, "ro") || str_starts(m.options, "ro,"),
		};

		if (!mount_identity_fits(s->identity, &m))
			continue;
		r = s->fn(&p, s->arg);
		if (r != 0) {
			s->told = true;
			return r;
		}
	}
	return 0;
}

static bool is_seen(const struct search *s, ino_t ns)
{
	for (size_t i = 0; i < s->n_seen; i++)
		if (s->seen[i] == ns)
			return true;
	return false;
}

static int see(struct search *s, ino_t ns)
{
	if (s->n_seen == s->room) {
		size_t room = s->room ? 2 * s->room : 32;
		ino_t *more = reallocarray(s->seen, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->seen = more;
		s->room = room;
	}
	s->seen[s->n_seen++] = ns;
	return 0;
}

/* A process may be gone at any moment, or not be ours to look at: then another one of its namespace
 * may serve. */
static int search_process(struct search *s, int proc, const char *name, pid_t pid)
{
	_free_ char *text = NULL;
	char path[64];
	struct stat ns;
	int r;

	snprintf(path, sizeof(path), "%s/ns/mnt", name);
	if (fstatat(proc, path, &ns, 0) < 0 || is_seen(s, ns.st_ino))
		return 0;
	snprintf(path, sizeof(path), "%s/mountinfo", name);
	r = file_read(proc, path, MOUNTINFO_MAX, &text, NULL);
	if (r == -ENOMEM || r == -EFBIG)
		return r;
	if (r < 0)
		return 0;
	r = see(s, ns.st_ino);
	return r < 0 ? r : search_table(s, text, pid, ns.st_ino == s->own);
}

static int search_all(struct search *s)
{
	_closedir_ DIR *proc = opendir("/proc");
	const struct dirent *entry;
	struct stat own;
	int r;

	if (!proc || fstatat(dirfd(proc), "self/ns/mnt", &own, 0) < 0)
		return -errno;
	s->own = own.st_ino;
	r = search_process(s, dirfd(proc), "self", getpid());
	while (r == 0 && (errno = 0, entry = readdir(proc)) != NULL) {
		uint64_t pid;

		if (str_to_u64(entry->d_name, INT32_MAX, &pid) == 0)
			r = search_process(s, dirfd(proc), entry->d_name, (pid_t)pid);
		else
			continue;
	}
	return r;
}

int mount_identity_each(const struct mount_identity *identity, mosaic_mount_point_fn fn, void *arg,
			struct error *err)
{
	struct search s = { .identity = identity, .fn = fn, .arg = arg };
	int r = search_all(&s);

	free(s.seen);
	return r < 0 && !s.told ? error_set(err, r, "cannot read the mount tables in /proc") : r;
}

int volume_each_mount(struct mosaic *m, const struct volume *v, mosaic_mount_point_fn fn, void *arg,
		      struct error *err)
{
	struct mount_identity identity = { 0 };
	int r = m->driver->identify(m, v, &identity, err);

	if (r == -ENODEV)
		return 0;
	return r < 0 ? r : mount_identity_each(&identity, fn, arg, err);
}

int volume_identify(struct mosaic *m, const char *name, struct mount_identity *ret,
		    struct error *err)
{
	for (;;) {
		_volume_ struct volume v = VOLUME_CLOSED;
		int r = volume_open(m, name, &v, err);

		*ret = (struct mount_identity){ 0 };
		if (r == 0)
			r = m->driver->identify(m, &v, ret, err);
		if (!volume_read_again(m, &v, r, err))
			return r;
	}
}

int mosaic_each_mount_point(struct mosaic *m, const char *name, mosaic_mount_point_fn fn, void *arg,
			    struct error *err)
{
	struct mount_identity identity;
	char mapped[MOSAIC_NAME_MAX + 1];
	int r = volume_name(m, &name, mapped, err);

	if (r == 0)
		r = volume_identify(m, name, &identity, err);
	if (r == -ENODEV)
		return 0;
	return r < 0 ? r : mount_identity_each(&identity, fn, arg, err);
}

int mount_point_found(const struct mosaic_mount_point *p, void *arg)
{
	(void)p;
	(void)arg;
	return 1;
}

int mosaic_is_mounted(struct mosaic *m, const char *name, struct error *err)
{
	return mosaic_each_mount_point(m, name, mount_point_found, NULL, err);
}
