#pragma once
/* UUIDs of RFC 4122, version 4, in the lower-case form with dashes. */
#include <stdbool.h>

#include "base/cleanup.h"

enum { UUID_TEXT = 37 }; /* 36 characters and NUL */

int uuid_new(char dst[UUID_TEXT]) _must_check_;

/* Canonical: 36 characters, lower case, dashes in place, not all zero. */
bool uuid_is(const char *s);
