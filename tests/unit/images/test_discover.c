/* The walk from a name to endpoints and keys, over a network that is a table. */
#include "net_double.h"

#define ENDPOINT(prefix, url) "<meta name=ac-discovery content='" prefix " " url "'>"
#define KEY(prefix, url)      "<meta name=ac-discovery-pubkeys content='" prefix " " url "'>"
#define PAGE(place)           "https://" place "?ac-discovery=1"
#define PLAIN_PAGE(place)     "http://" place "?ac-discovery=1"
#define BOTH                  (DISCOVER_ENDPOINTS | DISCOVER_KEYS)

static void run(struct bench *b, const struct answer *answers, const char *reference, unsigned what,
		struct discovery *ret)
{
	static const char *const hosts[] = { "plain.example" };
	const struct images_policy policy = { .insecure_hosts = hosts, .n_insecure_hosts = 1 };

	net_double_begin(answers);
	assert_ok(b, images_discover(&b->im, &policy, reference, what, ret, &b->err));
}

static void assert_asked(const char *urls)
{
	assert_string_equal(net_double.asked.data ? net_double.asked.data : "", urls);
	net_double_end();
}

static void assert_attempt(const struct discovery *d, size_t i, const char *url,
			   const char *outcome)
{
	assert_true(i < d->n_attempts);
	assert_string_equal(d->attempts[i].url, url);
	assert_string_equal(d->attempts[i].outcome, outcome);
}

static void test_at_the_name(void **state)
{
	static const struct answer answers[] = {
		{ PAGE("example.com/app"), 200,
		  ENDPOINT("example.com", "https://a.example/{name}-{version}.{ext}")
			  ENDPOINT("example.com/app", "https://b.example/{version}/x.{ext}")
				  ENDPOINT("example.com/other", "https://c.example/")
					  KEY("example.com", "https://a.example/{name}.gpg") },
		{ NULL },
	};
	_discovery_ struct discovery d = { 0 };

	run(*state, answers, "example.com/app:1.2", BOTH, &d);
	assert_asked(PAGE("example.com/app") "\n");
	assert_int_equal(d.n_endpoints, 2);
	assert_string_equal(d.endpoints[0].archive, "https://a.example/example.com/app-1.2.aci");
	assert_string_equal(d.endpoints[0].signature,
			    "https://a.example/example.com/app-1.2.aci.asc");
	assert_string_equal(d.endpoints[1].archive, "https://b.example/1.2/x.aci");
	assert_int_equal(d.n_keys, 1);
	assert_string_equal(d.keys[0], "https://a.example/{name}.gpg"); /* no template */
	assert_string_equal(d.endpoints_page, PAGE("example.com/app"));
	assert_string_equal(d.keys_page, PAGE("example.com/app"));
	assert_false(d.over_http);
	assert_int_equal(d.n_attempts, 1);
	assert_attempt(&d, 0, PAGE("example.com/app"), "200, 2 endpoints, 1 key");
}

/* 404, another status, no answer, no tags, tags for others: all the same, one level up. */
static void test_climbs(void **state)
{
	static const struct answer answers[] = {
		{ PAGE("example.com/a/b/c/d/e/f"), 404, "" },
		{ PAGE("example.com/a/b/c/d/e"), 503, "" },
		{ PAGE("example.com/a/b/c/d"), -ETIMEDOUT, "it took too long" },
		{ PAGE("example.com/a/b/c"), 200, "nothing" },
		{ PAGE("example.com/a/b"), 200, ENDPOINT("example.org", "https://x") },
		{ PAGE("example.com/a"), 204, ENDPOINT("example.com", "https://wrong/") },
		{ PAGE("example.com"), 200, ENDPOINT("example.com", "https://x/{name}") },
		{ NULL },
	};
	_discovery_ struct discovery d = { 0 };
	_free_ char *text = NULL;

	run(*state, answers, "example.com/a/b/c/d/e/f", DISCOVER_ENDPOINTS, &d);
	net_double_end();
	assert_int_equal(d.n_attempts, 7);
	assert_attempt(&d, 0, PAGE("example.com/a/b/c/d/e/f"), "404");
	assert_attempt(&d, 1, PAGE("example.com/a/b/c/d/e"), "503");
	assert_attempt(&d, 2, PAGE("example.com/a/b/c/d"), "it took too long");
	assert_attempt(&d, 3, PAGE("example.com/a/b/c"), "200, it has no tags");
	assert_attempt(&d, 4, PAGE("example.com/a/b"), "200, its tags have nothing for this name");
	assert_attempt(&d, 5, PAGE("example.com/a"), "204");
	assert_attempt(&d, 6, PAGE("example.com"), "200, 1 endpoint");
	assert_string_equal(d.endpoints[0].archive, "https://x/example.com/a/b/c/d/e/f");
	assert_null(d.keys_page);
	text = discovery_attempts_text(&d);
	assert_true(str_starts(text, "tried " PAGE("example.com/a/b/c/d/e/f") ": 404; https://"));
	assert_true(str_ends(text, PAGE("example.com") ": 200, 1 endpoint"));
}

