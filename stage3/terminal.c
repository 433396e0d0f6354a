#include "stage3/stage3.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

/* A new master in the app's own devpts. */
static int open_master(const struct launch *l)
{
	int fd = path_open(l->root, "/dev/pts/ptmx", PATH_NO_LINKS, O_RDWR | O_NOCTTY, 0);
	struct statfs fs;

	if (fd < 0)
		return fd;
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	return fs.f_type == DEVPTS_SUPER_MAGIC ? fd : -ENODEV;
}

/* Unlocks the terminal behind master and opens its other side, by descriptor: a name below /dev/pts
 * could lead elsewhere (CVE-2025-52565). */
static int open_slave(const struct launch *l, int master)
{
	const struct winsize size = { .ws_row = l->plan.rows, .ws_col = l->plan.columns };
	int locked = 0, slave;

	if (ioctl(master, TIOCSPTLCK, &locked) < 0)
		return -errno;
	if (size.ws_row && ioctl(master, TIOCSWINSZ, &size) < 0)
		return -errno;
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	return slave < 0 ? -errno : slave;
}

static int bind_console(const struct launch *l)
{
	int place = path_open(l->root, "/dev/console", PATH_NO_LINKS, O_PATH, 0), console;

	if (place == -ENOENT)
		place = path_make_file(l->root, "/dev/console");
	if (place < 0)
		return place;
	console = mount_clone(l->terminal, "", false);
	return console < 0 ? console : mount_attach(console, place);
}

/* process_spawn() may have made the session already. */
static int new_session(void)
{
	return setsid() < 0 && getsid(0) != getpid() ? -EPERM : 0;
}

int step_terminal(struct launch *l)
{
	int master, r = 0;

	if (l->plan.flags & (PLAN_SESSION | PLAN_TERMINAL))
		r = new_session();
	if (r < 0 || !(l->plan.flags & PLAN_TERMINAL))
		return r;
	master = open_master(l);
	if (master < 0)
		return master;
	l->terminal = open_slave(l, master);
	if (l->terminal < 0)
		return l->terminal;
	if (ioctl(l->terminal, TIOCSCTTY, 0) < 0)
		return -errno;
	if (l->plan.flags & PLAN_BUILD_ROOT)
		r = bind_console(l);
	if (r < 0)
		return r;
	return socket_send_fds(PLAN_SOCKET_FD, &(char){ LAUNCH_REPLY_TERMINAL }, 1, &master, 1);
}
