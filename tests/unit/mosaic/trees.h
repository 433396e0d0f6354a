#pragma once
/* Random trees of every kind of file, changes to them, and whether two are the same. The same seed
 * makes the same tree. Who is root gets owners, devices and trusted attributes too. */
#include "scratch.h"

struct trees {
	uint64_t random;
	bool root;
	unsigned made;
};

/* cmocka fixtures like scratch_setup(), for many files. */
int trees_setup(void **state);
int trees_teardown(void **state);

struct trees trees_begin(uint64_t seed);
uint64_t trees_random(struct trees *t, uint64_t below);

/* Fills the empty directory with about n files. */
void trees_fill(struct trees *t, int dirfd, unsigned n);

/* Changes about n things: removes, adds, rewrites, renames, links, changes attributes and types. */
void trees_change(struct trees *t, int dirfd, unsigned n);

/* A new directory below dirfd, opened. */
int trees_directory(int dirfd, const char *name);

/* Fails with the first path that is different. */
void trees_assert_same(int a, int b);
