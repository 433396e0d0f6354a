#pragma once
/* What carob-fetch is told to do (fetch.h): bytes in, a struct out. Pure. */
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

struct job {
	char *text; /* what all the others point into */
	const char *url;
	const char *proxy;     /* NULL: none */
	const char *validator; /* NULL: none */
	const char *headers[LIMIT_FETCH_JOB_HEADERS];
	size_t n_headers;
	uint64_t offset, max, keep_error;
	uint64_t connect_timeout_s, stall_timeout_s, min_speed;
};

/* Takes text, which has len bytes, for its own in any case; it ends with a NUL. An error never
 * repeats a value: it may be a secret. */
int job_parse(struct job *ret, char *text, size_t len, struct error *err) _must_check_;
void job_deinit(struct job *j);
#define _job_ _cleanup_(job_deinit)
