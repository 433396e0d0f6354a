/* What needs no device mapper: the kernel's buffers and words. */
#include <linux/dm-ioctl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/base.h"
#include "kernel/dm.h"

static void test_put_table(void **state)
{
	static const struct dm_target targets[] = {
		{ 0, 8, "linear", "7:0 2048" },
		{ 8, 1ULL << 40, "thin-pool", "" },
	};
	_Alignas(8) char buffer[256];
	const struct dm_target_spec *spec = (const void *)buffer;
	int n = dm_request_put_table(buffer, sizeof(buffer), targets, 2);

	(void)state;
	assert_true(n > 0 && n % 8 == 0);
	assert_int_equal(spec->sector_start, 0);
	assert_int_equal(spec->length, 8);
	assert_string_equal(spec->target_type, "linear");
	assert_string_equal((const char *)(spec + 1), "7:0 2048");
	assert_int_equal(spec->next % 8, 0);
	spec = (const void *)(buffer + spec->next);
	assert_int_equal(spec->sector_start, 8);
	assert_true(spec->length == 1ULL << 40);
	assert_string_equal(spec->target_type, "thin-pool");
	assert_string_equal((const char *)(spec + 1), "");
	assert_ptr_equal((const char *)spec + spec->next, buffer + n);
	for (size_t size = 0; size < (size_t)n; size++)
		assert_int_equal(dm_request_put_table(buffer, size, targets, 2), -E2BIG);
	assert_int_equal(dm_request_put_table(buffer, (size_t)n, targets, 2), n);
}

static void test_type_too_long(void **state)
{
	static const struct dm_target t = { 0, 8, "seventeen-letters", "" };
	char buffer[256];

	(void)state;
	assert_int_equal(dm_request_put_table(buffer, sizeof(buffer), &t, 1), -EINVAL);
}

static void test_get_text(void **state)
{
	_Alignas(8) char buffer[sizeof(struct dm_target_spec) + 16] = { 0 };
	char text[DM_TEXT_MAX];

	(void)state;
	memcpy(buffer + sizeof(struct dm_target_spec), "128 255", 8);
	assert_int_equal(dm_request_get_text(buffer, sizeof(buffer), 1, text), 0);
	assert_string_equal(text, "128 255");
	assert_int_equal(dm_request_get_text(buffer, sizeof(buffer), 0, text), -ENODATA);
	assert_int_equal(dm_request_get_text(buffer, sizeof(struct dm_target_spec) + 7, 1, text),
			 -EBADMSG);
	assert_int_equal(dm_request_get_text(buffer, 3, 1, text), -EBADMSG);
}

struct seen {
	unsigned n;
	char names[256];
	int stop;
};

static int see(const char *name, dev_t device, void *arg)
{
	struct seen *s = arg;

	assert_int_not_equal(device, 0);
	s->n++;
	strncat(s->names, name, 16);
	strncat(s->names, ",", 2);
	return s->stop;
}

static size_t put_name(char *dst, uint64_t dev, uint32_t next, const char *name)
{
	enum { HEADER = offsetof(struct dm_name_list, name) };
	struct dm_name_list entry = { .dev = dev, .next = next };

	memcpy(dst, &entry, HEADER);
	memcpy(dst + HEADER, name, strlen(name) + 1);
	return HEADER + strlen(name) + 1;
}

static void test_each_name(void **state)
{
	struct seen seen = { 0 };
	char buffer[128] = { 0 };
	size_t end;

	(void)state;
	put_name(buffer, 0, 0, "");
	assert_int_equal(dm_request_each_name(buffer, sizeof(buffer), see, &seen), 0);
	assert_int_equal(seen.n, 0);
	put_name(buffer, 0xfd00, 40, "one");
	end = 40 + put_name(buffer + 40, 0xfd01, 0, "two");
	assert_int_equal(dm_request_each_name(buffer, end, see, &seen), 0);
	assert_string_equal(seen.names, "one,two,");
	for (size_t cut = 0; cut < end; cut++)
		assert_int_equal(dm_request_each_name(buffer, cut, see, &seen), -EBADMSG);
	seen = (struct seen){ 0 };
	put_name(buffer, 0xfd00, 4000, "one");
	assert_int_equal(dm_request_each_name(buffer, end, see, &seen), -EBADMSG);
	seen = (struct seen){ .stop = 5 };
	assert_int_equal(dm_request_each_name(buffer, end, see, &seen), 5);
	assert_int_equal(seen.n, 1);
}

static void test_pool_status(void **state)
{
	static const char good[] =
		"7 12/1024 300/16384 - rw discard_passdown error_if_no_space - 1024 ";
	struct dm_pool_status s;

	(void)state;
	assert_int_equal(dm_pool_status_parse(good, &s), 0);
	assert_int_equal(s.mode, DM_POOL_WRITABLE);
	assert_int_equal(s.transaction, 7);
	assert_int_equal(s.metadata_used, 12);
	assert_int_equal(s.metadata_total, 1024);
	assert_int_equal(s.data_used, 300);
	assert_int_equal(s.data_total, 16384);
	assert_int_equal(s.held_root, 0);
	assert_false(s.needs_check);
	assert_int_equal(dm_pool_status_parse("0 1/2 4/4 9 out_of_data_space no_discard_passdown "
					      "error_if_no_space needs_check 1024",
					      &s),
			 0);
	assert_int_equal(s.mode, DM_POOL_FULL);
	assert_int_equal(s.held_root, 9);
	assert_true(s.needs_check);
	assert_int_equal(dm_pool_status_parse("0 1/2 4/4 - ro discard_passdown "
					      "queue_if_no_space - 1024",
					      &s),
			 0);
	assert_int_equal(s.mode, DM_POOL_READ_ONLY);
	assert_int_equal(dm_pool_status_parse("Fail", &s), 0);
	assert_int_equal(s.mode, DM_POOL_FAILED);
	assert_int_equal(dm_pool_status_parse("", &s), -EBADMSG);
	assert_int_equal(dm_pool_status_parse("0 1/2 4/4 - what", &s), -EBADMSG);
	assert_int_equal(dm_pool_status_parse("0 1/2 4/4 x rw", &s), -EBADMSG);
	assert_int_equal(dm_pool_status_parse("0 4096 linear", &s), -EBADMSG);
}

static void test_thin_status(void **state)
{
	uint64_t mapped;

	(void)state;
	assert_int_equal(dm_thin_status_parse("256 1023", &mapped), 0);
	assert_int_equal(mapped, 256);
	assert_int_equal(dm_thin_status_parse("0 -", &mapped), 0);
	assert_int_equal(mapped, 0);
	assert_int_equal(dm_thin_status_parse("Fail", &mapped), -EIO);
	assert_int_equal(dm_thin_status_parse("Error", &mapped), -EIO);
	assert_int_equal(dm_thin_status_parse("", &mapped), -EBADMSG);
	assert_int_equal(dm_thin_status_parse("-1 2", &mapped), -EBADMSG);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_table),   cmocka_unit_test(test_type_too_long),
		cmocka_unit_test(test_get_text),    cmocka_unit_test(test_each_name),
		cmocka_unit_test(test_pool_status), cmocka_unit_test(test_thin_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