static void test_apart(void **state)
{
	static const struct answer answers[] = {
		{ PAGE("example.com/a/b"), 200, ENDPOINT("example.com", "https://low/") },
		{ PAGE("example.com/a"), 200,
		  KEY("example.com/a", "https://keys/1") ENDPOINT("example.com", "https://high/") },
		{ PAGE("example.com"), 200, KEY("example.com", "https://keys/2") },
		{ NULL },
	};
	_discovery_ struct discovery both = { 0 }, endpoints = { 0 }, keys = { 0 };

	run(*state, answers, "example.com/a/b", BOTH, &both);
	assert_asked(PAGE("example.com/a/b") "\n" PAGE("example.com/a") "\n");
	assert_int_equal(both.n_endpoints, 1);
	assert_string_equal(both.endpoints[0].archive, "https://low/");
	assert_int_equal(both.n_keys, 1);
	assert_string_equal(both.keys[0], "https://keys/1");
	assert_string_equal(both.endpoints_page, PAGE("example.com/a/b"));
	assert_string_equal(both.keys_page, PAGE("example.com/a"));
	assert_attempt(&both, 1, PAGE("example.com/a"), "200, 1 key");

	run(*state, answers, "example.com/a/b", DISCOVER_ENDPOINTS, &endpoints);
	assert_asked(PAGE("example.com/a/b") "\n");
	assert_int_equal(endpoints.n_keys, 0);
	run(*state, answers, "example.com/a/b", DISCOVER_KEYS, &keys);
	assert_asked(PAGE("example.com/a/b") "\n" PAGE("example.com/a") "\n");
	assert_int_equal(keys.n_endpoints, 0);
	assert_string_equal(keys.keys[0], "https://keys/1");
}

/* http is asked only where it is allowed, only after https, and not when that had a page. */
static void test_http(void **state)
{
	static const struct answer answers[] = {
		{ PAGE("plain.example/a/b/c"), -ECONNREFUSED, "connection refused" },
		{ PLAIN_PAGE("plain.example/a/b/c"), 404, "" },
		{ PAGE("plain.example/a/b"), 404, "" },
		{ PLAIN_PAGE("plain.example/a/b"), 200, "" },
		{ PAGE("plain.example/a"), 200, "no tags" },
		{ PLAIN_PAGE("plain.example/a"), 200, ENDPOINT("plain.example", "https://wrong/") },
		{ PLAIN_PAGE("plain.example"), 200, ENDPOINT("plain.example", "http://right/") },
		{ PLAIN_PAGE("example.com"), 200, ENDPOINT("example.com", "https://wrong/") },
		{ NULL },
	};
	_discovery_ struct discovery d = { 0 }, other = { 0 };

	run(*state, answers, "plain.example/a/b/c", DISCOVER_ENDPOINTS, &d);
	assert_asked(PAGE("plain.example/a/b/c") "\n" PLAIN_PAGE("plain.example/a/b/c") "\n" PAGE("plain.example/a/b") "\n" PLAIN_PAGE(
		"plain.example/a/b") "\n" PAGE("plain.example/a") "\n" PAGE("plain.example") "\n" PLAIN_PAGE("plain.example") "\n");
	assert_int_equal(d.n_endpoints, 1);
	assert_string_equal(d.endpoints[0].archive, "http://right/");
	assert_string_equal(d.endpoints_page, PLAIN_PAGE("plain.example"));
	assert_true(d.over_http);

	run(*state, answers, "example.com", DISCOVER_ENDPOINTS, &other);
	assert_asked(PAGE("example.com") "\n");
	assert_int_equal(other.n_endpoints, 0);
	assert_false(other.over_http);
}

