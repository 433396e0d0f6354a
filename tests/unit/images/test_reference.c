#include "bench.h"

struct expectation {
	const char *text, *name, *labels; /* name NULL: refused */
};

static void check(const struct expectation *e)
{
	_reference_ struct reference r = { 0 };
	struct error err = { 0 };
	int code = reference_parse(&r, e->text, &err);

	if (!e->name) {
		if (code >= 0)
			fail_msg("%s was accepted", e->text);
		assert_true(err.text[0]);
		return;
	}
	if (code < 0)
		fail_msg("%s: %s", e->text, err.text);
	assert_string_equal(r.name, e->name);
	assert_string_equal(r.labels.data, e->labels);
}

static void test_references(_unused_ void **state)
{
	_free_ char *host = str_printf("os?=linux,arch?=%s", appc_host_arch());
	_free_ char *version = str_printf("version=1.2,%s", host);
	_free_ char *two = str_printf("version=latest,channel=beta,tier=a+b%%25,%s", host);
	_free_ char *os = str_printf("os=freebsd,arch?=%s", appc_host_arch());
	_free_ char *equals = str_printf("a=b=c,%s", host);
	const struct expectation good[] = {
		{ "app", "app", host },
		{ "app:latest,channel=beta,tier=a+b%", "app", two },
		{ "example.com/~user/app", "example.com/~user/app", host },
		{ "example.com/app:1.2", "example.com/app", version },
		{ "app,version=1.2", "app", version },
		{ "app,os=freebsd", "app", os },
		{ "app,arch=arm,os=linux", "app", "arch=arm,os=linux" },
		{ "app,a=b=c", "app", equals },
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		check(&good[i]);
}

static void test_refused_references(_unused_ void **state)
{
	static const char *const bad[] = {
		"",
		":",
		":1",
		",",
		"App",
		"a b",
		"-a",
		"a-",
		"app:",
		"app:,a=b",
		"app,",
		"app,a",
		"app,a=",
		"app,=b",
		"app,a=b,",
		"app,,a=b",
		"app,A=b",
		"app,name=x",
		"app,a=b,a=c",
		"app:1,version=2",
		"app\n",
		"a:b:c,",
		"app,version=1,version=1",
	};
	_free_ char *too_long = malloc(300);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		check(&(struct expectation){ .text = bad[i] });
	memset(too_long, 'a', 299);
	too_long[299] = '\0';
	check(&(struct expectation){ .text = too_long });
}

static void expect(struct bench *b, const char *reference, char digit)
{
	char id[STORE_ID_TEXT], wanted[STORE_ID_TEXT];

	assert_ok(b, images_resolve(&b->im, NULL, reference, id, NULL, &b->err));
	id_of(wanted, digit);
	assert_string_equal(id, wanted);
}

static void refuse(struct bench *b, const char *reference, int code)
{
	char id[STORE_ID_TEXT];

	assert_int_equal(images_resolve(&b->im, NULL, reference, id, NULL, &b->err), code);
}

static void test_resolve(void **state)
{
	struct bench *b = *state;
	_free_ char *mine = str_printf("version=2,os=linux,arch=%s", appc_host_arch());

	adopt(b, 'a', "example.com/app", "version=1", "");
	adopt(b, 'b', "example.com/app", mine, "");
	adopt(b, 'c', "example.com/app", "version=3,os=linux,arch=s390x", "");
	adopt(b, 'd', "deadbeef0123", "", "");
	expect(b, "example.com/app", 'b'); /* "c" is newer and for another machine */
	expect(b, "example.com/app:1", 'a');
	expect(b, "example.com/app,arch=s390x", 'c');
	expect(b, "example.com/app:3,os=linux,arch=s390x", 'c');
	expect(b, "cccccccccccc", 'c');
	expect(b, "sha512-cccccccccccc", 'c');
	expect(b, "deadbeef0123", 'd'); /* could have been the beginning of an ID */
	refuse(b, "example.com/app:4", -ENOENT);
	refuse(b, "example.com/app:3", -ENOENT);
	refuse(b, "example.com/other", -ENOENT);
	refuse(b, "sha512-eeeeeeeeeeee", -ENOENT);
	refuse(b, "./example.com/app", -ENOENT);
	refuse(b, "/nothing/here", -ENOENT);
	refuse(b, "nothing.aci", -ENOENT);
	refuse(b, "App", -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_refused_references),
		cmocka_unit_test_setup_teardown(test_resolve, bench_setup, bench_teardown),
	};

	return cmocka_run_group_tests_name("reference", tests, NULL, NULL);
}
