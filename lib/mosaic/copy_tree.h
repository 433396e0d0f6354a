#pragma once
/*
 * Copying a directory tree with everything that a root file system is made of: owners, modes,
 * times, extended attributes (capabilities and ACLs among them), hard links, symbolic links,
 * devices, fifos, sockets and holes. Data is shared where the file system can (FICLONE).
 */
#include "base/base.h"

/*
 * Copies what is in the directory src, and its own attributes, to the directory dst, which must be
 * empty. dst belongs to the caller alone; src may be changed by somebody hostile meanwhile: no
 * link of it is followed and the copy then holds some mixture, but nothing from outside of src.
 *
 * -ENAMETOOLONG for a tree that is deeper than LIMIT_PATH_BYTES.
 */
int copy_tree(int src, int dst, struct error *err) _must_check_;

/* Copies the extended attributes of the file or directory behind src to dst. Those whose name
 * starts with except (may be NULL) stay behind. */
int copy_xattrs(int src, int dst, const char *except) _must_check_;
