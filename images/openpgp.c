#include "images/openpgp.h"

#include <nettle/base64.h>
#include <nettle/sha1.h>

/* ---- packets --------------------------------------------------------------------------------- */

static size_t big_endian(const unsigned char *p, size_t n)
{
	size_t value = 0;

	for (size_t i = 0; i < n; i++)
		value = value << 8 | p[i];
	return value;
}

/* The length behind a header of the new kind; 0: bad. *ret_used gets the bytes it takes. */
static size_t new_length(const unsigned char *p, size_t left, size_t *ret)
{
	if (left >= 1 && p[0] < 192) {
		*ret = p[0];
		return 1;
	}
	if (left >= 2 && p[0] < 224) {
		*ret = ((size_t)(p[0] - 192) << 8) + p[1] + 192;
		return 2;
	}
	if (left >= 5 && p[0] == 255) {
		*ret = big_endian(p + 1, 4);
		return 5;
	}
	return 0;
}

/* The same for the old kind, whose first byte says how many there are. */
static size_t old_length(const unsigned char *p, size_t left, unsigned kind, size_t *ret)
{
	size_t n = (size_t)1 << kind;

	if (kind == 3 || left < n)
		return 0;
	*ret = big_endian(p, n);
	return n;
}

int openpgp_next(const void *data, size_t len, size_t *at, struct openpgp_packet *ret)
{
	const unsigned char *p = (const unsigned char *)data + *at;
	size_t left = len - *at, body = 0, used;

	if (left == 0)
		return 0;
	if (!(p[0] & 0x80))
		return -EBADMSG;
	if (p[0] & 0x40) {
		ret->tag = p[0] & 0x3f;
		used = new_length(p + 1, left - 1, &body);
	} else {
		ret->tag = p[0] >> 2 & 0x0f;
		used = old_length(p + 1, left - 1, p[0] & 3, &body);
	}
	if (used == 0 || body > left - 1 - used)
		return -EBADMSG;
	ret->body = p + 1 + used;
	ret->body_len = body;
	ret->start = *at;
	*at += 1 + used + body;
	ret->end = *at;
	return 1;
}

bool openpgp_is_binary(const void *data, size_t len)
{
	return len > 0 && *(const unsigned char *)data & 0x80;
}

