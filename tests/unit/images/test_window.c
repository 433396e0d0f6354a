#define ZSTD_STATIC_LINKING_ONLY
#include "images/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <cmocka.h>

#include "base/base.h"

/* What the library reads from it, where it takes it for the header of a frame. */
static void assert_as_library(const unsigned char *head, size_t *n_compared)
{
	ZSTD_frameHeader h;

	if (ZSTD_getFrameHeader(&h, head, WINDOW_HEAD) != 0)
		return;
	assert_true(window_of(head, WINDOW_HEAD) == h.windowSize);
	++*n_compared;
}

/* Every descriptor and every window there is, and sizes of all lengths. */
static void every_header_means_what_it_means_to_the_library(_unused_ void **state)
{
	static const unsigned char ends[] = { 0, 1, 0x80, 0xff };
	unsigned char head[WINDOW_HEAD] = { 0x28, 0xb5, 0x2f, 0xfd };
	size_t n = 0;

	for (unsigned i = 0; i < 1U << 16; i++)
		for (size_t j = 0; j < ARRAY_SIZE(ends); j++) {
			head[4] = (unsigned char)(i >> 8);
			head[5] = (unsigned char)i;
			for (size_t k = 6; k < sizeof(head); k++)
				head[k] = (unsigned char)(ends[j] + k * (j > 1));
			assert_as_library(head, &n);
		}
	/* the library refuses the reserved bit, and windows of more than 2 GiB */
	assert_true(n > 100000);
}

static void what_zstd_writes(_unused_ void **state)
{
	static const char data[] = "some bytes";
	ZSTD_CCtx *c = ZSTD_createCCtx();
	unsigned char frame[128];

	assert_non_null(c);
	for (int log = 10; log <= 27; log++) {
		ZSTD_inBuffer in = { data, sizeof(data), 0 };
		ZSTD_outBuffer out = { frame, sizeof(frame), 0 };

		ZSTD_CCtx_reset(c, ZSTD_reset_session_and_parameters);
		ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, log);
		/* in two calls, so that it does not know how much it will be */
		ZSTD_compressStream2(c, &out, &in, ZSTD_e_flush);
		assert_int_equal(ZSTD_compressStream2(c, &out, &in, ZSTD_e_end), 0);
		assert_true(window_of(frame, out.pos) == 1ULL << log);
	}
	ZSTD_freeCCtx(c);
}

static void gzip_has_its_32_kib(_unused_ void **state)
{
	assert_true(window_of((const unsigned char *)"\x1f\x8b\x08", 3) == 32 << 10);
}

static void what_is_not_known_is_as_large_as_can_be(_unused_ void **state)
{
	/* a window of 1 KiB; a content of one byte, without a dictionary and with its long name */
	static const unsigned char window[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x00 };
	static const unsigned char content[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x01 };
	static const unsigned char named[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x23, 1, 2, 3, 4, 0x01 };

	assert_true(window_of(window, sizeof(window)) == 1024);
	assert_true(window_of(content, sizeof(content)) == 1);
	assert_true(window_of(named, sizeof(named)) == 1);
	for (size_t n = 0; n < sizeof(window); n++) {
		assert_true(window_of(window, n) == UINT64_MAX);
		assert_true(window_of(content, n) == UINT64_MAX);
	}
	for (size_t n = 0; n < sizeof(named); n++)
		assert_true(window_of(named, n) == UINT64_MAX);
	/* xz, bzip2, a frame to be skipped, no compression */
	assert_true(window_of((const unsigned char *)"\xfd"
						     "7zXZ\0\0\4",
			      8) == UINT64_MAX);
	assert_true(window_of((const unsigned char *)"BZh9", 4) == UINT64_MAX);
	assert_true(window_of((const unsigned char *)"\x50\x2a\x4d\x18\4\0\0\0", 8) == UINT64_MAX);
	assert_true(window_of((const unsigned char *)"manifest", 8) == UINT64_MAX);
}

/* A frame that begins with so large a window, as a power of two. */
static enum window_kind kind_of_zstd(int log)
{
	const unsigned char exponent = (unsigned char)((log - 10) << 3);
	const unsigned char head[] = { 0x28, 0xb5, 0x2f, 0xfd, 0, exponent };

	return window_kind(head, sizeof(head));
}

static void the_first_says_what_the_others_may_have(_unused_ void **state)
{
	assert_int_equal(window_kind((const unsigned char *)"\x1f\x8b", 2), WINDOW_SMALL);
	assert_int_equal(kind_of_zstd(10), WINDOW_MIDDLE);
	assert_int_equal(kind_of_zstd(23), WINDOW_MIDDLE);
	assert_int_equal(kind_of_zstd(24), WINDOW_LARGE);
	assert_int_equal(window_kind((const unsigned char *)"BZh9", 4), WINDOW_LARGE);
	assert_int_equal(window_kind(NULL, 0), WINDOW_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_header_means_what_it_means_to_the_library),
		cmocka_unit_test(what_zstd_writes),
		cmocka_unit_test(gzip_has_its_32_kib),
		cmocka_unit_test(what_is_not_known_is_as_large_as_can_be),
		cmocka_unit_test(the_first_says_what_the_others_may_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
