#pragma once
/* What TLS needs from files, read while there still are files. */
#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/base.h"

struct pem {
	char *data; /* NULL: none */
	size_t len;
};

struct tls {
	struct pem ca, certificate, key;

	/* of the connection with the server */
	const void *context;
	bool has_ended; /* the server said so, and nobody on the way */
};

/* Reads descriptors 5, 6 and 7 and closes them. To be called before anything else is opened, which
 * might become one of these numbers. */
int tls_read(struct tls *ret, struct error *err) _must_check_;

/* Reads the system's CAs when none were given. */
int tls_read_system(struct tls *t, struct error *err) _must_check_;

/* For https: the peer and its name are checked, by these CAs and no others. t has to stay as long
 * as curl. */
CURLcode tls_apply(struct tls *t, CURL *curl) _must_check_;

void tls_deinit(struct tls *t);
#define _tls_ _cleanup_(tls_deinit)
