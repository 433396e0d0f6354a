/*
 * Names of pods: RUN/names/NAME is a symbolic link to the UUID.
 *
 * Making the link is the claim. A link whose pod is gone was left by a crash; only under the lock
 * of the directory RUN/names is such a link taken away, so that nobody takes away what another one
 * has just claimed.
 */
#include "pod/pod.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "pod/internal.h"

/* Opens RUN/names, made if needed, and locks it. */
static int names_lock(const struct pod_dirs *dirs)
{
	char path[LIMIT_PATH_BYTES];
	_close_ int fd = -1;
	int r = pod_path(path, dirs->run, "names", "");

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do
		r = flock(fd, LOCK_EX) < 0 ? -errno : 0;
	while (r == -EINTR);
	return r < 0 ? r : take_fd(&fd);
}

/* What the link says, when that is a UUID. */
static bool link_read(int dirfd, const char *path, char ret_uuid[UUID_TEXT])
{
	char target[UUID_TEXT];
	ssize_t n = readlinkat(dirfd, path, target, sizeof(target));

	if (n != UUID_TEXT - 1)
		return false;
	target[n] = '\0';
	if (!uuid_is(target))
		return false;
	memcpy(ret_uuid, target, UUID_TEXT);
	return true;
}

bool pod_name_lookup(const struct pod_dirs *dirs, const char *name, char ret_uuid[UUID_TEXT])
{
	char path[LIMIT_PATH_BYTES], uuid[UUID_TEXT];

	if (!appc_is_name(name) || pod_path(path, dirs->run, "names", name) < 0)
		return false;
	if (!link_read(AT_FDCWD, path, uuid) || !pod_exists(dirs, uuid))
		return false;
	memcpy(ret_uuid, uuid, UUID_TEXT);
	return true;
}

/* Takes over a name whose pod is gone. 0, POD_BUSY when it is not gone. */
static int claim_stale(const struct pod_dirs *dirs, const char *name, const char *uuid,
		       char holder[UUID_TEXT])
{
	_close_ int names = names_lock(dirs);

	if (names < 0)
		return names;
	for (;;) {
		if (symlinkat(uuid, names, name) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
		snprintf(holder, UUID_TEXT, "nothing");
		if (link_read(names, name, holder) && pod_exists(dirs, holder))
			return str_eq(holder, uuid) ? 0 : POD_BUSY;
		if (unlinkat(names, name, 0) < 0 && errno != ENOENT)
			return -errno;
	}
}

int pod_name_claim(const struct pod_dirs *dirs, const char *name, const char *uuid,
		   struct error *err)
{
	char path[LIMIT_PATH_BYTES], parent[LIMIT_PATH_BYTES], holder[UUID_TEXT];
	int r;

	if (!appc_is_name(name) || uuid_is(name))
		return error_set(
			err, -EINVAL,
			"%s is no name for a pod: lower-case letters and digits, dashes between them.",
			name);
	r = pod_path(path, dirs->run, "names", name);
	if (r == 0 && symlink(uuid, path) < 0) {
		r = -errno;
		if (r == -ENOENT && (r = pod_path(parent, dirs->run, "names", "")) == 0 &&
		    (r = make_dirs(parent, 0700)) == 0 && symlink(uuid, path) < 0)
			r = -errno;
	}
	if (r == -EEXIST)
		r = claim_stale(dirs, name, uuid, holder);
	if (r == POD_BUSY)
		error_set(err, -EEXIST, "the name %s belongs to pod %s.", name, holder);
	return r < 0 ? error_set(err, r, "cannot claim the name %s", name) : r;
}

void pod_name_release(const struct pod_dirs *dirs, const char *name, const char *uuid)
{
	_close_ int names = appc_is_name(name) ? names_lock(dirs) : -1;
	char holder[UUID_TEXT];

	if (names >= 0 && link_read(names, name, holder) && str_eq(holder, uuid))
		unlinkat(names, name, 0);
}

struct stale {
	const struct pod_dirs *dirs;
	bool only_count;
	unsigned n;
};

static int stale_one(int names, const char *name, void *arg)
{
	struct stale *s = arg;
	char uuid[UUID_TEXT];

	if (link_read(names, name, uuid) && pod_exists(s->dirs, uuid))
		return 0;
	if (s->only_count || unlinkat(names, name, 0) == 0)
		s->n++;
	return 0;
}

int pod_names_collect(const struct pod_dirs *dirs, bool only_count, unsigned *ret_n,
		      struct error *err)
{
	struct stale s = { dirs, only_count, 0 };
	_close_ int names = names_lock(dirs);
	int r = names == -ENOENT ? 0 : names < 0 ? names : dir_each(names, stale_one, &s);

	*ret_n = s.n;
	return r < 0 ? error_set(err, r, "cannot go through the names in %s", dirs->run) : 0;
}
