#pragma once
/* The keys and signatures of tests/fixtures/trust. They were made with the clock at the beginning
 * of 2024: "key" has a subkey, with which it signed. "small" is the text "carob\n", "large" is 2 GiB and
 * one byte of zeros. */
#include "bench.h"
#include "images/trust_parts.h"

#define KEY   "CF976CE1E270F0A626D75F27A9A0D26107B2BA07"
#define SUB   "79A6C875E6C5BBADC2303D98D9D5F3CF8913C583"
#define OTHER "0C4883E9A74E996A64598C48839D4E78B5FFB9F7"

#define SMALL "carob\n"

/* A file of the fixtures; the caller frees. */
static inline char *fixture(const char *name, size_t *len)
{
	_free_ char *path = str_printf("%s/%s", getenv("CAROB_TRUST_FILES"), name);
	char *text;

	if (!path || file_read(AT_FDCWD, path, 1 << 20, &text, len) < 0)
		fail_msg("cannot read %s", name);
	return text;
}

/* The key in it, binary. */
static inline void binary_key(const char *name, struct buf *ret)
{
	size_t len;
	_free_ char *text = fixture(name, &len);

	assert_int_equal(openpgp_dearmour(text, len, "PUBLIC KEY BLOCK", true, ret, NULL), 0);
}

/* Puts a key where trust_add() would: prefix is the name of its directory. */
static inline void put_key(const char *dir, const char *rule, const char *name,
			   const char *fingerprint)
{
	_buf_ struct buf key = BUF_INIT(1 << 20);
	_free_ char *place = str_printf("%s/%s", dir, rule);
	_free_ char *path = str_printf("%s/%s", place, fingerprint);

	binary_key(name, &key);
	assert_int_equal(make_dirs(place, 0755), 0);
	assert_int_equal(file_write(AT_FDCWD, path, key.data, key.len, 0644, 0), 0);
}
