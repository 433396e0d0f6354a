#pragma once
/*
 * What the files of a transfer share.
 *
 *	request.c	 one request: carob-fetch is told, watched, and reaped
 *	transfer.c	 one transfer: redirects, pauses, and a download that goes on
 *	transfer_state.c what is known of a download that is not complete
 *	credentials.c	 who may be told which secret
 *	proxy.c		 which way a request goes
 */
#include "images/fetch/fetch.h"
#include "images/internal.h"
#include "images/net.h"

/* ---- proxy.c: pure --------------------------------------------------------------------------- */

/* The URL of the proxy for this request, or NULL. The configuration's word is before that of the
 * environment, of which curl's variables are asked by get(), as getenv() would. */
const char *proxy_of(const struct net_config *c, const struct net_url *url,
		     const char *(*get)(const char *name));

/* ---- credentials.c --------------------------------------------------------------------------- */

/* Opens one of the files that nobody else may read: regular, of root or of us, no rights for group
 * and others. */
int credentials_open_private(const char *path, struct error *err) _must_check_;

/* "Authorization: ..." from a credentials file. */
int credentials_header(char **ret, const char *path, struct error *err) _must_check_;

/* The header for a request to url, which redirects of t have led to: none (*ret stays) for whom the
 * secret is not meant. */
int credentials_for(char **ret, const struct net *n, const struct transfer *t, const char *url,
		    struct error *err) _must_check_;

/* Frees what was a secret. */
void secret_free(char *text);
static inline void secret_freep(char **text)
{
	secret_free(*text);
	*text = NULL;
}
#define _secret_ _cleanup_(secret_freep)

/* ---- request.c ------------------------------------------------------------------------------- */

/* What the server said, and how it ended. */
struct answer {
	int status;                 /* 0: it said nothing */
	char *headers[7];           /* in the order of FETCH_HEADERS; the first of each, but all of
			       * "www-authenticate", with ", " between them */
	bool started;               /* a body for the file has begun ... */
	uint64_t start;             /* ... here */
	uint64_t total;             /* of the whole body; 0: not said */
	uint64_t bytes;             /* in the file */
	struct buf body;            /* what another status than 200 and 206 had to say */
	bool done;                  /* all is there */
	enum fetch_failure failure; /* otherwise why not; FETCH_FAILED_NOW for a helper that died */
	char why[512];
};
enum {
	ANSWER_CONTENT_TYPE,
	ANSWER_ETAG,
	ANSWER_LAST_MODIFIED,
	ANSWER_LOCATION,
	ANSWER_RETRY_AFTER,
	ANSWER_AUTHENTICATE,
	ANSWER_DIGEST,
	ANSWER_KEEP_BYTES = 4 << 10, /* of the body of an error */
	ANSWER_TEXT_BYTES = 1024,    /* of a header that is kept, or sent back */
};
void answer_deinit(struct answer *a);
#define _answer_ _cleanup_(answer_deinit)

/* A header as long as it is short printable ASCII; or NULL. */
const char *answer_text(const struct answer *a, unsigned which);

/* What may stand behind If-Range: a strong ETag or a Last-Modified, or NULL. */
const char *answer_validator(const struct answer *a);

struct request {
	const struct net *net;
	const struct transfer *transfer;
	const char *url; /* where redirects have led */
	int file;
	uint64_t offset;
	const char *validator;
	const sigset_t *mask; /* while it waits: what else is blocked here comes then */

	/* called as the body begins and goes on; a failure ends the request */
	int (*on_progress)(const struct answer *a, void *arg, struct error *err);
	void *arg;
};

/* 0 when it was made, whatever became of it (answer); -EINTR for a signal. Nothing is left
 * behind. */
int request_run(const struct request *q, struct answer *ret, struct error *err) _must_check_;

/* ---- transfer_state.c ------------------------------------------------------------------------ */

/* What is kept beside the data of a download. A beginning of the file is trusted up to `durable`
 * bytes after the machine went down, and up to its end as long as it did not. */
struct transfer_state {
	char *url;       /* asked for first */
	char *final_url; /* asked last */
	char *validator;
	char *content_type;
	char *digest;
	char *boot;     /* ID of the boot in which it was written */
	uint64_t total; /* 0: unknown */
	uint64_t durable;
	bool complete;
	bool over_http;
};
void transfer_state_deinit(struct transfer_state *s);

/* What there is of t: a state of nothing when it is of something else, or damaged. *ret_have: bytes
 * of the file to be trusted; the rest is cut off. */
int transfer_state_load(struct transfer_state *ret, const struct transfer *t,
			const struct store_partial *partial, uint64_t *ret_have, struct error *err)
	_must_check_;

/* Data first. */
int transfer_state_save(const struct transfer_state *s, const struct store_partial *partial,
			struct error *err) _must_check_;
