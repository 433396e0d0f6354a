#pragma once
/* A mosaic of the overlay driver for one test, and what makes and looks at layers in it. */
#include "scratch.h"

/* cmocka fixture, with scratch_teardown(); *state is a struct scratch. */
int layers_setup(void **state);
#define TEST(f) cmocka_unit_test_setup_teardown(f, layers_setup, scratch_teardown)

/* Mounts of this test stay in a namespace of its own. False, and it says so, without root. */
bool layers_own_mounts(void);

/* The directory has these entries, sorted, with a blank between them; none is a whiteout. */
void assert_entries(int dirfd, const char *path, const char *expected);

void make_volume(struct scratch *s, const char *name);
void snapshot(struct scratch *s, const char *name, const char *from);
void clone_volume(struct scratch *s, const char *name, const char *from);
void drop(struct scratch *s, const char *name);
void assert_nothing_left(struct scratch *s);

/* A committed tree, "tree", of a/1 a/2 b/1 b/2 c. */
void commit_directories(struct scratch *s);

/* Without a text the file is removed, or must not be there. Nobody uses anything afterwards. */
void write_to(struct scratch *s, const char *volume, const char *file, const char *text);
void assert_in(struct scratch *s, const char *volume, const char *file, const char *text);

/* Layers below the volume's own. */
size_t depth_of(struct scratch *s, const char *name);
