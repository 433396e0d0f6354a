#pragma once
/*
 * One suite of cases for every driver of libmosaic, by its public header alone.
 *
 * A case is a function. It runs in a process of its own with the mosaic open, makes volumes of any
 * name, and leaves by returning; what it left is dropped afterwards, and then nothing may be in
 * use, no device up, and mosaic_check() must find nothing. A case that needs what the driver says
 * it has not got shows that it is refused with -EOPNOTSUPP, and is then counted as skipped, with
 * the reason.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mosaic/mosaic.h"

struct suite {
	struct mosaic *m;
	const char *what;    /* as on the command line: how to open it again */
	const char *scratch; /* a directory of the case's own, on tmpfs or disk */
	uint32_t features;
	struct error err;
};

struct test_case {
	const char *name;
	void (*run)(struct suite *s);
};
extern const struct test_case volume_cases[], use_cases[], copy_cases[], stream_cases[];

/* Ends the case. */
void fail_at(const char *file, int line, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
void skip(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

#define fail(...) fail_at(__FILE__, __LINE__, __VA_ARGS__)
#define need(condition)                                 \
	do {                                            \
		if (!(condition))                       \
			fail("not so: %s", #condition); \
	} while (0)

/* The call returned 0; else its error is shown. */
#define ok(s, call) ok_at((s), (call), #call, __FILE__, __LINE__)
void ok_at(struct suite *s, int r, const char *call, const char *file, int line);

/* The call failed with that errno and a sentence. */
#define fails(s, errno_wanted, call) \
	fails_at((s), (errno_wanted), (call), #call, __FILE__, __LINE__)
void fails_at(struct suite *s, int wanted, int r, const char *call, const char *file, int line);

/* Skips unless the driver has all of these features. */
void need_features(struct suite *s, uint32_t features);

/* ---- volumes and their content ----------------------------------------------------------------
 * */

void create(struct suite *s, const char *name);
int mount_rw(struct suite *s, const char *name); /* the root directory, to be closed */
int mount_ro(struct suite *s, const char *name);
void put(int dir, const char *name, const char *text);
void put_bytes(int dir, const char *name, size_t n, unsigned seed); /* as if at random */
bool has(int dir, const char *name);
void same(int dir, const char *name, const char *text);

/* put() and same() with a mount for the purpose. */
void put_in(struct suite *s, const char *volume, const char *name, const char *text);
void same_in(struct suite *s, const char *volume, const char *name, const char *text);
bool has_in(struct suite *s, const char *volume, const char *name);

/* Every kind of file, and attribute, that the mosaic's file system lets root make. */
void fill(int dir);

/* A digest of a tree: names, kinds, owners, modes, times, xattrs, links, content. */
void describe(int dir, char text[65]);
void describe_volume(struct suite *s, const char *volume, char text[65]);

/* fork() of a child that dies with its parent. */
pid_t fork_child(void);

/* Runs fn in a child that is killed when it says that it is ready; returns after its death. */
void die_after(struct suite *s, void (*fn)(struct suite *s));
