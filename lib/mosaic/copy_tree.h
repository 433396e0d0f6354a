#pragma once
/* Copying a directory tree, or a stack of them, with all that base/copy.h keeps, and hard links. */
#include "base/base.h"

/*
 * Copies what is in the directory src, and its own attributes, to the directory dst, which must be
 * empty. dst belongs to the caller alone; src may be changed by somebody hostile meanwhile: no
 * link of it is followed and the copy then holds some mixture, but nothing from outside of src.
 *
 * -ENAMETOOLONG for a tree that is deeper than LIMIT_PATH_BYTES.
 */
int copy_tree(int src, int dst, struct error *err) _must_check_;

/*
 * Layers of overlayfs: a whiteout (a character device 0:0) hides the entry of that name in the
 * layers below, an opaque directory (an extended attribute) everything that they have in it.
 *
 * Adds to dst what the layer src, below it, has and dst does not hide. Layers are added from top to
 * bottom. A directory that is in several keeps the attributes of the topmost.
 */
int copy_tree_below(int src, int dst, struct error *err) _must_check_;

/* Removes the whiteouts of dst that hide nothing in the layer below, which has no further ones
 * below itself: the kernel shows them where it sees but one layer. */
int copy_tree_settle(int dst, int below, struct error *err) _must_check_;

/* trusted.overlay.opaque of a directory; and setting it. 1, 0, or a negative errno. */
int layer_is_opaque(int fd) _must_check_;
int layer_make_opaque(int fd) _must_check_;
