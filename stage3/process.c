/* What the app's process has from the start: limits, keyring, directory, descriptors. */
#include "stage3/stage3.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Writes value in decimal; returns how many characters. */
static size_t format_score(char text[8], int32_t value)
{
	uint32_t rest = value < 0 ? (uint32_t)-value : (uint32_t)value;
	char digits[8];
	size_t n = 0, len = 0;

	do
		digits[n++] = (char)('0' + rest % 10);
	while ((rest /= 10) > 0 && n < sizeof(digits) - 1);
	if (value < 0)
		text[len++] = '-';
	while (n > 0)
		text[len++] = digits[--n];
	return len;
}

int step_oom_score(struct launch *l)
{
	char text[8];
	int fd;

	if (l->plan.oom_score_adj == INT32_MIN)
		return 0;
	fd = launch_open_proc(l, "self/oom_score_adj", O_WRONLY);
	if (fd < 0)
		return fd;
	return write(fd, text, format_score(text, l->plan.oom_score_adj)) < 0 ? -errno : 0;
}

int step_rlimit(struct launch *l)
{
	for (uint32_t i = 0; i < l->plan.n_rlimits; i++) {
		const struct plan_rlimit *p = &l->plan.rlimits[i];
		const struct rlimit limit = { .rlim_cur = p->soft, .rlim_max = p->hard };

		l->report->index = i;
		if (setrlimit((int)p->resource, &limit) < 0)
			return -errno;
	}
	return 0;
}

/* A session keyring of the app's own; else it would possess the keys of whoever started the pod. A
 * kernel without keys has none to protect. */
int step_keyring(struct launch *l)
{
	(void)l;
	return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS
		       ? -errno
		       : 0;
}

/* Found by descriptor, without magic links, and looked back from: a directory that is not below our
 * root has no name there (CVE-2024-21626). */
int step_directory(struct launch *l)
{
	const char *path = l->plan.directory;
	char name[LIMIT_PATH_BYTES];
	int fd;

	if (!*path || str_eq(path, "/")) /* where the pivot, or setns(), left us */
		return 0;
	fd = path_open(l->root, path, PATH_IN_ROOT, O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	if (fchdir(fd) < 0 || syscall(SYS_getcwd, name, sizeof(name)) < 0)
		return -errno;
	return name[0] == '/' ? 0 : -EXDEV;
}

int step_stdio(struct launch *l)
{
	for (int i = 0; i < 3; i++) {
		int fd = l->terminal;

		if (l->plan.flags & PLAN_STDIO_FDS)
			fd = launch_fd(l, l->plan.stdio_fds[i]);
		if (fd >= 0 && dup3(fd, i, 0) < 0) /* lint: fd ok: these the app is to have */
			return -errno;
	}
	umask(l->plan.umask);
	return syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) < 0 ? -errno : 0;
}
