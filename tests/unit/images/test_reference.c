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
	_free_ char *comma = str_printf("version=1%%2C2,a=%%25%%2C%%20,%s", host);
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
		{ "app:1%2C2,a=%25%2c%20", "app", comma },
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
		"app:%00",
		"app,a=b%00c",
	};
	_free_ char *too_long = malloc(300);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		check(&(struct expectation){ .text = bad[i] });
	memset(too_long, 'a', 299);
	too_long[299] = '\0';
	check(&(struct expectation){ .text = too_long });
}

/* Those that were written, in "name=value" lines. */
static void check_asked(const char *text, const char *expected)
{
	_reference_ struct reference r = { 0 };
	_buf_ struct buf lines = BUF_INIT(1 << 16);
	struct error err = { 0 };

	assert_int_equal(reference_parse(&r, text, &err), 0);
	for (size_t i = 0; i < r.n_asked; i++)
		assert_int_equal(buf_addf(&lines, "%s=%s\n", r.asked[i].name, r.asked[i].value), 0);
	assert_string_equal(lines.data ? lines.data : "", expected);
}

static void test_asked(_unused_ void **state)
{
	check_asked("app", "");
	check_asked("app:1.2", "version=1.2\n");
	check_asked("app,version=1.2", "version=1.2\n");
	check_asked("app:1,b=2,a=1", "version=1\nb=2\na=1\n");
	check_asked("app,b=2,version=1,a=1", "version=1\nb=2\na=1\n");
	check_asked("app,os=linux,arch=arm", "os=linux\narch=arm\n");
	/* %XX is a byte; any other % is one */
	check_asked("app:1%2C2,a=b%25,c=100%,x=e f,y=\"{x}\"", "version=1,2\na=b%\nc=100%\nx=e f\n"
							       "y=\"{x}\"\n");
	check_asked("app,a=%2c%2C%2525,b=%zz%2,c=%C3%a4%,e=%%41",
		    "a=,,%25\nb=%zz%2\nc=\303\244%\ne=%A\n");
	check_asked("app,a=b=c,x=:", "a=b=c\nx=:\n");
	check_asked("app,a=\303\244\001", "a=\303\244\001\n");
}

/* Every value that is written as the store does comes back: dependencies are asked for so. */
static void test_values(_unused_ void **state)
{
	static const char *const values[] = { "a",     ",",           "%",   "%2C", "100%",
					      "a,b=c", " \t\303\244", "%%4", ":" };

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		_buf_ struct buf text = BUF_INIT(1 << 10);
		_reference_ struct reference r = { 0 };
		struct error err = { 0 };

		assert_int_equal(buf_addf(&text, "app"), 0);
		assert_int_equal(store_label_add(&text, "x", values[i]), 0);
		assert_int_equal(buf_addf(&text, ",y=z"), 0);
		assert_int_equal(reference_parse(&r, text.data, &err), 0);
		assert_int_equal(r.n_asked, 2);
		assert_string_equal(r.asked[0].value, values[i]);
	}
}

#define DIGITS_8  "0123abcd"
#define DIGITS_64 DIGITS_8 DIGITS_8 DIGITS_8 DIGITS_8 DIGITS_8 DIGITS_8 DIGITS_8 DIGITS_8

