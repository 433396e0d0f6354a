/* The end: the filter, and then nothing but execve. */
#include "stage3/stage3.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

int step_seccomp(struct launch *l)
{
	const struct sock_fprog filter = {
		.len = (unsigned short)l->plan.n_seccomp,
		.filter = (struct sock_filter *)l->plan.seccomp,
	};

	if (l->plan.flags & PLAN_NO_NEW_PRIVS && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (l->plan.n_seccomp == 0)
		return 0;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0 ? -errno : 0;
}

/* PATH of the app's environment. Without one: the working directory, then where POSIX has its
 * utilities (appc spec, "image", exec). */
static const char *search_path(const struct plan *p)
{
	for (uint32_t i = 0; i < p->n_envp; i++)
		if (str_starts(p->envp[i], "PATH="))
			return p->envp[i] + 5;
	return ":/bin:/usr/bin";
}

/* Writes directory/name; an empty directory is the working directory. */
static bool join(char *dst, const char *directory, size_t len, const char *name)
{
	size_t name_len = strlen(name);

	if (len + 1 + name_len + 1 > LIMIT_PATH_BYTES)
		return false;
	memcpy(dst, directory, len);
	if (len > 0)
		dst[len++] = '/';
	memcpy(dst + len, name, name_len + 1);
	return true;
}

/* Executes argv[0]: the path that it is, or the first of that name in PATH that can be executed.
 * One that is there but not permitted is remembered for the report, as execvp(3) does. */
int step_exec(struct launch *l)
{
	const struct plan *p = &l->plan;
	const char *name = p->argv[0], *dir = search_path(p);
	char **argv = (char **)p->argv, **envp = (char **)p->envp;
	char path[LIMIT_PATH_BYTES];
	int result = -ENOENT;

	if (strchr(name, '/') || !*name) {
		execve(name, argv, envp);
		return -errno;
	}
	for (;; dir++) {
		size_t len = strcspn(dir, ":");

		if (join(path, dir, len, name)) {
			execve(path, argv, envp);
			if (errno == EACCES)
				result = -EACCES;
			else if (errno != ENOENT && errno != ENOTDIR)
				return -errno;
		}
		dir += len;
		if (!*dir)
			return result;
	}
}
