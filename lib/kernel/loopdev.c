#include "kernel/loopdev.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/base.h"

enum {
	TRIES = 1000, /* somebody else may take the free one first */
	SECTOR = 512,
	PATIENT_TRIES = 16,
	PAUSE_US = 1000,
	LOOP_MAJOR_NUMBER = 7,
	LOOP_MAX = 1 << 20, /* minor numbers */
};

void loopdev_close(struct loopdev *d)
{
	cleanup_close(&d->fd);
}

/* The node, made if it is missing: not everywhere is devtmpfs on /dev. */
static int open_node(unsigned number, int flags, struct loopdev *ret)
{
	struct loopdev d = { .device = makedev(LOOP_MAJOR_NUMBER, number) };
	_close_ int fd = -1;
	struct stat st;

	snprintf(d.path, sizeof(d.path), "/dev/loop%u", number);
	fd = open(d.path, flags | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT) {
		if (mknod(d.path, S_IFBLK | 0600, d.device) < 0 && errno != EEXIST)
			return -errno;
		fd = open(d.path, flags | O_CLOEXEC | O_NOFOLLOW);
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISBLK(st.st_mode) || st.st_rdev != d.device)
		return -ENOTBLK;
	d.fd = take_fd(&fd);
	*ret = d;
	return 0;
}

static int control_open(void)
{
	static const char path[] = "/dev/loop-control";
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 && errno == ENOENT) {
		if (mknod(path, S_IFCHR | 0600, makedev(10, 237)) < 0 && errno != EEXIST)
			return -errno;
		fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	}
	return fd < 0 ? -errno : fd;
}

/* -EBUSY: somebody else has it by now. */
static int attach_free(int control, const struct loop_config *config, struct loopdev *ret)
{
	bool read_only = config->info.lo_flags & LO_FLAGS_READ_ONLY;
	_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN;
	int number = ioctl(control, LOOP_CTL_GET_FREE);
	int r;

	if (number < 0)
		return -errno;
	r = open_node((unsigned)number, read_only ? O_RDONLY : O_RDWR, &d);
	if (r == -ENXIO) /* was removed meanwhile */
		return -EBUSY;
	if (r < 0)
		return r;
	if (ioctl(d.fd, LOOP_CONFIGURE, config) < 0)
		return -errno;
	*ret = d;
	d.fd = -1;
	return 0;
}

int loopdev_attach(int file, const struct loopdev_config *c, struct loopdev *ret)
{
	_close_ int control = control_open();
	struct loop_config config = {
		.fd = (unsigned)file,
		/* by itself the kernel takes what direct I/O to the file wants, today 4096 and
		 * tomorrow 512: a file system made on the one cannot be mounted on the other */
		.block_size = c->block_size ? c->block_size : SECTOR,
	};
	int r = -EBUSY;

	if (control < 0)
		return control;
	config.info.lo_flags = (c->read_only ? LO_FLAGS_READ_ONLY : 0) |
			       (c->autoclear ? LO_FLAGS_AUTOCLEAR : 0) |
			       (c->direct_io ? LO_FLAGS_DIRECT_IO : 0);
	if (c->label)
		snprintf((char *)config.info.lo_file_name, sizeof(config.info.lo_file_name), "%s",
			 c->label);
	for (int i = 0; i < TRIES && r == -EBUSY; i++) {
		if (i > PATIENT_TRIES)
			usleep(PAUSE_US);
		r = attach_free(control, &config, ret);
	}
	return r;
}

int loopdev_status(const struct loopdev *d, struct loopdev_status *ret)
{
	struct loop_info64 info;

	if (ioctl(d->fd, LOOP_GET_STATUS64, &info) < 0)
		return -errno;
	*ret = (struct loopdev_status){
		.file_device = (dev_t)info.lo_device,
		.file_inode = (ino_t)info.lo_inode,
		.read_only = info.lo_flags & LO_FLAGS_READ_ONLY,
		.autoclear = info.lo_flags & LO_FLAGS_AUTOCLEAR,
		.direct_io = info.lo_flags & LO_FLAGS_DIRECT_IO,
	};
	snprintf(ret->label, sizeof(ret->label), "%.*s", LOOPDEV_LABEL - 1,
		 (const char *)info.lo_file_name);
	return 0;
}

struct walk {
	loopdev_fn fn;
	void *arg;
};

/* For the entry loopN of /sys/block; one that is of no file, or is going, is passed over. */
static int look_at(int dirfd, const char *name, void *arg)
{
	_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN;
	const struct walk *w = arg;
	struct loopdev_status s;
	char bound[300];
	uint64_t number;
	int r;

	if (!str_starts(name, "loop") || str_to_u64(name + 4, LOOP_MAX, &number) < 0)
		return 0;
	snprintf(bound, sizeof(bound), "%s/loop", name);
	if (faccessat(dirfd, bound, F_OK, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	r = open_node((unsigned)number, O_RDONLY, &d);
	if (r == 0)
		r = loopdev_status(&d, &s);
	if (r == -ENXIO)
		return 0;
	return r < 0 ? r : w->fn(&d, &s, w->arg);
}

int loopdev_each(loopdev_fn fn, void *arg)
{
	_close_ int dir = open("/sys/block", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct walk w = { .fn = fn, .arg = arg };

	return dir < 0 ? -errno : dir_each(dir, look_at, &w);
}

enum { FOUND = 1 };

struct wanted {
	dev_t device;
	ino_t inode;
	const char *label; /* NULL: by device and inode */
	struct loopdev *ret;
};

static int take_wanted(struct loopdev *d, const struct loopdev_status *s, void *arg)
{
	const struct wanted *w = arg;

	if (w->label ? !str_eq(w->label, s->label)
		     : w->device != s->file_device || w->inode != s->file_inode)
		return 0;
	*w->ret = *d;
	d->fd = -1;
	return FOUND;
}

static int find(struct wanted *w)
{
	int r = loopdev_each(take_wanted, w);

	if (r < 0)
		return r;
	return r == FOUND ? 0 : LOOPDEV_NONE;
}

int loopdev_find(dev_t file_device, ino_t file_inode, struct loopdev *ret)
{
	struct wanted w = { .device = file_device, .inode = file_inode, .ret = ret };

	return find(&w);
}

int loopdev_find_label(const char *label, struct loopdev *ret)
{
	struct wanted w = { .label = label, .ret = ret };

	return find(&w);
}

int loopdev_set_autoclear(const struct loopdev *d, bool on)
{
	struct loop_info64 info;

	if (ioctl(d->fd, LOOP_GET_STATUS64, &info) < 0)
		return -errno;
	if (on == !!(info.lo_flags & LO_FLAGS_AUTOCLEAR))
		return 0;
	info.lo_flags ^= LO_FLAGS_AUTOCLEAR;
	return ioctl(d->fd, LOOP_SET_STATUS64, &info) < 0 ? -errno : 0;
}

int loopdev_set_capacity(const struct loopdev *d)
{
	return ioctl(d->fd, LOOP_SET_CAPACITY, 0) < 0 ? -errno : 0;
}
