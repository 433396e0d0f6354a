#pragma once
/* Volumes that are image files: the same cases for each driver and file system. The place is given
 * by the environment: IMAGE_TEST_DIR (else /tmp), so that it can be one that shares data. */
#include "scratch.h"

#include "mosaic/driver.h"

#define MIB (1ULL << 20)
enum { SIZE_MIB = 320 }; /* of a volume made with no other size */

/* What the cases run with now. */
struct setup {
	const char *type, *fs;
};
extern const struct setup *setup;

/* cmocka fixtures; *state is a struct scratch. No device of its mosaic may be left at the end. */
int image_setup(void **state);
int image_teardown(void **state);
#define CASE(f) cmocka_unit_test_setup_teardown(f, image_setup, image_teardown)

/* All of them with each setup, or with the one that IMAGE_TEST_SETUP names; how many failed. */
int image_run(const struct CMUnitTest *cases, size_t n);

void make(struct scratch *s, const char *name, uint64_t mib, unsigned flags);

/* The root of the volume, mounted for as long as the descriptor is open. */
int use(struct scratch *s, const char *name, unsigned flags);

/* Nobody uses it any more, as far as this process goes. */
void unuse(struct scratch *s, const char *name, int *root);

void write_in(struct scratch *s, const char *volume, const char *file, const char *text);
void assert_in(struct scratch *s, const char *volume, const char *file, const char *text);
void assert_no_device(struct scratch *s, const char *name);

/* For a check: one more in the unsigned that arg points to. */
int count_problem(const struct mosaic_problem *p, void *arg);
