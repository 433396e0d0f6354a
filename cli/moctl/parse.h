#pragma once
/* Words of command lines that say more than a name. All pure: 0, or MOCTL_USAGE with *err. */
#include "base/base.h"

struct mosaic_mount;

/* "ro,nodev,volatile": added to what *how has. */
int moctl_read_mount_options(const char *text, struct mosaic_mount *how, struct error *err)
	_must_check_;

/* "10G", "+1G", "-512M", "none" (which is 0). */
struct moctl_size_change {
	char sign; /* '+', '-', or '=' */
	uint64_t bytes;
};
int moctl_read_size_change(const char *text, struct moctl_size_change *ret, struct error *err)
	_must_check_;

/* What it makes of a size; a size of 0 is none, and has no more or less. 0, or -EINVAL with *err.
 */
int moctl_apply_size_change(const struct moctl_size_change *change, uint64_t now, uint64_t *ret,
			    struct error *err) _must_check_;

/* "0:100000:65536", "u:0:1000:1,g:0:1000:1": as which user and group the mount shows those on
 * disk. */
enum { MOCTL_MAP_RANGES = 16 };
struct moctl_map_range {
	bool users, groups;
	uint32_t disk, shown, count;
};
struct moctl_map {
	struct moctl_map_range ranges[MOCTL_MAP_RANGES];
	size_t n;
};
int moctl_read_map(const char *text, struct moctl_map *ret, struct error *err) _must_check_;

/* "KEY=VALUE": the length of KEY. */
int moctl_read_pair(const char *text, size_t *ret_len, struct error *err) _must_check_;
