#include "cli/volume_still.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/base.h"

enum { FREEZE_MS = 5000, GROUPS_BYTES = 1 << 20 };

static void group_of(char dst[64], const json_t *uuid)
{
	snprintf(dst, 64, "carob/%s", json_string_value(uuid));
}

static void thaw_all(const struct still *s)
{
	char path[64];
	const json_t *uuid;
	size_t i;

	json_array_foreach(s->pods, i, uuid) {
		group_of(path, uuid);
		(void)!cgroup_thaw(&s->host, path);
	}
}

/* In the child. A session of its own, and no signal: what ends its parent is no reason for it. */
static _noreturn_ void guard(const struct still *s, int pipe)
{
	sigset_t all;
	char c;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	while (read(pipe, &c, 1) < 0 && errno == EINTR)
		;
	thaw_all(s);
	_exit(0);
}

static int start_guard(struct still *s)
{
	_close_ int ours = -1, theirs = -1;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	theirs = ends[0];
	ours = ends[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		close(ours);
		guard(s, theirs);
	}
	s->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (s->pidfd < 0) { /* it ends when the pipe does */
		int r = -errno;

		cleanup_close(&ours);
		waitpid(pid, NULL, 0);
		return r;
	}
	s->pipe = take_fd(&ours);
	return 0;
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

	s->pipe = s->pidfd = -1;
	if (r == 0 && (r = start_guard(s)) < 0)
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

/* By the child, whose end is waited for; by ourselves if somebody has killed it. */
void still_end(void *arg)
{
	struct still *s = arg;
	int status = -1;

	if (s->pipe >= 0) {
		cleanup_close(&s->pipe);
		if (process_wait(s->pidfd, &status) < 0 || status != 0)
			thaw_all(s);
		cleanup_close(&s->pidfd);
	}
	cgroup_host_close(&s->host);
}
