#pragma once
/*
 * Where in the tree the work is: one directory, kept open, because members of one directory mostly
 * come together. Making something in a directory changes its time, so it gets back the one it had
 * when the work goes elsewhere: the time of a directory is right from when it is made on, in
 * whatever order its content comes, and nothing has to be remembered of the others.
 *
 * Over lower layers (over) it also knows what this layer made, for whiteouts are only about the
 * layers below, wherever in the archive they are. A file is known by the inode number of its
 * directory and its name: the same file, by whichever links a name led there. Should a number serve
 * a second time, both directories were this layer's.
 */
#include "base/base.h"
#include "images/unpack/seen.h"

struct place {
	int root; /* not ours; -1: nothing is made */
	bool over;
	char path[LIMIT_PATH_BYTES]; /* as the archive names it */
	int fd;
	bool on_the_way; /* the directories down to it are known as this layer's */
	ino_t ino;
	struct timespec mtime; /* what it gets back */
	bool set_gid;          /* what is made in it gets its group */
	bool changed;
	struct seen made;
};

int place_init(struct place *p, int root, bool over) _must_check_;
void place_deinit(struct place *p);

/* Goes to the directory that path (clean, below root) is in: its descriptor, which stays p's, and
 * the name there. What is missing on the way is made: 0755, of root, as old as the epoch. Over
 * lower layers a part may be a link to a directory, followed as if root were "/"; else none may.
 * place_look() makes nothing: 0 or -ENOENT when there is no such directory. */
int place_enter(struct place *p, const char *path, const char **ret_name, struct error *err)
	_must_check_;
int place_look(struct place *p, const char *path, const char **ret_name, struct error *err)
	_must_check_;
int place_leave(struct place *p, struct error *err) _must_check_;

/* name was made here. */
int place_made(struct place *p, const char *name) _must_check_;
bool place_has_made(const struct place *p, ino_t directory, const char *name);

/* The directory with that number has nothing (more) that lower layers made. */
int place_set_own(struct place *p, ino_t directory) _must_check_;
bool place_is_own(const struct place *p, ino_t directory);

/* An error about a file of the tree. */
int place_fail(struct error *err, int code, const char *path, const char *what);
