#include "images/unpack/seen.h"

#include <sys/random.h>

enum { FIRST_ROOM = 1024, KIND_BITS = 7 };

int seen_init(struct seen *s)
{
	*s = (struct seen){ .room = FIRST_ROOM };
	if (getrandom(s->key, sizeof(s->key), 0) != (ssize_t)sizeof(s->key))
		return -errno;
	s->slots = calloc(s->room, sizeof(s->slots[0]));
	return s->slots ? 0 : -ENOMEM;
}

void seen_deinit(struct seen *s)
{
	free(s->slots);
	s->slots = NULL;
}

/* ---- SipHash-2-4 (Aumasson, Bernstein 2012) -------------------------------------------------- */

static uint64_t rotate(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
}

uint64_t seen_step(const struct seen *s, uint64_t parent, const char *name, size_t len)
{
	uint64_t v[4] = { s->key[0] ^ 0x736f6d6570736575, s->key[1] ^ 0x646f72616e646f6d,
			  s->key[0] ^ 0x6c7967656e657261, s->key[1] ^ 0x7465646279746573 };
	uint64_t word, total = len + sizeof(parent);

	sip_word(v, parent);
	for (; len >= sizeof(word); len -= sizeof(word), name += sizeof(word)) {
		memcpy(&word, name, sizeof(word));
		sip_word(v, word);
	}
	word = 0;
	memcpy(&word, name, len);
	sip_word(v, word | total << 56);
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- the table ------------------------------------------------------------------------------- */

/* The slot of that hash, or the free one where it belongs. */
static uint64_t *slot_of(uint64_t *slots, size_t room, uint64_t hash)
{
	size_t i = hash >> 3 & (room - 1);

	while (slots[i] && (slots[i] | KIND_BITS) != (hash | KIND_BITS))
		i = (i + 1) & (room - 1);
	return &slots[i];
}

static int grow(struct seen *s)
{
	uint64_t *slots = calloc(2 * s->room, sizeof(slots[0]));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < s->room; i++)
		if (s->slots[i])
			*slot_of(slots, 2 * s->room, s->slots[i]) = s->slots[i];
	free(s->slots);
	s->slots = slots;
	s->room *= 2;
	return 0;
}

enum seen_kind seen_get(const struct seen *s, uint64_t hash)
{
	return (enum seen_kind)(*slot_of(s->slots, s->room, hash) & KIND_BITS);
}

int seen_set(struct seen *s, uint64_t hash, enum seen_kind kind)
{
	uint64_t *slot;
	int r = s->n >= s->room / 8 * 7 ? grow(s) : 0;

	if (r < 0)
		return r;
	slot = slot_of(s->slots, s->room, hash);
	s->n += *slot == 0;
	*slot = (hash & ~(uint64_t)KIND_BITS) | kind;
	return 0;
}
