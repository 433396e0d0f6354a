#pragma once
/*
 * The parts of a URL as libcurl understands them: what is looked up and what is connected to can
 * then be no two things.
 */
#include <curl/curl.h>
#include <stdbool.h>

#include "base/base.h"

struct url {
	CURLU *handle;
	bool https, has_user;
	char *host; /* "example.com", "[::1]" */
	unsigned port;
};

/* http and https only. what: "URL", "proxy", for the error, which does not repeat the text: there
 * may be a password in it. */
int url_parse(struct url *ret, const char *text, const char *what, struct error *err) _must_check_;
void url_deinit(struct url *u);
#define _url_ _cleanup_(url_deinit)
