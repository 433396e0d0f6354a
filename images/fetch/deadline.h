#pragma once
/*
 * An end for what cannot be told to end in time: the look-up of a name is the C library's, with the
 * patience of resolv.conf(5) for each server, each attempt and each domain to search. When the time
 * is up the report ends with FETCH_FAILED_NOW, and the program with it.
 */
#include <stdint.h>

/* Looks for HOST from now on, for so many seconds at most. */
void deadline_begin(const char *host, uint64_t seconds);
void deadline_end(void);
