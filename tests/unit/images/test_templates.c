#include "bench.h"
#include "images/templates.h"

static void test_tags(_unused_ void **state)
{
	static const struct {
		const char *content, *name, *rest;
	} tags[] = {
		{ "example.com https://x", "example.com/app", "https://x" },
		{ "example.com/my https://x", "example.com/myapp", "https://x" },
		{ "example.com/app https://x", "example.com/app", "https://x" },
		{ "example.com/app/ https://x", "example.com/app", NULL },
		{ "example.com/apps https://x", "example.com/app", NULL },
		{ "Example.com https://x", "example.com/app", NULL },
		{ "example.com   https://x", "example.com", "https://x" },
		{ "example.com https://x y", "example.com", "https://x y" },
		{ "example.com", "example.com", NULL },
		{ "example.com ", "example.com", NULL },
		{ "example.com\thttps://x", "example.com", NULL },
		{ " https://x", "example.com", NULL },
		{ "", "example.com", NULL },
		{ " ", "example.com", NULL },
		{ "e u", "example.com", "u" },
		{ "* https://x", "example.com", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		const char *rest = tag_match(tags[i].content, tags[i].name);

		if (!rest != !tags[i].rest || (rest && !str_eq(rest, tags[i].rest)))
			fail_msg("\"%s\" for %s: %s", tags[i].content, tags[i].name,
				 rest ? rest : "nothing");
	}
}

/* expected NULL: open */
static void check(const char *reference, const char *template, const char *expected)
{
	_reference_ struct reference ref = { 0 };
	struct error err = { 0 };
	_free_ char *url = NULL;
	int r = reference_parse(&ref, reference, &err);

	assert_int_equal(r, 0);
	r = template_fill(template, &ref, "aci", &url);
	assert_int_equal(r, expected ? 0 : TEMPLATE_OPEN);
	if (expected && !str_eq(url, expected))
		fail_msg("%s for %s is %s and not %s", template, reference, url, expected);
}

static void test_templates(_unused_ void **state)
{
	_free_ char *host = str_printf("https://x/linux/%s/a", appc_host_arch());

	check("a", "https://x/{name}.{ext}", "https://x/a.aci");
	check("a", "https://x/{name}-{version}.{ext}", "https://x/a-latest.aci");
	check("a:1.0.0", "https://x/{name}-{version}.{ext}", "https://x/a-1.0.0.aci");
	check("a,version=1.0.0", "https://x/{version}", "https://x/1.0.0");
	check("a", "https://x/{os}/{arch}/{name}", host);
	check("a,arch=arm,os=freebsd", "https://x/{os}/{arch}/{name}", "https://x/freebsd/arm/a");
	check("a,channel=beta", "https://x/{channel}", "https://x/beta");
	/* left open */
	check("a", "https://x/{channel}", NULL);
	check("a", "https://x/{Name}", NULL);
	check("a", "https://x/{}", NULL);
	check("a", "https://x/{ name}", NULL);
	check("a", "https://x/{name", "https://x/{name");
	check("a", "https://x/name}", "https://x/name}");
	check("a", "https://x/}{", "https://x/}{");
	check("a", "https://x/{{name}", "https://x/{a");
	check("a", "https://x/{{name}}", NULL);
	/* what is put in is looked at by what comes later: {name} is first, {ext} the last */
	check("a,x=y", "{x}{x}{x}", "yyy");
	check("a,b=%7Bc", "{b}", "{c");
	check("a,b={ext}", "{b}", "aci");
	check("a,b={c},c=d", "{b}", "d");
	check("a,b=d,c={b}", "{c}", NULL);
	check("a,b={name}", "{b}", NULL);
	check("a,b={version}", "{b}", "latest");
	/* a label may take {ext}, and cannot be called "name" */
	check("a,ext=zip", "{name}.{ext}", "a.zip");
	/* what has a meaning in a URL, or none there, is encoded */
	check("a/b,c=ä%20/../?&#+~", "{name}{c}", "a/b%C3%A4%20/../%3F&%23+~");
	check("a:1%2C2,c=100%", "{version}{c}", "1,2100%25");
	check("a", "", "");
	check("a", "https://x/no-template", "https://x/no-template");
}

/* The examples of spec/discovery.md. */
static void test_specification(_unused_ void **state)
{
	const char *app = "example.com/reduce-worker:1.0.0,os=linux,arch=amd64";

	check(app, "https://storage.example.com/{os}/{arch}/{name}-{version}.{ext}",
	      "https://storage.example.com/linux/amd64/example.com/reduce-worker-1.0.0.aci");
	check(app, "hdfs://storage.example.com/{name}-{version}-{os}-{arch}.{ext}",
	      "hdfs://storage.example.com/example.com/reduce-worker-1.0.0-linux-amd64.aci");
	check("example.com/reduce-worker,channel=alpha",
	      "https://storage.example.com/{name}-{channel}-{noarch}.{ext}", NULL);
}

static void test_length(_unused_ void **state)
{
	_reference_ struct reference ref = { 0 };
	char template[2 * LIMIT_URL_BYTES];
	struct error err = { 0 };
	char *url = NULL;

	assert_int_equal(reference_parse(&ref, "example.com", &err), 0);
	memset(template, 'x', sizeof(template));
	template[LIMIT_URL_BYTES - 1] = '\0';
	assert_int_equal(template_fill(template, &ref, "aci", &url), 0);
	free(url);
	memcpy(template, "{name}", 6);
	assert_int_equal(template_fill(template, &ref, "aci", &url), -E2BIG);
	memset(template, 'x', sizeof(template));
	template[LIMIT_URL_BYTES] = '\0';
	assert_int_equal(template_fill(template, &ref, "aci", &url), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_templates),
		cmocka_unit_test(test_specification),
		cmocka_unit_test(test_length),
	};

	return cmocka_run_group_tests_name("templates", tests, NULL, NULL);
}