/* Without a host it is allowed for the host of the name, beside those that are named. */
static void test_http_for_the_name(void **state)
{
	static const struct answer answers[] = {
		{ PLAIN_PAGE("example.com"), 200, ENDPOINT("example.com", "https://right/") },
		{ NULL },
	};
	static const char *const hosts[] = { "plain.example" };
	const struct images_policy policy = {
		.insecure_http = true,
		.insecure_hosts = hosts,
		.n_insecure_hosts = 1,
	};
	_discovery_ struct discovery d = { 0 }, other = { 0 }, none = { 0 };
	struct bench *b = *state;

	net_double_begin(answers);
	assert_ok(b, images_discover(&b->im, &policy, "example.com/a", BOTH, &d, &b->err));
	assert_asked(PAGE("example.com/a") "\n" PLAIN_PAGE("example.com/a") "\n" PAGE(
		"example.com") "\n" PLAIN_PAGE("example.com") "\n");
	assert_int_equal(d.n_endpoints, 1);
	net_double_begin(answers);
	assert_ok(b, images_discover(&b->im, &policy, "plain.example", BOTH, &other, &b->err));
	assert_asked(PAGE("plain.example") "\n" PLAIN_PAGE("plain.example") "\n");
	net_double_begin(answers);
	assert_ok(b, images_discover(&b->im, NULL, "example.com", BOTH, &none, &b->err));
	assert_asked(PAGE("example.com") "\n");
}

/* What cannot be used is said, and the search goes on as if it were not there. */
static void test_left_out(void **state)
{
	static const struct answer answers[] = {
		{ PAGE("example.com/a"), 200,
		  ENDPOINT("example.com", "https://x/{noarch}/{name}")
			  ENDPOINT("example.com", "hdfs://x/{name}")
				  ENDPOINT("example.com", "https://x/with blank")
					  KEY("example.com", "ftp://x/keys") },
		{ PAGE("example.com"), 200,
		  ENDPOINT("example.com", "//x/{name}") ENDPOINT("example.com", "https://y/{name}")
			  KEY("example.com", "https://y/keys") },
		{ NULL },
	};
	_discovery_ struct discovery d = { 0 };

	run(*state, answers, "example.com/a", BOTH, &d);
	net_double_end();
	assert_int_equal(d.n_attempts, 7);
	assert_attempt(&d, 0, PAGE("example.com/a"), "200, its tags have nothing for this name");
	assert_attempt(&d, 1, "https://x/{noarch}/example.com/a",
		       "left out: a label that was not asked for is needed");
	assert_attempt(&d, 2, "hdfs://x/example.com/a", "left out: it is no http or https URL");
	assert_attempt(&d, 3, "https://x/with blank", "left out: there is a blank in it");
	assert_attempt(&d, 4, "ftp://x/keys", "left out: it is no http or https URL");
	assert_attempt(&d, 5, PAGE("example.com"), "200, 1 endpoint, 1 key");
	assert_attempt(&d, 6, "//x/example.com/a", "left out: it is no http or https URL");
	assert_int_equal(d.n_endpoints, 1);
	assert_string_equal(d.keys_page, PAGE("example.com"));
}

static void test_long_urls(void **state)
{
	_free_ char *page =
		str_printf("<meta name=ac-discovery content='example.com https://x/%*s'>",
			   LIMIT_URL_BYTES, "{name}");
	struct answer answers[] = { { PAGE("example.com"), 200, page }, { NULL } };
	_discovery_ struct discovery d = { 0 };

	for (char *at = strstr(page, "https://x/"); *at; at++)
		if (*at == ' ')
			*at = 'x';
	run(*state, answers, "example.com", BOTH, &d);
	net_double_end();
	assert_int_equal(d.n_endpoints, 0);
	assert_int_equal(d.n_attempts, 2);
	assert_non_null(strstr(d.attempts[1].outcome, "LIMIT_URL_BYTES"));
}

