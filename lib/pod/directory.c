/*
 * Pod directories: made, found, locked.
 *
 * Alive means that somebody holds the exclusive lock. Whoever only wants to know takes the lock
 * shared for an instant, so an exclusive taker who finds it taken looks twice: if it can be had
 * shared, the holder is only looking and will be gone at once.
 */
#include "pod/pod.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "pod/internal.h"

enum {
	PREFIX_MIN = 4,          /* digits of a UUID that are enough to name a pod */
	LOOKERS_PATIENCE = 1000, /* times a millisecond */
};

int pod_path(char dst[LIMIT_PATH_BYTES], const char *dir, const char *kind, const char *name)
{
	int n = snprintf(dst, LIMIT_PATH_BYTES, "%s/%s%s%s", dir, kind, *name ? "/" : "", name);

	return n < LIMIT_PATH_BYTES ? 0 : -ENAMETOOLONG;
}

static int lock_new(const char *path)
{
	_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	return take_fd(&fd);
}

int pod_create(const struct pod_dirs *dirs, char ret_uuid[UUID_TEXT], struct error *err)
{
	char uuid[UUID_TEXT], path[LIMIT_PATH_BYTES], parent[LIMIT_PATH_BYTES];
	int r = uuid_new(uuid);

	if (r < 0)
		return error_set(err, r, "no random bytes for a UUID");
	r = pod_path(path, dirs->root, "pods", uuid);
	if (r == 0 && mkdir(path, 0700) < 0) {
		r = -errno;
		if (r == -ENOENT && (r = pod_path(parent, dirs->root, "pods", "")) == 0 &&
		    (r = make_dirs(parent, 0700)) == 0 && mkdir(path, 0700) < 0)
			r = -errno;
	}
	if (r < 0)
		return error_set(err, r, "cannot make %s", path);
	r = lock_new(path);
	if (r < 0) {
		rmdir(path);
		return error_set(err, r, "cannot lock %s", path);
	}
	memcpy(ret_uuid, uuid, UUID_TEXT);
	return r;
}

int pod_open(const struct pod_dirs *dirs, const char *uuid, struct error *err)
{
	char path[LIMIT_PATH_BYTES];
	int fd, r = pod_path(path, dirs->root, "pods", uuid);

	fd = r < 0 ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, r < 0 ? r : -errno, "cannot open %s", path);
	return fd;
}

/* flock() that goes on after a signal. */
static int lock_take(int fd, int operation)
{
	int r;

	do
		r = flock(fd, operation) < 0 ? -errno : 0;
	while (r == -EINTR);
	return r;
}

int pod_lock(int dirfd, bool wait, struct error *err)
{
	static const struct timespec moment = { .tv_nsec = 1000000 };
	int r;

	if (wait) {
		r = lock_take(dirfd, LOCK_EX);
		return r < 0 ? error_set(err, r, "cannot lock the pod") : 0;
	}
	for (int i = 0; i < LOOKERS_PATIENCE; i++) {
		r = lock_take(dirfd, LOCK_EX | LOCK_NB);
		if (r != -EWOULDBLOCK)
			break;
		r = lock_take(dirfd, LOCK_SH | LOCK_NB);
		if (r == -EWOULDBLOCK)
			return POD_BUSY;
		(void)flock(dirfd, LOCK_UN);
		nanosleep(&moment, NULL);
	}
	return r == -EWOULDBLOCK ? POD_BUSY : r < 0 ? error_set(err, r, "cannot lock the pod") : 0;
}

int pod_is_held(int dirfd)
{
	int r = lock_take(dirfd, LOCK_SH | LOCK_NB);

	if (r == -EWOULDBLOCK)
		return 1;
	(void)flock(dirfd, LOCK_UN);
	return r;
}

int pod_wait_free(int dirfd, struct error *err)
{
	int r = lock_take(dirfd, LOCK_SH);

	(void)flock(dirfd, LOCK_UN);
	return r < 0 ? error_set(err, r, "cannot wait for the pod's lock") : 0;
}

