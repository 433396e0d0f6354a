#include "scratch.h"

static void starts_and_ends(void **state _unused_)
{
	assert_true(str_starts("carob", "car"));
	assert_true(str_starts("carob", ""));
	assert_false(str_starts("car", "carob"));
	assert_true(str_ends("image.aci", ".aci"));
	assert_true(str_ends(".aci", ".aci"));
	assert_false(str_ends("aci", ".aci"));
}

static void escapes_what_a_terminal_acts_upon(void **state _unused_)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "" },
		{ "plain text ~", "plain text ~" },
		{ "\001\n\033[0m\177", "\\x01\\x0a\\x1b[0m\\x7f" },
		{ "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8c\xb1",
		  "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8c\xb1" },
		{ "\xc2\x9b"
		  "2J",
		  "\\xc2\\x9b2J" },                                        /* C1: CSI */
		{ "\xff\x80", "\\xff\\x80" },                              /* no UTF-8 */
		{ "\xc3", "\\xc3" },                                       /* cut short */
		{ "\xe2\x82", "\\xe2\\x82" },                              /* cut short */
		{ "\xc0\xaf \xe0\x80\xaf", "\\xc0\\xaf \\xe0\\x80\\xaf" }, /* overlong */
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },                     /* a surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },            /* past U+10FFFF */
		{ "a\xe2\x80\xae"
		  "b",
		  "a\\xe2\\x80\\xae"
		  "b" }, /* right to left */
		{ "a\xe2\x81\xa9"
		  "b",
		  "a\\xe2\\x81\\xa9"
		  "b" },
	};
	char out[64];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		str_escape(out, sizeof(out), cases[i].in);
		assert_string_equal(out, cases[i].out);
	}
}

static void escape_cuts_between_characters(void **state _unused_)
{
	char out[8];

	str_escape(out, 5, "abcdef");
	assert_string_equal(out, "abcd");
	str_escape(out, 5, "a\n");
	assert_string_equal(out, "a");
	str_escape(out, 6, "a\n");
	assert_string_equal(out, "a\\x0a");
	str_escape(out, 3, "a\xc3\xbc");
	assert_string_equal(out, "a");
	str_escape(out, 1, "a");
	assert_string_equal(out, "");
	out[0] = 'x';
	str_escape(out, 0, "a");
	assert_int_equal(out[0], 'x');
}

