/*
 * The end of a group: all of its processes, then the group.
 *
 * v2 kills a whole tree by itself (cgroup.kill, Linux 5.14). For v1 the group is frozen, so that
 * nothing in it can fork away, everything gets SIGKILL, and it is thawed to die. A number read from
 * cgroup.procs may belong to somebody else by the time it is used; so it is held by a pidfd, and
 * looked at once more, before the signal goes to the pidfd.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/base.h"
#include "kernel/cgroup_private.h"

enum {
	NAP_FIRST_MS = 1,
	NAP_LAST_MS = 50,
	REMOVE_TRIES = 7, /* 1 + 2 + ... + 64 ms for processes that are on their way out */
};

static void nap(int ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

/* Is one of the lines of /proc/PID/cgroup ("ID:CONTROLLERS:/PATH") this group or one below it? */
static bool is_member(pid_t pid, const char *path)
{
	char name[32];
	_free_ char *text = NULL;
	size_t len = strlen(path);

	snprintf(name, sizeof(name), "/proc/%d/cgroup", pid);
	if (file_read(AT_FDCWD, name, 1 << 20, &text, NULL) < 0)
		return false;
	for (const char *p = text; (p = strstr(p, ":/")) != NULL; p += 2)
		if (strncmp(p + 2, path, len) == 0 && (p[2 + len] == '\n' || p[2 + len] == '/'))
			return true;
	return false;
}

struct killing {
	const char *path;
	bool with_signals;
	unsigned left;
};

static int meet(pid_t pid, void *arg)
{
	struct killing *k = arg;
	_close_ int pidfd = -1;

	k->left++;
	if (!k->with_signals)
		return 0;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd >= 0 && is_member(pid, k->path))
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	return 0;
}

static bool kill_by_v2(const struct cgroup_host *h, const char *path)
{
	for (unsigned i = 0; i < h->n; i++)
		if (h->list[i].v2)
			return cgroup_put(&h->list[i], path, "cgroup.kill", "1") == 0;
	return false;
}

/* How many there were, in the hierarchy that has the most. */
static int kill_round(const struct cgroup_host *h, const char *path, bool with_signals)
{
	unsigned most = 0;
	int r = 0;

	/* freezing is a help; whether it worked shows in what is left */
	if (with_signals)
		(void)!cgroup_put_frozen(h, path, true);
	for (unsigned i = 0; i < h->n && r == 0; i++) {
		struct killing k = { .path = path, .with_signals = with_signals };

		r = cgroup_tree_each_pid(&h->list[i], path, meet, &k);
		most = k.left > most ? k.left : most;
	}
	if (with_signals)
		(void)!cgroup_put_frozen(h, path, false);
	return r < 0 ? r : (int)most;
}

int cgroup_kill(const struct cgroup_host *h, const char *path, int timeout_ms, struct error *err)
{
	int64_t deadline = time_boot_ns() + timeout_ms * 1000000LL;
	bool killed = kill_by_v2(h, path);
	int ms = NAP_FIRST_MS, r;

	/* What v2 does not know of, or takes long over, gets signals. */
	for (;;) {
		r = kill_round(h, path, !killed || ms > 8 * NAP_FIRST_MS);
		if (r == 0)
			return 0;
		if (r < 0)
			return error_set(err, r, "cannot end the processes of the control group %s",
					 path);
		if (time_boot_ns() >= deadline)
			return error_set(
				err, -ETIMEDOUT,
				"%d processes of the control group %s did not end in %d ms.", r,
				path, timeout_ms);
		nap(ms);
		ms = ms * 2 < NAP_LAST_MS ? ms * 2 : NAP_LAST_MS;
	}
}

static int remove_group(int parent, const char *name, int fd, void *arg)
{
	int ms = NAP_FIRST_MS;

	(void)fd;
	(void)arg;
	for (int i = 0; i < REMOVE_TRIES; i++) {
		if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			return -errno;
		nap(ms);
		ms *= 2;
	}
	return -EBUSY;
}

static int note_pid(pid_t pid, void *arg)
{
	*(pid_t *)arg = pid;
	return 1;
}

int cgroup_remove(const struct cgroup_host *h, const char *path, struct error *err)
{
	for (unsigned i = 0; i < h->n; i++) {
		const struct cgroup_hierarchy *in = &h->list[i];
		pid_t pid = 0;
		int r;

		if (unlinkat(in->fd, path, AT_REMOVEDIR) == 0 || errno == ENOENT)
			continue;
		r = errno == EBUSY ? cgroup_tree_each(in, path, remove_group, NULL) : -errno;
		if (r == -EBUSY && cgroup_tree_each_pid(in, path, note_pid, &pid) == 1)
			return error_set(err, r, "process %d is still in the control group %s.",
					 pid, path);
		if (r < 0)
			return error_set(err, r, "cannot remove the control group %s/%s", in->mount,
					 path);
	}
	return 0;
}
