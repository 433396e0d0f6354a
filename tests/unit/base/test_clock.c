#include "scratch.h"

#define NS 1000000000LL

static void parses_rfc_3339(void **state _unused_)
{
	static const struct {
		const char *text;
		int64_t ns;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1969-12-31T23:59:59.5Z", -NS / 2 },
		{ "2026-11-22T12:43:00Z", 1795351380 * NS },
		{ "2026-11-22T12:43:00.123456789Z", 1795351380 * NS + 123456789 },
		{ "2026-11-22T12:43:00.1234567899999Z", 1795351380 * NS + 123456789 },
		{ "2026-11-22T12:43:00+00:00", 1795351380 * NS },
		{ "2026-11-22T14:13:00+01:30", 1795351380 * NS },
		{ "2026-11-22T11:43:00-01:00", 1795351380 * NS },
		{ "2024-02-29T00:00:00Z", 1709164800 * NS },
		{ "2000-02-29T00:00:00Z", 951782400 * NS },
		{ "2262-04-11T23:47:16.854775807Z", INT64_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t ns = 4711;

		assert_int_equal(time_parse(cases[i].text, &ns), 0);
		assert_true(ns == cases[i].ns);
	}
}

static void refuses_what_is_not(void **state _unused_)
{
	static const char *const bad[] = {
		"",
		"2026",
		"2026-11-22",
		"2026-11-22 12:43:00Z",
		"2026-11-22t12:43:00Z",
		"2026-11-22T12:43:00z",
		"2026-11-22T12:43:00",
		"2026-11-22T12:43Z",
		"2026-11-22T12:43:00.Z",
		"2026-11-22T12:43:00,5Z",
		"2026-11-22T12:43:00ZZ",
		"2026-11-22T12:43:00Z ",
		" 2026-11-22T12:43:00Z",
		"2026-1-22T12:43:00Z",
		"26-11-22T12:43:00Z",
		"+2026-11-22T12:43:00Z",
		"2026-00-22T12:43:00Z",
		"2026-13-22T12:43:00Z",
		"2026-11-00T12:43:00Z",
		"2026-11-31T12:43:00Z",
		"2026-02-29T12:43:00Z",
		"1900-02-29T12:43:00Z",
		"2026-11-22T24:00:00Z",
		"2026-11-22T12:60:00Z",
		"2026-11-22T12:43:60Z",
		"2026-11-22T12:43:00+1:00",
		"2026-11-22T12:43:00+0100",
		"2026-11-22T12:43:00+24:00",
		"2026-11-22T12:43:00+00:60",
		"2026-11-22T12:43:00+",
		/* RFC 3339, but no number of nanoseconds that we could keep */
		"9999-12-31T23:59:59Z",
		"2262-04-11T23:47:16.854775808Z",
		"0000-01-01T00:00:00Z",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int64_t ns = 4711;

		assert_int_equal(time_parse(bad[i], &ns), -EINVAL);
		assert_true(ns == 4711);
	}
}

static void formats_what_it_parses(void **state _unused_)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000000000Z" },
		{ -1, "1969-12-31T23:59:59.999999999Z" },
		{ -NS, "1969-12-31T23:59:59.000000000Z" },
		{ 1795351380 * NS + 5, "2026-11-22T12:43:00.000000005Z" },
		{ INT64_MAX, "2262-04-11T23:47:16.854775807Z" },
		{ INT64_MIN, "1677-09-21T00:12:43.145224192Z" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[TIME_TEXT];
		int64_t ns;

		time_format(text, cases[i].ns);
		assert_string_equal(text, cases[i].text);
		assert_int_equal(time_parse(text, &ns), 0);
		assert_true(ns == cases[i].ns);
	}
}

static void clocks_go_forward(void **state _unused_)
{
	int64_t boot = time_boot_ns();

	assert_true(boot > 0);
	assert_true(time_boot_ns() >= boot);
	assert_true(time_now_ns() > 1600000000 * NS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_rfc_3339),
		cmocka_unit_test(refuses_what_is_not),
		cmocka_unit_test(formats_what_it_parses),
		cmocka_unit_test(clocks_go_forward),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
