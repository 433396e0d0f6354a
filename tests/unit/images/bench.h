#pragma once
/* A store, a mosaic and the helpers' directory, all below one scratch directory of a test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "images/internal.h"

struct bench {
	char path[64];
	char libexec[96];
	struct images im;
	int dirfd;
	struct error err;
};

/* cmocka fixtures; *state is a struct bench. The programs come from CAROB_UNPACK, CAROB_PACK and
 * CAROB_META. */
int bench_setup(void **state);
int bench_teardown(void **state);

/* From now on with an empty mosaic of that driver. Needs root. */
void bench_use_overlay(struct bench *b);

/* Fails the test with the error's sentence when r is negative. */
#define assert_ok(b, r) assert_ok_at((b), (r), __FILE__, __LINE__)
void assert_ok_at(const struct bench *b, int r, const char *file, int line);

/* Fails the test with the error's sentence when r is not that one. */
#define assert_error(b, r, wanted) assert_error_at((b), (r), (wanted), __FILE__, __LINE__)
void assert_error_at(const struct bench *b, int r, int wanted, const char *file, int line);

/* Files below dirfd; directories on the way are made. */
void put(int dirfd, const char *path, const char *text);
void assert_file(int dirfd, const char *path, const char *text);
void assert_missing(int dirfd, const char *path);
unsigned count_entries(int dirfd, const char *directory);

/* A manifest of that name; more is further members of the object, "" or ",\"labels\":...". */
char *manifest_text(const char *name, const char *more);

/* An image in the store with that manifest and no tree, as if it had been imported; digit is
 * repeated to make its ID. Needs no privileges. */
void adopt(struct bench *b, char digit, const char *name, const char *labels, const char *more);
void id_of(char id[STORE_ID_TEXT], char digit);

/* Nothing is in any staging area. */
void assert_nothing_staged(const struct bench *b);
