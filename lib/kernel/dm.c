#include "kernel/dm.h"

#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define MAPPER_DIR "/dev/mapper"

enum {
	CONTROL_MAJOR = 10, /* misc devices */
	CONTROL_MINOR = 236,
	REQUEST_MAX = 4096, /* all but lists */
	LIST_MAX = 16 << 20,
};

/* The first interface with deferred removal; the kernel refuses what is newer than itself. */
static const uint32_t interface_version[3] = { 4, 27, 0 };

/* What udev is told, in the upper half of the cookie: make the links of /dev/mapper, but do not
 * open the device to see what is on it, nor tell others of it. The lower half is empty: nobody
 * waits for udev. The values are those of libdevmapper.h. */
enum {
	UDEV_NO_SUBSYSTEM_RULES = 0x02,
	UDEV_NO_DISK_RULES = 0x04,
	UDEV_NO_OTHER_RULES = 0x08,
	UDEV_PRIMARY_SOURCE = 0x40,
	UDEV_SHIFT = 16,
};
#define UDEV_COOKIE                                                                      \
	((uint32_t)(UDEV_NO_SUBSYSTEM_RULES | UDEV_NO_DISK_RULES | UDEV_NO_OTHER_RULES | \
		    UDEV_PRIMARY_SOURCE)                                                 \
	 << UDEV_SHIFT)

struct request {
	union {
		struct dm_ioctl io;
		char bytes[REQUEST_MAX];
	};
};

/* Where the data of a request are. */
enum { DATA = offsetof(struct dm_ioctl, data) + 7 };
_Static_assert(DATA == sizeof(struct dm_ioctl), "the data lie behind the header");

static int init(struct dm_ioctl *io, size_t size, const char *name, uint32_t flags)
{
	memset(io, 0, sizeof(*io));
	memcpy(io->version, interface_version, sizeof(interface_version));
	io->data_size = (uint32_t)size;
	io->data_start = DATA;
	io->flags = flags;
	if (!name)
		return 0;
	if (strlen(name) >= sizeof(io->name))
		return -ENAMETOOLONG;
	memcpy(io->name, name, strlen(name));
	return 0;
}

