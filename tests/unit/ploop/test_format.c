/* The header of an image. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "ploop/ploop.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

/* As qemu-img 7.2 writes it for `create -f parallels image 3G`. */
static const uint8_t of_qemu[PLOOP_HEADER] = {
	'W',  'i',  't',  'h',  'o',  'u',  'F',  'r',  'e',  'S',  'p',  'a',  'c',
	'E',  'x',  't',  0x02, 0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0x30,
	0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x0c, 0x00, 0x00, 0x00, 0x00, 0x60,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00,
};

static void a_header_is_read_as_it_is_written(void **state)
{
	struct ploop_header h, again;
	uint8_t raw[PLOOP_HEADER];
	struct error err = { 0 };

	(void)state;
	assert_int_equal(ploop_header_new(10 * GIB, 0, &h), 0);
	h.in_use = PLOOP_IN_USE;
	ploop_header_encode(&h, raw);
	assert_int_equal(ploop_header_decode(raw, &again, &err), 0);
	assert_memory_equal(&h, &again, sizeof(h));
}

static void one_of_qemu_is_read(void **state)
{
	struct error err = { 0 };
	struct ploop_header h;

	(void)state;
	assert_int_equal(ploop_header_decode(of_qemu, &h, &err), 0);
	assert_int_equal(h.sectors, 3 * GIB / PLOOP_SECTOR);
	assert_int_equal(h.entries, 3072);
	assert_int_equal(h.data_start, 2048);
	assert_int_equal(ploop_first_cluster(&h), 1);
	assert_int_equal(ploop_room(&h), (MIB - PLOOP_HEADER) / 4);
}

static void ours_is_that_of_qemu_but_for_the_room(void **state)
{
	uint8_t raw[PLOOP_HEADER];
	struct ploop_header h;

	(void)state;
	assert_int_equal(ploop_header_new(3 * GIB, 0, &h), 0);
	ploop_header_encode(&h, raw);
	assert_memory_equal(raw, of_qemu, PLOOP_HEADER);
}

static void there_is_room_to_grow(void **state)
{
	static const uint64_t sizes[] = { MIB, 300 * MIB, 10 * GIB, 64 * GIB };
	struct ploop_header h;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_int_equal(ploop_header_new(sizes[i], 0, &h), 0);
		/* but for the entries that the header takes the place of */
		assert_true(ploop_room(&h) + PLOOP_HEADER / 4 >= PLOOP_GROWTH * sizes[i] / MIB);
		assert_int_equal(h.data_start % PLOOP_CLUSTER_SECTORS, 0);
	}
	assert_int_equal(ploop_header_new(MIB, 5000 * GIB, &h), 0);
	assert_true(ploop_room(&h) >= 5000 * 1024);
	assert_int_equal(ploop_header_new(PLOOP_SIZE_MAX, 0, &h), 0);
	assert_int_equal(ploop_room(&h), PLOOP_ENTRIES_MAX);
}

static void sizes_that_cannot_be_are_refused(void **state)
{
	struct ploop_header h;

	(void)state;
	assert_int_equal(ploop_header_new(0, 0, &h), -EINVAL);
	assert_int_equal(ploop_header_new(MIB + 512, 0, &h), -EINVAL);
	assert_int_equal(ploop_header_new(PLOOP_SIZE_MAX + MIB, 0, &h), -EFBIG);
	assert_int_equal(ploop_header_new(MIB, PLOOP_SIZE_MAX + MIB, &h), -EFBIG);
}

/* Each byte that counts, made wrong. */
static void what_is_wrong_is_named(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		const char *word;
	} faults[] = {
		{ 0, 'w', "parallels" }, { 16, 1, "version" },    { 29, 4, "clusters" },
		{ 32, 1, "clusters" },   { 36, 1, "clusters" },   { 42, 1, "sectors" },
		{ 35, 2, "entries" },    { 48, 1, "data start" }, { 49, 4, "data start" },
		{ 56, 1, "extensions" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		uint8_t raw[PLOOP_HEADER];
		struct error err = { 0 };
		struct ploop_header h;

		memcpy(raw, of_qemu, sizeof(raw));
		raw[faults[i].at] = faults[i].value;
		assert_int_equal(ploop_header_decode(raw, &h, &err), -EBADMSG);
		assert_non_null(strstr(err.text, faults[i].word));
	}
}

/* So many sectors that rounding them up begins again at zero, which an empty table would fit. */
static void a_disk_that_is_too_large_is_refused(void **state)
{
	uint8_t raw[PLOOP_HEADER];
	struct error err = { 0 };
	struct ploop_header h;

	(void)state;
	memcpy(raw, of_qemu, sizeof(raw));
	memset(raw + 32, 0, 4);
	memset(raw + 36, 0xff, 8);
	assert_int_equal(ploop_header_decode(raw, &h, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "sectors"));
}

static void a_start_of_zero_is_inferred(void **state)
{
	uint8_t raw[PLOOP_HEADER];
	struct error err = { 0 };
	struct ploop_header h;

	(void)state;
	memcpy(raw, of_qemu, sizeof(raw));
	raw[49] = 0;
	assert_int_equal(ploop_header_decode(raw, &h, &err), 0);
	assert_int_equal(h.data_start, 2048);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_is_read_as_it_is_written),
		cmocka_unit_test(one_of_qemu_is_read),
		cmocka_unit_test(ours_is_that_of_qemu_but_for_the_room),
		cmocka_unit_test(there_is_room_to_grow),
		cmocka_unit_test(sizes_that_cannot_be_are_refused),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(a_disk_that_is_too_large_is_refused),
		cmocka_unit_test(a_start_of_zero_is_inferred),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
