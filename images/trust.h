#pragma once
/*
 * Trust: which OpenPGP keys may sign images of which names, and whether a signature is by one.
 *
 *	TRUST/prefix.d/ESCAPED-PREFIX/FINGERPRINT	a public key, binary, that may sign images
 *							whose name has the prefix (by components)
 *	TRUST/root.d/FINGERPRINT			... of any name
 *
 * One file a key and rule, made whole by rename, so that tools of configuration can carry them.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"

struct images;
struct images_policy;

enum { TRUST_FINGERPRINT_TEXT = 65 };

struct trust_key {
	char fingerprint[TRUST_FINGERPRINT_TEXT]; /* upper case hexadecimal: 40 (v4) */
	char *prefix;                             /* "example.com/app"; "": any name */
	char *user;                               /* the first user ID, escaped; "" */
	char *path;
	int64_t added_ns;
	void *data; /* the key, binary */
	size_t len;
	bool expired, revoked; /* of trust_read_keys() only, which asks gpg */
	int64_t expires_s;     /* likewise; 0: never */
	int64_t changed_s;     /* likewise: when it last signed something of its own */
	bool replaced;         /* of trust_add() only: it took an older state's place */
};

struct trust_keys {
	struct trust_key *list;
	size_t n;
	char **remarks; /* sentences: what is in the directory and no key, and is not used */
	size_t n_remarks;
};
void trust_keys_deinit(struct trust_keys *k);
#define _trust_keys_ _cleanup_(trust_keys_deinit)

/* What is in a file of keys, armoured or not: through gpg, which works as nobody, without a home, a
 * keyring or an agent, and leaves away what is not signed by the key itself. -EBADMSG when there is
 * no public key in it, or a secret one. prefix and path of the result are empty. */
int trust_read_keys(const void *data, size_t len, struct trust_keys *ret, struct error *err)
	_must_check_;

/* Trusts all keys of data for the prefix ("": any name). A key that is trusted for it already is
 * replaced, in one step, by a newer state of itself (an expiry moved, a subkey, a revocation). An
 * older state, one that lacks a revocation, or one of which that cannot be told is -EEXIST; nothing
 * has changed for that key then. Whether a key is to be trusted, the caller has asked. Synced when
 * it returns. */
int trust_add(const char *dir, const char *prefix, const void *data, size_t len,
	      struct trust_keys *ret, struct error *err) _must_check_;

/* Every rule, sorted. No directory: none. Links and what is no key are not followed or used, but
 * remarked upon. What others than its owner may write, or whose content is not the key that the
 * name says, is an error that names it. */
int trust_list(const char *dir, struct trust_keys *ret, struct error *err) _must_check_;

/* May keys of the prefix sign images of the name? "" has every name; by components. */
bool trust_applies(const char *prefix, const char *name);

/* By fingerprint or its end (16 digits and more); prefix NULL: every rule. *ret_n: rules removed.
 * -ENOTUNIQ when it is the end of two. */
int trust_remove(const char *dir, const char *fingerprint, const char *prefix, unsigned *ret_n,
		 struct error *err) _must_check_;

/* Under which key and rule a signature was found good. */
struct trust_verdict {
	char fingerprint[TRUST_FINGERPRINT_TEXT]; /* of the primary key */
	char *prefix;                             /* the rule */
	char *user;
	int64_t made_ns; /* the signature */
};
void trust_verdict_deinit(struct trust_verdict *v);

struct trust_signed {
	const char *name; /* of the image; NULL: not known yet, see trust_covers() */
	int archive;      /* the open file; its position does not matter and stays */
	const void *signature;
	size_t signature_len;
};

/*
 * Is the armoured detached signature one over all of the archive by a key that may sign images of
 * the name? Of several, one is enough, but none may be bad by a key that we know. gpgv decides
 * about the signature, we about the rule. Expired, revoked and weak (MD5, SHA-1) ones are none.
 *
 * -EKEYREJECTED: bad, or by a key not trusted for the name; -ENOKEY: no key is trusted for the
 * name at all. The error says what was expected (the keys of the name) and what came (the key, and
 * for which names it is trusted). Works without any right that it does not need: gpgv runs as
 * another user with the file's and keys' contents as descriptors.
 */
int trust_verify(const char *dir, const struct trust_signed *what, struct trust_verdict *ret,
		 struct error *err) _must_check_;

/* For an image whose name only its archive tells: trust_verify() without a name accepts every key
 * that is trusted for something; this says whether it may sign this name too, and puts the rule
 * into the verdict. Errors as above. */
int trust_covers(const char *dir, const char *name, struct trust_verdict *verdict,
		 struct error *err) _must_check_;

/* Makes archive's detached, armoured signature with gpg of the caller's own keyring (key: what
 * --local-user takes, NULL: the default), in one atomically made file. */
int trust_sign(const char *archive, const char *out, const char *key, bool overwrite,
	       struct error *err) _must_check_;

/* trust_discover.c. Files of keys that the owner of a name offers (ac-discovery-pubkeys): nothing
 * of them was looked at yet. -ENOENT, with every URL that was tried, when there is none. */
struct trust_offer {
	char *url; /* behind all redirects */
	char *data;
	size_t len;
	bool over_http; /* some byte of it came without TLS */
};
struct trust_offers {
	struct trust_offer *list;
	size_t n;
	char *page; /* where they are offered */
};
void trust_offers_deinit(struct trust_offers *o);
int trust_discover(const struct images *im, const struct images_policy *policy, const char *prefix,
		   struct trust_offers *ret, struct error *err) _must_check_;

/* Where gpgv, or gpg, is; NULL: it is not installed. Never looked for in PATH. */
const char *trust_program(const char *name);