bool pod_exists(const struct pod_dirs *dirs, const char *uuid)
{
	char path[LIMIT_PATH_BYTES];

	return pod_path(path, dirs->root, "pods", uuid) == 0 &&
	       faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- each, find ------------------------------------------------------------------------------ */

struct each {
	int (*fn)(const char *uuid, void *arg);
	void *arg;
};

static int each_entry(_unused_ int dirfd, const char *name, void *arg)
{
	const struct each *e = arg;

	return uuid_is(name) ? e->fn(name, e->arg) : 0;
}

int pod_each(const struct pod_dirs *dirs, int (*fn)(const char *uuid, void *arg), void *arg,
	     struct error *err)
{
	struct each e = { fn, arg };
	char path[LIMIT_PATH_BYTES];
	_close_ int fd = -1;
	int r = pod_path(path, dirs->root, "pods", "");

	if (r < 0)
		return error_set(err, r, "%s", dirs->root);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : error_set(err, -errno, "cannot open %s", path);
	return dir_each(fd, each_entry, &e);
}

struct search {
	const struct pod_dirs *dirs;
	const char *word;
	bool by_name;
	unsigned n;
	char uuid[UUID_TEXT];
	char all[400]; /* what fits, for people */
};

static bool search_matches(const struct search *s, const char *uuid)
{
	_close_ int dirfd = -1;
	struct pod p;
	bool found;

	if (!s->by_name)
		return str_starts(uuid, s->word);
	dirfd = pod_open(s->dirs, uuid, NULL);
	if (dirfd < 0 || pod_read(&p, dirfd, uuid, NULL) < 0)
		return false;
	found = p.launch.name && str_eq(p.launch.name, s->word);
	pod_deinit(&p);
	return found;
}

static int search_one(const char *uuid, void *arg)
{
	struct search *s = arg;
	size_t used = strlen(s->all);

	if (!search_matches(s, uuid))
		return 0;
	s->n++;
	memcpy(s->uuid, uuid, UUID_TEXT);
	if (used + UUID_TEXT + 2 < sizeof(s->all))
		snprintf(s->all + used, sizeof(s->all) - used, "%s%s", used ? ", " : "", uuid);
	return 0;
}

/* 0, POD_MISSING, POD_AMBIGUOUS or an error. */
static int search(struct search *s, char ret_uuid[UUID_TEXT], struct error *err)
{
	int r = pod_each(s->dirs, search_one, s, err);

	if (r < 0)
		return r;
	if (s->n == 0)
		return POD_MISSING;
	if (s->n > 1) {
		error_set(err, -EINVAL, "%u pods fit %s: %s.", s->n, s->word, s->all);
		return POD_AMBIGUOUS;
	}
	memcpy(ret_uuid, s->uuid, UUID_TEXT);
	return 0;
}

static bool is_prefix(const char *word)
{
	size_t n = strlen(word);

	return n >= PREFIX_MIN && n < UUID_TEXT - 1 && strspn(word, "0123456789abcdef-") == n;
}

int pod_find(const struct pod_dirs *dirs, const char *word, char ret_uuid[UUID_TEXT],
	     struct error *err)
{
	struct search s = { .dirs = dirs, .word = word };
	char uuid[UUID_TEXT];
	int r = POD_MISSING;

	if (uuid_is(word)) {
		memcpy(uuid, word, UUID_TEXT);
		r = pod_exists(dirs, uuid) ? 0 : POD_MISSING;
	} else if (pod_name_lookup(dirs, word, uuid)) {
		r = 0;
	} else {
		if (is_prefix(word))
			r = search(&s, uuid, err);
		/* names do not outlive a reboot, pods do */
		s = (struct search){ .dirs = dirs, .word = word, .by_name = true };
		if (r == POD_MISSING && appc_is_name(word))
			r = search(&s, uuid, err);
	}
	if (r == POD_MISSING)
		error_set(err, -ENOENT, "there is no pod %s.", word);
	if (r == 0)
		memcpy(ret_uuid, uuid, UUID_TEXT);
	return r;
}