static int call(int control, unsigned long command, struct dm_ioctl *io)
{
	int r;

	do
		r = ioctl(control, command, io);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

/* A request without data. */
static int simple(int control, unsigned long command, const char *name, uint32_t flags,
		  uint32_t event, struct dm_ioctl *ret)
{
	struct dm_ioctl io;
	int r = init(&io, sizeof(io), name, flags);

	if (r < 0)
		return r;
	io.event_nr = event;
	r = call(control, command, &io);
	if (r == 0 && ret)
		*ret = io;
	return r;
}

int dm_open_control(void)
{
	static const char path[] = MAPPER_DIR "/control";
	int fd = open(path, O_RDWR | O_CLOEXEC), r;

	if (fd >= 0)
		return fd;
	if (errno != ENOENT)
		return -errno;
	r = make_dirs(MAPPER_DIR, 0755);
	if (r < 0)
		return r;
	if (mknod(path, S_IFCHR | 0600, makedev(CONTROL_MAJOR, CONTROL_MINOR)) < 0 &&
	    errno != EEXIST)
		return -errno;
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int dm_create(int control, const char *name, const char *uuid)
{
	struct dm_ioctl io;
	int r = init(&io, sizeof(io), name, 0);

	if (r < 0)
		return r;
	if (strlen(uuid) >= sizeof(io.uuid))
		return -ENAMETOOLONG;
	memcpy(io.uuid, uuid, strlen(uuid));
	return call(control, DM_DEV_CREATE, &io);
}

int dm_load(int control, const char *name, const struct dm_target *targets, size_t n,
	    bool read_only)
{
	struct request q;
	int r = init(&q.io, sizeof(q), name, read_only ? DM_READONLY_FLAG : 0);

	if (r == 0)
		r = dm_request_put_table(q.bytes + DATA, sizeof(q) - DATA, targets, n);
	if (r < 0)
		return r;
	q.io.target_count = (uint32_t)n;
	return call(control, DM_TABLE_LOAD, &q.io);
}

static uint32_t suspend_flags(unsigned flags)
{
	return (flags & DM_SUSPEND_NO_FREEZE ? DM_SKIP_LOCKFS_FLAG : 0) |
	       (flags & DM_SUSPEND_NO_FLUSH ? DM_NOFLUSH_FLAG : 0);
}

int dm_suspend(int control, const char *name, unsigned flags)
{
	return simple(control, DM_DEV_SUSPEND, name, DM_SUSPEND_FLAG | suspend_flags(flags), 0,
		      NULL);
}

int dm_resume(int control, const char *name, unsigned flags)
{
	return simple(control, DM_DEV_SUSPEND, name, suspend_flags(flags), UDEV_COOKIE, NULL);
}

int dm_remove(int control, const char *name, unsigned flags)
{
	return simple(control, DM_DEV_REMOVE, name,
		      flags & DM_REMOVE_DEFERRED ? DM_DEFERRED_REMOVE : 0, UDEV_COOKIE, NULL);
}

int dm_message(int control, const char *name, const char *text)
{
	struct request q;
	size_t len = strlen(text) + 1;
	int r = init(&q.io, sizeof(q), name, 0);

	if (r < 0)
		return r;
	if (len > sizeof(q) - DATA - sizeof(struct dm_target_msg))
		return -E2BIG;
	memset(q.bytes + DATA, 0, sizeof(struct dm_target_msg)); /* sector 0 */
	memcpy(q.bytes + DATA + offsetof(struct dm_target_msg, message), text, len);
	return call(control, DM_TARGET_MSG, &q.io);
}

int dm_keep(int control, const char *name)
{
	return dm_message(control, name, "@cancel_deferred_remove");
}

int dm_get_state(int control, const char *name, struct dm_state *ret)
{
	struct dm_ioctl io = { 0 };
	int r = simple(control, DM_DEV_STATUS, name, 0, 0, &io);

	if (r < 0)
		return r;
	*ret = (struct dm_state){
		.device = (dev_t)io.dev,
		.open_count = (unsigned)io.open_count,
		.has_table = io.flags & DM_ACTIVE_PRESENT_FLAG,
		.suspended = io.flags & DM_SUSPEND_FLAG,
		.active = io.flags & DM_ACTIVE_PRESENT_FLAG && !(io.flags & DM_SUSPEND_FLAG),
		.read_only = io.flags & DM_READONLY_FLAG,
		.deferred = io.flags & DM_DEFERRED_REMOVE,
	};
	return 0;
}

int dm_get_text(int control, const char *name, enum dm_text_kind kind, char dst[DM_TEXT_MAX])
{
	uint32_t flags = kind == DM_TEXT_TABLE          ? DM_STATUS_TABLE_FLAG
			 : kind == DM_TEXT_STATUS_FLUSH ? 0
							: DM_NOFLUSH_FLAG;
	struct request q;
	int r = init(&q.io, sizeof(q), name, flags);

	if (r == 0)
		r = call(control, DM_TABLE_STATUS, &q.io);
	if (r < 0)
		return r;
	if (q.io.flags & DM_BUFFER_FULL_FLAG || q.io.data_start > sizeof(q))
		return -E2BIG;
	return dm_request_get_text(q.bytes + q.io.data_start, sizeof(q) - q.io.data_start,
				   q.io.target_count, dst);
}

int dm_each(int control, dm_name_fn fn, void *arg)
{
	for (size_t size = REQUEST_MAX; size <= LIST_MAX; size *= 2) {
		_free_ struct dm_ioctl *io = calloc(1, size);
		int r = io ? init(io, size, NULL, 0) : -ENOMEM;

		if (r == 0)
			r = call(control, DM_LIST_DEVICES, io);
		if (r < 0)
			return r;
		if (io->flags & DM_BUFFER_FULL_FLAG)
			continue;
		if (io->data_start > size)
			return -EBADMSG;
		return dm_request_each_name((const char *)io + io->data_start,
					    size - io->data_start, fn, arg);
	}
	return -E2BIG;
}

static bool is_node_of(const char *path, dev_t device)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == device;
}

int dm_get_path(const char *name, dev_t device, char dst[DM_PATH_MAX])
{
	int r;

	snprintf(dst, DM_PATH_MAX, "/dev/dm-%u", minor(device));
	if (is_node_of(dst, device))
		return 0;
	if (snprintf(dst, DM_PATH_MAX, MAPPER_DIR "/%s", name) >= DM_PATH_MAX)
		return -ENAMETOOLONG;
	if (is_node_of(dst, device))
		return 0;
	r = make_dirs(MAPPER_DIR, 0755);
	if (r < 0)
		return r;
	if (unlink(dst) < 0 && errno != ENOENT)
		return -errno;
	return mknod(dst, S_IFBLK | 0600, device) < 0 && errno != EEXIST ? -errno : 0;
}

void dm_forget_path(const char *name)
{
	char path[DM_PATH_MAX];
	struct stat st;

	if (snprintf(path, sizeof(path), MAPPER_DIR "/%s", name) >= DM_PATH_MAX)
		return;
	if (lstat(path, &st) == 0 && S_ISBLK(st.st_mode))
		(void)!unlink(path); /* one that stays is replaced when the name is used again */
}

int dm_open_device(int control, const char *name, int flags, char dst[DM_PATH_MAX])
{
	char path[DM_PATH_MAX];
	struct dm_state state;
	_close_ int fd = -1;
	struct stat st;
	int r;

	r = dm_get_state(control, name, &state);
	if (r == 0)
		r = dm_get_path(name, state.device, path);
	if (r < 0)
		return r;
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		return errno == ENODEV || errno == ENOENT ? -ENXIO : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISBLK(st.st_mode) || st.st_rdev != state.device)
		return -ENXIO;
	if (dst)
		memcpy(dst, path, sizeof(path));
	return take_fd(&fd);
}
