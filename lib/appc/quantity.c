/*
 * Quantities of resource isolators: the grammar of the reference ([+-]digits[.digits] and a
 * suffix), but in integers throughout: text is never a floating point number on its way.
 *
 * A value is digits * 10^exponent10 * 2^exponent2, brought to 1/1000 and rounded up.
 */
#include <string.h>

#include "appc/appc.h"

static const struct {
	const char *text;
	int ten, two;
} suffixes[] = {
	{ "", 0, 0 },    { "n", -9, 0 },  { "u", -6, 0 },  { "m", -3, 0 },  { "k", 3, 0 },
	{ "K", 3, 0 },   { "M", 6, 0 },   { "G", 9, 0 },   { "T", 12, 0 },  { "P", 15, 0 },
	{ "E", 18, 0 },  { "Ki", 0, 10 }, { "Mi", 0, 20 }, { "Gi", 0, 30 }, { "Ti", 0, 40 },
	{ "Pi", 0, 50 }, { "Ei", 0, 60 },
};

struct number {
	uint64_t digits;
	int ten, two;
	bool negative;
	bool inexact; /* digits were cut that are worth something: round up */
};

/* Digits are kept while they fit into 64 bits, at least 19 of them: as many as the largest result
 * has. Times 2^60 that still fits into 128. */
enum { MAX_EXPONENT = 100000 };
#define MAX_DIGITS (1ULL << 60)

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void add_digit(struct number *n, char c, bool fraction)
{
	if (n->digits < MAX_DIGITS) {
		n->digits = n->digits * 10 + (unsigned)(c - '0');
		n->ten -= fraction;
	} else {
		n->inexact = n->inexact || c != '0';
		n->ten += !fraction;
	}
}

/* The digits of s with at most one point, at least one digit. Returns what follows, or NULL. */
static const char *parse_digits(const char *s, struct number *n)
{
	const char *first = s;
	bool fraction = false;

	n->negative = *s == '-';
	if (*s == '+' || *s == '-')
		first = ++s;
	for (; is_digit(*s) || (*s == '.' && !fraction); s++) {
		if (*s == '.')
			fraction = true;
		else
			add_digit(n, *s, fraction);
	}
	return s - first > fraction ? s : NULL;
}

static bool parse_suffix(const char *s, struct number *n)
{
	bool negative;
	int exponent = 0;

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		if (str_eq(s, suffixes[i].text)) {
			n->ten += suffixes[i].ten;
			n->two += suffixes[i].two;
			return true;
		}
	}
	if (*s != 'e' && *s != 'E')
		return false;
	negative = *++s == '-';
	if (*s == '+' || *s == '-')
		s++;
	if (!is_digit(*s))
		return false;
	for (; is_digit(*s); s++)
		if (exponent < MAX_EXPONENT)
			exponent = exponent * 10 + (*s - '0');
	n->ten += negative ? -exponent : exponent;
	return *s == '\0';
}

/* digits * 10^ten * 2^two, rounded up; false when that is over INT64_MAX. */
static bool scale(const struct number *n, int64_t *ret)
{
	unsigned __int128 v = (unsigned __int128)n->digits << n->two;
	bool inexact = n->inexact;

	for (int ten = n->ten; ten < 0 && v > 0; ten++) {
		inexact = inexact || v % 10;
		v /= 10;
	}
	for (int ten = n->ten; ten > 0 && v > 0; ten--) {
		if (v > INT64_MAX)
			return false;
		v *= 10;
	}
	v += inexact;
	if (v > INT64_MAX)
		return false;
	*ret = (int64_t)v;
	return true;
}

int appc_quantity(const char *s, int64_t *ret_milli)
{
	struct number n = { .ten = 3 };
	int64_t milli;

	s = parse_digits(s, &n);
	if (!s || !parse_suffix(s, &n))
		return -EINVAL;
	if (!scale(&n, &milli))
		return -ERANGE;
	*ret_milli = n.negative ? -milli : milli;
	return 0;
}
