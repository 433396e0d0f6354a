#pragma once
/*
 * Members made into files below one directory. Every path was checked by layout.c; here each step
 * is taken by descriptor all the same, and the last one never through a link, so that even a fault
 * there leads nowhere else.
 *
 * Over lower layers whatever has a member's name makes room for it, but a directory for a
 * directory: that keeps what is in it. A file is never written to, only unlinked and made, for it
 * may have other names.
 */
#include "base/base.h"
#include "images/unpack/member.h"
#include "images/unpack/place.h"

struct tree {
	struct place place;
	int file;         /* the regular file that is being written; -1 */
	uint64_t written; /* the end of what was written of it */
};

/* root stays the caller's; -1: nothing is made, only read. It is empty, or over: lower layers are
 * in it. */
int tree_init(struct tree *t, int root, bool over, struct error *err) _must_check_;
void tree_deinit(struct tree *t);

/* Makes everything of the member but the content of a regular file, which then follows. target:
 * of a hard link. */
int tree_make(struct tree *t, const struct member *m, const char *path, const char *target,
	      struct error *err) _must_check_;
int tree_write(struct tree *t, const void *data, size_t len, uint64_t offset, struct error *err)
	_must_check_;
int tree_end_file(struct tree *t, const struct member *m, struct error *err) _must_check_;

/* All were made. */
int tree_end(struct tree *t, struct error *err) _must_check_;
#define _tree_ _cleanup_(tree_deinit)
