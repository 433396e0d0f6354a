#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/base.h"

enum { MAX_BYTES = 1 << 20 };

/* What a reader reported, one line each. */
struct log {
	char text[4096];
	int result;
};

static int log_fault(void *arg, bool warning, const char *path, const char *text)
{
	struct log *log = arg;
	size_t len = strlen(log->text);

	snprintf(log->text + len, sizeof(log->text) - len, "%s%s|%s\n", warning ? "warning " : "",
		 path, text);
	return log->result;
}

struct point {
	int64_t x;
	uint32_t y;
	uint16_t z;
};

struct points {
	struct point *list;
	size_t n;
};

struct drawing {
	char *title;
	bool closed;
	struct point origin;
	struct points points;
};

static const struct json_range x_range = { -10, 10 };

static const struct json_field point_fields[] = {
	{ "x", JSON_KIND_INTEGER, json_read_s64, offsetof(struct point, x), JSON_REQUIRED,
	  &x_range },
	{ "y", JSON_KIND_INTEGER, json_read_u32, offsetof(struct point, y) },
	{ "z", JSON_KIND_INTEGER, json_read_u16, offsetof(struct point, z) },
	{ NULL },
};

static const struct json_list point_list = {
	JSON_KIND_OBJECT, json_read_struct, point_fields, sizeof(struct point), 3,
};

static const struct json_field drawing_fields[] = {
	{ "title", JSON_KIND_STRING, json_read_string, offsetof(struct drawing, title),
	  JSON_REQUIRED },
	{ "closed", JSON_KIND_BOOLEAN, json_read_boolean, offsetof(struct drawing, closed) },
	{ "origin", JSON_KIND_OBJECT, json_read_struct, offsetof(struct drawing, origin), 0,
	  point_fields },
	{ "points", JSON_KIND_ARRAY, json_read_list, offsetof(struct drawing, points), 0,
	  &point_list },
	{ "name", JSON_KIND_ANY, json_read_renamed, 0, 0, "title" },
	{ NULL },
};

static void drawing_deinit(struct drawing *d)
{
	free(d->title);
	free(d->points.list);
}

static int read_drawing(struct json_reader *r, const char *text, struct drawing *d)
{
	_json_ json_t *root = NULL;

	if (json_read_text(r, text, strlen(text), MAX_BYTES, &root) == 0)
		json_read_object(r, root, drawing_fields, d);
	return json_status(r);
}

/* Reads text and holds status and reports against what is expected. */
static void check(struct json_reader options, const char *text, int status, const char *reports)
{
	struct log log = { 0 };
	struct drawing d = { 0 };

	options.report = log_fault;
	options.arg = &log;
	assert_int_equal(read_drawing(&options, text, &d), status);
	assert_string_equal(log.text, reports);
	drawing_deinit(&d);
}

static const struct json_reader plain, folding = { .fold_case = true }, strict = { .strict = true };

static void test_reads_all_kinds(void **state _unused_)
{
	struct log log = { 0 };
	struct json_reader r = { .report = log_fault, .arg = &log };
	_cleanup_(drawing_deinit) struct drawing d = { 0 };

	assert_int_equal(
		read_drawing(
			&r,
			"{\"title\":\"t\",\"closed\":true,\"origin\":{\"x\":-10,\"y\":4294967295,"
			"\"z\":65535},\"points\":[{\"x\":1},{\"x\":2,\"y\":3}],\"other\":[]}",
			&d),
		0);
	assert_string_equal(log.text, "");
	assert_string_equal(d.title, "t");
	assert_true(d.closed);
	assert_int_equal(d.origin.x, -10);
	assert_int_equal(d.origin.y, UINT32_MAX);
	assert_int_equal(d.origin.z, UINT16_MAX);
	assert_int_equal(d.points.n, 2);
	assert_int_equal(d.points.list[1].y, 3);
	assert_int_equal(d.points.list[2].x, 0); /* one element of zeros behind the last */
}

static void test_absent_and_null(void **state _unused_)
{
	check(plain, "{\"title\":\"\",\"closed\":null,\"origin\":null,\"points\":null}", 0, "");
	check(plain, "{}", -EBADMSG, "title|is missing; it must be a string\n");
	check(plain, "{\"title\":null}", -EBADMSG, "title|must be a string, not null\n");
}