int openpgp_fingerprint(const struct openpgp_packet *p, char ret[OPENPGP_FINGERPRINT_TEXT])
{
	const unsigned char head[] = { 0x99, (unsigned char)(p->body_len >> 8),
				       (unsigned char)p->body_len };
	unsigned char digest[SHA1_DIGEST_SIZE];
	struct sha1_ctx ctx;

	if (p->body_len < 6 || p->body_len > UINT16_MAX || p->body[0] != 4)
		return -ENOTSUP;
	sha1_init(&ctx);
	sha1_update(&ctx, sizeof(head), head);
	sha1_update(&ctx, p->body_len, p->body);
	sha1_digest(&ctx, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(ret + 2 * i, 3, "%02X", digest[i]);
	return 0;
}

/* ---- signatures ------------------------------------------------------------------------------ */

static void take_issuer(struct openpgp_signature *s, const unsigned char *id, size_t n)
{
	for (size_t i = 0; i < n; i++)
		snprintf(s->issuer + 2 * i, 3, "%02X", id[i]);
}

/* One area of subpackets. The issuer's fingerprint is better than its key ID. */
static int read_subpackets(struct openpgp_signature *s, const unsigned char *p, size_t left)
{
	enum { ISSUER = 16, ISSUER_FINGERPRINT = 33 };

	while (left > 0) {
		size_t len, used = new_length(p, left, &len);

		if (used == 0 || len == 0 || len > left - used)
			return -EBADMSG;
		p += used;
		left -= used;
		if ((p[0] & 0x7f) == ISSUER && len == 9 && strlen(s->issuer) < 40)
			take_issuer(s, p + 1, 8);
		if ((p[0] & 0x7f) == ISSUER_FINGERPRINT && len == 22 && p[1] == 4)
			take_issuer(s, p + 2, 20);
		p += len;
		left -= len;
	}
	return 0;
}

int openpgp_signature(const struct openpgp_packet *p, struct openpgp_signature *ret)
{
	const unsigned char *at = p->body;
	size_t left = p->body_len;

	memset(ret, 0, sizeof(*ret));
	if (p->tag != OPENPGP_SIGNATURE || left < 6)
		return -EBADMSG;
	ret->version = at[0];
	if (ret->version != 4)
		return -ENOTSUP;
	ret->kind = at[1];
	ret->hash = at[3];
	at += 4;
	left -= 4;
	for (int area = 0; area < 2; area++) { /* what is hashed, and what is not */
		size_t len;

		if (left < 2)
			return -EBADMSG;
		len = big_endian(at, 2);
		if (len > left - 2 || read_subpackets(ret, at + 2, len) < 0)
			return -EBADMSG;
		at += 2 + len;
		left -= 2 + len;
	}
	return 0;
}

static const struct {
	unsigned number;
	const char *name;
	bool strong;
} hashes[] = {
	{ 1, "MD5", false },     { 2, "SHA-1", false },  { 3, "RIPE-MD/160", false },
	{ 8, "SHA-256", true },  { 9, "SHA-384", true }, { 10, "SHA-512", true },
	{ 11, "SHA-224", true },
};

const char *openpgp_hash_name(unsigned hash)
{
	for (size_t i = 0; i < ARRAY_SIZE(hashes); i++)
		if (hashes[i].number == hash)
			return hashes[i].name;
	return "an unknown hash";
}

bool openpgp_hash_is_strong(unsigned hash)
{
	for (size_t i = 0; i < ARRAY_SIZE(hashes); i++)
		if (hashes[i].number == hash)
			return hashes[i].strong;
	return false;
}

/* ---- armour ---------------------------------------------------------------------------------- */

struct line {
	const char *text;
	size_t len; /* without blanks and line ends behind */
};

static bool next_line(const char **at, const char *end, struct line *ret)
{
	const char *newline;

	if (*at == end)
		return false;
	newline = memchr(*at, '\n', (size_t)(end - *at));
	ret->text = *at;
	ret->len = (size_t)((newline ? newline : end) - *at);
	*at = newline ? newline + 1 : end;
	while (ret->len > 0 && strchr(" \t\r", ret->text[ret->len - 1]))
		ret->len--;
	return true;
}

/* "-----BEGIN PGP SIGNATURE-----": the words between; 0 for any other line. */
static size_t armour_kind(const struct line *l, const char *word, const char **ret)
{
	char head[32];
	size_t n = (size_t)snprintf(head, sizeof(head), "-----%s PGP ", word);

	if (l->len <= n + 5 || memcmp(l->text, head, n) != 0 ||
	    memcmp(l->text + l->len - 5, "-----", 5) != 0)
		return 0;
	*ret = l->text + n;
	return l->len - n - 5;
}

static uint32_t crc24(const char *data, size_t len)
{
	uint32_t crc = 0xb704ce;

	for (size_t i = 0; i < len; i++) {
		crc ^= (uint32_t)(unsigned char)data[i] << 16;
		for (int bit = 0; bit < 8; bit++) {
			crc <<= 1;
			if (crc & 0x1000000)
				crc ^= 0x1864cfb;
		}
	}
	return crc & 0xffffff;
}

static int decode_line(struct base64_decode_ctx *ctx, const struct line *l, struct buf *ret)
{
	uint8_t bytes[256];
	size_t n = sizeof(bytes);

	if (l->len > 256 || !base64_decode_update(ctx, &n, bytes, l->len, l->text))
		return -EBADMSG;
	return n ? buf_add(ret, bytes, n) : 0;
}

static int check_sum(const struct line *l, const char *data, size_t len)
{
	struct base64_decode_ctx ctx;
	uint8_t sum[BASE64_DECODE_LENGTH(4)];
	size_t n = sizeof(sum);

	base64_decode_init(&ctx);
	if (l->len != 5 || !base64_decode_update(&ctx, &n, sum, 4, l->text + 1) || n != 3)
		return -EBADMSG;
	return big_endian(sum, 3) == crc24(data, len) ? 0 : -EBADMSG;
}

/* From behind the line that begins a block to behind the one that ends it. */
static int read_block(const char **at, const char *end, const char *kind, struct buf *ret)
{
	struct base64_decode_ctx ctx;
	size_t start = ret->len, n;
	const char *words;
	struct line l;
	bool summed = false;
	int r = 0;

	while (next_line(at, end, &l) && l.len > 0) /* headers, up to the empty line */
		if (!memchr(l.text, ':', l.len))
			return -EBADMSG;
	base64_decode_init(&ctx);
	while (r == 0 && next_line(at, end, &l)) {
		n = armour_kind(&l, "END", &words);
		if (n == strlen(kind) && memcmp(words, kind, n) == 0)
			return base64_decode_final(&ctx) && ret->len > start ? 0 : -EBADMSG;
		if (summed)
			return -EBADMSG;
		if (l.len > 0 && l.text[0] == '=') {
			if (ret->len == start) /* the sum of nothing */
				return -EBADMSG;
			summed = true;
			r = check_sum(&l, ret->data + start, ret->len - start);
		} else {
			r = decode_line(&ctx, &l, ret);
		}
	}
	return r < 0 ? r : -EBADMSG;
}

int openpgp_dearmour(const char *text, size_t len, const char *kind, bool strict, struct buf *ret,
		     struct error *err)
{
	const char *at = text, *end = text + len, *words;
	unsigned blocks = 0;
	struct line l;
	int r;

	while (next_line(&at, end, &l)) {
		size_t n = armour_kind(&l, "BEGIN", &words);

		if (n == 0 && strict && l.len > 0)
			return error_set(err, -EBADMSG,
					 "there is text outside of the block of PGP %s.", kind);
		if (n == 0)
			continue;
		if (n != strlen(kind) || memcmp(words, kind, n) != 0)
			return error_set(err, -EBADMSG, "it is a PGP %.*s, not a PGP %s.",
					 n < 60 ? (int)n : 60, words, kind);
		r = read_block(&at, end, kind, ret);
		if (r < 0)
			return error_set(err, r == -E2BIG || r == -ENOMEM ? r : -EBADMSG,
					 "the PGP %s is damaged or cut short.", kind);
		blocks++;
	}
	return blocks ? 0 : error_set(err, -ENOMSG, "there is no PGP %s in it.", kind);
}
