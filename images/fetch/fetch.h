#pragma once
/*
 * carob-fetch: the only program of ours that speaks with a network on an image's behalf. One
 * process, one request, no redirects: who started it decides about the next URL.
 *
 *	carob-fetch	stdin: the job; descriptor 3: the file for the body; 4: the report;
 *			5, 6, 7: PEM of the CAs, of our certificate, of its key (closed: none)
 *
 * Before a byte goes out it has read its job, looked the host (or the proxy) up, taken on a user of
 * its own (the user carob-fetch where there is one, else nobody), and shut itself in: no new
 * privileges, landlock without a right to any file, a list of system calls. When any of that fails
 * nothing is sent.
 *
 * The job: members "NAME=VALUE", NUL behind each, in any order.
 *	url=		http:// or https://
 *	header=		"Name: value", any number; credentials come this way and no other. Not those
 *			that are ours: Host, Range, If-Range, and how a body is sent
 *	proxy=		URL of the proxy for this request, http:// or https://, with its
 *			credentials
 *	offset=		bytes that are in the file already: asked for from there
 *	validator=	for If-Range
 *	max=		bytes of the whole body at most (LIMIT_ARCHIVE_BYTES)
 *	connect-timeout=
 *			seconds for the look-up, and as many for the connection (30)
 *	stall-timeout=	seconds (60); the head of an answer comes within them
 *	min-speed=	bytes a second (1024): a body that is slower for stall-timeout has failed
 *	keep-error=	bytes of the body of an answer other than 200 and 206 to report at most (0)
 *
 * The body of a 200 goes into the file from its beginning (which is cut to what comes), that of a
 * 206 from offset on; anything else leaves the file alone. A body is checked against
 * Content-Length and Content-Range; no Content-Encoding is asked for or taken. A part that ends
 * before the whole does is kept, and FETCH_FAILED_NOW: the rest is to be asked for. An answer other
 * than 200 and 206 ends in FETCH_DONE, even when its body is cut.
 *
 * The report: records as below, in order, as they happen. The last is FETCH_DONE or FETCH_FAILURE;
 * without it the process was killed.
 */
#include <stdint.h>

enum { FETCH_FILE_FD = 3, FETCH_REPORT_FD = 4, FETCH_CA_FD, FETCH_CERTIFICATE_FD, FETCH_KEY_FD };

enum fetch_kind {
	FETCH_STATUS = 1, /* value: the HTTP status */
	FETCH_HEADER,     /* text: "name: value", name in lower case; those of fetch_headers */
	FETCH_START,      /* value: where in the file the body begins; once it is known */
	FETCH_TOTAL,      /* value: bytes of the whole body, when the server says; of a 416 too */
	FETCH_PROGRESS,   /* value: bytes in the file; a few times a second */
	FETCH_BODY,       /* text: (a part of) the body of an answer other than 200 and 206 */
	FETCH_DONE,       /* value: bytes in the file */
	FETCH_FAILURE,    /* value: enum fetch_failure; text: why */
};

struct fetch_record {
	uint32_t kind;
	uint32_t text_len; /* at most FETCH_TEXT_BYTES */
	uint64_t value;
};

enum { FETCH_TEXT_BYTES = 8 << 10 };

/* The headers that are reported. */
#define FETCH_HEADERS                                                                           \
	"content-type", "etag", "last-modified", "location", "retry-after", "www-authenticate", \
		"docker-content-digest"

enum fetch_failure {
	FETCH_FAILED = 1, /* for good: the URL, a name without an address, TLS, the protocol */
	FETCH_FAILED_NOW, /* try again: look-up, connection, cut, time-out */
	FETCH_TOO_LARGE,  /* the body is longer than max */
	FETCH_LOCAL,      /* the job, the file, memory, confinement */
};
