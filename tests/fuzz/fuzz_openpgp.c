/* What comes with an image and nobody has checked yet: signature files, files of keys; and what
 * gpgv says of them. All that is found lies inside what was given, and what is taken for one key is
 * one. */
#include <assert.h>

#include "fuzz.h"
#include "images/trust_parts.h"

static void walk(const void *data, size_t size)
{
	char fingerprint[OPENPGP_FINGERPRINT_TEXT];
	struct openpgp_signature s;
	struct openpgp_packet p;
	size_t at = 0, end = 0;

	while (openpgp_next(data, size, &at, &p) > 0) {
		assert(p.start == end && p.end == at && at <= size && p.end > p.start);
		assert(p.body >= (const unsigned char *)data + p.start &&
		       p.body + p.body_len == (const unsigned char *)data + p.end);
		end = at;
		if (openpgp_signature(&p, &s) == 0)
			assert(strlen(s.issuer) % 8 == 0);
		if (openpgp_fingerprint(&p, fingerprint) == 0)
			assert(trust_is_fingerprint(fingerprint));
	}
}

static void read_key(const void *data, size_t size)
{
	struct trust_key k = { 0 };
	struct error err = { 0 };

	if (trust_key_read(&k, data, size, &err) < 0)
		return;
	assert(trust_is_fingerprint(k.fingerprint) && k.user && k.len == size);
	trust_key_deinit(&k);
}

static void read_armour(const char *text, size_t size)
{
	static const char *const kinds[] = { "SIGNATURE", "PUBLIC KEY BLOCK" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		_buf_ struct buf packets = BUF_INIT(1 << 20);
		struct error err = { 0 };

		if (openpgp_dearmour(text, size, kinds[i], i == 0, &packets, &err) < 0)
			continue;
		assert(packets.len > 0 && packets.len < size);
		walk(packets.data, packets.len);
		read_key(packets.data, packets.len);
	}
}

static void read_status(const char *data, size_t size)
{
	_free_ char *text = strndup(data, size);
	struct trust_status s = { .n = 0 };

	assert(text);
	if (trust_status_parse(text, &s, NULL) < 0)
		return;
	for (size_t i = 0; i < s.n; i++)
		assert(s.list[i].key[0] &&
		       (s.list[i].outcome != TRUST_GOOD || s.list[i].primary[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	walk(data, size);
	if (size > 0)
		read_key(data, size);
	read_armour((const char *)data, size);
	read_status((const char *)data, size);
	return 0;
}
