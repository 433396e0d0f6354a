#pragma once
/*
 * Discovery: from an image's name to where it and its keys are (appc, spec/discovery.md; §12 of
 * the specification's "meta discovery").
 */
#include "images/net.h"
#include "images/internal.h"

/* Every URL that was asked on the way, in order. */
struct discover_attempt {
	char *url;
	char *outcome; /* "200, 2 endpoints", "404", "certificate has expired" */
};

struct discover_endpoint {
	char *archive, *signature; /* URLs, templates filled in */
};

struct discovery {
	struct discover_attempt *attempts;
	size_t n_attempts;
	struct discover_endpoint *endpoints; /* in the order of the page */
	size_t n_endpoints;
	char **keys; /* URLs */
	size_t n_keys;
	char *endpoints_page, *keys_page; /* where they were found; NULL */
};
void discovery_deinit(struct discovery *d);
#define _discovery_ _cleanup_(discovery_deinit)

enum { DISCOVER_ENDPOINTS = 1, DISCOVER_KEYS = 2 };

/* Walks up from the name; endpoints and keys apart, each to its first hit, each page asked once.
 * ref->wanted: the labels that fill templates; version is "latest" when not asked for, os and arch
 * are the host's. 0 also when nothing was found (the attempts say why); negative when it could
 * not be looked for. */
int discover(const struct net *n, const struct reference *ref, unsigned what, struct discovery *ret,
	     struct error *err) _must_check_;

/* "tried https://a?ac-discovery=1: 404; ...": for errors. The caller frees. */
char *discovery_attempts_text(const struct discovery *d);
