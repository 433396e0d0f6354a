/* Which state of a key is the newer: keys of made-up packets. */
#include "bench.h"
#include "images/trust_parts.h"

/* A key that has the packets of a text: "K" itself, "u" a user ID, "s" and "t" signatures, "r" the
 * revocation of the key, "b" that of a subkey, "c" that of a certification, "o" one of the old
 * form. */
static struct trust_key key(const char *packets, int64_t changed)
{
	static const struct {
		char letter;
		unsigned char packet[6];
	} table[] = {
		{ 'K', { 0x98, 4, 4, 1, 2, 3 } },    { 'u', { 0xb4, 4, 'u', 's', 'e', 'r' } },
		{ 's', { 0x88, 4, 4, 0x13, 1, 8 } }, { 't', { 0x88, 4, 4, 0x18, 1, 8 } },
		{ 'r', { 0x88, 4, 4, 0x20, 1, 8 } }, { 'b', { 0x88, 4, 4, 0x28, 1, 8 } },
		{ 'c', { 0x88, 4, 4, 0x30, 1, 8 } }, { 'o', { 0x88, 4, 3, 5, 0x20, 8 } },
	};
	struct trust_key k = { .changed_s = changed, .len = 6 * strlen(packets) };
	unsigned char *at = k.data = malloc(k.len);

	assert_non_null(at);
	for (; *packets; packets++)
		for (size_t i = 0; i < ARRAY_SIZE(table); i++)
			if (table[i].letter == *packets) {
				memcpy(at, table[i].packet, 6);
				at += 6;
			}
	assert_int_equal(at - (unsigned char *)k.data, k.len);
	return k;
}

static void the_later_change_decides(_unused_ void **state)
{
	static const struct {
		const char *now;
		int64_t now_s;
		const char *was;
		int64_t was_s;
		enum trust_order order;
	} rows[] = {
		{ "Kus", 2, "Kut", 1, TRUST_NEWER },
		{ "Kus", 1, "Kut", 2, TRUST_OLDER },
		/* of one time */
		{ "Kus", 1, "Kus", 1, TRUST_SAME },
		{ "Ksu", 1, "Kus", 1, TRUST_SAME },
		{ "Kus", 1, "Kust", 1, TRUST_SAME },
		{ "Kust", 1, "Kus", 1, TRUST_NEWER },
		{ "Kus", 1, "Kut", 1, TRUST_BESIDE },
		/* revocations come, and never go */
		{ "Kusr", 1, "Kus", 1, TRUST_NEWER },
		{ "Kusr", 2, "Kusr", 1, TRUST_NEWER },
		{ "Kut", 2, "Kusr", 1, TRUST_LOST_REVOCATION },
		{ "Kut", 2, "Kusb", 1, TRUST_LOST_REVOCATION },
		{ "Kut", 2, "Kusc", 1, TRUST_LOST_REVOCATION },
		{ "Kut", 2, "Kuso", 1, TRUST_LOST_REVOCATION },
		{ "Kutr", 2, "Kusb", 1, TRUST_LOST_REVOCATION },
		{ "Kus", 1, "Kusr", 1, TRUST_OLDER },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct trust_key now = key(rows[i].now, rows[i].now_s);
		struct trust_key was = key(rows[i].was, rows[i].was_s);
		enum trust_order order = trust_key_order(&now, &was);

		if (order != rows[i].order)
			fail_msg("row %zu: %d", i, order);
		trust_key_deinit(&now);
		trust_key_deinit(&was);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_later_change_decides),
	};

	return cmocka_run_group_tests_name("trust_state", tests, NULL, NULL);
}
