#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/base.h"

enum { MAX_BYTES = 1 << 20 };

static int read_text(const char *text, size_t len, json_t **ret, struct yaml_places **ret_places,
		     struct error *err)
{
	struct json_reader r = { .report = json_report_error, .arg = err };

	return yaml_read_text(&r, text, len, MAX_BYTES, ret, ret_places);
}

static void check_value(const char *text, const char *json)
{
	_json_ json_t *root = NULL;
	struct error err = { 0 };
	_free_ char *got = NULL;
	int r = read_text(text, strlen(text), &root, NULL, &err);

	if (r < 0)
		fail_msg("%s: %s", text, err.text);
	got = json_dumps(root, JSON_COMPACT | JSON_ENCODE_ANY);
	if (!got || !str_eq(got, json))
		fail_msg("%s: %s, not %s", text, got, json);
}

static void check_fault(const char *text, const char *fault)
{
	_json_ json_t *root = NULL;
	struct error err = { 0 };

	if (read_text(text, strlen(text), &root, NULL, &err) != -EBADMSG)
		fail_msg("%s: is accepted", text);
	assert_null(root);
	if (!strstr(err.text, fault))
		fail_msg("%s: %s, not %s", text, err.text, fault);
}

static void test_values(_unused_ void **state)
{
	static const struct {
		const char *text, *json;
	} cases[] = {
		{ "a: 1\nb:\n  - x\n  - y: z\n", "{\"a\":1,\"b\":[\"x\",{\"y\":\"z\"}]}" },
		{ "{a: [1, 2], 'b': \"c\"}", "{\"a\":[1,2],\"b\":\"c\"}" },
		{ "", "null" },
		{ "# nothing\n\n", "null" },
		{ "---\n...\n", "null" },
		{ "---\na: 1\n...\n", "{\"a\":1}" },
		{ "%YAML 1.1\n---\na: 1\n", "{\"a\":1}" },
		{ "just text", "\"just text\"" },
		{ "[null, Null, NULL, ~, ]", "[null,null,null,null]" },
		{ "[true, True, TRUE, false, False, FALSE]", "[true,true,true,false,false,false]" },
		{ "[yes, no, on, off, tRUE, nULL]",
		  "[\"yes\",\"no\",\"on\",\"off\",\"tRUE\",\"nULL\"]" },
		{ "[0, -1, +7, 0o17, 0xff, 0xFF]", "[0,-1,7,15,255,255]" },
		{ "[9223372036854775807, -9223372036854775808]",
		  "[9223372036854775807,-9223372036854775808]" },
		{ "[1.5, .5, 5., 1e3, -1.5E-1]", "[1.5,0.5,5.0,1000.0,-0.14999999999999999]" },
		{ "[1_000, 12:30, 1.2.3, 0b1, 0o8, 0x, +, -, ., e1, 1e]",
		  "[\"1_000\",\"12:30\",\"1.2.3\",\"0b1\",\"0o8\",\"0x\",\"+\",\"-\",\".\",\"e1\",\"1e\"]" },
		{ "['1', \"true\", 'null', '010', '']", "[\"1\",\"true\",\"null\",\"010\",\"\"]" },
		{ "[!!str 1, !!int '1', !!float 1, !!bool true, !!null '', ! 1]",
		  "[\"1\",1,1.0,true,null,\"1\"]" },
		{ "!!map {a: !!seq [x]}", "{\"a\":[\"x\"]}" },
		{ "a: |\n  one\n  two\nb: >\n  three\n  four\n",
		  "{\"a\":\"one\\ntwo\\n\",\"b\":\"three four\\n\"}" },
		{ "1: a\ntrue: b\nhost:5000: c\n",
		  "{\"1\":\"a\",\"true\":\"b\",\"host:5000\":\"c\"}" },
		{ "a:\nb: ''\n", "{\"a\":null,\"b\":\"\"}" },
		{ "\"\\u00e4\": '\xc3\xa4'", "{\"\xc3\xa4\":\"\xc3\xa4\"}" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_value(cases[i].text, cases[i].json);
}

static void test_faults(_unused_ void **state)
{
	static const struct {
		const char *text, *fault;
	} cases[] = {
		{ "a: 1\nb: 2\na: 3\n", "line 3, column 1: the key a is there already" },
		{ "a: &x 1\n", "line 1, column 4: anchors and aliases are not taken" },
		{ "a: &x [1]\n", "line 1, column 4: anchors" },
		{ "a: &x {b: 1}\n", "line 1, column 4: anchors" },
		{ "a: *x\n", "line 1, column 4: anchors and aliases" },
		{ "*x\n", "line 1, column 1: anchors and aliases" },
		{ "&x a: 1\n", "line 1, column 1: anchors and tags of keys" },
		{ "<<: {a: 1}\n", "merge keys are not taken" },
		{ "[a]: 1\n", "a key must be text" },
		{ "{a: 1}: 1\n", "a key must be text" },
		{ "~: 1\n", "a key must be text" },
		{ "? \n: 1\n", "a key must be text" },
		{ "a: 1\n---\nb: 2\n", "line 2, column 1: a second document" },
		{ "a: !!binary aGFsbG8=\n", "the tag <tag:yaml.org,2002:binary> is not taken" },
		{ "a: !mine 1\n", "the tag <!mine> is not taken" },
		{ "a: !mine [1]\n", "the tag <!mine> is not taken" },
		{ "a: !!seq {b: 1}\n", "the tag <tag:yaml.org,2002:seq> is not taken" },
		{ "a: !!int x\n", "not what its tag" },
		{ "a: !!bool 1\n", "not what its tag" },
		{ "mode: 0644\n", "line 1, column 7: 0644 may be octal or decimal" },
		{ "a: -01\n", "octal or decimal" },
		{ "a: 9223372036854775808\n", "too large" },
		{ "a: 0x10000000000000000\n", "too large" },
		{ "a: .inf\n", "cannot be used as a number" },
		{ "a: -.INF\n", "cannot be used as a number" },
		{ "a: .nan\n", "cannot be used as a number" },
		{ "a: 1e999\n", "cannot be used as a number" },
		{ "a: \"b\\0c\"\n", "NUL" },
		{ "a: [1, 2\n", "line 2, column 1: " },
		{ "a: b: c\n", "line 1, column 5: mapping values are not allowed" },
		{ "a:\n\t- b\n", "line 2, column 1: " },
		{ "a: 'b\n", "quoted scalar" },
		{ "ok: 1\nbad: \xff\n", "line 2, column 6: invalid leading UTF-8 octet" },
		{ "ok: 1\nbad: \x01\n", "line 2, column 6: control characters" },
		{ "a: \"\\ud800\"\n", "invalid Unicode" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_fault(cases[i].text, cases[i].fault);
}

static void test_limits(_unused_ void **state)
{
	enum { DEEP = LIMIT_JSON_DEPTH + 1 };
	char deep[2 * DEEP + 1];
	struct json_reader r = { .report = json_report_error };
	struct error err = { 0 };
	_json_ json_t *root = NULL;

	memset(deep, '[', DEEP);
	memset(deep + DEEP, ']', DEEP);
	deep[2 * DEEP] = '\0';
	check_fault(deep, "LIMIT_JSON_DEPTH");
	assert_int_equal(read_text(deep + 1, 2 * DEEP - 2, &root, NULL, &err), 0);
	r.arg = &err;
	json_freep(&root);
	assert_int_equal(yaml_read_text(&r, "a: 1234\n", 8, 7, &root, NULL), -EBADMSG);
	assert_string_equal(err.text, "the document has 8 bytes, the limit is 7");
	assert_null(root);
}

/* A NUL in the text is no end of it. */
static void test_nul(_unused_ void **state)
{
	struct error err = { 0 };
	json_t *root = NULL;

	assert_int_equal(read_text("a: 1\n\0b: 2\n", 11, &root, NULL, &err), -EBADMSG);
}

static void test_places(_unused_ void **state)
{
	static const char text[] = "apps:\n"
				   "  - name: a\n"
				   "    run: {user: u,\n"
				   "          group: g}\n"
				   "  - name: b\n"
				   "hosts:\n"
				   "  example.com:80:\n"
				   "    ca: /x\n";
	static const struct {
		const char *path;
		size_t line, column;
	} cases[] = {
		{ "", 1, 1 },
		{ "apps", 1, 1 },
		{ "apps[0]", 2, 5 },
		{ "apps[0].name", 2, 5 },
		{ "apps[0].run", 3, 5 },
		{ "apps[0].run.user", 3, 11 },
		{ "apps[0].run.group", 4, 11 },
		{ "apps[1].name", 5, 5 },
		{ "apps[1].run", 5, 5 }, /* missing: where it would be */
		{ "apps[1].run.user", 5, 5 },
		{ "apps[2]", 1, 1 },
		{ "hosts[\"example.com:80\"]", 7, 3 },
		{ "hosts[\"example.com:80\"].ca", 8, 5 },
		{ "hosts[\"example.com:80\"].key", 7, 3 },
		{ "hosts[\"cut at the end", 6, 1 },
		{ "nothing", 1, 1 },
	};
	struct yaml_places *places = NULL;
	_json_ json_t *root = NULL;
	struct error err = { 0 };

	assert_int_equal(read_text(text, strlen(text), &root, &places, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t line, column;

		yaml_place(places, cases[i].path, &line, &column);
		if (line != cases[i].line || column != cases[i].column)
			fail_msg("%s: line %zu, column %zu", cases[i].path, line, column);
	}
	yaml_places_free(places);
	yaml_places_free(NULL);
}

struct thing {
	char *ca;
	uint32_t n;
};

static void test_report(_unused_ void **state)
{
	static const struct json_field fields[] = {
		{ "ca", JSON_KIND_STRING, json_read_string, offsetof(struct thing, ca) },
		{ "n", JSON_KIND_INTEGER, json_read_u32, offsetof(struct thing, n) },
		{ NULL },
	};
	static const struct {
		const char *text, *fault;
	} cases[] = {
		{ "n: 1\nca: 5\n", "line 2, column 1: ca: must be a string, not an integer" },
		{ "n: 1\n\n  \nwhat: 5\n",
		  "line 4, column 1: what: is not a key that is known here" },
		{ "n: [\n", "line 2, column 1: " },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = { 0 };
		struct yaml_report report = { .err = &err };
		struct json_reader r = { .report = yaml_report_error,
					 .arg = &report,
					 .strict = true };
		struct thing thing = { 0 };
		_json_ json_t *root = NULL;

		if (yaml_read_text(&r, cases[i].text, strlen(cases[i].text), MAX_BYTES, &root,
				   &report.places) == 0)
			json_read_object(&r, root, fields, &thing);
		yaml_places_free(report.places);
		free(thing.ca);
		assert_int_equal(json_status(&r), -EBADMSG);
		if (!str_starts(err.text, cases[i].fault))
			fail_msg("%s", err.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values), cmocka_unit_test(test_faults),
		cmocka_unit_test(test_limits), cmocka_unit_test(test_nul),
		cmocka_unit_test(test_places), cmocka_unit_test(test_report),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
