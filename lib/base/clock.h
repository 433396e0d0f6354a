#pragma once
/* Time: what people see is UTC in RFC 3339; what is measured is CLOCK_BOOTTIME. */
#include <stdint.h>

#include "base/cleanup.h"

enum { TIME_TEXT = 31 }; /* 2026-11-22T12:43:00.123456789Z and NUL */

int64_t time_now_ns(void);  /* CLOCK_REALTIME, nanoseconds since 1970 */
int64_t time_boot_ns(void); /* CLOCK_BOOTTIME: only goes forward */
void time_format(char dst[TIME_TEXT], int64_t realtime_ns);

/* RFC 3339 with upper-case T and Z; seconds 0-59 only, years 1678 to 2261 (nanoseconds have
 * to fit). 0 or -EINVAL. */
int time_parse(const char *s, int64_t *ret_ns) _must_check_;
