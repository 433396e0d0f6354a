#pragma once
/* A directory of its own for one test, and small helpers to fill and read trees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/base.h"
#include "mosaic/mosaic.h"

struct scratch {
	char path[64];
	char location[320]; /* of a mosaic to be, below path */
	int dirfd;
	struct mosaic *mosaic;
};

/* cmocka fixtures; *state is a struct scratch. */
int scratch_setup(void **state);
int scratch_teardown(void **state);

/* The same with a mosaic, with volumes "tree" (see commit_hello()) and a clone of it, "vol". */
int scratch_setup_vol(void **state, const char *driver);

/* Fails the test with the error's sentence. */
#define assert_ok(r, err) assert_ok_at((r), (err), __FILE__, __LINE__)
void assert_ok_at(int r, const struct error *err, const char *file, int line);

void put(int dirfd, const char *name, const char *text);
void assert_file(int dirfd, const char *name, const char *text);
void assert_missing(int dirfd, const char *name);
unsigned count_entries(const struct scratch *s, const char *directory);

/* A committed tree with the file "hello" that says hello. */
void commit_hello(struct scratch *s, const char *name);

/* Mounts the volume and attaches it to a directory of the test; the descriptor is of its root. */
int mount_here(struct scratch *s, const char *volume, unsigned flags);
void umount_here(struct scratch *s, int *fd, const char *volume);

/* Lets go of the locks of what was mounted. */
void reopen(struct scratch *s);
