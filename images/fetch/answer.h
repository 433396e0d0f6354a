#pragma once
/*
 * What a server says before the body: status lines and headers, read line by line. Interim answers
 * (1xx) are forgotten, trailers ignored, and what makes the length of a body doubtful is refused.
 * Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

/* Content-Range: "bytes FIRST-LAST/TOTAL"; a 416 has "*" in place of FIRST-LAST, and TOTAL may be "*"
 * otherwise. */
struct answer_range {
	bool satisfied;       /* there is FIRST-LAST */
	uint64_t first, last; /* both are in it */
	bool has_total;
	uint64_t total;
};

/* -EBADMSG when it is none, or contradicts itself. */
int answer_range_parse(struct answer_range *ret, const char *value) _must_check_;

struct answer {
	int status;    /* 0: no status line yet */
	bool is_whole; /* the head is there, and it is no interim one */
	bool has_length, has_range, is_chunked;
	uint64_t length; /* Content-Length */
	struct answer_range range;
	struct buf reported; /* "name: value" and NUL of those in FETCH_HEADERS */

	size_t n_lines, n_bytes; /* interim answers and trailers included */
};

/* One line as it came, its end included. 0; -EBADMSG, -E2BIG. */
int answer_line(struct answer *a, const char *line, size_t len, struct error *err) _must_check_;

/* Where the body goes in the file when offset bytes of it were there: 0 or offset. -EBADMSG when
 * the answer does not fit to what was asked. *ret_length: bytes of the body, *ret_total: of the
 * whole, UINT64_MAX when nobody said. Only for 200 and 206. */
int answer_place(const struct answer *a, uint64_t offset, uint64_t *ret_start, uint64_t *ret_length,
		 uint64_t *ret_total, struct error *err) _must_check_;

void answer_deinit(struct answer *a);
#define _answer_ _cleanup_(answer_deinit)
