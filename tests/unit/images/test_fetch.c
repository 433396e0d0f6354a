/* The pure parts of carob-fetch: its job, URLs, the head of an answer, addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netdb.h>

#include "images/fetch/answer.h"
#include "images/fetch/job.h"
#include "images/fetch/resolve.h"
#include "images/fetch/url.h"

/* ---- the job --------------------------------------------------------------------------------- */

#define U "url=http://h/\0"

/* text: a literal; its own NUL counts as the one behind the last member. */
#define JOB(text) text, sizeof(text)

static int parse(struct job *ret, const char *text, size_t len, struct error *err)
{
	char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, text, len);
	return job_parse(ret, copy, len, err);
}

static void test_job(_unused_ void **state)
{
	_job_ struct job j = { 0 };
	struct error err;

	assert_int_equal(
		parse(&j,
		      JOB("header=A: b\0url=https://h/p?q\0max=9223372036854775807\0"
			  "offset=5\0validator=\"x y\"\0header=C: d=e\0proxy=http://p:1\0"
			  "connect-timeout=1\0stall-timeout=86400\0min-speed=7\0keep-error=65536"),
		      &err),
		0);
	assert_string_equal(j.url, "https://h/p?q");
	assert_string_equal(j.proxy, "http://p:1");
	assert_string_equal(j.validator, "\"x y\"");
	assert_int_equal(j.n_headers, 2);
	assert_string_equal(j.headers[0], "A: b");
	assert_string_equal(j.headers[1], "C: d=e");
	assert_true(j.max == INT64_MAX);
	assert_int_equal(j.offset, 5);
	assert_int_equal(j.connect_timeout_s, 1);
	assert_int_equal(j.stall_timeout_s, 86400);
	assert_int_equal(j.min_speed, 7);
	assert_int_equal(j.keep_error, 65536);
}

static void test_job_defaults(_unused_ void **state)
{
	_job_ struct job j = { 0 };

	assert_int_equal(parse(&j, JOB("url=http://h"), NULL), 0);
	assert_null(j.proxy);
	assert_null(j.validator);
	assert_true(j.max == LIMIT_ARCHIVE_BYTES);
	assert_int_equal(j.connect_timeout_s, 30);
	assert_int_equal(j.stall_timeout_s, 60);
	assert_int_equal(j.min_speed, 1024);
	assert_int_equal(j.keep_error, 0);
}

