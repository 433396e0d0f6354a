/* The parts of trust that are pure: rules, OpenPGP, what gpgv says. */
#include <fcntl.h>

#include "trust_files.h"

/* ---- rules ----------------------------------------------------------------------------------- */

static void rules_go_by_components(_unused_ void **state)
{
	static const struct {
		const char *prefix, *name;
		bool applies;
	} table[] = {
		{ "", "example.com/a", true },
		{ "example.com", "example.com", true },
		{ "example.com", "example.com/a", true },
		{ "example.com/a", "example.com/a/b", true },
		{ "example.com/a", "example.com/ab", false },
		{ "example.com/a", "example.com", false },
		{ "example.com", "example.comm/a", false },
		{ "example.com", "example.com.evil.org/a", false },
		{ "example.com", "example.org", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (trust_applies(table[i].prefix, table[i].name) != table[i].applies)
			fail_msg("%s for %s", table[i].prefix, table[i].name);
}

static void prefixes_become_names_and_back(_unused_ void **state)
{
	static const char *const good[] = { "a", "example.com", "example.com/a/b-c~d_e", "a//b",
					    "example.com/a=b" };
	static const char *const bad[] = { "",   "/",  "a/",  "/a",  "A",    ".",
					   "..", ".a", "a\n", "a b", "../a", "\xff" };
	char name[LIMIT_NAME_BYTES + 1], back[LIMIT_NAME_BYTES + 1], too_long[300];

	for (size_t i = 0; i + 1 < ARRAY_SIZE(good); i++) {
		if (!appc_is_identifier(good[i]))
			continue; /* "a//b" is a question of rulings */
		assert_int_equal(trust_escape(name, good[i]), 0);
		assert_null(strchr(name, '/'));
		assert_int_equal(trust_unescape(back, name), 0);
		assert_string_equal(back, good[i]);
	}
	assert_int_equal(trust_escape(name, good[ARRAY_SIZE(good) - 1]), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (trust_escape(name, bad[i]) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
		if (!strchr(bad[i], '/'))
			assert_int_equal(trust_unescape(name, bad[i]), -EINVAL);
	}
	assert_int_equal(trust_unescape(name, "=a"), -EINVAL);
	assert_int_equal(trust_unescape(name, "a="), -EINVAL);
	memset(too_long, 'a', sizeof(too_long));
	too_long[sizeof(too_long) - 1] = '\0';
	assert_int_equal(trust_escape(name, too_long), -EINVAL);
	assert_int_equal(trust_unescape(name, too_long), -EINVAL);
}

static void fingerprints_as_people_write_them(_unused_ void **state)
{
	static const char *const bad[] = { "",      "A9A0D26107B2BA0",  "0xA9A0D26107B2BA07",
					   KEY "0", "G9A0D26107B2BA07", "a9a0d26107b2ba07\n" };
	char got[TRUST_FINGERPRINT_TEXT];

	assert_int_equal(trust_read_fingerprint(got, KEY), 0);
	assert_string_equal(got, KEY);
	assert_int_equal(trust_read_fingerprint(got, "a9a0 d261 07b2  ba07"), 0);
	assert_string_equal(got, "A9A0D26107B2BA07");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (trust_read_fingerprint(got, bad[i]) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
	assert_true(trust_is_fingerprint(KEY));
	assert_false(trust_is_fingerprint("A9A0D26107B2BA07"));
	assert_false(trust_is_fingerprint(KEY "0"));
	assert_false(trust_is_fingerprint("cf976ce1e270f0a626d75f27a9a0d26107b2ba07"));
}

/* ---- OpenPGP --------------------------------------------------------------------------------- */

static void keys_are_read(_unused_ void **state)
{
	_buf_ struct buf key = BUF_INIT(1 << 20), other = BUF_INIT(1 << 20);
	struct trust_key k = { 0 };
	struct error err = { 0 };

	binary_key("key.asc", &key);
	assert_int_equal(trust_key_read(&k, key.data, key.len, &err), 0);
	assert_string_equal(k.fingerprint, KEY);
	assert_string_equal(k.user, "Fixture <fixture@example.com>");
	assert_int_equal(k.len, key.len);
	trust_key_deinit(&k);
	binary_key("other.asc", &other);
	assert_int_equal(trust_key_read(&k, other.data, other.len, &err), 0);
	assert_string_equal(k.fingerprint, OTHER);
	assert_string_equal(k.user, "Other: \303\204 <other@example.com>");
	trust_key_deinit(&k);
	/* two in one, one that is cut anywhere, none */
	assert_int_equal(buf_add(&key, other.data, other.len), 0);
	assert_int_equal(trust_key_read(&k, key.data, key.len, &err), -EBADMSG);
	for (size_t n = 0; n < other.len; n++) {
		struct openpgp_packet p;
		size_t at = 0;
		bool whole;

		while (at < n && openpgp_next(other.data, n, &at, &p) > 0)
			;
		whole = at == n && n > 0;
		if ((trust_key_read(&k, other.data, n, NULL) == 0) != whole)
			fail_msg("cut at %zu", n);
		if (whole)
			trust_key_deinit(&k);
	}
}

static void secret_keys_are_none(_unused_ void **state)
{
	_buf_ struct buf key = BUF_INIT(1 << 20);
	struct trust_keys keys = { 0 };
	struct trust_key k = { 0 };
	struct error err = { 0 };

	binary_key("other.asc", &key);
	key.data[0] = (char)(0x80 | OPENPGP_SECRET_KEY << 2);
	assert_int_equal(trust_key_read(&k, key.data, key.len, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "secret key"));
	assert_int_equal(trust_read_keys(key.data, key.len, &keys, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "secret key"));
}

static void damaged_armour_is_refused(_unused_ void **state)
{
	size_t len;
	_free_ char *text = fixture("small.sig.asc", &len);
	_buf_ struct buf good = BUF_INIT(1 << 10);
	size_t body = 0;

	assert_int_equal(openpgp_dearmour(text, len, "SIGNATURE", true, &good, NULL), 0);
	while (strncmp(text + body, "\n\n", 2) != 0)
		body++;
	for (size_t at = body + 2; at < len; at++) {
		_buf_ struct buf got = BUF_INIT(1 << 10);
		char was = text[at];
		int r;

		text[at] = was == 'A' ? 'B' : 'A';
		r = openpgp_dearmour(text, len, "SIGNATURE", true, &got, NULL);
		if (r == 0 && (got.len != good.len || memcmp(got.data, good.data, got.len) != 0))
			fail_msg("changed at %zu", at);
		text[at] = was;
	}
	for (size_t n = 0; n + 1 < len; n++) {
		_buf_ struct buf got = BUF_INIT(1 << 10);

		if (openpgp_dearmour(text, n, "SIGNATURE", true, &got, NULL) == 0)
			fail_msg("cut at %zu", n);
	}
}

static void armour_says_what_it_is(_unused_ void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *says;
	} table[] = {
		{ "", -ENOMSG, "no PGP SIGNATURE" },
		{ "hello\n", -EBADMSG, "text outside" },
		{ "-----BEGIN PGP SIGNED MESSAGE-----\n\nx\n", -EBADMSG, "PGP SIGNED MESSAGE" },
		{ "-----BEGIN PGP MESSAGE-----\n\nx\n", -EBADMSG, "PGP MESSAGE" },
		{ "-----BEGIN PGP PRIVATE KEY BLOCK-----\n", -EBADMSG, "PRIVATE KEY BLOCK" },
		{ "-----BEGIN PGP SIGNATURE-----\n", -EBADMSG, "damaged" },
		{ "-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n", -EBADMSG,
		  "damaged" },
		{ "-----BEGIN PGP SIGNATURE-----\nno header\n\niA==\n-----END PGP SIGNATURE-----\n",
		  -EBADMSG, "damaged" },
		{ "-----BEGIN PGP SIGNATURE-----\n\niA==\n=AAAA\n-----END PGP SIGNATURE-----\n",
		  -EBADMSG, "damaged" },
		{ "-----BEGIN PGP SIGNATURE-----\n\niA==\n-----END PGP SIGNATURE-----\nx\n",
		  -EBADMSG, "text outside" },
		{ "\r\n-----BEGIN PGP SIGNATURE-----\r\nComment: x\r\n\r\niA==\r\n"
		  "-----END PGP SIGNATURE-----\r\n",
		  0, "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_buf_ struct buf got = BUF_INIT(1 << 10);
		struct error err = { 0 };
		int r = openpgp_dearmour(table[i].text, strlen(table[i].text), "SIGNATURE", true,
					 &got, &err);

		if (r != table[i].code || !strstr(err.text, table[i].says))
			fail_msg("%zu: %d %s", i, r, err.text);
	}
}

static void signatures_say_who_and_how(_unused_ void **state)
{
	_buf_ struct buf packets = BUF_INIT(1 << 10);
	struct openpgp_signature s;
	struct openpgp_packet p;
	size_t len, at = 0;
	_free_ char *text = fixture("two.sig.asc", &len);

	assert_int_equal(openpgp_dearmour(text, len, "SIGNATURE", true, &packets, NULL), 0);
	assert_int_equal(openpgp_next(packets.data, packets.len, &at, &p), 1);
	assert_int_equal(openpgp_signature(&p, &s), 0);
	assert_int_equal(s.version, 4);
	assert_int_equal(s.kind, 0);
	assert_true(openpgp_hash_is_strong(s.hash));
	assert_string_equal(s.issuer, KEY);
	assert_int_equal(openpgp_next(packets.data, packets.len, &at, &p), 1);
	assert_int_equal(openpgp_signature(&p, &s), 0);
	assert_string_equal(s.issuer, OTHER);
	assert_int_equal(openpgp_next(packets.data, packets.len, &at, &p), 0);
	for (unsigned hash = 0; hash < 256; hash++)
		assert_true(openpgp_hash_is_strong(hash) == (hash >= 8 && hash <= 11));
}

/* Lengths that lie. */
static void packets_stay_inside(_unused_ void **state)
{
	static const struct {
		unsigned char bytes[8];
		size_t len;
		int first;
	} table[] = {
		{ { 0x98, 1, 4 }, 3, 1 },
		{ { 0x98, 2, 4 }, 3, -EBADMSG },
		{ { 0x98 }, 1, -EBADMSG },
		{ { 0x99, 0 }, 2, -EBADMSG },
		{ { 0x9a, 0xff, 0xff, 0xff, 0xff, 1 }, 6, -EBADMSG },
		{ { 0x9b, 1, 2 }, 3, -EBADMSG },      /* of no length */
		{ { 0xc6, 224, 1, 2 }, 4, -EBADMSG }, /* a part */
		{ { 0xc6, 0xff, 0xff, 0xff, 0xff, 0xff, 1 }, 7, -EBADMSG },
		{ { 0xc6, 192 }, 2, -EBADMSG },
		{ { 0xc6, 0 }, 2, 1 },
		{ { 0x06, 0 }, 2, -EBADMSG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct openpgp_packet p;
		size_t at = 0;

		if (openpgp_next(table[i].bytes, table[i].len, &at, &p) != table[i].first)
			fail_msg("row %zu", i);
	}
}

/* ---- what gpgv says -------------------------------------------------------------------------- */

#define SAYS   "[GNUPG:] "
#define NEWSIG SAYS "NEWSIG al@example.com\n"
#define SEEN   SAYS "KEY_CONSIDERED " KEY " 0\n"
#define VALID  SAYS "VALIDSIG " SUB " 2026-11-22 1795364605 0 4 0 1 10 00 " KEY "\n"
#define GOOD   SAYS "GOODSIG D9D5F3CF8913C583 Al <al@example.com>\n"
#define BAD    SAYS "BADSIG D9D5F3CF8913C583 Al <al@example.com>\n"
#define UNKNOWN                                                                   \
	NEWSIG SAYS "ERRSIG D9D5F3CF8913C583 1 10 00 1795364829 9 " SUB "\n" SAYS \
		    "NO_PUBKEY D9D5F3CF8913C583\n"

static void status_is_understood(_unused_ void **state)
{
	static const struct {
		const char *text;
		enum trust_outcome outcome;
		const char *primary;
	} table[] = {
		{ NEWSIG SEEN SAYS
		  "SIG_ID mnn1h+mPwy9agyJTpW2tezB63OE 2026-11-22 1795364605\n" SEEN GOOD VALID,
		  TRUST_GOOD, KEY },
		{ NEWSIG SEEN SEEN BAD, TRUST_BAD, "" },
		{ NEWSIG SEEN SAYS "KEYEXPIRED 1580428800\n" SEEN SAYS
				   "EXPKEYSIG D9D5F3CF8913C583 Old <old@example.com>\n" VALID,
		  TRUST_EXPIRED_KEY, KEY },
		{ NEWSIG SAYS "REVKEYSIG D9D5F3CF8913C583 Rev\n" VALID, TRUST_REVOKED_KEY, KEY },
		{ NEWSIG SAYS "SIGEXPIRED deprecated-use-keyexpired-instead\n" SAYS
			      "EXPSIG D9D5F3CF8913C583 Rev\n" VALID,
		  TRUST_EXPIRED, KEY },
		{ UNKNOWN, TRUST_NO_KEY, "" },
		{ NEWSIG SAYS "ERRSIG D9D5F3CF8913C583 1 2 00 1795364829 5 " SUB "\n",
		  TRUST_UNCHECKED, "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct trust_status s;
		struct error err = { 0 };

		if (trust_status_parse(table[i].text, &s, &err) < 0)
			fail_msg("%zu: %s", i, err.text);
		assert_int_equal(s.n, 1);
		assert_int_equal(s.list[0].outcome, table[i].outcome);
		assert_string_equal(s.list[0].primary, table[i].primary);
	}
}

static void several_signatures_are_told_apart(_unused_ void **state)
{
	struct trust_status s;
	struct error err = { 0 };

	assert_int_equal(trust_status_parse(NEWSIG GOOD VALID UNKNOWN NEWSIG BAD, &s, &err), 0);
	assert_int_equal(s.n, 3);
	assert_int_equal(s.list[0].outcome, TRUST_GOOD);
	assert_string_equal(s.list[0].key, SUB);
	assert_int_equal(s.list[0].made_s, 1795364605);
	assert_int_equal(s.list[1].outcome, TRUST_NO_KEY);
	assert_string_equal(s.list[1].key, SUB);
	assert_int_equal(s.list[2].outcome, TRUST_BAD);
	assert_int_equal(trust_status_parse("", &s, &err), 0);
	assert_int_equal(s.n, 0);
}

static void status_that_makes_no_sense_is_refused(_unused_ void **state)
{
	static const char *const bad[] = {
		"hello\n",
		SAYS "\n",
		SAYS "SOMETHING new\n",
		GOOD VALID,               /* of no signature */
		NEWSIG,                   /* without an end */
		NEWSIG GOOD,              /* not valid */
		NEWSIG NEWSIG GOOD VALID, /* the first without an end */
		NEWSIG VALID,             /* valid, and not good */
		NEWSIG VALID GOOD,
		NEWSIG GOOD GOOD VALID, /* twice */
		NEWSIG BAD GOOD VALID,  /* both */
		NEWSIG GOOD VALID BAD,
		NEWSIG BAD VALID,
		NEWSIG GOOD VALID VALID,
		NEWSIG SAYS "GOODSIG\n",
		NEWSIG SAYS "GOODSIG xyz\n",
		NEWSIG GOOD SAYS "VALIDSIG " SUB " 2026-11-22 1795364605 0 4 0 1 10 00\n",
		NEWSIG GOOD SAYS "VALIDSIG " SUB " 2026-11-22 1795364605 0 4 0 1 10 01 " KEY "\n",
		NEWSIG GOOD SAYS "VALIDSIG " SUB " 2026-11-22 -1 0 4 0 1 10 00 " KEY "\n",
		NEWSIG GOOD VALID SAYS "KEY_CONS", /* cut */
	};
	_buf_ struct buf many = BUF_INIT(1 << 20);
	struct trust_status s;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = { 0 };

		if (trust_status_parse(bad[i], &s, &err) != -EPROTO || !err.text[0])
			fail_msg("row %zu was taken", i);
	}
	for (int i = 0; i <= LIMIT_SIGNATURES; i++)
		assert_int_equal(buf_addf(&many, "%s", NEWSIG GOOD VALID), 0);
	assert_int_equal(trust_status_parse(many.data, &s, NULL), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_go_by_components),
		cmocka_unit_test(prefixes_become_names_and_back),
		cmocka_unit_test(fingerprints_as_people_write_them),
		cmocka_unit_test(keys_are_read),
		cmocka_unit_test(secret_keys_are_none),
		cmocka_unit_test(damaged_armour_is_refused),
		cmocka_unit_test(armour_says_what_it_is),
		cmocka_unit_test(signatures_say_who_and_how),
		cmocka_unit_test(packets_stay_inside),
		cmocka_unit_test(status_is_understood),
		cmocka_unit_test(several_signatures_are_told_apart),
		cmocka_unit_test(status_that_makes_no_sense_is_refused),
	};

	return cmocka_run_group_tests_name("trust", tests, NULL, NULL);
}
