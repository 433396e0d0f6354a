#include "cmocka_all.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/table.h"

static const struct table_column columns[] = {
	{ "ID", "uuid", .format = table_format_id },
	{ "NAME", "name" },
	{ "N", "n", .right = true },
	{ "LIST", "list" },
	{ NULL },
};

static json_t *rows(void)
{
	return json_pack("[{s:s, s:s, s:i, s:[s, s]}, {s:s, s:s, s:i, s:n, s:s}]", "uuid",
			 "11112222-0000-4000-8000-000000000001", "name", "web", "n", 7, "list", "a",
			 "b", "uuid", "33334444-0000-4000-8000-000000000001", "name",
			 "gr\xc3\xbc\xc3\x9f\x65\033[2J\n", "n", 12345, "list", "more", "x");
}

/* What the call writes to standard output. */
static void printed(char *dst, size_t size, const struct table_options *o)
{
	int file = memfd_create("stdout", MFD_CLOEXEC),
	    before = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	struct error err = { 0 };
	ssize_t n;
	int r;

	fflush(stdout);
	assert_true(dup2(file, STDOUT_FILENO) >= 0);
	r = table_print(rows(), columns, o, &err);
	assert_true(dup2(before, STDOUT_FILENO) >= 0);
	close(before);
	assert_int_equal(r, 0);
	n = pread(file, dst, size - 1, 0);
	assert_true(n >= 0);
	dst[n] = '\0';
	close(file);
}

static void text_has_columns_and_no_control_characters(void **state _unused_)
{
	char text[4096];

	printed(text, sizeof(text), &(struct table_options){ 0 });
	assert_string_equal(text, "ID        NAME                  N  LIST\n"
				  "11112222  web                   7  a,b\n"
				  "33334444  gr\xc3\xbc\xc3\x9f\x65\\x1b[2J\\x0a  12345  -\n");
	printed(text, sizeof(text), &(struct table_options){ .no_legend = true });
	assert_int_equal(strncmp(text, "11112222  web", 13), 0);
}

static void quiet_is_the_first_column_whole(void **state _unused_)
{
	char text[4096];

	printed(text, sizeof(text), &(struct table_options){ .quiet = true });
	assert_string_equal(
		text,
		"11112222-0000-4000-8000-000000000001\n33334444-0000-4000-8000-000000000001\n");
}

static void json_is_the_rows(void **state _unused_)
{
	char text[4096];
	json_t *got, *wanted = rows();

	printed(text, sizeof(text), &(struct table_options){ .json = true });
	got = json_loads(text, 0, NULL);
	assert_true(json_equal(got, wanted));
	json_decref(got);
	json_decref(wanted);
}

static void a_full_disk_is_an_error(void **state _unused_)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC),
	    before = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3), r;
	struct error err = { 0 };

	fflush(stdout);
	assert_true(dup2(full, STDOUT_FILENO) >= 0);
	r = table_print(rows(), columns, &(struct table_options){ 0 }, &err);
	assert_true(dup2(before, STDOUT_FILENO) >= 0);
	close(before);
	close(full);
	assert_int_equal(r, -ENOSPC);
	assert_says(&err, "standard output");
}

static void formats(void **state _unused_)
{
	static const struct {
		json_int_t bytes;
		const char *text;
	} sizes[] = { { 0, "0B" },      { 1023, "1023B" },     { 1024, "1.0K" },
		      { 1536, "1.5K" }, { 5LL << 40, "5.0T" }, { 5LL << 52, "20480.0T" } };
	char cell[TABLE_CELL];
	json_t *value;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		value = json_integer(sizes[i].bytes);
		table_format_size(cell, value);
		assert_string_equal(cell, sizes[i].text);
		json_decref(value);
	}
	value = json_integer(61250000000);
	table_format_seconds(cell, value);
	assert_string_equal(cell, "1:01.25");
	json_decref(value);
	value = json_string("sha512-0123456789abcdef");
	table_format_id(cell, value);
	assert_string_equal(cell, "0123456789ab");
	json_decref(value);
}

static void ages(void **state _unused_)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = { { 0, "now" },
		      { 1, "1 second ago" },
		      { 119, "1 minute ago" },
		      { 7200, "2 hours ago" },
		      { 86400 * 45, "1 month ago" },
		      { 86400 * 800, "2 years ago" },
		      { -100, "in the future" } };
	char cell[TABLE_CELL], time[TIME_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *value;

		time_format(time, time_now_ns() - cases[i].seconds * 1000000000);
		value = json_string(time);
		table_format_age(cell, value);
		assert_string_equal(cell, cases[i].text);
		json_decref(value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_has_columns_and_no_control_characters),
		cmocka_unit_test(quiet_is_the_first_column_whole),
		cmocka_unit_test(json_is_the_rows),
		cmocka_unit_test(a_full_disk_is_an_error),
		cmocka_unit_test(formats),
		cmocka_unit_test(ages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
