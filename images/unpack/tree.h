#pragma once
/*
 * Members made into files below one directory. Every path was checked by layout.c; here each step
 * is taken by descriptor all the same, through no link, so that even a fault there leads nowhere
 * else.
 */
#include "base/base.h"
#include "images/unpack/member.h"

struct tree {
	int root;                      /* -1: nothing is made, only read */
	char parent[LIMIT_PATH_BYTES]; /* what parent_fd is open on */
	int parent_fd;
	int file;               /* the regular file that is being written; -1 */
	uint64_t written;       /* the end of what was written of it */
	struct tree_late *late; /* directories whose time and mode are set last */
	size_t n_late, room_late;
};

/* root is an empty directory and stays the caller's. */
int tree_init(struct tree *t, int root, struct error *err) _must_check_;
void tree_deinit(struct tree *t);

/* Makes everything of the member but the content of a regular file, which then follows. target:
 * of a hard link. */
int tree_make(struct tree *t, const struct member *m, const char *path, const char *target,
	      struct error *err) _must_check_;
int tree_write(struct tree *t, const void *data, size_t len, uint64_t offset, struct error *err)
	_must_check_;
int tree_end_file(struct tree *t, const struct member *m, struct error *err) _must_check_;

/* A directory that no member describes: its time is made the epoch, for a tree that is always
 * the same. */
int tree_imply(struct tree *t, const char *path, struct error *err) _must_check_;

/* All were made: the directories' modes and times. */
int tree_end(struct tree *t, struct error *err) _must_check_;
#define _tree_ _cleanup_(tree_deinit)
