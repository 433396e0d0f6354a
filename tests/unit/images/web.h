#pragma once
/*
 * Transfers against a double of carob-fetch (fetch_double.c), which plays a script for each
 * request.
 */
#include "bench.h"

#include "images/transfer.h"

#define SECOND 1000000000LL

struct web {
	struct bench *bench;
	int libexec;
	unsigned scripts; /* made so far */
	struct net_config *config;
	struct images_policy policy;
	struct net net;
	struct transfer t;
	struct transfer_result result;
	struct error err;
};

/* cmocka fixtures; *state is a struct web. */
int web_setup(void **state);
int web_teardown(void **state);
#define test(f) cmocka_unit_test_setup_teardown(f, web_setup, web_teardown)

/* What main() returns; what the environment says of proxies does not count. */
int web_run(const struct CMUnitTest *tests, size_t n, const char *name);

/* What the next request meets. */
void script(struct web *w, const char *text);

/* How many there have been. */
unsigned asked(const struct web *w);

/* The job of a request has this member. */
void assert_job(const struct web *w, unsigned number, const char *member, bool has);