static const struct {
	const char *text;
	enum reference_kind kind;
} kinds[] = {
	/* paths: by how they look */
	{ "/", REFERENCE_PATH },
	{ "/a", REFERENCE_PATH },
	{ "/a/b.aci", REFERENCE_PATH },
	{ ".", REFERENCE_PATH },
	{ "..", REFERENCE_PATH },
	{ "./a", REFERENCE_PATH },
	{ "../a", REFERENCE_PATH },
	{ ".hidden", REFERENCE_PATH },
	{ "a.aci", REFERENCE_PATH },
	{ ".aci", REFERENCE_PATH },
	{ "not/there.aci", REFERENCE_PATH },
	{ "a:1.aci", REFERENCE_PATH },
	{ "with blank.aci", REFERENCE_PATH },
	{ DIGITS_64 ".aci", REFERENCE_PATH },
	/* paths: because they are there */
	{ "there/image", REFERENCE_PATH },
	{ "there/", REFERENCE_PATH },
	{ "there/example.com:1", REFERENCE_PATH },
	/* neither */
	{ "there", REFERENCE_NAME },
	{ "not/there", REFERENCE_NAME },
	{ "there/nothing", REFERENCE_NAME },
	{ "a.aci.asc", REFERENCE_NAME },
	{ "a.ACI", REFERENCE_NAME },
	/* IDs */
	{ "0123456789ab", REFERENCE_ID },
	{ "000000000000", REFERENCE_ID },
	{ "deadbeef0123", REFERENCE_ID },
	{ "sha512-0123456789ab", REFERENCE_ID },
	{ "sha512-" DIGITS_64, REFERENCE_ID },
	{ "sha512-" DIGITS_64 DIGITS_64, REFERENCE_ID },
	{ DIGITS_64, REFERENCE_ID },
	{ DIGITS_64 DIGITS_64, REFERENCE_ID },
	/* not quite */
	{ "0123456789a", REFERENCE_NAME },
	{ "sha512-0123456789a", REFERENCE_NAME },
	{ "sha512-", REFERENCE_NAME },
	{ "sha512-tools", REFERENCE_NAME },
	{ "sha512-0123456789ag", REFERENCE_NAME },
	{ "sha256-" DIGITS_64, REFERENCE_NAME },
	{ "SHA512-0123456789ab", REFERENCE_NAME },
	{ "0123456789AB", REFERENCE_NAME },
	{ "0123456789ab ", REFERENCE_NAME },
	{ "0123456789ag", REFERENCE_NAME },
	{ "0123456789ab:1", REFERENCE_NAME },
	{ "0123456789ab,os=linux", REFERENCE_NAME },
	{ "0123456789ab.example", REFERENCE_NAME },
	{ "0123456789ab/app", REFERENCE_NAME },
	{ "deadbeef", REFERENCE_NAME },
	{ DIGITS_64 DIGITS_64 "0", REFERENCE_NAME },
	{ "sha512-" DIGITS_64 DIGITS_64 "0", REFERENCE_NAME },
	{ "sha512-sha512-0123456789ab", REFERENCE_NAME },
	/* names */
	{ "app", REFERENCE_NAME },
	{ "app:1.2", REFERENCE_NAME },
	{ "example.com/app", REFERENCE_NAME },
	{ "example.com/app:1.2,os=linux,arch=amd64", REFERENCE_NAME },
	{ "example.com/app,a=https://b", REFERENCE_NAME },
	{ "docker", REFERENCE_NAME },
	{ "docker:1", REFERENCE_NAME },
	{ "docker:/a", REFERENCE_NAME },
	{ "docker-archive", REFERENCE_NAME },
	{ "oci", REFERENCE_NAME },
	{ "oci,version=1", REFERENCE_NAME },
	{ "ocio:1", REFERENCE_NAME },
	{ "https", REFERENCE_NAME },
	{ "https:1", REFERENCE_NAME },
	{ "http:/a", REFERENCE_NAME },
	{ "ftp://example.com/a", REFERENCE_NAME },
	{ "", REFERENCE_NAME },
	{ " ", REFERENCE_NAME },
	/* URLs */
	{ "https://example.com/a", REFERENCE_URL },
	{ "http://example.com/a", REFERENCE_URL },
	{ "https://example.com/a.aci", REFERENCE_URL },
	{ "HTTPS://example.com/a", REFERENCE_URL },
	{ "https://", REFERENCE_URL },
	/* OCI */
	{ "docker://example.com/a", REFERENCE_OCI },
	{ "docker://localhost:5000/a:1", REFERENCE_OCI },
	{ "docker://example.com/a@sha256:" DIGITS_64, REFERENCE_OCI },
	{ "oci:a", REFERENCE_OCI },
	{ "oci:/a/b:1", REFERENCE_OCI },
	{ "oci:1.2", REFERENCE_OCI }, /* the name "oci" needs ",version=" */
	{ "oci-archive:a.tar", REFERENCE_OCI },
	{ "oci-archive:a.aci", REFERENCE_OCI },
	{ "docker-archive:a.tar:b/c:1", REFERENCE_OCI },
};

static void test_kinds(void **state)
{
	struct bench *b = *state;
	char before[LIMIT_PATH_BYTES];

	assert_non_null(getcwd(before, sizeof(before)));
	put(b->dirfd, "there/image", "x");
	put(b->dirfd, "there/example.com:1", "x");
	assert_int_equal(fchdir(b->dirfd), 0);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (reference_kind(kinds[i].text) != kinds[i].kind)
			fail_msg("\"%s\" is of kind %d", kinds[i].text,
				 reference_kind(kinds[i].text));
	assert_int_equal(chdir(before), 0);
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
		cmocka_unit_test(test_asked),
		cmocka_unit_test(test_values),
		cmocka_unit_test_setup_teardown(test_kinds, bench_setup, bench_teardown),
		cmocka_unit_test_setup_teardown(test_resolve, bench_setup, bench_teardown),
	};

	return cmocka_run_group_tests_name("reference", tests, NULL, NULL);
}
