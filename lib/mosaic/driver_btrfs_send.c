/*
 * The stream of the kernel's own, which `btrfs send` writes too. The kernel sends read-only
 * subvolumes alone, so a writable volume is sent by a snapshot that is in staging meanwhile. What
 * is received is made by the btrfs program: a stream is a list of operations, and nobody but the
 * btrfs people should have to know all of them.
 */
#include <btrfsutil.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/base.h"
#include "mosaic/btrfs.h"

struct refusal {
	const char *volume;
	struct error *err;
};

static int refuse_nested(const char *path, uint64_t id, void *arg)
{
	const struct refusal *n = arg;

	(void)id;
	return error_set(n->err, -EOPNOTSUPP,
			 "volume %s has a subvolume in it, %s, which a btrfs stream does not take "
			 "along: send it as a portable one.",
			 n->volume, path);
}

static int send_subvolume(int subvolume, int since, int fd, struct error *err)
{
	struct btrfs_ioctl_send_args args = { .send_fd = fd };
	uint64_t parent;

	if (since >= 0) {
		if (btrfs_util_subvolume_id_fd(since, &parent) != BTRFS_UTIL_OK)
			return error_set(err, -errno, "cannot ask for the ID of a subvolume");
		args.parent_root = parent;
		args.clone_sources = (__u64 *)&parent;
		args.clone_sources_count = 1;
	}
	if (ioctl(subvolume, BTRFS_IOC_SEND, &args) < 0)
		return error_set(err, -errno, "cannot send a btrfs subvolume");
	return 0;
}

/* By a read-only snapshot. */
static int send_writable(struct mosaic *m, int content, int since, int fd, struct error *err)
{
	struct mosaic_staged s = MOSAIC_STAGED_NONE;
	_close_ int snapshot = -1;
	int r = volume_begin(m, &s, err);

	if (r < 0)
		return r;
	r = btrfs_snapshot(content, s.lock_fd, "tree", true, err);
	if (r == 0) {
		snapshot = openat(s.lock_fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = snapshot < 0 ? error_set(err, -errno, "cannot open a snapshot")
				 : send_subvolume(snapshot, since, fd, err);
	}
	cleanup_close(&snapshot);
	mosaic_discard(m, &s);
	return directory_room(m, r, err);
}

int btrfs_send(struct mosaic *m, const struct volume *v, const struct volume *since, int fd,
	       struct error *err)
{
	struct refusal nested = { v->name, err };
	_close_ int content = btrfs_open_content(v, err), base = -1;
	int r = content;

	if (r >= 0)
		r = btrfs_each_nested(content, refuse_nested, &nested, err);
	if (r >= 0 && since)
		r = base = btrfs_open_content(since, err);
	if (r < 0)
		return r;
	return v->kind == VOLUME_TREE ? send_subvolume(content, base, fd, err)
				      : send_writable(m, content, base, fd, err);
}

/* The one directory that is there now is what was received; it has the name that it had where it
 * was sent. */
static int take_it(int dirfd, const char *name, void *arg)
{
	struct stat st;

	(void)arg;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return 0;
	if (!str_eq(name, "tree") && renameat(dirfd, name, dirfd, "tree") < 0)
		return -errno;
	return 1;
}

int btrfs_receive(struct mosaic *m, int dirfd, const struct volume *since, int fd,
		  struct error *err)
{
	bool read_only = false;
	_close_ int tree = -1;
	int r;

	(void)since; /* the stream says what it stands on, and btrfs finds it by its UUID */
	r = btrfs_receive_confined(dirfd, fd, err);
	if (r < 0)
		return directory_room(m, r, err);
	r = dir_each(dirfd, take_it, NULL);
	if (r <= 0)
		return error_set(err, r < 0 ? r : -EBADMSG, "the stream had no subvolume");
	tree = openat(dirfd, "tree", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (tree < 0 || btrfs_util_get_subvolume_read_only_fd(tree, &read_only) != BTRFS_UTIL_OK ||
	    !read_only)
		return error_set(err, -EBADMSG, "the stream ended before its subvolume was whole");
	return 0;
}
