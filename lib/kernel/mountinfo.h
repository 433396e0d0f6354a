#pragma once
/*
 * The mounts of a mount namespace, as /proc/PID/mountinfo tells them (proc(5)).
 */
#include <stddef.h>
#include <sys/types.h>

#include "base/base.h"

enum { MOUNTINFO_MAX = 16 << 20 }; /* bytes: for file_read() */

struct mountinfo {
	int id;
	dev_t device;
	const char *root;    /* what of the file system is mounted */
	const char *point;   /* where, as seen from the process's root */
	const char *options; /* of the mount: "rw,relatime" */
	const char *fstype, *source;
};

/* Takes the next line from *cursor, which walks over text that is changed: the strings of *ret
 * point into it, with the kernel's \ooo resolved. 1, or 0 at the end; lines that are none are
 * passed over. */
int mountinfo_next(char **cursor, struct mountinfo *ret) _must_check_;

/* Which file system fd lies in, and its path there ("/" for the root of it), in the caller's namespace. -ENOENT when fd is
 * on a mount that is nowhere. */
int mountinfo_locate(int fd, dev_t *ret_device, char *path, size_t size) _must_check_;

/* The mount whose root is at path (the uppermost one). *ret points into *ret_text, which the caller
 * frees. -EINVAL: nothing is mounted there, path is below a mount. */
int mountinfo_at(const char *path, char **ret_text, struct mountinfo *ret) _must_check_;
