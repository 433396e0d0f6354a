#pragma once
/* What the files of trust share. */
#include "images/openpgp.h"
#include "images/trust.h"

/* ---- trust_rules.c: pure --------------------------------------------------------------------- */

/* A prefix as the name of a directory, and back: "=" stands for "/", and no App Container identifier
 * holds a "=". -EINVAL for what is no identifier. */
int trust_escape(char dst[LIMIT_NAME_BYTES + 1], const char *prefix) _must_check_;
int trust_unescape(char dst[LIMIT_NAME_BYTES + 1], const char *name) _must_check_;

/* 40 digits, upper case: the name of a key's file. */
bool trust_is_fingerprint(const char *s);

/* What a person wrote, as upper-case digits without blanks: a fingerprint or its end. -EINVAL when
 * it is not 16 to 40 hexadecimal digits. */
int trust_read_fingerprint(char dst[TRUST_FINGERPRINT_TEXT], const char *text) _must_check_;

/* ---- trust_status.c: pure -------------------------------------------------------------------- */

enum trust_outcome {
	TRUST_GOOD,
	TRUST_BAD,
	TRUST_EXPIRED,     /* the signature is */
	TRUST_EXPIRED_KEY, /* the key is */
	TRUST_REVOKED_KEY,
	TRUST_NO_KEY,    /* by a key that gpgv was not given */
	TRUST_UNCHECKED, /* an algorithm that is unknown or refused, or damaged */
};

struct trust_signature {
	enum trust_outcome outcome;
	char key[TRUST_FINGERPRINT_TEXT];     /* what signed: fingerprint, or key ID */
	char primary[TRUST_FINGERPRINT_TEXT]; /* the key that it belongs to; "" */
	int64_t made_s;
};

struct trust_status {
	struct trust_signature list[LIMIT_SIGNATURES];
	size_t n;
};

/* Reads what gpgv says on its status descriptor. Anything that it is not known to say is -EPROTO,
 * and so is a signature about which it says two things, or nothing. */
int trust_status_parse(const char *text, struct trust_status *ret, struct error *err) _must_check_;

/* ---- trust_program.c ------------------------------------------------------------------------- */

struct trust_run {
	const char *program; /* "gpgv" */
	const char *const *argv;
	int in;           /* becomes 0; -1: /dev/null */
	int fds[3];       /* become 3, 4, 5; -1 ends */
	uint64_t max_cpu; /* seconds; 0: any */
};

/* What it wrote to 1 and 2, as strings, and how it ended. */
struct trust_ran {
	char *out, *says;
	size_t out_len;
	int status;
};
void trust_ran_deinit(struct trust_ran *r);
#define _trust_ran_ _cleanup_(trust_ran_deinit)

/* Runs a program of GnuPG with no environment, as nobody and without a network when we are root,
 * with no way to more rights or to large files. 0 when it ran, however it ended by itself; killed
 * by a signal is an error. */
int trust_run(const struct trust_run *run, struct trust_ran *ret, struct error *err) _must_check_;

/* An open file to execute, from where the system has its programs, never by PATH. -ENOENT and a
 * remedy. */
int trust_open_program(const char *name, struct error *err) _must_check_;

/* The last line of what a program said, without its name; "" when it said nothing. */
void trust_last_words(const char *says, char *dst, size_t size);

/* ---- trust_state.c: pure --------------------------------------------------------------------- */

enum trust_order {
	TRUST_NEWER,
	TRUST_SAME,            /* has nothing that the other has not */
	TRUST_OLDER,           /* the other has signed something of its own later */
	TRUST_LOST_REVOCATION, /* lacks one that the other has, whatever else it has */
	TRUST_BESIDE,          /* of the same time, and each has something of its own */
};

/* Two states of one key, as trust_read_keys() has read them. */
enum trust_order trust_key_order(const struct trust_key *now, const struct trust_key *was);

/* ---- trust_keys.c ---------------------------------------------------------------------------- */

/* Fills fingerprint, user and data from the binary key. -EBADMSG when it is not just one public key
 * of version 4. */
int trust_key_read(struct trust_key *ret, const void *data, size_t len, struct error *err)
	_must_check_;

void trust_key_deinit(struct trust_key *k);

/* One more, zeroed, at the end of the list; NULL when memory is out. */
struct trust_key *trust_keys_grow(struct trust_keys *k);
