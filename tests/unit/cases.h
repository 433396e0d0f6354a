#pragma once
/*
 * Tests that are rows of a table: a directory of JSON files, each a list of cases, or an object
 * whose "cases" are one. Every case is a test by its "name", or else by its "text". Below base/ are the
 * documents that cases change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

struct test_case {
	const char *area;    /* the file's name, without ".json" */
	const json_t *bases; /* by the same */
	const json_t *file;
	const json_t *entry; /* the case */
};

/* The main() of such a test: suite DIRECTORY. run gets a struct test_case as its state. */
int cases_main(const char *suite, int argc, char **argv, void (*run)(void **state));