static void numbers(void **state _unused_)
{
	static const struct {
		const char *text;
		uint64_t max;
		int result;
		uint64_t value;
	} cases[] = {
		{ "0", 0, 0, 0 },
		{ "7", 7, 0, 7 },
		{ "8", 7, -ERANGE },
		{ "18446744073709551615", UINT64_MAX, 0, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, -ERANGE },
		{ "99999999999999999999999", UINT64_MAX, -ERANGE },
		{ "99999999999999999999999x", UINT64_MAX, -EINVAL },
		{ "", 9, -EINVAL },
		{ "00", 9, -EINVAL },
		{ "01", 9, -EINVAL },
		{ "-1", 9, -EINVAL },
		{ "+1", 9, -EINVAL },
		{ " 1", 9, -EINVAL },
		{ "1 ", 9, -EINVAL },
		{ "0x1", 9, -EINVAL },
		{ "1e1", 9, -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = 4711;

		assert_int_equal(str_to_u64(cases[i].text, cases[i].max, &value), cases[i].result);
		assert_true(value == (cases[i].result ? 4711 : cases[i].value));
	}
}

static void sizes(void **state _unused_)
{
	static const struct {
		const char *text;
		int result;
		uint64_t value;
	} cases[] = {
		{ "0", 0, 0 },
		{ "512", 0, 512 },
		{ "512B", 0, 512 },
		{ "10K", 0, 10240 },
		{ "10k", 0, 10240 },
		{ "10KB", 0, 10240 },
		{ "10KiB", 0, 10240 },
		{ "1.5M", 0, 1536 * 1024 },
		{ "2G", 0, 2ULL << 30 },
		{ "1T", 0, 1ULL << 40 },
		{ "1.25P", 0, 5ULL << 48 },
		{ "0.999999P", 0, 1125898780942717ULL }, /* exact */
		{ "16383P", 0, 16383ULL << 50 },
		{ "16384P", -ERANGE },
		{ "18446744073709551616", -ERANGE },
		{ "", -EINVAL },
		{ "K", -EINVAL },
		{ "-1", -EINVAL },
		{ " 1", -EINVAL },
		{ "1.", -EINVAL },
		{ "1.K", -EINVAL },
		{ ".5K", -EINVAL },
		{ "1 K", -EINVAL },
		{ "1E", -EINVAL },
		{ "1Kb", -EINVAL },
		{ "1KiBx", -EINVAL },
		{ "1BB", -EINVAL },
		{ "1iB", -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = 4711;

		assert_int_equal(str_to_size(cases[i].text, &value), cases[i].result);
		assert_true(value == (cases[i].result ? 4711 : cases[i].value));
	}
}

static void hexadecimal(void **state _unused_)
{
	char text[9];

	hex_encode(text, "\x00\x7f\xa5\xff", 4);
	assert_string_equal(text, "007fa5ff");
	assert_true(hex_is(text, 8));
	assert_false(hex_is(text, 7));
	assert_false(hex_is(text, 9));
	assert_false(hex_is("007FA5FF", 8));
	assert_false(hex_is("007fa5fg", 8));
}

static void prints_into_memory(void **state _unused_)
{
	_free_ char *s = str_printf("%s-%d", "a", 5);

	assert_string_equal(s, "a-5");
}

static void a_buffer_grows_to_its_maximum(void **state _unused_)
{
	_buf_ struct buf b = BUF_INIT(1000);
	char ten[] = "0123456789";

	for (int i = 0; i < 100; i++)
		assert_int_equal(buf_add(&b, ten, 10), 0);
	assert_int_equal(b.len, 1000);
	assert_int_equal(b.data[1000], '\0');
	assert_int_equal(buf_add(&b, "x", 1), -E2BIG);
	assert_int_equal(buf_addf(&b, "%d", 5), -E2BIG);
	assert_int_equal(buf_add(&b, "x", SIZE_MAX), -E2BIG);
	assert_int_equal(b.len, 1000);
	assert_int_equal(strlen(b.data), 1000);
	assert_int_equal(buf_add(&b, NULL, 0), 0);
	buf_drop_front(&b, 1);
	assert_int_equal(buf_add(&b, "x", 1), 0);
	assert_string_equal(b.data + 990, "123456789x");
}

static void a_buffer_formats_and_drops(void **state _unused_)
{
	_buf_ struct buf b = BUF_INIT(64);

	assert_int_equal(buf_addf(&b, "%s:%d", "key", 12), 0);
	assert_int_equal(buf_addf(&b, ";"), 0);
	assert_string_equal(b.data, "key:12;");
	buf_drop_front(&b, 0);
	buf_drop_front(&b, 4);
	assert_string_equal(b.data, "12;");
	buf_drop_front(&b, 3);
	assert_string_equal(b.data, "");
	assert_int_equal(b.len, 0);
}

static void a_buffer_gives_its_bytes_away(void **state _unused_)
{
	_buf_ struct buf b = BUF_INIT(64);
	_free_ char *none = buf_take(&b), *some = NULL, *next = NULL;

	assert_string_equal(none, "");
	assert_int_equal(buf_addf(&b, "text"), 0);
	some = buf_take(&b);
	assert_string_equal(some, "text");
	assert_null(b.data);
	assert_int_equal(buf_addf(&b, "more"), 0);
	next = buf_take(&b);
	assert_string_equal(next, "more");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_and_ends),
		cmocka_unit_test(escapes_what_a_terminal_acts_upon),
		cmocka_unit_test(escape_cuts_between_characters),
		cmocka_unit_test(numbers),
		cmocka_unit_test(sizes),
		cmocka_unit_test(hexadecimal),
		cmocka_unit_test(prints_into_memory),
		cmocka_unit_test(a_buffer_grows_to_its_maximum),
		cmocka_unit_test(a_buffer_formats_and_drops),
		cmocka_unit_test(a_buffer_gives_its_bytes_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
