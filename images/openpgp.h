#pragma once
/*
 * OpenPGP (RFC 4880) as far as we look at it ourselves, before a program that understands all of it
 * gets to see anything: armour, packets, fingerprints. Pure; nothing here trusts a length.
 *
 * Whether a signature is good is never decided here. But what gpgv is given is what was read here,
 * so the two cannot differ about what is in a file.
 */
#include <stdbool.h>

#include "base/base.h"

enum openpgp_tag {
	OPENPGP_SIGNATURE = 2,
	OPENPGP_SECRET_KEY = 5,
	OPENPGP_PUBLIC_KEY = 6,
	OPENPGP_SECRET_SUBKEY = 7,
	OPENPGP_USER_ID = 13,
	OPENPGP_PUBLIC_SUBKEY = 14,
};

enum { OPENPGP_FINGERPRINT_TEXT = 41 };

struct openpgp_packet {
	unsigned tag;
	const unsigned char *body;
	size_t body_len;
	size_t start, end; /* where the packet, header included, is in the data */
};

/* The packet at *at, which goes behind it. 1; 0 at the end; -EBADMSG for what is none, is cut, or
 * has a length that only streams have. */
int openpgp_next(const void *data, size_t len, size_t *at, struct openpgp_packet *ret) _must_check_;

/* Binary OpenPGP begins with a byte that no text begins with. */
bool openpgp_is_binary(const void *data, size_t len);

/* Appends what is in all blocks "-----BEGIN PGP <kind>-----" of the text. A block of another kind
 * is -EBADMSG and err names it, and so is, when strict, anything but blanks around the blocks. No
 * block at all: -ENOMSG. */
int openpgp_dearmour(const char *text, size_t len, const char *kind, bool strict, struct buf *ret,
		     struct error *err) _must_check_;

/* Of the packet of a public key or subkey, of version 4: upper case hexadecimal. -ENOTSUP for
 * other versions. The last 16 digits are the key ID. */
int openpgp_fingerprint(const struct openpgp_packet *p, char ret[OPENPGP_FINGERPRINT_TEXT])
	_must_check_;

/* What a signature packet says of itself. */
struct openpgp_signature {
	unsigned version, kind, hash;          /* kind 0: over a binary document */
	char issuer[OPENPGP_FINGERPRINT_TEXT]; /* fingerprint, or key ID, or "" */
};
int openpgp_signature(const struct openpgp_packet *p, struct openpgp_signature *ret) _must_check_;

/* "SHA-256", or "hash algorithm 99". Is it one that is not broken? */
const char *openpgp_hash_name(unsigned hash);
bool openpgp_hash_is_strong(unsigned hash);
