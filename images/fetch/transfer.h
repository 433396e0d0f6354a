#pragma once
/* One request and its answer. */
#include <curl/curl.h>

#include "base/base.h"
#include "images/fetch/answer.h"
#include "images/fetch/job.h"
#include "images/fetch/tls.h"
#include "images/fetch/url.h"

struct transfer {
	const struct job *job;
	const struct url *url;
	const struct url *proxy; /* NULL: none */
	struct tls *tls;
	struct curl_slist *addresses; /* of whom we connect to; the transfer's */

	/* its own, zero at the beginning */
	CURL *curl;
	struct curl_slist *headers;
	char message[CURL_ERROR_SIZE];
	struct answer answer;
	bool has_begun;    /* the head of the answer is there and was reported */
	bool is_content;   /* it is a 200 or 206: the body goes into the file */
	bool has_enough;   /* of another body; we end it */
	uint64_t at, end;  /* in the file: where the next byte goes, where the last one will */
	uint64_t total;    /* bytes of the whole; UINT64_MAX: nobody said, as for end */
	uint64_t reported; /* bytes of another body */
	int64_t progress_ns;
	int64_t received_ns; /* the last byte of a body; 0: none */
	int failure;         /* what a callback found: a negative errno or an enum fetch_failure */
	struct error *err;
};

/* Before everything is shut: makes the handle and loads what libraries load late. */
int transfer_prepare(struct transfer *t, struct error *err) _must_check_;

/* Sends, receives and reports all but the end. 0, a negative errno, or an enum fetch_failure.
 * *ret_size: bytes in the file. */
int transfer_run(struct transfer *t, uint64_t *ret_size, struct error *err) _must_check_;
void transfer_deinit(struct transfer *t);
#define _transfer_ _cleanup_(transfer_deinit)

/* ---- failure.c ------------------------------------------------------------------------------- */

/* Says what libcurl's code means and whether to try again. */
int transfer_explain(const struct transfer *t, CURLcode code, struct error *err) _must_check_;