/* A page that goes past a limit is one that could not be read. */
static void test_hostile_page(void **state)
{
	_buf_ struct buf page = BUF_INIT(1 << 20);
	struct answer answers[] = { { PAGE("example.com/a"), 200, NULL },
				    { PAGE("example.com"), 200,
				      ENDPOINT("example.com", "https://x/") },
				    { NULL } };
	_discovery_ struct discovery d = { 0 };

	for (int i = 0; i <= LIMIT_PAGE_PAIRS; i++)
		assert_int_equal(buf_addf(&page, ENDPOINT("example.com", "https://evil/")), 0);
	answers[0].body = page.data;
	run(*state, answers, "example.com/a", BOTH, &d);
	net_double_end();
	assert_non_null(strstr(d.attempts[0].outcome, "LIMIT_PAGE_PAIRS"));
	assert_int_equal(d.n_endpoints, 1);
	assert_string_equal(d.endpoints[0].archive, "https://x/");
}

static void test_redirects(void **state)
{
	static const struct answer answers[] = {
		{ PAGE("example.com/a"), 404, "", "https://www.example.com/gone" },
		{ PAGE("example.com"), 200, ENDPOINT("example.com", "https://x/"),
		  "https://www.example.com/" },
		{ NULL },
	};
	_discovery_ struct discovery d = { 0 };

	run(*state, answers, "example.com/a", DISCOVER_ENDPOINTS, &d);
	net_double_end();
	assert_attempt(&d, 0, PAGE("example.com/a"), "404 from https://www.example.com/gone");
	assert_attempt(&d, 1, PAGE("example.com"), "200 from https://www.example.com/, 1 endpoint");
	assert_string_equal(d.endpoints_page, PAGE("example.com"));
}

static void test_nothing(void **state)
{
	static const struct answer answers[] = { { NULL } };
	_discovery_ struct discovery d = { 0 }, none = { 0 };
	_free_ char *text = NULL, *nothing = NULL;

	run(*state, answers, "example.com/a", BOTH, &d);
	assert_asked(PAGE("example.com/a") "\n" PAGE("example.com") "\n");
	text = discovery_attempts_text(&d);
	assert_string_equal(text,
			    "tried " PAGE("example.com/a") ": 404; " PAGE("example.com") ": 404");
	run(*state, answers, "example.com/a", 0, &none);
	assert_asked("");
	nothing = discovery_attempts_text(&none);
	assert_string_equal(nothing, "nothing was tried");
}

/* What is not the server's doing ends the search. */
static void test_ends(void **state)
{
	static const struct answer answers[] = {
		{ PAGE("example.com/a"), -ENOMEM, "out of memory" },
		{ NULL },
	};
	struct bench *b = *state;
	struct discovery d = { .n_keys = 7 };

	net_double_begin(answers);
	assert_int_equal(images_discover(&b->im, NULL, "example.com/a", BOTH, &d, &b->err),
			 -ENOMEM);
	assert_asked(PAGE("example.com/a") "\n");
	assert_string_equal(b->err.text, "out of memory");
	assert_string_equal(b->err.object, "example.com/a");
	assert_int_equal(d.n_keys, 7);
	b->err = (struct error){ 0 };
	assert_int_equal(images_discover(&b->im, NULL, "Example.com", BOTH, &d, &b->err), -EINVAL);
}

/* A page that nobody can be found to read is no page without tags. */
static void test_no_reader(void **state)
{
	static const struct answer answers[] = { { PAGE("example.com"), 200, "x" }, { NULL } };
	struct bench *b = *state;
	struct discovery d;

	b->im.libexec = "/nowhere";
	net_double_begin(answers);
	assert_int_equal(images_discover(&b->im, NULL, "example.com", BOTH, &d, &b->err), -ENOENT);
	assert_non_null(strstr(b->err.text, "carob-meta"));
	net_double_end();
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(at_the_name),       TEST(climbs),   TEST(apart),     TEST(http),
		TEST(http_for_the_name), TEST(left_out), TEST(long_urls), TEST(hostile_page),
		TEST(redirects),         TEST(nothing),  TEST(ends),      TEST(no_reader),
	};

	return cmocka_run_group_tests_name("discover", tests, NULL, NULL);
}
