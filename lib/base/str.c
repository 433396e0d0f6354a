#include "base/str.h"

#include <ctype.h>
#include <stdarg.h>

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

/* The length of the valid, printable UTF-8 sequence at s, or 0. */
static size_t utf8_length(const unsigned char *s)
{
	uint32_t c;
	size_t n;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	n = s[0] >= 0xf0 && s[0] < 0xf5   ? 4
	    : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
	    : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
					  : 0;
	if (n == 0)
		return 0;
	c = s[0] & (0x7f >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < 0xa0 || (n == 3 && c < 0x800) || (n == 4 && (c < 0x10000 || c > 0x10ffff)))
		return 0; /* C1 control characters act on a terminal too; overlong forms */
	if (c >= 0xd800 && c < 0xe000)
		return 0;
	/* marks that turn the direction of writing hide what a name really says */
	return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ? 0 : n;
}

void str_escape(char *buf, size_t size, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t used = 0;

	if (size == 0)
		return;
	while (*p) {
		size_t n = utf8_length(p);

		if (used + (n ? n : 4) >= size)
			break;
		if (n) {
			memcpy(buf + used, p, n);
			used += n;
			p += n;
		} else {
			used += (size_t)snprintf(buf + used, size - used, "\\x%02x", *p++);
		}
	}
	buf[used] = '\0';
}

int str_to_u64(const char *s, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;
	bool over = false;

	if (!*s || (s[0] == '0' && s[1]))
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		over = over || __builtin_mul_overflow(value, 10, &value) ||
		       __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value);
	}
	if (over || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

/* The power of 1024 that a size's suffix stands for, or -1. */
static int size_suffix(const char *s)
{
	static const char letters[] = "KMGTP";
	const char *at;

	if (!*s)
		return 0;
	at = strchr(letters, toupper((unsigned char)*s));
	if (!at)
		return str_eq(s, "B") ? 0 : -1;
	return !s[1] || str_eq(s + 1, "B") || str_eq(s + 1, "iB") ? (int)(at - letters) + 1 : -1;
}

int str_to_size(const char *s, uint64_t *ret)
{
	uint64_t value = 0, fraction = 0, scale = 1;
	int power;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value))
			return -ERANGE;
	if (*s == '.') {
		if (s[1] < '0' || s[1] > '9')
			return -EINVAL;
		for (s++; *s >= '0' && *s <= '9'; s++) {
			if (scale >= 1000000)
				continue; /* finer than any size that matters */
			fraction = fraction * 10 + (uint64_t)(*s - '0');
			scale *= 10;
		}
	}
	power = size_suffix(s);
	if (power < 0)
		return -EINVAL;
	for (int i = 0; i < power; i++) {
		fraction *= 1024;
		if (__builtin_mul_overflow(value, 1024, &value) ||
		    __builtin_add_overflow(value, fraction / scale, &value))
			return -ERANGE;
		fraction %= scale;
	}
	*ret = value;
	return 0;
}

void hex_encode(char *dst, const void *src, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *s = src;

	for (size_t i = 0; i < n; i++) {
		dst[2 * i] = digits[s[i] >> 4];
		dst[2 * i + 1] = digits[s[i] & 15];
	}
	dst[2 * n] = '\0';
}

bool hex_is(const char *s, size_t n)
{
	return strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

char *str_printf(const char *fmt, ...)
{
	char *s;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : s;
}

void buf_deinit(struct buf *b)
{
	free(b->data);
	b->data = NULL;
	b->len = b->cap = 0;
}

static int buf_reserve(struct buf *b, size_t more)
{
	size_t need, cap;
	char *data;

	if (more > b->max || b->len > b->max - more)
		return -E2BIG;
	need = b->len + more + 1;
	if (need <= b->cap)
		return 0;
	cap = b->cap ? b->cap : 256;
	while (cap < need)
		cap *= 2;
	data = realloc(b->data, cap);
	if (!data)
		return -ENOMEM;
	b->data = data;
	b->cap = cap;
	return 0;
}

int buf_add(struct buf *b, const void *data, size_t len)
{
	int r = buf_reserve(b, len);

	if (r < 0)
		return r;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

int buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n, r;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	r = n < 0 ? -EINVAL : buf_reserve(b, (size_t)n);
	if (r == 0) {
		vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
	return r;
}

void buf_drop_front(struct buf *b, size_t len)
{
	if (len == 0)
		return;
	memmove(b->data, b->data + len, b->len - len + 1);
	b->len -= len;
}

char *buf_take(struct buf *b)
{
	char *s = b->data ? take_ptr(&b->data) : strdup("");

	b->len = b->cap = 0;
	return s;
}
