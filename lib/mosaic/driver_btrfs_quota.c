/*
 * Sizes by quota groups. Every subvolume has one, 0/ID, once quotas are switched on; that happens
 * when the first size is asked for, with full accounting, because only that tells what a volume
 * would free. Where somebody switched simple quotas on, those are used: they limit what a volume
 * allocates itself, and tell nothing of sharing.
 *
 * libbtrfsutil has no functions for any of this.
 */
#include <endian.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/base.h"
#include "mosaic/btrfs.h"

#define SIMPLE_MODE (1ULL << 3) /* BTRFS_QGROUP_STATUS_FLAG_SIMPLE_MODE of newer headers */
#define NO_LIMIT    UINT64_MAX  /* what the kernel takes for "take the limit away" */

/* The item of the quota tree with that key; its first bytes go to data. 1, or 0 when there is none
 * (without quotas there is no tree). */
static int find_item(int fd, uint32_t type, uint64_t id, void *data, size_t size)
{
	struct btrfs_ioctl_search_args args = {
		.key = { .tree_id = BTRFS_QUOTA_TREE_OBJECTID,
			 .min_type = type,
			 .max_type = type,
			 .min_offset = id,
			 .max_offset = id,
			 .max_transid = UINT64_MAX,
			 .nr_items = 1 },
	};
	struct btrfs_ioctl_search_header header;

	if (ioctl(fd, BTRFS_IOC_TREE_SEARCH, &args) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (args.key.nr_items == 0)
		return 0;
	memcpy(&header, args.buf, sizeof(header));
	if (header.len < size)
		return -EBADMSG;
	memcpy(data, args.buf + sizeof(header), size);
	return 1;
}

int btrfs_quota_state(int fd, struct error *err)
{
	struct btrfs_qgroup_status_item status;
	uint64_t flags;
	int r = find_item(fd, BTRFS_QGROUP_STATUS_KEY, 0, &status,
			  offsetof(struct btrfs_qgroup_status_item, rescan));

	if (r < 0)
		return error_set(err, r, "cannot ask for the state of the quotas");
	flags = r > 0 ? le64toh(status.flags) : 0;
	if (!(flags & BTRFS_QGROUP_STATUS_FLAG_ON))
		return BTRFS_QUOTA_OFF;
	if (flags &
	    (SIMPLE_MODE | BTRFS_QGROUP_STATUS_FLAG_RESCAN | BTRFS_QGROUP_STATUS_FLAG_INCONSISTENT))
		return BTRFS_QUOTA_ON;
	return BTRFS_QUOTA_EXACT;
}

int btrfs_read_group(int fd, uint64_t id, struct btrfs_group *ret, struct error *err)
{
	struct btrfs_qgroup_info_item info = { 0 };
	struct btrfs_qgroup_limit_item limit = { 0 };
	int r = find_item(fd, BTRFS_QGROUP_INFO_KEY, id, &info, sizeof(info));

	if (r >= 0)
		r = find_item(fd, BTRFS_QGROUP_LIMIT_KEY, id, &limit, sizeof(limit));
	if (r < 0)
		return error_set(err, r, "cannot read the quota group 0/%llu",
				 (unsigned long long)id);
	*ret = (struct btrfs_group){ .referenced = le64toh(info.rfer),
				     .exclusive = le64toh(info.excl) };
	if (le64toh(limit.flags) & BTRFS_QGROUP_LIMIT_MAX_RFER)
		ret->limit = le64toh(limit.max_rfer);
	return 0;
}

int btrfs_quota_on(int fd, struct error *err)
{
	struct btrfs_ioctl_quota_ctl_args enable = { .cmd = BTRFS_QUOTA_CTL_ENABLE };
	int state = btrfs_quota_state(fd, err);

	if (state != BTRFS_QUOTA_OFF)
		return state < 0 ? state : 0;
	if (ioctl(fd, BTRFS_IOC_QUOTA_CTL, &enable) < 0)
		return error_set(err, -errno, "cannot switch quotas on");
	/* what is there is counted first, else a volume looks emptier than it is */
	while (ioctl(fd, BTRFS_IOC_QUOTA_RESCAN_WAIT, NULL) < 0)
		if (errno != EINTR)
			return error_set(err, -errno, "cannot wait for quotas to be counted");
	return 0;
}

int btrfs_set_limit(int fd, uint64_t bytes, struct error *err)
{
	struct btrfs_ioctl_qgroup_limit_args args = {
		.qgroupid = 0, /* the one of this subvolume */
		.lim = { .flags = BTRFS_QGROUP_LIMIT_MAX_RFER,
			 .max_rfer = bytes ? bytes : NO_LIMIT },
	};
	int r = bytes ? btrfs_quota_on(fd, err) : btrfs_quota_state(fd, err);

	if (r < 0 || (!bytes && r == BTRFS_QUOTA_OFF))
		return r;
	if (ioctl(fd, BTRFS_IOC_QGROUP_LIMIT, &args) < 0)
		return error_set(err, -errno, "cannot set the quota of a subvolume");
	return 0;
}
