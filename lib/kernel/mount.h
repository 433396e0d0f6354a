#pragma once
/*
 * Mounts by descriptor: made detached, with their attributes, then moved to their place
 * (fsopen(2), fsconfig(2), fsmount(2), open_tree(2), mount_setattr(2), move_mount(2)). The old
 * mount(2) is never used, so no mount is ever visible half done, and a detached mount that
 * nobody attached disappears with its descriptor.
 *
 * All functions return a descriptor or 0, or a negative errno.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/base.h"

/* MOUNT_ATTR_* of linux/mount.h, which cannot be included together with sys/mount.h. */
#define MOUNT_READONLY    0x00000001
#define MOUNT_NOSUID      0x00000002
#define MOUNT_NODEV       0x00000004
#define MOUNT_NOEXEC      0x00000008
#define MOUNT_NOATIME     0x00000010
#define MOUNT_NOSYMFOLLOW 0x00200000

struct mount_option {
	const char *key;
	const char *value; /* NULL or "": a flag */
};

/* A new file system, detached. The kernel's own words for a refusal are put into message (may be
 * NULL) when it has some. */
int mount_new(const char *fstype, const struct mount_option *options, size_t n, uint64_t attributes,
	      char *message, size_t message_size) _must_check_;

/* A detached copy of what is mounted at path (or below it, recursive). path "" means dirfd itself.
 * */
int mount_clone(int dirfd, const char *path, bool recursive) _must_check_;

/* The same of the directory path below the detached mount mountfd, of which the kernel would make
 * no copy: it is attached for a moment, in a mount namespace of a child's own, and is of no use
 * afterwards. */
int mount_clone_below(int mountfd, const char *path) _must_check_;

/* The same of the directory path in the mount namespace, and below the root, of another process. */
int mount_clone_in(pid_t pid, const char *path) _must_check_;

/* Sets and clears attributes of the mount behind fd; recursive covers its submounts. */
int mount_change(int fd, uint64_t set, uint64_t clear, bool recursive) _must_check_;

/* Gives the detached mount fd the id map of a user namespace. -EINVAL where the file system cannot
 * have one. */
int mount_map_ids(int fd, int userns) _must_check_;

/* Moves the detached mount fd onto what targetfd (O_PATH) refers to. */
int mount_attach(int fd, int targetfd) _must_check_;

/* The same onto the entry name of the directory dirfd: one part, not followed if it is a link. */
int mount_attach_at(int fd, int dirfd, const char *name) _must_check_;

/* Makes the mount at dirfd the root of this mount namespace and drops the old root. The working
 * directory is / then. */
int mount_pivot(int dirfd) _must_check_;

/* Ends the uppermost mount at path, as /proc/self/mountinfo writes it. -EBUSY while it is used. */
int mount_end(const char *path) _must_check_;

/* Changes the propagation of everything in this namespace to private, so that nothing leaks out. */
int mount_all_private(void) _must_check_;
