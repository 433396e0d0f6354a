#include "cli/moctl/idmap.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>

#include "cli/moctl/moctl.h"
#include "cli/moctl/parse.h"
#include "kernel/kernel.h"

static const char word[] = "--hold-namespace";

bool idmap_is_holder(int argc, char *const *argv)
{
	return argc == 2 && str_eq(argv[1], word);
}

int idmap_hold(void)
{
	char byte;

	(void)!read_all(STDIN_FILENO, &byte, 1); /* until the other end is closed */
	return 0;
}

/* ---- a namespace that is there --------------------------------------------------------------- */

static int open_file(const char *path, int *ret_fd, struct error *err)
{
	_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, -errno, "cannot open the namespace %s", path);
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWUSER)
		return error_set(err, -EINVAL,
				 "%s is no user namespace (/proc/PID/ns/user is one).", path);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* ---- a new one ------------------------------------------------------------------------------- */

/* The lines of uid_map or gid_map. */
static int write_map(pid_t pid, const struct moctl_map *map, bool groups, struct error *err)
{
	char path[64], text[MOCTL_MAP_RANGES * 40] = "";
	size_t used = 0;
	int r;

	for (size_t i = 0; i < map->n; i++) {
		const struct moctl_map_range *range = &map->ranges[i];

		if (groups ? range->groups : range->users)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%u %u %u\n",
						 range->disk, range->shown, range->count);
	}
	if (!used)
		return moctl_usage(err, "the map has no %s.", groups ? "groups" : "users");
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, groups ? "gid_map" : "uid_map");
	r = file_put(AT_FDCWD, path, text);
	return r < 0 ? error_set(err, r, "the kernel refuses the map of %s",
				 groups ? "groups" : "users")
		     : 0;
}

static int map_and_open(pid_t pid, const struct moctl_map *map, int *ret_fd, struct error *err)
{
	char path[64];
	int r = write_map(pid, map, false, err);

	if (r == 0)
		r = write_map(pid, map, true, err);
	if (r != 0)
		return r;
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	return open_file(path, ret_fd, err);
}

static int new_namespace(const struct moctl_map *map, int *ret_fd, struct error *err)
{
	static const char *const argv[] = { "moctl", word, NULL }, *const envp[] = { NULL };
	_close_ int exe = open("/proc/self/exe", O_PATH | O_CLOEXEC), in = -1, out = -1;
	_close_ int process = -1;
	struct process_spec spec = {
		.exe_fd = exe,
		.argv = argv,
		.envp = envp,
		.clone_flags = CLONE_NEWUSER,
		.cgroup_fd = -1,
		.stdio = { -1, -1, -1 },
		.keep_fd = -1,
	};
	int pipes[2], status, r;
	pid_t pid;

	if (exe < 0 || pipe2(pipes, O_CLOEXEC) < 0)
		return error_set(err, -errno, "cannot make a user namespace");
	in = spec.stdio[0] = pipes[0];
	out = pipes[1];
	process = process_spawn(&spec, &pid);
	if (process < 0)
		return error_set(err, process, "cannot make a user namespace");
	r = map_and_open(pid, map, ret_fd, err);
	cleanup_close(&out);
	(void)!process_wait(process, &status);
	return r;
}

int idmap_open(const char *text, int *ret_fd, struct error *err)
{
	struct moctl_map map;
	int r;

	if (strchr(text, '/'))
		return open_file(text, ret_fd, err);
	r = moctl_read_map(text, &map, err);
	return r ? r : new_namespace(&map, ret_fd, err);
}
