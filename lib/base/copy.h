#pragma once
/*
 * Copying one file or its attributes, with everything that a root file system is made of: owner,
 * mode, times, extended attributes (capabilities and ACLs among them), links, devices, fifos,
 * sockets and holes. Data is shared where the file system can (FICLONE). Walking a tree is the
 * caller's part.
 */
#include <stdint.h>
#include <sys/stat.h>

#include "base/cleanup.h"

/* Copies the content and the attributes of the regular file src to the empty file dst. */
int copy_file(int src, int dst, const struct stat *st) _must_check_;

/* The same, and fn is told how many bytes more have been copied (none where data is shared); a
 * negative return of it ends the work and is returned. teller may be NULL. */
struct copy_teller {
	int (*fn)(uint64_t bytes, void *arg);
	void *arg;
};
int copy_file_telling(int src, int dst, const struct stat *st, const struct copy_teller *teller)
	_must_check_;

/* Makes name in dirfd like src (O_PATH): a symbolic link, device, fifo or socket. */
int copy_special(int src, const struct stat *st, int dirfd, const char *name) _must_check_;

/* Owner, mode, extended attributes and times, for a file or directory. */
int copy_attributes(int src, int dst, const struct stat *st) _must_check_;

/* The extended attributes of the file or directory behind src (O_PATH allowed) go to dst. Those
 * whose name starts with except (may be NULL) stay behind. */
int copy_xattrs(int src, int dst, const char *except) _must_check_;
