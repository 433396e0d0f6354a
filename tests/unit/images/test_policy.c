#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "images/internal.h"
#include "images/net.h"

/* ---- URLs ------------------------------------------------------------------------------------ */

static void test_url_parse(_unused_ void **state)
{
	static const struct {
		const char *text, *host; /* NULL: refused */
		bool https;
		unsigned port;
		const char *path;
		bool written;
	} cases[] = {
		{ "https://example.com", "example.com", true, 443, "", false },
		{ "https://Example.COM/A", "example.com", true, 443, "/A", false },
		{ "HTTPS://example.com/", "example.com", true, 443, "/", false },
		{ "http://example.com/a?b=c&d", "example.com", false, 80, "/a?b=c&d", false },
		{ "https://example.com?ac-discovery=1", "example.com", true, 443, "?ac-discovery=1",
		  false },
		{ "https://example.com:8443/a", "example.com", true, 8443, "/a", true },
		{ "https://example.com:443", "example.com", true, 443, "", true },
		{ "http://127.0.0.1:5000/v2/", "127.0.0.1", false, 5000, "/v2/", true },
		{ "https://[::1]/a", "[::1]", true, 443, "/a", false },
		{ "https://[FE80::1]:8080", "[fe80::1]", true, 8080, "", true },
		{ "https://a_b-c.example", "a_b-c.example", true, 443, "", false },
		{ "https://example.com/a@b:c", "example.com", true, 443, "/a@b:c", false },
		{ "https://example.com/%20", "example.com", true, 443, "/%20", false },
		{ "ftp://example.com" },
		{ "example.com" },
		{ "" },
		{ "https:/example.com" },
		{ "https://" },
		{ "https:///a" },
		{ "https://?a" },
		{ "https://user@example.com/" },
		{ "https://user:secret@example.com/" },
		{ "https://example.com@evil.example/" },
		{ "https://example.com\\@evil.example/" },
		{ "https://example.com\\a" },
		{ "https://example.com/a\\b" },
		{ "https://example.com/#a" },
		{ "https://example.com#a" },
		{ "https://example.com/a b" },
		{ "https://example.com/a\nb" },
		{ "https://example.com/\x7f" },
		{ "https://example.com/\xc3\xa4" },
		{ "https://ex\xc3\xa4mple.com/" },
		{ "https://example.com:/" },
		{ "https://example.com:0/" },
		{ "https://example.com:65536/" },
		{ "https://example.com:80a/" },
		{ "https://example.com:00080/" },
		{ "https://example.com:80:80/" },
		{ "https://.example.com/" },
		{ "https://example..com/" },
		{ "https://example.com./" },
		{ "https://./" },
		{ "https://example%2ecom/" },
		{ "https://[::1/" },
		{ "https://[::1]a/" },
		{ "https://[fe80::1%25eth0]/" },
		{ "https://[example.com]/" },
		{ "https://*.example.com/" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = { 0 };
		struct net_url url;
		int r = net_url_parse(&url, cases[i].text, &err);

		if (!cases[i].host) {
			if (r != -EINVAL || !*err.text)
				fail_msg("%s: %d", cases[i].text, r);
			assert_null(strstr(err.text, "secret"));
			continue;
		}
		if (r != 0 || !str_eq(url.host, cases[i].host) || url.https != cases[i].https ||
		    url.port != cases[i].port || !str_eq(url.path, cases[i].path) ||
		    url.port_is_written != cases[i].written)
			fail_msg("%s: %d %s %u %s", cases[i].text, r, url.host, url.port, url.path);
	}
}

static void test_url_long(_unused_ void **state)
{
	_free_ char *text = malloc(LIMIT_URL_BYTES + 1);
	struct error err = { 0 };
	struct net_url url;
	char *joined;

	assert_non_null(text);
	memset(text, 'a', LIMIT_URL_BYTES);
	text[LIMIT_URL_BYTES] = '\0';
	assert_int_equal(net_url_join(&joined, "https://example.com/", text, &err), -EINVAL);
	assert_non_null(strstr(err.text, "LIMIT_URL_BYTES"));
	memcpy(text, "https://e/", 10);
	assert_int_equal(net_url_parse(&url, text, &err), -EINVAL);
	text[LIMIT_URL_BYTES - 1] = '\0';
	assert_int_equal(net_url_parse(&url, text, &err), 0);
}

static void test_url_join(_unused_ void **state)
{
	static const struct {
		const char *base, *location, *joined; /* NULL: refused */
	} cases[] = {
		{ "https://a.b/c/d?e", "https://x.y/z", "https://x.y/z" },
		{ "https://a.b/c/d?e", "HTTP://x.y:80/z", "HTTP://x.y:80/z" },
		{ "https://a.b/c/d?e", "https://x.y", "https://x.y" },
		{ "https://a.b/c/d?e", "https://x.y?q", "https://x.y?q" },
		{ "https://a.b/c/d?e", "//x.y/z", "https://x.y/z" },
		{ "http://a.b/c/d?e", "//x.y", "http://x.y" },
		{ "https://a.b:8080/c/d?e", "/z", "https://a.b:8080/z" },
		{ "https://a.b/c/d?e", "z", "https://a.b/c/z" },
		{ "https://a.b/c/d?e", "z?q=/r", "https://a.b/c/z?q=/r" },
		{ "https://a.b/c/d?e", "?q", "https://a.b/c/d?q" },
		{ "https://a.b/c/", "z", "https://a.b/c/z" },
		{ "https://a.b", "z", "https://a.b/z" },
		{ "https://a.b?x", "z", "https://a.b/z" },
		{ "https://a.b", "?z", "https://a.b/?z" },
		{ "https://a.b/c/d", "../z", "https://a.b/z" },
		{ "https://a.b/c/d", "../../../z", "https://a.b/z" },
		{ "https://a.b/c/d", "./z/./y/..", "https://a.b/c/z/" },
		{ "https://a.b/c/d", "/x/../z/.", "https://a.b/z/" },
		{ "https://a.b/c/d", "https://x.y/a/../../b?c/../d", "https://x.y/b?c/../d" },
		{ "https://a.b/c/d", "/z#part", "https://a.b/z" },
		{ "https://a.b/c/d", "/z y\xc3\xa4", "https://a.b/z%20y%C3%A4" },
		{ "https://a.b/c/d", "z:y", NULL },
		{ "https://a.b/c/d", "./z:y", "https://a.b/c/z:y" },
		{ "https://a.b/c/d", "1:y", "https://a.b/c/1:y" },
		{ "https://a.b/c/d", "file:///etc/passwd", NULL },
		{ "https://a.b/c/d", "ftp://x.y/", NULL },
		{ "https://a.b/c/d", "https:z", NULL },
		{ "https://a.b/c/d", "https://user:secret@x.y/", NULL },
		{ "https://a.b/c/d", "///z", NULL },
		{ "https://a.b/c/d", "//x.y:0/", NULL },
		{ "https://a.b/c/d", "/z\r\nSet-Cookie: a", NULL },
		{ "https://a.b/c/d", "/z\\y", NULL },
		{ "https://a.b/c/d", "//x.y\\@a.b/", NULL },
		{ "ftp://a.b/c/d", "/z", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = { 0 };
		_free_ char *joined = NULL;
		int r = net_url_join(&joined, cases[i].base, cases[i].location, &err);

		if (cases[i].joined ? r != 0 || !str_eq(joined, cases[i].joined) : r != -EINVAL)
			fail_msg("%s + %s: %d %s", cases[i].base, cases[i].location, r,
				 r ? err.text : joined);
		assert_null(strstr(err.text, "secret"));
	}
}

/* ---- lists ----------------------------------------------------------------------------------- */

static void test_list_has(_unused_ void **state)
{
	static const struct {
		const char *entry, *host;
		unsigned port;
		const char *path;
		bool has;
	} cases[] = {
		{ "example.com", "example.com", 443, "", true },
		{ "example.com", "example.com", 80, "/a?b", true },
		{ "example.com", "example.com", 5000, "/", true },
		{ "example.com", "www.example.com", 443, "", false },
		{ "example.com", "example.com.evil.example", 443, "", false },
		{ "example.com", "evilexample.com", 443, "", false },
		{ "example.com", "example.co", 443, "", false },
		{ "Example.COM", "example.com", 443, "", true },
		{ "example.com:443", "example.com", 443, "", true },
		{ "example.com:443", "example.com", 80, "", false },
		{ "example.com:5000", "example.com", 5000, "/a", true },
		{ "example.com:5000", "example.com", 50, "/a", false },
		{ "[::1]", "[::1]", 443, "", true },
		{ "[::1]:80", "[::1]", 443, "", false },
		{ "127.0.0.1", "127.0.0.1", 443, "", true },
		{ "127.0.0.1", "127.0.0.10", 443, "", false },
		{ "*.example.com", "www.example.com", 443, "", true },
		{ "*.example.com", "a.b.example.com", 443, "", true },
		{ "*.example.com", "example.com", 443, "", false },
		{ "*.example.com", ".example.com", 443, "", false },
		{ "*.example.com", "evilexample.com", 443, "", false },
		{ "*.example.com", "www.example.com.evil.example", 443, "", false },
		{ "*.example.com:80", "www.example.com", 443, "", false },
		{ "*.example.com/a", "www.example.com", 443, "/a/b", true },
		{ "*.com", "example.com", 443, "", true },
		{ "example.com/", "example.com", 443, "", true },
		{ "example.com/", "example.com", 443, "/a", true },
		{ "example.com/a", "example.com", 443, "/a", true },
		{ "example.com/a", "example.com", 443, "/a/", true },
		{ "example.com/a", "example.com", 443, "/a?x=/y", true },
		{ "example.com/a", "example.com", 443, "/a/b", true },
		{ "example.com/a/", "example.com", 443, "/a", true },
		{ "example.com/a/", "example.com", 443, "/a/b", true },
		{ "example.com/a/", "example.com", 443, "/ab", false },
		{ "example.com/a", "example.com", 443, "/ab", false },
		{ "example.com/a", "example.com", 443, "/A", false },
		{ "example.com/a", "example.com", 443, "", false },
		{ "example.com/a", "example.com", 443, "/", false },
		{ "example.com/a", "example.com", 443, "?/a", false },
		{ "example.com/a", "example.com", 443, "/b?/a", false },
		{ "example.com/a", "example.com", 443, "//a", false },
		{ "example.com/a/b", "example.com", 443, "/a", false },
		{ "example.com/a/b", "example.com", 443, "/a/b/c", true },
		{ "example.com/a/b", "example.com", 443, "/a//b", false },
		{ "example.com/a", "example.com", 443, "/a/../b", false },
		{ "example.com/a", "example.com", 443, "/a/..", false },
		{ "example.com/a", "example.com", 443, "/a/..?x", false },
		{ "example.com/a", "example.com", 443, "/a/./b", false },
		{ "example.com/a", "example.com", 443, "/a/%2e%2e/b", false },
		{ "example.com/a", "example.com", 443, "/a/.%2E/b", false },
		{ "example.com/a", "example.com", 443, "/a/x%2f..%2fb", false },
		{ "example.com/a", "example.com", 443, "/a/x%5c..%5Cb", false },
		{ "example.com/a", "example.com", 443, "/a/..%2fb", false },
		{ "example.com/a", "example.com", 443, "/a/...", true },
		{ "example.com/a", "example.com", 443, "/a/.b", true },
		{ "example.com/a", "example.com", 443, "/a/b..", true },
		{ "example.com/a", "example.com", 443, "/a/b%", true },
		{ "example.com/a", "example.com", 443, "/a/b%2", true },
		{ "example.com/a", "example.com", 443, "/a/b?x/../y", true },
		{ "example.com/a", "example.com", 443, "/%61", false },
		{ "example.com:5000/a", "example.com", 5000, "/a", true },
		{ "example.com:5000/a", "example.com", 443, "/a", false },
		{ "nonsense/", "example.com", 443, "", false },
		{ "*", "example.com", 443, "", false },
		{ "", "example.com", 443, "", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *list[] = { (char *)"other.example", (char *)cases[i].entry };

		if (net_list_has(list, 2, cases[i].host, cases[i].port, cases[i].path) !=
		    cases[i].has)
			fail_msg("%s: %s:%u%s", cases[i].entry, cases[i].host, cases[i].port,
				 cases[i].path);
	}
	assert_false(net_list_has(NULL, 0, "example.com", 443, ""));
}

static void test_faults(_unused_ void **state)
{
	static const char *const good[] = { "example.com",   "example.com:80", "*.example.com",
					    "example.com/a", "[::1]:80/a/b",   "*.example.com:80/a",
					    "example.com/",  "example.com/a/" };
	static const char *const bad[] = {
		"",
		"*",
		"*.",
		"/a",
		"example.com:",
		"example.com:0",
		"a b",
		"https://example.com",
		"example.com/a?b",
		"example.com/a#b",
		"user@example.com",
		"example.com/%61",
		"example.com/../a",
		"example.com/a/.",
		"example.com//a",
		"example.com/a//",
		"a.*.example.com",
		"**.example.com",
		"example.com\\a",
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (net_list_fault(good[i]))
			fail_msg("%s: %s", good[i], net_list_fault(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (!net_list_fault(bad[i]))
			fail_msg("%s", bad[i]);
	assert_null(net_host_fault("example.com:80"));
	assert_null(net_host_fault("[::1]"));
	assert_non_null(net_host_fault("example.com/a"));
	assert_non_null(net_host_fault("*.example.com"));
}

/* ---- what may be asked ----------------------------------------------------------------------- */

static void test_host_of(_unused_ void **state)
{
	struct net_host hosts[] = {
		{ .host = (char *)"example.com" },
		{ .host = (char *)"example.com:5000" },
		{ .host = (char *)"plain.example:443" },
	};
	struct net_config c = { .hosts = hosts, .n_hosts = 3 };
	static const struct {
		const char *url;
		int entry;
	} cases[] = {
		{ "https://example.com/", 0 },     { "https://example.com:5000/", 1 },
		{ "http://example.com:5000/", 1 }, { "https://example.com:5001/", 0 },
		{ "https://EXAMPLE.com/", 0 },     { "https://www.example.com/", -1 },
		{ "https://plain.example/", 2 },   { "https://plain.example:443/", 2 },
		{ "http://plain.example/", -1 },   { "https://plain.example:444/", -1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct net_url url;

		assert_int_equal(net_url_parse(&url, cases[i].url, NULL), 0);
		if (net_host_of(&c, &url) != (cases[i].entry < 0 ? NULL : &hosts[cases[i].entry]))
			fail_msg("%s", cases[i].url);
	}
}

static void test_allows(_unused_ void **state)
{
	char *sources[] = { (char *)"example.com/a", (char *)"*.cdn.example",
			    (char *)"plain.example", (char *)"asked.example" };
	static const char *const insecure[] = { "asked.example:8080" };
	struct net_host hosts[] = { { .host = (char *)"plain.example", .insecure_http = true } };
	struct net_config c = { .path = (char *)"/x/carob.yaml", .hosts = hosts, .n_hosts = 1 };
	struct images_policy policy = { .insecure_hosts = insecure,
					.n_insecure_hosts = 1,
					.insecure_http = true };
	struct net n = { .policy = &policy, .config = &c };
	static const struct {
		const char *url;
		const char *with_list, *without; /* NULL: allowed; else what the error says */
	} cases[] = {
		{ "https://example.com/a/b", NULL, NULL },
		{ "https://example.com/b?secret", "\"sources\" of /x/carob.yaml", NULL },
		{ "https://x.cdn.example/", NULL, NULL },
		{ "https://other.example/", "\"sources\"", NULL },
		{ "http://example.com/a", "--insecure http", "insecureHttp in /x/carob.yaml" },
		{ "http://plain.example:99/", NULL, NULL },
		{ "http://asked.example:8080/", NULL, NULL },
		{ "http://asked.example/", "http is not allowed for asked.example",
		  "--insecure http" },
		{ "https://asked.example/", NULL, NULL },
		{ "http://x.cdn.example/", "--insecure http", "--insecure http" },
	};

	c.sources = sources;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		const char *url = cases[i / 2].url;
		const char *why = i % 2 ? cases[i / 2].with_list : cases[i / 2].without;
		struct error err = { 0 };
		int r;

		c.has_sources = i % 2;
		c.n_sources = i % 2 ? ARRAY_SIZE(sources) : 0;
		r = net_allows(&n, url, &err);
		if (r != (why ? -EACCES : 0) || (why && !strstr(err.text, why)))
			fail_msg("%s: %d %s", url, r, err.text);
		assert_null(strstr(err.text, "secret"));
	}
	c.n_sources = 0; /* an empty list */
	c.has_sources = true;
	assert_int_equal(net_allows(&n, "https://example.com/a", NULL), -EACCES);
	assert_int_equal(net_allows(&n, "ftp://example.com/a", NULL), -EINVAL);
}

/* --insecure http without a host: the hosts of the references, beside those that are named. */
static void test_allowed_hosts(_unused_ void **state)
{
	static const char *const named[] = { "named.example" };
	struct images_policy policy = { .insecure_hosts = named, .n_insecure_hosts = 1 };
	_allowed_ struct allowed none = { 0 }, plain = { 0 }, http = { 0 };

	allowed_init(&none, NULL);
	assert_int_equal(allowed_add_host(&none, "a", 1, NULL), 0);
	assert_int_equal(none.policy.n_insecure_hosts, 0);
	allowed_init(&plain, &policy);
	assert_int_equal(allowed_add_host(&plain, "a", 1, NULL), 0);
	assert_int_equal(plain.policy.n_insecure_hosts, 1);
	policy.insecure_http = true;
	allowed_init(&http, &policy);
	assert_int_equal(allowed_add_host(&http, "a.example/app", 9, NULL), 0);
	assert_int_equal(allowed_add_host(&http, "b.example:81", 12, NULL), 0);
	assert_int_equal(http.policy.n_insecure_hosts, 3);
	assert_ptr_equal(http.policy.insecure_hosts[0], named[0]);
	assert_string_equal(http.policy.insecure_hosts[1], "a.example");
	assert_string_equal(http.policy.insecure_hosts[2], "b.example:81");
	assert_int_equal(policy.n_insecure_hosts, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_url_parse), cmocka_unit_test(test_url_long),
		cmocka_unit_test(test_url_join),  cmocka_unit_test(test_list_has),
		cmocka_unit_test(test_faults),    cmocka_unit_test(test_host_of),
		cmocka_unit_test(test_allows),    cmocka_unit_test(test_allowed_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
