/*
 * Groups that stand still: cgroup.freeze of v2, or the freezer of v1, of which each works for all
 * groups below too. The kernel stops a process where it would return to user space or sleeps in
 * between, never in the middle of a change to a file system. Until all have come so far, v1 says
 * FREEZING, and wants to be asked again; v2 has "frozen 0" in cgroup.events.
 */
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/base.h"
#include "kernel/cgroup_private.h"

enum { NAP_NS = 1000000, STATE_BYTES = 256 };

int cgroup_put_frozen(const struct cgroup_host *h, const char *path, bool on)
{
	const struct cgroup_hierarchy *freezer = cgroup_with(h, CGROUP_FREEZER);

	if (!freezer)
		return -EOPNOTSUPP;
	if (freezer->v2)
		return cgroup_put(freezer, path, "cgroup.freeze", on ? "1" : "0");
	return cgroup_put(freezer, path, "freezer.state", on ? "FROZEN" : "THAWED");
}

/* 1, 0, or a negative errno. */
static int is_frozen(const struct cgroup_host *h, const char *path)
{
	const struct cgroup_hierarchy *freezer = cgroup_with(h, CGROUP_FREEZER);
	_free_ char *text = NULL;
	char name[CGROUP_FILE];
	int r = cgroup_file(name, path, freezer->v2 ? "cgroup.events" : "freezer.state");

	if (r == 0)
		r = file_read(freezer->fd, name, STATE_BYTES, &text, NULL);
	if (r < 0 || !text)
		return r < 0 ? r : -EIO;
	return freezer->v2 ? strstr(text, "frozen 1") != NULL : str_eq(text, "FROZEN\n");
}

int cgroup_freeze(const struct cgroup_host *h, const char *path, int timeout_ms, struct error *err)
{
	int64_t deadline = time_boot_ns() + timeout_ms * 1000000LL;
	int r;

	for (;;) {
		r = cgroup_put_frozen(h, path, true);
		if (r == 0)
			r = is_frozen(h, path);
		if (r != 0)
			break;
		if (time_boot_ns() >= deadline) {
			r = -ETIMEDOUT;
			break;
		}
		nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
	}
	if (r > 0 || r == -ENOENT)
		return 0;
	(void)!cgroup_put_frozen(h, path, false);
	if (r == -ETIMEDOUT)
		return error_set(err, r, "the processes of the control group %s do not stop.",
				 path);
	if (r == -EOPNOTSUPP)
		return error_set(err, r, "this host has no cgroup freezer.");
	return error_set(err, r, "cannot freeze the control group %s", path);
}

int cgroup_thaw(const struct cgroup_host *h, const char *path)
{
	int r = cgroup_put_frozen(h, path, false);

	return r == -ENOENT ? 0 : r;
}
