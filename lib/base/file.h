#pragma once
/*
 * Whole files, and changes on disk that are atomic: written beside, then renamed. What must also
 * be durable (a crash of the machine may not lose it) asks for FILE_SYNC.
 */
#include <stdbool.h>
#include <sys/stat.h>

#include "base/str.h"

enum file_flags {
	FILE_SYNC = 1,      /* fsync the file and then its directory before returning */
	FILE_EXCLUSIVE = 2, /* -EEXIST when the name is taken */
};

/* Reads the regular file name of dirfd (AT_FDCWD allowed). Refuses links, devices and fifos and
 * anything over max bytes (-EFBIG). The result is NUL-terminated; the caller frees *ret. */
int file_read(int dirfd, const char *name, size_t max, char **ret, size_t *ret_len) _must_check_;

/* The same for a descriptor that is open already, from offset 0. */
int file_read_fd(int fd, size_t max, char **ret, size_t *ret_len) _must_check_;

/* Replaces the file name of dirfd (AT_FDCWD allowed; name may be a trusted path) by these bytes. */
int file_write(int dirfd, const char *name, const void *data, size_t len, mode_t mode,
	       unsigned flags) _must_check_;

/* Writes the whole string into an existing file such as those of cgroupfs or procfs: one write. */
int file_put(int dirfd, const char *name, const char *value) _must_check_;

/* write() until all is written; EINTR is retried. */
int write_all(int fd, const void *data, size_t len) _must_check_;

/* The same with pwrite(), from offset at on: the position stays. */
int pwrite_all(int fd, const void *data, size_t len, uint64_t at) _must_check_;

/* read() until len bytes or the end; returns the count or a negative errno. */
ssize_t read_all(int fd, void *data, size_t len) _must_check_;

/* fsync of the directory itself, so that names in it survive a power cut. */
int sync_dir(int dirfd) _must_check_;

/* Makes path and its parents (host side, trusted path), mode for those made. Existing is fine;
 * -ENOTDIR when something else has the name. */
int make_dirs(const char *path, mode_t mode) _must_check_;

/* Calls fn for each entry except "." and ".."; a positive or negative return of fn ends the walk
 * and is returned. Entries may be removed by fn. dirfd stays open. */
int dir_each(int dirfd, int (*fn)(int dirfd, const char *name, void *arg), void *arg) _must_check_;
