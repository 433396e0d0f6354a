#pragma once
/* One file of a tree that is being copied (copy_tree.h). */
#include <sys/stat.h>

#include "mosaic/copy_tree.h"

/* Copies the content and the attributes of the regular file src to the empty file dst. */
int copy_file(int src, int dst, const struct stat *st) _must_check_;

/* Makes name in dirfd like src (O_PATH): a symbolic link, device, fifo or socket. */
int copy_special(int src, const struct stat *st, int dirfd, const char *name) _must_check_;

/* Owner, mode, extended attributes and times, for a file or directory. */
int copy_attributes(int src, int dst, const struct stat *st) _must_check_;
