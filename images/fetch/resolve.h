#pragma once
/*
 * The look-up, done while there still are files and modules to do it with. libcurl gets the answer
 * and never asks itself: it would start a thread.
 */
#include <curl/curl.h>

#include "base/base.h"
#include "images/fetch/url.h"

/* All addresses of the host in the form of CURLOPT_RESOLVE, or none for an address. 0, a negative
 * errno, or the enum fetch_failure that it is. */
int resolve(const struct url *u, struct curl_slist **ret, struct error *err) _must_check_;

/* The same from what getaddrinfo() gave; NULL when memory is out. Pure. */
struct addrinfo;
char *resolve_entry(const char *host, unsigned port, const struct addrinfo *list);
