#pragma once
/* Where the bytes that are read come from: a descriptor, memory that is shared, a fuzzer. */
#include <sys/types.h>

/* The next bytes, which stay where they are until the next call: their number, 0 at the end, or a
 * negative errno. */
struct source {
	ssize_t (*next)(void *arg, const void **ret);
	void *arg;
};
