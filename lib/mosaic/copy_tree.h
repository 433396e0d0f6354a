#pragma once
/* Copying a directory tree with all that base/copy.h keeps, and hard links. */
#include "base/base.h"

/*
 * Copies what is in the directory src, and its own attributes, to the directory dst, which must be
 * empty. dst belongs to the caller alone; src may be changed by somebody hostile meanwhile: no
 * link of it is followed and the copy then holds some mixture, but nothing from outside of src.
 *
 * -ENAMETOOLONG for a tree that is deeper than LIMIT_PATH_BYTES.
 */
int copy_tree(int src, int dst, struct error *err) _must_check_;
