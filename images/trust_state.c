/*
 * Which of two states of one key is the newer. Keys change: an expiry is moved, subkeys come, a
 * revocation. Each change is a signature by the key itself with a time in it, and gpg has checked
 * those (trust_keys.c). The newest one decides, so what is copied from an old file never undoes
 * what is known. A revocation is never undone by anything: who holds a stolen key can make newer
 * signatures too.
 */
#include "images/trust_parts.h"

static bool same_packet(const struct openpgp_packet *a, const struct openpgp_packet *b)
{
	return a->tag == b->tag && a->body_len == b->body_len &&
	       memcmp(a->body, b->body, a->body_len) == 0;
}

static bool has_packet(const struct trust_key *k, const struct openpgp_packet *wanted)
{
	struct openpgp_packet p;
	size_t at = 0;

	while (openpgp_next(k->data, k->len, &at, &p) > 0)
		if (same_packet(&p, wanted))
			return true;
	return false;
}

static bool is_revocation(const struct openpgp_packet *p)
{
	enum { KEY = 0x20, SUBKEY = 0x28, CERTIFICATION = 0x30 };
	unsigned kind;

	if (p->tag != OPENPGP_SIGNATURE || p->body_len < 3)
		return false;
	kind = p->body[p->body[0] < 4 ? 2 : 1];
	return kind == KEY || kind == SUBKEY || kind == CERTIFICATION;
}

/* Is every packet of a (or every revocation) in b too? */
static bool is_within(const struct trust_key *a, const struct trust_key *b, bool revocations)
{
	struct openpgp_packet p;
	size_t at = 0;

	while (openpgp_next(a->data, a->len, &at, &p) > 0)
		if ((!revocations || is_revocation(&p)) && !has_packet(b, &p))
			return false;
	return true;
}

enum trust_order trust_key_order(const struct trust_key *now, const struct trust_key *was)
{
	if (!is_within(was, now, true))
		return is_within(now, was, false) ? TRUST_OLDER : TRUST_LOST_REVOCATION;
	if (now->changed_s != was->changed_s)
		return now->changed_s > was->changed_s ? TRUST_NEWER : TRUST_OLDER;
	if (is_within(now, was, false))
		return TRUST_SAME;
	return is_within(was, now, false) ? TRUST_NEWER : TRUST_BESIDE;
}
