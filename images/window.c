#include "images/window.h"

#include "base/base.h"

enum {
	GZIP = 32 << 10,
	SINGLE_SEGMENT = 1 << 5, /* no window: the content as a whole, whose size follows */
};

static uint64_t little_endian(const unsigned char *bytes, size_t n)
{
	uint64_t value = 0;

	while (n-- > 0)
		value = value << 8 | bytes[n];
	return value;
}

static uint64_t of_descriptor(unsigned char b)
{
	uint64_t base = 1ULL << (10 + (b >> 3));

	return base + base / 8 * (b & 7);
}

/* head: behind the magic number. */
static uint64_t of_zstd(const unsigned char *head, size_t n)
{
	static const size_t dictionary_bytes[] = { 0, 1, 2, 4 }, size_bytes[] = { 1, 2, 4, 8 };
	size_t at = 1, size;

	if (n < 2)
		return UINT64_MAX;
	if (!(head[0] & SINGLE_SEGMENT))
		return of_descriptor(head[1]);
	at += dictionary_bytes[head[0] & 3];
	size = size_bytes[head[0] >> 6];
	if (n < at + size)
		return UINT64_MAX;
	/* two bytes begin where one ends */
	return little_endian(head + at, size) + (size == 2 ? 256 : 0);
}

static bool is_gzip(const unsigned char *head, size_t n)
{
	return n >= 2 && head[0] == 0x1f && head[1] == 0x8b;
}

uint64_t window_of(const unsigned char *head, size_t n)
{
	static const unsigned char zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };

	if (is_gzip(head, n))
		return GZIP;
	if (n >= sizeof(zstd) && memcmp(head, zstd, sizeof(zstd)) == 0)
		return of_zstd(head + sizeof(zstd), n - sizeof(zstd));
	return UINT64_MAX;
}

enum window_kind window_kind(const unsigned char *head, size_t n)
{
	if (is_gzip(head, n))
		return WINDOW_SMALL;
	return window_of(head, n) > LIMIT_LATER_WINDOW ? WINDOW_LARGE : WINDOW_MIDDLE;
}
