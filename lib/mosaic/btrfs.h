#pragma once
/* The parts of the btrfs driver among themselves. */
#include "mosaic/driver.h"

/* ---- driver_btrfs.c -------------------------------------------------------------------------- */

/* A snapshot of the subvolume src, with those in it, as name in the directory dirfd. */
int btrfs_snapshot(int src, int dirfd, const char *name, bool read_only, struct error *err)
	_must_check_;

/* The subvolume with the volume's content, as a descriptor. */
int btrfs_open_content(const struct volume *v, struct error *err) _must_check_;

/* Calls fn for each subvolume inside of the one behind fd; path is relative to it. What fn returned
 * other than 0 ends it. */
int btrfs_each_nested(int fd, int (*fn)(const char *path, uint64_t id, void *arg), void *arg,
		      struct error *err) _must_check_;

/* ---- driver_btrfs_quota.c -------------------------------------------------------------------- */

/* Switches quotas on unless they are, which takes a walk through all that the file system has. */
int btrfs_quota_on(int fd, struct error *err) _must_check_;

/* Limits what the subvolume behind fd can hold (0: nothing does), with quotas switched on. */
int btrfs_set_limit(int fd, uint64_t bytes, struct error *err) _must_check_;

struct btrfs_group {
	uint64_t referenced, exclusive; /* bytes, as of the last commit of the file system */
	uint64_t limit;                 /* 0: none */
};

enum btrfs_quota { BTRFS_QUOTA_OFF, BTRFS_QUOTA_ON, BTRFS_QUOTA_EXACT };

/* Are there quotas, and do their numbers say who shares what? Simple quotas (squota) do not; nor do
 * those that are being counted again. */
int btrfs_quota_state(int fd, struct error *err) _must_check_;

/* What is counted for the subvolume id; all 0 where nothing is. */
int btrfs_read_group(int fd, uint64_t id, struct btrfs_group *ret, struct error *err) _must_check_;

/* ---- driver_btrfs_usage.c -------------------------------------------------------------------- */

int btrfs_usage(struct mosaic *m, const struct volume *v, struct mosaic_usage *ret,
		struct error *err);

/* ---- driver_btrfs_send.c --------------------------------------------------------------------- */

int btrfs_send(struct mosaic *m, const struct volume *v, const struct volume *since, int fd,
	       struct error *err);
int btrfs_receive(struct mosaic *m, int dirfd, const struct volume *since, int fd,
		  struct error *err);

/* ---- driver_btrfs_confine.c ------------------------------------------------------------------ */

/* btrfs receive of the stream into the directory, by a process that reaches nothing else. */
int btrfs_receive_confined(int dirfd, int stream, struct error *err) _must_check_;
