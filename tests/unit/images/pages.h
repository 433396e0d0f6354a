#pragma once
/* The pages of tests/fixtures/discovery (CAROB_PAGES): NAME.html, and in NAME.pairs what is to be
 * found in it: "NAME<tab>CONTENT" a line. */
#include "bench.h"

/* Calls check for every page; at least 60. */
void pages_each(void (*check)(const char *name, const char *page, size_t len, const char *pairs,
			      void *arg),
		void *arg);
