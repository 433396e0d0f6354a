/*
 * What gpgv says, one line for each fact: "[GNUPG:] WORD ARGUMENT...", in the order in which it finds
 * out. A signature begins with NEWSIG; one word says how it ended; VALIDSIG follows where the
 * signature is mathematically right, and tells the primary key.
 *
 * Its exit status says less than that: it is 0 for keys that have expired, and not 0 for two
 * signatures of which one is by a key that we do not have.
 */
#include "images/trust_parts.h"

enum { WORDS_MAX = 12 };

/* One line, taken apart. */
struct said {
	char *words[WORDS_MAX];
	size_t n;
};

struct reading {
	struct trust_status *status;
	struct trust_signature *signature; /* the one that is spoken of; NULL before the first */
	bool ended, valid;                 /* its outcome was said; VALIDSIG was */
};

/* ---- one word each: 0 or -EPROTO ------------------------------------------------------------- */

static bool is_hex(const char *s)
{
	size_t n = strspn(s, "0123456789ABCDEF");

	return s[n] == '\0' && (n == 16 || n == 32 || n == 40 || n == 64);
}

static int end_signature(const struct reading *r)
{
	if (!r->signature)
		return 0;
	if (!r->ended)
		return -EPROTO;
	switch (r->signature->outcome) {
	case TRUST_GOOD:
	case TRUST_EXPIRED:
	case TRUST_EXPIRED_KEY:
	case TRUST_REVOKED_KEY:
		return r->valid ? 0 : -EPROTO;
	case TRUST_BAD:
	case TRUST_NO_KEY:
	case TRUST_UNCHECKED:
		break;
	}
	return r->valid ? -EPROTO : 0;
}

static int new_signature(struct reading *r, _unused_ const struct said *s, _unused_ int outcome)
{
	if (end_signature(r) < 0 || r->status->n == LIMIT_SIGNATURES)
		return -EPROTO;
	r->signature = &r->status->list[r->status->n++];
	r->ended = r->valid = false;
	return 0;
}

static int take_outcome(struct reading *r, const struct said *s, int outcome)
{
	if (!r->signature || r->ended || s->n < 2 || !is_hex(s->words[1]))
		return -EPROTO;
	r->ended = true;
	r->signature->outcome = (enum trust_outcome)outcome;
	snprintf(r->signature->key, sizeof(r->signature->key), "%s", s->words[1]);
	return 0;
}

/* ERRSIG key-ID algorithm hash kind time REASON fingerprint */
static int take_error(struct reading *r, const struct said *s, int outcome)
{
	static const char no_key[] = "9";

	if (s->n < 7)
		return -EPROTO;
	if (str_eq(s->words[6], no_key))
		outcome = TRUST_NO_KEY;
	if (take_outcome(r, s, outcome) < 0)
		return -EPROTO;
	if (s->n > 7 && is_hex(s->words[7]))
		snprintf(r->signature->key, sizeof(r->signature->key), "%s", s->words[7]);
	return 0;
}

/* VALIDSIG fingerprint day time expiry version - algorithm hash kind PRIMARY */
static int take_valid(struct reading *r, const struct said *s, _unused_ int outcome)
{
	uint64_t made;

	if (!r->signature || !r->ended || r->valid || s->n < 11 || !is_hex(s->words[1]) ||
	    !is_hex(s->words[10]) || str_to_u64(s->words[3], UINT32_MAX, &made) < 0 ||
	    !str_eq(s->words[9], "00"))
		return -EPROTO;
	r->valid = true;
	r->signature->made_s = (int64_t)made;
	snprintf(r->signature->key, sizeof(r->signature->key), "%s", s->words[1]);
	snprintf(r->signature->primary, sizeof(r->signature->primary), "%s", s->words[10]);
	return 0;
}

/* More about something that has a word of its own, or nothing that matters to us. */
static int pass_over(_unused_ struct reading *r, _unused_ const struct said *s,
		     _unused_ int outcome)
{
	return 0;
}

static const struct {
	const char *word;
	int (*take)(struct reading *r, const struct said *s, int outcome);
	int outcome;
} table[] = {
	{ "NEWSIG", new_signature, 0 },
	{ "GOODSIG", take_outcome, TRUST_GOOD },
	{ "BADSIG", take_outcome, TRUST_BAD },
	{ "EXPSIG", take_outcome, TRUST_EXPIRED },
	{ "EXPKEYSIG", take_outcome, TRUST_EXPIRED_KEY },
	{ "REVKEYSIG", take_outcome, TRUST_REVOKED_KEY },
	{ "ERRSIG", take_error, TRUST_UNCHECKED },
	{ "VALIDSIG", take_valid, 0 },
	{ "NO_PUBKEY", pass_over, 0 },
	{ "KEY_CONSIDERED", pass_over, 0 },
	{ "KEYEXPIRED", pass_over, 0 },
	{ "KEYREVOKED", pass_over, 0 },
	{ "SIGEXPIRED", pass_over, 0 },
	{ "SIG_ID", pass_over, 0 },
	{ "NOTATION_NAME", pass_over, 0 },
	{ "NOTATION_FLAGS", pass_over, 0 },
	{ "NOTATION_DATA", pass_over, 0 },
	{ "POLICY_URL", pass_over, 0 },
};

/* ---- all of it ------------------------------------------------------------------------------- */

static int take_line(struct reading *r, char *line)
{
	struct said s = { .n = 0 };
	char *word;

	while (s.n < WORDS_MAX && (word = strsep(&line, " ")) != NULL)
		s.words[s.n++] = word;
	if (s.n < 2 || !str_eq(s.words[0], "[GNUPG:]"))
		return -EPROTO;
	/* the arguments count from 1, as its documentation has them */
	memmove(s.words, s.words + 1, --s.n * sizeof(s.words[0]));
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (str_eq(s.words[0], table[i].word))
			return table[i].take(r, &s, table[i].outcome);
	return -EPROTO;
}

int trust_status_parse(const char *text, struct trust_status *ret, struct error *err)
{
	struct trust_status status = { .n = 0 };
	struct reading reading = { .status = &status };
	_free_ char *copy = strdup(text);
	char *at = copy, *line;
	int r = 0;

	if (!copy)
		return error_set(err, -ENOMEM, "out of memory");
	while (r == 0 && (line = strsep(&at, "\n")) != NULL && at) {
		_free_ char *whole = strdup(line);

		r = whole ? take_line(&reading, line) : -ENOMEM;
		if (r == -EPROTO)
			return error_set(err, r, "gpgv says what it is not known to say: %.200s.",
					 whole);
	}
	if (r < 0)
		return error_set(err, r, "out of memory");
	if ((line && *line) || end_signature(&reading) < 0)
		return error_set(err, -EPROTO, "gpgv stopped in the middle of what it said.");
	*ret = status;
	return 0;
}