static void test_refused_jobs(_unused_ void **state)
{
	static const struct {
		const char *text;
		size_t len;
		const char *says;
	} bad[] = {
		{ "", 0, "cut off" },
		{ "url=http://h", 12, "cut off" },
		{ JOB(""), "without" },
		{ JOB("max=1"), "no url=" },
		{ JOB(U "max"), "without" },
		{ JOB(U "=x"), "not known" },
		{ JOB(U "Max=1"), "not known: Max" },
		{ JOB(U "ma=1"), "not known" },
		{ JOB(U U), "twice" },
		{ JOB(U "proxy=http://a\0proxy=http://a"), "twice" },
		{ JOB("url="), "url=" },
		{ JOB("url=http://h/\x7f"), "url=" },
		{ JOB("url=http://h/\xc3\xa4"), "url=" },
		{ JOB("url=http://h/ "), "url=" },
		{ JOB(U "max="), "max=" },
		{ JOB(U "max=+1"), "max=" },
		{ JOB(U "max=9223372036854775808"), "max=" },
		{ JOB(U "stall-timeout=0"), "stall-timeout=" },
		{ JOB(U "stall-timeout=86401"), "stall-timeout=" },
		{ JOB(U "min-speed=0"), "min-speed=" },
		{ JOB(U "min-speed=1073741825"), "min-speed=" },
		{ JOB(U "keep-error=65537"), "keep-error=" },
		{ JOB(U "validator="), "validator=" },
		{ JOB(U "validator=a\nb"), "validator=" },
		{ JOB(U "header=A"), "header=" },
		{ JOB(U "header=A:b"), "header=" },
		{ JOB(U "header=A: "), "header=" },
		{ JOB(U "header=: b"), "header=" },
		{ JOB(U "header=A b: c"), "header=" },
		{ JOB(U "header=A: b\rC: d"), "header=" },
		{ JOB(U "header=hOST: secret"), "hOST is not" },
		{ JOB(U "header=Transfer-Encoding: secret"), "is not" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_job_ struct job j = { 0 };
		struct error err = { 0 };

		if (parse(&j, bad[i].text, bad[i].len, &err) >= 0)
			fail_msg("%s was accepted", bad[i].text);
		if (!strstr(err.text, bad[i].says))
			fail_msg("%zu: %s", i, err.text);
		assert_null(strstr(err.text, "secret"));
	}
}

static void test_job_with_many_headers(_unused_ void **state)
{
	_buf_ struct buf text = BUF_INIT(1 << 20);
	_job_ struct job good = { 0 }, bad = { 0 };
	struct error err = { 0 };

	assert_int_equal(buf_add(&text, JOB("url=http://h")), 0);
	for (int i = 0; i < LIMIT_FETCH_JOB_HEADERS; i++)
		assert_int_equal(buf_add(&text, JOB("header=A: b")), 0);
	assert_int_equal(parse(&good, text.data, text.len, &err), 0);
	assert_int_equal(good.n_headers, LIMIT_FETCH_JOB_HEADERS);
	assert_int_equal(buf_add(&text, JOB("header=A: b")), 0);
	assert_int_equal(parse(&bad, text.data, text.len, &err), -E2BIG);
	assert_non_null(strstr(err.text, "LIMIT_FETCH_JOB_HEADERS"));
}

/* ---- URLs ------------------------------------------------------------------------------------ */

static void test_urls(_unused_ void **state)
{
	static const struct {
		const char *text, *host;
		unsigned port;
		bool https, has_user;
	} good[] = {
		{ "http://example.com", "example.com", 80 },
		{ "https://example.com/a?b=c", "example.com", 443, true },
		{ "HTTPS://example.com:8443/", "example.com", 8443, true },
		{ "http://127.0.0.1:1/", "127.0.0.1", 1 },
		{ "https://[::1]:2/", "[::1]", 2, true },
		{ "http://user:pw@h/", "h", 80, false, true },
		{ "http://user@h/", "h", 80, false, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_url_ struct url u = { 0 };
		struct error err = { 0 };

		if (url_parse(&u, good[i].text, "URL", &err) < 0)
			fail_msg("%s: %s", good[i].text, err.text);
		assert_string_equal(u.host, good[i].host);
		assert_int_equal(u.port, good[i].port);
		assert_int_equal(u.https, good[i].https);
		assert_int_equal(u.has_user, good[i].has_user);
	}
}

static void test_refused_urls(_unused_ void **state)
{
	static const char *const bad[] = {
		"example.com",
		"//example.com/",
		"ftp://example.com/",
		"file:///etc/passwd",
		"http://",
		"http:///a",
		"http://h:0/",
		"http://h:65536/",
		"http://h:x/",
		"http://[::1",
		"http://[fe80::1%25lo]/",
		"http://a b/",
		"socks5://h:1",
		"gopher://h/",
		"https:/h/",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_url_ struct url u = { 0 };
		struct error err = { 0 };

		if (url_parse(&u, bad[i], "URL", &err) != -EINVAL)
			fail_msg("%s was accepted", bad[i]);
		assert_non_null(strstr(err.text, "URL"));
	}
}

/* ---- Content-Range --------------------------------------------------------------------------- */

static void test_ranges(_unused_ void **state)
{
	static const struct {
		const char *text;
		struct answer_range range;
	} good[] = {
		{ "bytes 0-0/1", { true, 0, 0, true, 1 } },
		{ "Bytes 5-9/10", { true, 5, 9, true, 10 } },
		{ "bytes 5-9/*", { true, 5, 9, false, 0 } },
		{ "bytes */10", { false, 0, 0, true, 10 } },
		{ "bytes */0", { false, 0, 0, true, 0 } },
		{ "bytes 1-9223372036854775806/9223372036854775807",
		  { true, 1, INT64_MAX - 1, true, INT64_MAX } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct answer_range r = { 0 };

		if (answer_range_parse(&r, good[i].text) < 0)
			fail_msg("%s is refused", good[i].text);
		assert_int_equal(r.satisfied, good[i].range.satisfied);
		assert_int_equal(r.has_total, good[i].range.has_total);
		assert_true(r.first == good[i].range.first && r.last == good[i].range.last);
		assert_true(r.total == good[i].range.total);
	}
}

static void test_refused_ranges(_unused_ void **state)
{
	static const char *const bad[] = {
		"",
		"bytes",
		"bytes ",
		"bytes=0-1/2",
		"items 0-1/2",
		"bytes 0-1",
		"bytes 0-1/",
		"bytes 0/1",
		"bytes -1/2",
		"bytes 0-/2",
		"bytes 1-0/2",
		"bytes 0-2/2",
		"bytes 0-1/2 ",
		"bytes  0-1/2",
		"bytes +0-1/2",
		"bytes 00-1/2",
		"bytes 0x0-1/2",
		"bytes */*",
		"bytes *",
		"bytes */",
		"bytes 0-1/2,3-4/5",
		"bytes 0-9223372036854775808/9223372036854775809",
		"bytes 0-99999999999999999999999/999999999999999999999999",
		"bytes 18446744073709551616-18446744073709551617/*",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct answer_range r;

		if (answer_range_parse(&r, bad[i]) != -EBADMSG)
			fail_msg("\"%s\" was accepted", bad[i]);
	}
}

/* ---- the head of an answer ------------------------------------------------------------------- */

/* Gives the lines of text to *a, as far as they are taken. */
static int feed(struct answer *a, const char *text, struct error *err)
{
	while (*text) {
		size_t len = strcspn(text, "\n") + 1;
		int r = answer_line(a, text, len, err);

		if (r < 0)
			return r;
		text += len;
	}
	return 0;
}

static void test_heads(_unused_ void **state)
{
	_answer_ struct answer a = { 0 };
	struct error err = { 0 };

	assert_int_equal(feed(&a,
			      "HTTP/1.1 103 Hints\r\nETag: \"early\"\r\nContent-Length: 1\r\n\r\n",
			      &err),
			 0);
	assert_false(a.is_whole);
	assert_int_equal(feed(&a,
			      "HTTP/2 206\r\nETAG:\t\"x\" \r\ncontent-length: 5\r\n"
			      "Content-Range: bytes 5-9/10\r\nX-Other: 1\r\nContent-Encoding: "
			      "identity\r\nLocation:\r\n",
			      &err),
			 0);
	assert_false(a.is_whole);
	assert_int_equal(feed(&a, "\r\n", &err), 0);
	assert_true(a.is_whole);
	assert_int_equal(a.status, 206);
	assert_true(a.has_length && a.length == 5 && a.has_range);
	assert_memory_equal(a.reported.data, "etag: \"x\"\0location: \0", 21);
	assert_int_equal(a.reported.len, 21);
	/* trailers */
	assert_int_equal(feed(&a, "ETag: \"late\"\r\nContent-Length: 7\r\n\r\n", &err), 0);
	assert_int_equal(a.length, 5);
	assert_int_equal(a.reported.len, 21);
}

static void test_refused_heads(_unused_ void **state)
{
	static const char *const bad[] = {
		"ETag: x\r\n",
		"\r\n",
		"HTTP/1.1\r\n",
		"HTTP/1.1 20\r\n",
		"HTTP/1.1 2000 OK\r\n",
		"HTTP/1.1 099 Odd\r\n\r\n",
		"HTTP/1.1 101 Other\r\n\r\n",
		"HTTP/1.1 200\r\nno colon\r\n",
		"HTTP/1.1 200\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
		"HTTP/1.1 200\r\nContent-Length: 0x1\r\n",
		"HTTP/1.1 200\r\nContent-Length: 1 1\r\n",
		"HTTP/1.1 200\r\nContent-Length:\r\n",
		"HTTP/1.1 200\r\nContent-Encoding: br\r\n",
		"HTTP/1.1 200\r\nTransfer-Encoding: gzip\r\n",
		"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
		"HTTP/1.1 206\r\nContent-Range: x\r\n",
		"HTTP/1.1 206\r\nContent-Range: bytes 0-1/2\r\nContent-Range: bytes 0-1/2\r\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_answer_ struct answer a = { 0 };
		struct error err = { 0 };

		if (feed(&a, bad[i], &err) >= 0)
			fail_msg("\"%s\" was accepted", bad[i]);
		assert_true(err.text[0]);
	}
}

static void test_header_limits(_unused_ void **state)
{
	_answer_ struct answer lines = { 0 }, bytes = { 0 };
	_free_ char *text = malloc(LIMIT_FETCH_HEADER_BYTES + 2);
	struct error err = { 0 };
	int r = 0, n = 0;

	assert_int_equal(feed(&lines, "HTTP/1.1 100\r\n\r\nHTTP/1.1 200\r\n", &err), 0);
	for (; r == 0; n++)
		r = feed(&lines, "A: b\r\n", &err);
	assert_int_equal(r, -E2BIG);
	assert_int_equal(n, LIMIT_FETCH_HEADERS - 3 + 1);
	assert_non_null(strstr(err.text, "LIMIT_FETCH_HEADERS"));

	assert_non_null(text);
	memset(text, 'a', LIMIT_FETCH_HEADER_BYTES);
	text[1] = ':';
	strncpy(text + LIMIT_FETCH_HEADER_BYTES, "\n", 2);
	assert_int_equal(feed(&bytes, "HTTP/1.1 200\r\n", &err), 0);
	assert_int_equal(feed(&bytes, text, &err), -E2BIG);
	assert_non_null(strstr(err.text, "LIMIT_FETCH_HEADER_BYTES"));
}

struct place {
	const char *head;
	uint64_t offset;
	int result;
	uint64_t start, length, total;
};

static void test_places(_unused_ void **state)
{
	static const struct place cases[] = {
		{ "HTTP/1.1 200\r\n\r\n", 0, 0, 0, UINT64_MAX, UINT64_MAX },
		{ "HTTP/1.1 200\r\nContent-Length: 7\r\n\r\n", 5, 0, 0, 7, 7 },
		{ "HTTP/1.1 206\r\nContent-Range: bytes 5-9/10\r\n\r\n", 5, 0, 5, 5, 10 },
		{ "HTTP/1.1 206\r\nContent-Range: bytes 5-9/*\r\n\r\n", 5, 0, 5, 5, UINT64_MAX },
		{ "HTTP/1.1 206\r\nContent-Range: bytes 5-7/10\r\nContent-Length: 3\r\n\r\n", 5, 0,
		  5, 3, 10 },
		{ "HTTP/1.1 206\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 10\r\n\r\n", 5,
		  -EBADMSG },
		{ "HTTP/1.1 206\r\nContent-Range: bytes 4-9/10\r\n\r\n", 5, -EBADMSG },
		{ "HTTP/1.1 206\r\nContent-Range: bytes 6-9/10\r\n\r\n", 5, -EBADMSG },
		{ "HTTP/1.1 206\r\nContent-Range: bytes 0-9/10\r\n\r\n", 0, -EBADMSG },
		{ "HTTP/1.1 206\r\nContent-Range: bytes */10\r\n\r\n", 5, -EBADMSG },
		{ "HTTP/1.1 206\r\nContent-Length: 5\r\n\r\n", 5, -EBADMSG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct place *c = &cases[i];
		_answer_ struct answer a = { 0 };
		uint64_t start = 0, length = 0, total = 0;
		struct error err = { 0 };

		assert_int_equal(feed(&a, c->head, &err), 0);
		if (answer_place(&a, c->offset, &start, &length, &total, &err) != c->result)
			fail_msg("%s: %s", c->head, err.text);
		assert_true(start == c->start && length == c->length && total == c->total);
	}
}

/* ---- addresses ------------------------------------------------------------------------------- */

static void test_addresses(_unused_ void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 }, link = in6;
	struct addrinfo third = { .ai_family = AF_INET6, .ai_addr = (void *)&link };
	struct addrinfo second = { .ai_family = AF_INET,
				   .ai_addr = (void *)&in,
				   .ai_next = &third };
	struct addrinfo first = { .ai_family = AF_INET6,
				  .ai_addr = (void *)&in6,
				  .ai_next = &second };
	struct addrinfo many[LIMIT_FETCH_ADDRESSES + 1];
	_free_ char *all = NULL, *none = NULL, *limited = NULL;
	unsigned commas = 0;

	inet_pton(AF_INET, "192.0.2.1", &in.sin_addr);
	inet_pton(AF_INET6, "2001:db8::1", &in6.sin6_addr);
	inet_pton(AF_INET6, "fe80::1", &link.sin6_addr);
	link.sin6_scope_id = 2;
	all = resolve_entry("h", 443, &first);
	assert_string_equal(all, "h:443:[2001:db8::1],192.0.2.1");
	none = resolve_entry("h", 443, &third);
	assert_string_equal(none, "h:443:");
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		many[i] = second;
		many[i].ai_next = i + 1 < ARRAY_SIZE(many) ? &many[i + 1] : NULL;
	}
	limited = resolve_entry("h", 443, many);
	for (const char *p = limited; *p; p++)
		commas += *p == ',';
	assert_int_equal(commas, LIMIT_FETCH_ADDRESSES - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_job),           cmocka_unit_test(test_job_defaults),
		cmocka_unit_test(test_refused_jobs),  cmocka_unit_test(test_job_with_many_headers),
		cmocka_unit_test(test_urls),          cmocka_unit_test(test_refused_urls),
		cmocka_unit_test(test_ranges),        cmocka_unit_test(test_refused_ranges),
		cmocka_unit_test(test_heads),         cmocka_unit_test(test_refused_heads),
		cmocka_unit_test(test_header_limits), cmocka_unit_test(test_places),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests_name("fetch", tests, NULL, NULL);
}
