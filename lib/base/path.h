#pragma once
/*
 * Paths below a root are walked by file descriptor, by the kernel, with openat2(2): there is no
 * other way to open one. RESOLVE_IN_ROOT treats an image's root as "/" for absolute links and for
 * ".."; RESOLVE_BENEATH refuses both. Magic links (/proc/PID/fd/N) are never followed.
 *
 * Nothing here allocates; all of it also serves the static programs inside a pod.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

enum path_walk {
	PATH_IN_ROOT,   /* links are followed as if rootfd were "/" */
	PATH_ONE_MOUNT, /* like PATH_IN_ROOT, but going into another mount is an error (-EXDEV) */
	PATH_BENEATH,   /* a link or ".." that leads out of rootfd is an error (-EXDEV) */
	PATH_NO_LINKS,  /* like PATH_BENEATH, and any symbolic link is an error (-ELOOP) */
	PATH_NO_MOUNTS, /* like PATH_NO_LINKS, and a step into another mount is an error (-EXDEV) */
};

/* openat2(). flags get O_CLOEXEC added. Returns a file descriptor or a negative errno. */
int path_open(int rootfd, const char *path, enum path_walk walk, int flags, mode_t mode)
	_must_check_;

/* Makes the directory path and its missing parents (0755, owner root) below rootfd, each walked
 * by fd with PATH_IN_ROOT semantics for parts that exist. Returns an O_PATH fd of the last one. */
int path_make_dirs(int rootfd, const char *path) _must_check_;

/* Makes an empty regular file (0644) at path with its missing parents, unless something that is
 * no directory is there. Returns an O_PATH fd of it. */
int path_make_file(int rootfd, const char *path) _must_check_;

/* Cleans path lexically: one slash between parts, no "." parts, no trailing slash, ".." kept.
 * "" becomes ".". dst needs LIMIT_PATH_BYTES. -ENAMETOOLONG. */
int path_clean(char *dst, const char *path) _must_check_;

/* True for an absolute path that path_clean() would leave as it is and that has no "..". */
bool path_is_clean_absolute(const char *path);

/* Removes everything below the directory name of dirfd, and the directory itself; name is one
 * component (-EINVAL). Never follows a link, never crosses into another mount (-EBUSY then), copes
 * with any depth. Missing is success. */
int path_remove_tree(int dirfd, const char *name) _must_check_;
