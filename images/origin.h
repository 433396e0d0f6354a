#pragma once
/*
 * Where an image came from and on whose word: STORE/images/ID/origin, JSON (docs/formats.md),
 * written while the image is staged. The first one stays, unless the image comes once more and what
 * is known then is worth more. It tells what was true then; trust_verify() tells what is true now.
 */
#include <stdbool.h>

#include "base/base.h"
#include "images/trust.h"
#include "store/store.h"

struct json_t;

struct origin {
	char *reference; /* as the user wrote it */
	char *url; /* what the archive came from in the end, redirects followed; "" for files */
	char *transport; /* one of origin_transports */
	bool has_signature;
	struct trust_verdict signature; /* when it has one */
	bool insecure_http;             /* some byte of it came without TLS, as --insecure allows */
	bool insecure_signature;        /* no signature was asked for, as --insecure allows */
	char *manifest_digest;          /* of OCI images; "" */
};
void origin_deinit(struct origin *o);
#define _origin_ _cleanup_(origin_deinit)

/* "https", "http", "file", "docker", "oci", "oci-archive", "docker-archive"; NULL behind the last. */
extern const char *const origin_transports[];

/* The file "origin" in a staging directory, synced. Strings that are NULL count as "". */
int origin_write(int dirfd, const struct origin *o, struct error *err) _must_check_;

/* 0, or STORE_MISSING: nothing is known (an image that was imported from a file), or negative. */
int origin_read(struct store *s, const char *id, struct origin *ret, struct error *err)
	_must_check_;

/* That of an image which is still staged in this directory. */
int origin_read_staged(int dirfd, struct origin *ret, struct error *err) _must_check_;

/* Is what is known now worth more than what was (NULL: nothing)? A signature that was found good is
 * more than none; of those by two keys the one that was made later counts, for a key is changed for
 * a reason. Everything else stays as it was first. */
bool origin_is_better(const struct origin *now, const struct origin *was);

/* As it is in the file. NULL when memory is out. */
struct json_t *origin_json(const struct origin *o);
