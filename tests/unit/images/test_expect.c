#include "bench.h"
#include "images/expect.h"

static struct appc_image *image(const char *name, const char *labels)
{
	_free_ char *more = str_printf(",\"labels\":[%s]", labels);
	_free_ char *text = manifest_text(name, more);
	struct appc_image *ret = NULL;

	assert_int_equal(appc_image_read(&ret, text, strlen(text), NULL), 0);
	return ret;
}

#define LABEL(name, value) "{\"name\":\"" name "\",\"value\":\"" value "\"}"

/* says NULL: it is the one. */
static void check(const struct appc_image *i, const char *reference, const char *says)
{
	_reference_ struct reference ref = { 0 };
	struct error err = { 0 };
	int r = reference_parse(&ref, reference, &err);

	assert_int_equal(r, 0);
	r = expect_reference(i, &ref, &err);
	assert_int_equal(r, says ? -EBADMSG : 0);
	if (says && !strstr(err.text, says))
		fail_msg("%s: %s", reference, err.text);
}

static void test_names(_unused_ void **state)
{
	_appc_image_ struct appc_image *i = image("example.com/app", LABEL("version", "1.2"));

	check(i, "example.com/app", NULL);
	check(i, "example.com/app2", "example.com/app2 was expected, and example.com/app came");
	check(i, "example.com/ap", "example.com/ap was expected, and example.com/app came");
	check(i, "example.com", "example.com was expected");
}

static void test_labels(_unused_ void **state)
{
	_appc_image_ struct appc_image *i = image("example.com/app",
						  LABEL("version", "1.2") "," LABEL("channel",
										    "a,b%25"));
	_appc_image_ struct appc_image *bare = image("example.com/app", "");

	check(i, "example.com/app:1.2", NULL);
	check(i, "example.com/app,version=1.2", NULL);
	check(i, "example.com/app:1.20", "version=1.20 was expected, and one with 1.2 came");
	check(i, "example.com/app:latest", "version=latest was expected, and one with 1.2 came");
	check(i, "example.com/app,channel=a", "channel=a was expected, and one with a,b%25 came");
	check(i, "example.com/app,tier=1", "tier=1 was expected, and one without a label tier");
	check(bare, "example.com/app", NULL);
	check(bare, "example.com/app:1.2", "without a label version");
}

static void test_system(_unused_ void **state)
{
	_free_ char *mine = str_printf("{\"name\":\"arch\",\"value\":\"%s\"}", appc_host_arch());
	_appc_image_ struct appc_image *os = image("a", LABEL("os", "linux"));
	_appc_image_ struct appc_image *host = image("a", mine);
	_appc_image_ struct appc_image *freebsd = image("a", LABEL("os", "freebsd"));
	_appc_image_ struct appc_image *both = image("a", LABEL("os", "linux") "," LABEL("arch",
											 "ppc64"));

	check(os, "a", NULL);
	check(host, "a", NULL);
	check(host, "a,os=linux", "without a label os");
	check(freebsd, "a", "os=linux was expected, and one with freebsd came");
	check(freebsd, "a,os=freebsd", NULL);
	check(both, "a", "and one with ppc64 came");
	check(both, "a,arch=ppc64", NULL);
	check(both, "a,arch=ppc64,os=linux", NULL);
	check(both, "a,arch=arm,os=linux", "arch=arm was expected, and one with ppc64 came");
}

static void check_dependency(const struct appc_image *i, const char *name, struct appc_pair *label,
			     const char *arch, const char *says)
{
	const struct appc_dependency d = { .image_name = (char *)name,
					   .labels = { label, label != NULL } };
	struct error err = { 0 };
	int r = expect_dependency(i, &d, NULL, arch, &err);

	assert_int_equal(r, says ? -EBADMSG : 0);
	if (says && !strstr(err.text, says))
		fail_msg("%s", err.text);
}

static void test_dependencies(_unused_ void **state)
{
	_appc_image_ struct appc_image *i = image(
		"a", LABEL("version", "1") "," LABEL("os", "linux") "," LABEL("arch", "armv7l"));
	struct appc_pair one = { (char *)"version", (char *)"1" },
			 two = { (char *)"version", (char *)"2" },
			 arm = { (char *)"arch", (char *)"armv7l" },
			 tier = { (char *)"tier", (char *)"x" };

	check_dependency(i, "a", &one, "armv7l", NULL);
	check_dependency(i, "a", NULL, "armv7l", NULL);
	check_dependency(i, "a", &arm, "ppc64", NULL);
	check_dependency(i, "b", &one, "armv7l", "b was expected, and a came");
	check_dependency(i, "a", &two, "armv7l", "version=2 was expected, and one with 1 came");
	check_dependency(i, "a", &tier, "armv7l", "without a label tier");
	check_dependency(i, "a", &one, "ppc64",
			 "arch=ppc64 was expected, and one with armv7l came");
	check_dependency(i, "a", &one, str_eq(appc_host_arch(), "armv7l") ? "x" : NULL, "arch=");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_system),
		cmocka_unit_test(test_dependencies),
	};

	return cmocka_run_group_tests_name("expect", tests, NULL, NULL);
}
