#include "kernel/mount.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/syscall.h>

/* umount2(2); <sys/mount.h> cannot be had together with <linux/mount.h>. */
enum { DETACH = 2, NOFOLLOW = 8 };

/* What fd says: the system's result, or the negative errno. */
static int result(long fd)
{
	return fd < 0 ? -errno : (int)fd;
}

/* The last error in the log of a file system context, without its "e ". */
static void read_message(int context, char *message, size_t size)
{
	char line[256];
	ssize_t n;

	if (!message || size == 0)
		return;
	message[0] = '\0';
	while ((n = read(context, line, sizeof(line))) > 2) {
		size_t len = (size_t)n - 2;

		if (line[0] != 'e')
			continue;
		if (line[n - 1] == '\n')
			len--;
		if (len >= size)
			len = size - 1;
		memcpy(message, line + 2, len);
		message[len] = '\0';
	}
}

static int set_option(int context, const struct mount_option *o)
{
	bool flag = !o->value || !*o->value;

	return result(syscall(SYS_fsconfig, context, flag ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING,
			      o->key, flag ? NULL : o->value, 0));
}

static int configure(int context, const struct mount_option *options, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = set_option(context, &options[i]);

		if (r < 0)
			return r;
	}
	return result(syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
}

int mount_new(const char *fstype, const struct mount_option *options, size_t n, uint64_t attributes,
	      char *message, size_t message_size)
{
	_close_ int context = (int)syscall(SYS_fsopen, fstype, FSOPEN_CLOEXEC);
	int r;

	if (context < 0)
		return -errno;
	r = configure(context, options, n);
	if (r == 0)
		r = result(syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes));
	if (r < 0)
		read_message(context, message, message_size);
	return r;
}

int mount_clone(int dirfd, const char *path, bool recursive)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;

	return result(syscall(SYS_open_tree, dirfd, path, flags | (recursive ? AT_RECURSIVE : 0)));
}

static int set_attributes(int dirfd, const char *path, unsigned flags,
			  const struct mount_attr *attr)
{
	return result(syscall(SYS_mount_setattr, dirfd, path, flags, attr, sizeof(*attr)));
}

int mount_change(int fd, uint64_t set, uint64_t clear, bool recursive)
{
	const struct mount_attr attr = { .attr_set = set, .attr_clr = clear };

	return set_attributes(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr);
}

int mount_map_ids(int fd, int userns)
{
	const struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP,
					 .userns_fd = (uint64_t)userns };

	return set_attributes(fd, "", AT_EMPTY_PATH, &attr);
}

int mount_attach(int fd, int targetfd)
{
	return result(syscall(SYS_move_mount, fd, "", targetfd, "",
			      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
}

int mount_attach_at(int fd, int dirfd, const char *name)
{
	return result(syscall(SYS_move_mount, fd, "", dirfd, name, MOVE_MOUNT_F_EMPTY_PATH));
}

/* With both arguments ".", the old root ends up on top of the new one, where "." finds it: no
 * directory is needed to put it, and it is gone at once. */
int mount_pivot(int dirfd)
{
	if (fchdir(dirfd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    syscall(SYS_umount2, ".", DETACH) < 0)
		return -errno;
	return 0;
}

int mount_end(const char *path)
{
	return result(syscall(SYS_umount2, path, NOFOLLOW));
}

int mount_all_private(void)
{
	const struct mount_attr attr = { .propagation = MS_PRIVATE };

	return set_attributes(AT_FDCWD, "/", AT_RECURSIVE, &attr);
}
