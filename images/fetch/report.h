#pragma once
/* The report of carob-fetch (fetch.h). */
#include "base/base.h"
#include "images/fetch/fetch.h"

/* Both write one record, with one write. When nobody reads it any more the program ends here:
 * there is nobody to do anything for. */
void report_value(enum fetch_kind kind, uint64_t value);

/* Longer text than FETCH_TEXT_BYTES is cut. */
void report_text(enum fetch_kind kind, uint64_t value, const char *text, size_t len);