static void test_goes_on_after_faults(void **state _unused_)
{
	check(plain, "{\"title\":1,\"closed\":\"x\",\"origin\":[],\"points\":{}}", -EBADMSG,
	      "title|must be a string, not an integer\n"
	      "closed|must be true or false, not a string\n"
	      "origin|must be an object, not a list\n"
	      "points|must be a list, not an object\n");
}

static void test_paths(void **state _unused_)
{
	check(plain, "{\"title\":\"\",\"points\":[{\"x\":0},{\"x\":11},7,{\"x\":0,\"z\":1.5}]}",
	      -EBADMSG, "points|has 4 entries, the limit is 3\n");
	check(plain, "{\"title\":\"\",\"points\":[{\"x\":11},7,{\"x\":0,\"z\":1.5}]}", -EBADMSG,
	      "points[0].x|must be -10 to 10, not 11\n"
	      "points[1]|must be an object, not an integer\n"
	      "points[2].z|must be an integer, not a number\n");
	check(strict, "{\"title\":\"\",\"a key\":1,\"\":2,\"x-y_z\":3}", -EBADMSG,
	      "[\"a key\"]|is not a key that is known here\n"
	      "[\"\"]|is not a key that is known here\n"
	      "x-y_z|is not a key that is known here\n");
}

static void test_ranges(void **state _unused_)
{
	check(plain, "{\"title\":\"\",\"origin\":{\"x\":-11,\"y\":-1,\"z\":65536}}", -EBADMSG,
	      "origin.x|must be -10 to 10, not -11\n"
	      "origin.y|must be 0 to 4294967295, not -1\n"
	      "origin.z|must be 0 to 65535, not 65536\n");
}

static void test_case_of_keys(void **state _unused_)
{
	check(plain, "{\"Title\":\"\"}", -EBADMSG, "title|is missing; it must be a string\n");
	check(folding, "{\"TITLE\":\"\",\"Points\":[{\"X\":1}]}", 0, "");
	check(folding, "{\"title\":\"\",\"Title\":\"\"}", -EBADMSG,
	      "title|is there twice, in different case\n");
	/* U+212A, the Kelvin sign, is no k: only ASCII is folded */
	check(folding, "{\"title\":\"\",\"\xe2\x84\xaa\":1}", 0, "");
}

static void test_renamed_key_is_a_warning(void **state _unused_)
{
	check(plain, "{\"title\":\"\",\"name\":7}", 0,
	      "warning name|is ignored: it is the old spelling of \"title\"\n");
}

