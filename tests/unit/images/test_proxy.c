#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "images/transfer.h"

static const char *const *proxy_environment;

static const char *lookup(const char *name)
{
	for (const char *const *e = proxy_environment; *e; e += 2)
		if (str_eq(*e, name))
			return e[1];
	return NULL;
}

static void test_proxy(_unused_ void **state)
{
	static const struct {
		const char *environment[7];
		const char *http, *https, *no; /* of the configuration */
		const char *url, *proxy;
	} cases[] = {
		{ { NULL }, NULL, NULL, NULL, "http://a.b/", NULL },
		{ { "http_proxy", "P" }, NULL, NULL, NULL, "http://a.b/", "P" },
		{ { "http_proxy", "P" }, NULL, NULL, NULL, "https://a.b/", NULL },
		{ { "HTTP_PROXY", "P" }, NULL, NULL, NULL, "http://a.b/", NULL },
		{ { "HTTPS_PROXY", "P" }, NULL, NULL, NULL, "https://a.b/", "P" },
		{ { "HTTPS_PROXY", "P", "https_proxy", "p" }, NULL, NULL, NULL, "https://a.b/", "p" },
		{ { "all_proxy", "P" }, NULL, NULL, NULL, "http://a.b/", "P" },
		{ { "ALL_PROXY", "P" }, NULL, NULL, NULL, "https://a.b/", "P" },
		{ { "ALL_PROXY", "P", "https_proxy", "p" }, NULL, NULL, NULL, "https://a.b/", "p" },
		{ { "http_proxy", "" }, NULL, NULL, NULL, "http://a.b/", NULL },
		{ { "http_proxy", "P" }, "C", NULL, NULL, "http://a.b/", "C" },
		{ { "http_proxy", "P" }, "", NULL, NULL, "http://a.b/", NULL },
		{ { "http_proxy", "P" }, NULL, "C", NULL, "http://a.b/", "P" },
		{ { NULL }, NULL, "C", NULL, "https://a.b/", "C" },
		{ { "no_proxy", "a.b" }, NULL, "C", NULL, "https://a.b/", NULL },
		{ { "NO_PROXY", "a.b" }, NULL, "C", NULL, "https://a.b/", NULL },
		{ { "no_proxy", "x", "NO_PROXY", "a.b" }, NULL, "C", NULL, "https://a.b/", "C" },
		{ { "no_proxy", "a.b" }, NULL, "C", "", "https://a.b/", "C" },
		{ { "no_proxy", "*" }, NULL, "C", "x.y", "https://a.b/", "C" },
		{ { NULL }, NULL, "C", "*", "https://a.b/", NULL },
		{ { NULL }, NULL, "C", "b", "https://a.b/", NULL },
		{ { NULL }, NULL, "C", ".b", "https://a.b/", NULL },
		{ { NULL }, NULL, "C", ".a.b", "https://a.b/", NULL },
		{ { NULL }, NULL, "C", "a.b.", "https://a.b/", NULL },
		{ { NULL }, NULL, "C", "A.B", "https://a.b/", NULL },
		{ { NULL }, NULL, "C", "x,  a.b y", "https://a.b/", NULL },
		{ { NULL }, NULL, "C", "b", "https://ab/", "C" },
		{ { NULL }, NULL, "C", "x.a.b", "https://a.b/", "C" },
		{ { NULL }, NULL, "C", ".", "https://a.b/", "C" },
		{ { NULL }, NULL, "C", "10.0.0.1", "https://10.0.0.1/", NULL },
		{ { NULL }, NULL, "C", "10.0.0.1", "https://10.0.0.10/", "C" },
		{ { NULL }, NULL, "C", "0.0.1", "https://10.0.0.1/", "C" },
		{ { NULL }, NULL, "C", "10.0.0.0/8", "https://10.1.2.3/", NULL },
		{ { NULL }, NULL, "C", "10.0.0.0/15", "https://10.1.2.3/", NULL },
		{ { NULL }, NULL, "C", "10.0.0.0/16", "https://10.1.2.3/", "C" },
		{ { NULL }, NULL, "C", "0.0.0.0/0", "https://10.1.2.3/", NULL },
		{ { NULL }, NULL, "C", "10.0.0.0/33", "https://10.0.0.0/", "C" },
		{ { NULL }, NULL, "C", "::1", "https://[::1]/", NULL },
		{ { NULL }, NULL, "C", "[::1]", "https://[::1]:80/", NULL },
		{ { NULL }, NULL, "C", "fe80::/10", "https://[fe80::1]/", NULL },
		{ { NULL }, NULL, "C", "fe80::/10", "https://[::1]/", "C" },
		{ { NULL }, NULL, "C", "0.0.0.0/0", "https://[::1]/", "C" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct net_config c = { .http_proxy = (char *)cases[i].http,
					.https_proxy = (char *)cases[i].https,
					.no_proxy = (char *)cases[i].no };
		struct net_url url;
		const char *proxy;

		proxy_environment = cases[i].environment;
		assert_int_equal(net_url_parse(&url, cases[i].url, NULL), 0);
		proxy = proxy_of(&c, &url, lookup);
		if (!proxy != !cases[i].proxy || (proxy && !str_eq(proxy, cases[i].proxy)))
			fail_msg("%zu: %s: %s", i, cases[i].url, proxy ? proxy : "none");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_proxy) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
