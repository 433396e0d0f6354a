#include "scratch.h"

static void new_ones_are_canonical_and_differ(void **state _unused_)
{
	char a[UUID_TEXT], b[UUID_TEXT];

	for (int i = 0; i < 100; i++) {
		assert_int_equal(uuid_new(a), 0);
		assert_int_equal(uuid_new(b), 0);
		assert_true(uuid_is(a));
		assert_int_equal(a[14], '4');
		assert_non_null(strchr("89ab", a[19]));
		assert_string_not_equal(a, b);
	}
}

static void odd_ones_are_refused(void **state _unused_)
{
	static const char *const bad[] = {
		"",
		"00000000-0000-0000-0000-000000000000",
		"6733c088-a507-4694-aabf-edbe4fc5266",
		"6733c088-a507-4694-aabf-edbe4fc5266f0",
		"6733C088-A507-4694-AABF-EDBE4FC5266F",
		"6733c088aa507-4694-aabf-edbe4fc5266f",
		"6733c088-a507-4694-aabf-edbe4fc5266g",
		"6733c088-a507-4694-aabf-edbe4fc526-f",
		"../../..-a507-4694-aabf-edbe4fc5266f",
	};

	assert_true(uuid_is("6733c088-a507-4694-aabf-edbe4fc5266f"));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(uuid_is(bad[i]));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_ones_are_canonical_and_differ),
		cmocka_unit_test(odd_ones_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