static void test_a_long_path_is_cut(void **state _unused_)
{
	struct log log = { 0 };
	struct json_reader r = { .report = log_fault, .arg = &log };
	char key[600];
	struct json_place outer, inner;

	memset(key, 'k', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	json_enter_key(&r, &outer, key);
	json_enter_index(&r, &inner, 7);
	json_fault(&r, "wrong");
	json_leave(&r);
	json_leave(&r);
	assert_null(r.place);
	assert_int_equal(strlen(log.text), 511 + strlen("|wrong\n"));
}

static void test_report_that_fails_is_no_memory(void **state _unused_)
{
	struct log log = { .result = -ENOMEM };
	struct json_reader r = { .report = log_fault, .arg = &log };
	_cleanup_(drawing_deinit) struct drawing d = { 0 };

	assert_int_equal(read_drawing(&r, "{}", &d), -ENOMEM);
}

static void test_first_fault_as_an_error(void **state _unused_)
{
	struct error err = { 0 };
	struct json_reader r = { .report = json_report_error, .arg = &err };
	_cleanup_(drawing_deinit) struct drawing d = { 0 };
	char line[256];

	assert_int_equal(read_drawing(&r, "{\"name\":1,\"closed\":1}", &d), -EBADMSG);
	error_format(&err, line, sizeof(line));
	assert_string_equal(line, "title: is missing; it must be a string");
	assert_int_equal(err.code, -EBADMSG);
}

/* ---- text ------------------------------------------------------------------------------------ */

static int parse(const char *text, size_t len, size_t max, struct log *log)
{
	struct json_reader r = { .report = log_fault, .arg = log };
	_json_ json_t *root = NULL;

	return json_read_text(&r, text, len, max, &root);
}

static void test_size_limit(void **state _unused_)
{
	struct log log = { 0 };

	assert_int_equal(parse("{}  ", 4, 4, &log), 0);
	assert_int_equal(parse("{}   ", 5, 4, &log), -EBADMSG);
	assert_string_equal(log.text, "|the document has 5 bytes, the limit is 4\n");
}

/* n opening brackets, something, n closing ones. */
static int parse_nested(size_t n, const char *middle, struct log *log)
{
	_buf_ struct buf b = BUF_INIT(MAX_BYTES);

	for (size_t i = 0; i < n; i++)
		assert_int_equal(buf_add(&b, "[", 1), 0);
	assert_int_equal(buf_add(&b, middle, strlen(middle)), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(buf_add(&b, "]", 1), 0);
	return parse(b.data, b.len, MAX_BYTES, log);
}

static void test_depth_limit(void **state _unused_)
{
	struct log log = { 0 };

	assert_int_equal(parse_nested(LIMIT_JSON_DEPTH, "1", &log), 0);
	assert_int_equal(parse_nested(LIMIT_JSON_DEPTH, "\"[[\\\"[[\"", &log), 0);
	assert_int_equal(parse_nested(LIMIT_JSON_DEPTH - 1, "[1],[2]", &log), 0);
	assert_string_equal(log.text, "");
	assert_int_equal(parse_nested(LIMIT_JSON_DEPTH + 1, "1", &log), -EBADMSG);
	assert_string_equal(log.text, "|the document is nested deeper than 64 levels\n");
	assert_int_equal(parse_nested(100000, "1", &log), -EBADMSG);
}

static void test_bytes_that_are_refused(void **state _unused_)
{
	struct log log = { 0 };

	assert_int_equal(parse("{}\0", 3, MAX_BYTES, &log), -EBADMSG);
	assert_int_equal(parse("{\"a\":\"\0\"}", 9, MAX_BYTES, &log), -EBADMSG);
	assert_int_equal(parse("{\"a\":\"\\u0000\"}", 14, MAX_BYTES, &log), -EBADMSG);
	assert_int_equal(parse("{\"a\":\"\xff\"}", 9, MAX_BYTES, &log), -EBADMSG);
	assert_int_equal(parse("\xef\xbb\xbf{}", 5, MAX_BYTES, &log), -EBADMSG);
	assert_int_equal(parse("", 0, MAX_BYTES, &log), -EBADMSG);
	assert_int_equal(parse("{} {}", 5, MAX_BYTES, &log), -EBADMSG);
	assert_int_equal(parse("{\"a\":1,\"a\":2}", 13, MAX_BYTES, &log), -EBADMSG);
}

static void test_line_and_column(void **state _unused_)
{
	struct log log = { 0 };

	assert_int_equal(parse("{\n  \"a\": x\n}", 12, MAX_BYTES, &log), -EBADMSG);
	assert_non_null(strstr(log.text, "|line 2, column 8: "));
}

static void test_writes_in_order(void **state _unused_)
{
	_json_ json_t *value = json_pack("{s:i, s:[b, s]}", "z", 1, "a", 1, "\xc3\xa9");
	_free_ char *text = NULL;

	assert_int_equal(json_write_text(value, &text), 0);
	assert_string_equal(text, "{\"z\":1,\"a\":[true,\"\xc3\xa9\"]}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_all_kinds),
		cmocka_unit_test(test_absent_and_null),
		cmocka_unit_test(test_goes_on_after_faults),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_case_of_keys),
		cmocka_unit_test(test_renamed_key_is_a_warning),
		cmocka_unit_test(test_a_long_path_is_cut),
		cmocka_unit_test(test_report_that_fails_is_no_memory),
		cmocka_unit_test(test_first_fault_as_an_error),
		cmocka_unit_test(test_size_limit),
		cmocka_unit_test(test_depth_limit),
		cmocka_unit_test(test_bytes_that_are_refused),
		cmocka_unit_test(test_line_and_column),
		cmocka_unit_test(test_writes_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
