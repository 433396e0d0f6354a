#pragma once
/* An empty store of its own for each test, below /tmp. Needs no privileges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/store.h"

struct fixture {
	char path[64];
	struct store *store;
	int dirfd; /* of the store */
	struct error err;
};

/* cmocka fixtures; *state is a struct fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, fixture_setup, fixture_teardown)
