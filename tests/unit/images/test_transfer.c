/* Answers into memory: retries, redirects, credentials, proxies. */
#include "web.h"

#include <fcntl.h>
#include <sys/stat.h>

static int get(struct web *w)
{
	transfer_result_deinit(&w->result);
	w->err = (struct error){ 0 };
	return transfer_get(&w->net, &w->t, &w->result, &w->err);
}

static void get_well(struct web *w)
{
	int r = get(w);

	if (r < 0)
		fail_msg("%d: %s", r, w->err.text);
}

static void get_badly(struct web *w, int code, const char *why)
{
	int r = get(w);

	if (r != code || !strstr(w->err.text, why))
		fail_msg("%d: %s", r, w->err.text);
	assert_null(strstr(w->err.text, "secret"));
	assert_null(w->result.url);
}

/* ---- into memory ----------------------------------------------------------------------------- */

static void test_get(void **state)
{
	static const char *const headers[] = { "Accept: text/html", NULL };
	struct web *w = *state;

	w->t.headers = headers;
	script(w, "status 200\nheader content-type: text/html\nheader etag: \"v1\"\n"
		  "header docker-content-digest: sha256:0\nstart 0\ntotal 5\nwrite hello\ndone\n");
	get_well(w);
	assert_int_equal(w->result.status, 200);
	assert_string_equal(w->result.url, "https://example.com/app");
	assert_string_equal(w->result.content_type, "text/html");
	assert_string_equal(w->result.validator, "\"v1\"");
	assert_string_equal(w->result.digest, "sha256:0");
	assert_null(w->result.authenticate);
	assert_int_equal(w->result.bytes, 5);
	assert_int_equal(w->result.body_len, 5);
	assert_string_equal(w->result.body, "hello");
	assert_false(w->result.over_http);
	assert_int_equal(asked(w), 1);
	assert_job(w, 1, "url=https://example.com/app", true);
	assert_job(w, 1, "header=Accept: text/html", true);
	assert_job(w, 1, "max=1048576", true);
	assert_job(w, 1, "connect-timeout=30", true);
	assert_job(w, 1, "stall-timeout=60", true);
	assert_job(w, 1, "min-speed=1024", true);
	assert_job(w, 1, "keep-error=4096", true);
}

static void test_other_status(void **state)
{
	struct web *w = *state;

	script(w, "status 404\nbody not \nbody here\ndone\n");
	get_well(w);
	assert_int_equal(w->result.status, 404);
	assert_string_equal(w->result.body, "not here");
	assert_int_equal(w->result.bytes, 0);
	script(w,
	       "status 401\nheader www-authenticate: Basic a\nheader www-authenticate: Bearer b\n"
	       "header etag: W/\"v\"\nheader last-modified: Sun, 22 Nov 2026 00:00:00 GMT\n"
	       "done\n");
	get_well(w);
	assert_int_equal(w->result.status, 401);
	assert_string_equal(w->result.authenticate, "Basic a, Bearer b");
	assert_string_equal(w->result.validator, "Sun, 22 Nov 2026 00:00:00 GMT");
	/* a status is an answer, also when its body was cut */
	script(w, "status 403\nbody no\nfail 2 cut\n");
	get_well(w);
	assert_int_equal(w->result.status, 403);
	/* and a redirect that leads nowhere */
	script(w, "status 302\ndone\n");
	get_well(w);
	assert_int_equal(w->result.status, 302);
	assert_int_equal(asked(w), 4);
}

static void test_retries(void **state)
{
	struct web *w = *state;
	int64_t began = time_boot_ns();

	script(w, "status 503\ndone\n");
	script(w, "fail 2 cannot connect\n");
	script(w, "kill\n");
	script(w, "status 200\nstart 0\nwrite he\nfail 2 cut\n");
	script(w, "status 200\nstart 0\nwrite hello\ndone\n");
	get_well(w);
	assert_string_equal(w->result.body, "hello");
	assert_int_equal(asked(w), 5);
	assert_job(w, 5, "offset=2", false);
	/* at least three quarters of 0.2 + 0.4 + 0.8 + 1.6 seconds */
	assert_true(time_boot_ns() - began >= 9 * SECOND / 4);

	w->config->retries = 1;
	script(w, "status 429\ndone\n");
	script(w, "status 500\nbody broken\ndone\n");
	get_well(w);
	assert_int_equal(w->result.status, 500);
	assert_string_equal(w->result.body, "broken");
	assert_int_equal(asked(w), 7);
}

static void test_failures(void **state)
{
	struct web *w = *state;

	w->config->retries = 1;
	w->t.url = "https://example.com/app?token=secret";
	script(w, "fail 1 the certificate is not for this host\n");
	get_badly(w, -EPROTO, "https://example.com/app: the certificate is not for this host");
	script(w, "status 200\nstart 0\nfail 3 too large\n");
	get_badly(w, -EFBIG, "longer than 1048576 bytes (LIMIT_APP_BYTES)");
	script(w, "fail 4 cannot write\n");
	get_badly(w, -EIO, "cannot write");
	script(w, "fail 99 what\n");
	get_badly(w, -EPROTO, "what");
	assert_int_equal(asked(w), 4);
	script(w, "fail 2 refused\n");
	script(w, "fail 2 refused again\n");
	get_badly(w, -EHOSTUNREACH, "refused again (asked 2 times)");
	script(w, "exit 3\n");
	script(w, "kill\n");
	get_badly(w, -EHOSTUNREACH, "carob-fetch was killed by signal 9 (asked 2 times)");
}

static void test_nonsense(void **state)
{
	static const char *const scripts[] = {
		"garbage\n",          "status 99\n",
		"status 1000\n",      "done\n",
		"start 0\n",          "status 404\nstart 0\n",
		"status 200\ndone\n", "header x-unknown: a\n",
		"header nothing\n",
	};
	struct web *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		script(w, scripts[i]);
		get_badly(w, -EPROTO, "carob-fetch says what makes no sense");
	}
	script(w, "status 200\nstart 0\nwrite a\ntotal 5\ndone\n");
	get_badly(w, -EPROTO, "carob-fetch took 1 bytes");
	w->t.headers = (const char *const[]){ "Accept: a\r\nEvil: b", NULL };
	get_badly(w, -EINVAL, "more than one line");
}

static void test_retry_after(void **state)
{
	struct web *w = *state;
	int64_t began = time_boot_ns();

	script(w, "status 503\nheader retry-after: 1\ndone\n");
	script(w, "status 404\ndone\n");
	get_well(w);
	assert_true(time_boot_ns() - began >= SECOND);
	/* the past, and nonsense, are no reason to wait */
	script(w, "status 503\nheader retry-after: Sun, 22 Nov 1998 00:00:00 GMT\ndone\n");
	script(w, "status 503\nheader retry-after: soon\ndone\n");
	script(w, "status 404\ndone\n");
	began = time_boot_ns();
	get_well(w);
	assert_true(time_boot_ns() - began < 5 * SECOND);
}

/* ---- redirects ------------------------------------------------------------------------------- */

static void test_redirects(void **state)
{
	struct web *w = *state;

	script(w, "status 301\nheader location: /a/b\ndone\n");
	script(w, "status 302\nheader location: ../c\ndone\n");
	script(w, "status 303\nheader location: //other.example:8443/d\ndone\n");
	script(w, "status 307\nheader location: https://third.example/e?f\ndone\n");
	script(w, "status 308\nheader location: ?g\ndone\n");
	script(w, "status 200\nstart 0\nwrite x\ndone\n");
	get_well(w);
	assert_string_equal(w->result.url, "https://third.example/e?g");
	assert_job(w, 2, "url=https://example.com/a/b", true);
	assert_job(w, 3, "url=https://example.com/c", true);
	assert_job(w, 4, "url=https://other.example:8443/d", true);
	assert_job(w, 5, "url=https://third.example/e?f", true);
	/* what fails behind a redirect begins at its beginning */
	script(w, "status 302\nheader location: /b\ndone\n");
	script(w, "fail 2 cut\n");
	script(w, "status 200\nstart 0\nwrite y\ndone\n");
	get_well(w);
	assert_job(w, 9, "url=https://example.com/app", true);
}

static void test_bad_redirects(void **state)
{
	static char source[] = "example.com";
	static char *sources[] = { source };
	static const struct {
		const char *location, *why;
		int code;
	} cases[] = {
		{ "http://example.com/a", "from https to http", -EACCES },
		{ "https://evil.example/a", "\"sources\"", -EACCES },
		{ "ftp://example.com/a", "neither https:// nor http://", -EINVAL },
		{ "https://u:secret@example.com/", "credentials belong into", -EINVAL },
		{ "https://example.com:0/", "port", -EINVAL },
	};
	struct web *w = *state;

	w->config->sources = sources;
	w->config->n_sources = 1;
	w->config->has_sources = true;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[256];

		snprintf(text, sizeof(text), "status 302\nheader location: %s\ndone\n",
			 cases[i].location);
		script(w, text);
		get_badly(w, cases[i].code, cases[i].why);
		assert_true(str_starts(w->err.text, "https://example.com/app redirects: "));
	}
	assert_int_equal(asked(w), ARRAY_SIZE(cases));
	for (int i = 0; i < 11; i++)
		script(w, "status 302\nheader location: /app\ndone\n");
	get_badly(w, -ELOOP, "LIMIT_REDIRECTS");
	assert_int_equal(asked(w), ARRAY_SIZE(cases) + 11);
	w->t.url = "https://evil.example/";
	get_badly(w, -EACCES, "\"sources\"");
	w->t.url = "http://example.com/";
	get_badly(w, -EACCES, "http is not allowed");
	assert_int_equal(asked(w), ARRAY_SIZE(cases) + 11);
	w->config->sources = NULL;
	w->config->n_sources = 0;
}

static void test_http(void **state)
{
	static const char *const insecure[] = { "example.com" };
	struct web *w = *state;

	w->policy.insecure_hosts = insecure;
	w->policy.n_insecure_hosts = 1;
	w->t.url = "http://example.com/app";
	script(w, "status 302\nheader location: https://example.com/app\ndone\n");
	script(w, "status 200\nstart 0\nwrite x\ndone\n");
	get_well(w);
	assert_true(w->result.over_http); /* it said where to go without TLS */
	w->t.url = "https://example.com/app";
	script(w, "status 200\nstart 0\nwrite x\ndone\n");
	get_well(w);
	assert_false(w->result.over_http);
}

/* ---- credentials ----------------------------------------------------------------------------- */

/* hosts gets an entry with a credentials file of that text and mode. */
static void add_host(struct web *w, const char *host, const char *text, mode_t mode)
{
	struct net_host *hosts = calloc(1, sizeof(*hosts));
	char *path = str_printf("%s/credentials", w->bench->path);

	assert_non_null(hosts);
	assert_int_equal(file_write(AT_FDCWD, path, text, strlen(text), 0600, 0), 0);
	assert_int_equal(chmod(path, mode), 0);
	hosts->host = strdup(host);
	hosts->credentials = path;
	w->config->hosts = hosts;
	w->config->n_hosts = 1;
}

static void drop_host(struct web *w)
{
	free(w->config->hosts->host);
	free(w->config->hosts->credentials);
	free(w->config->hosts);
	w->config->hosts = NULL;
	w->config->n_hosts = 0;
}

#define SECRET "header=Authorization: Basic bWU6c2VjcmV0" /* me:secret */

static void test_credentials(void **state)
{
	struct web *w = *state;

	add_host(w, "example.com", "basic me:secret\n", 0600);
	script(w, "status 302\nheader location: https://example.com:8443/a\ndone\n");
	script(w, "status 302\nheader location: https://evil.example/a\ndone\n");
	script(w, "status 302\nheader location: https://example.com/a\ndone\n");
	script(w, "status 404\ndone\n");
	get_well(w);
	assert_job(w, 1, SECRET, true);
	assert_job(w, 2, SECRET, false); /* another port was not meant */
	assert_job(w, 3, SECRET, false);
	assert_job(w, 4, SECRET, true);
	w->t.url = "https://example.com:8443/app";
	script(w, "status 404\ndone\n");
	get_well(w);
	assert_job(w, 5, SECRET, true);
	w->t.url = "https://example.com/app";
	drop_host(w);
	add_host(w, "example.com:8443", "bearer secret", 0400);
	script(w, "status 302\nheader location: https://example.com:8443/a\ndone\n");
	script(w, "status 404\ndone\n");
	get_well(w);
	assert_job(w, 6, "header=Authorization: Bearer secret", false);
	assert_job(w, 7, "header=Authorization: Bearer secret", true);
}

static void test_bearer(void **state)
{
	struct web *w = *state;

	add_host(w, "example.com", "basic me:secret", 0600);
	w->t.bearer = "token";
	script(w, "status 302\nheader location: https://example.com:444/a\ndone\n");
	script(w, "status 302\nheader location: https://cdn.example/a\ndone\n");
	script(w, "status 302\nheader location: /../b\ndone\n");
	script(w, "status 302\nheader location: https://EXAMPLE.com:443/a\ndone\n");
	script(w, "status 404\ndone\n");
	get_well(w);
	for (unsigned i = 1; i <= 5; i++) {
		assert_job(w, i, "header=Authorization: Bearer token", i == 1 || i == 5);
		assert_job(w, i, SECRET, false);
	}
	w->t.bearer = "token\r\nEvil: yes";
	get_badly(w, -EINVAL, "more than one line");
}

static void test_bad_credentials(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
		const char *why;
		int code;
	} cases[] = {
		{ "basic me:secret", 0640, "chmod 0600", -EPERM },
		{ "basic me:secret", 0604, "has mode 0604", -EPERM },
		{ "basic me:secret", 0620, "chmod 0600", -EPERM },
		{ "basic secret", 0600, "must say", -EBADMSG },
		{ "digest me:secret", 0600, "must say", -EBADMSG },
		{ "bearer ", 0600, "must say", -EBADMSG },
		{ "bearer secret x", 0600, "must say", -EBADMSG },
		{ "bearer secret\nHost: x", 0600, "one line", -EBADMSG },
		{ "bearer sec\tret", 0600, "one line", -EBADMSG },
		{ "", 0600, "must say", -EBADMSG },
	};
	struct web *w = *state;
	_free_ char *big = malloc(LIMIT_CREDENTIALS_BYTES + 2);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		add_host(w, "example.com", cases[i].text, cases[i].mode);
		get_badly(w, cases[i].code, cases[i].why);
		assert_non_null(strstr(w->err.text, w->config->hosts->credentials));
		drop_host(w);
	}
	assert_non_null(big);
	memset(big, 'x', LIMIT_CREDENTIALS_BYTES + 1);
	big[LIMIT_CREDENTIALS_BYTES + 1] = '\0';
	add_host(w, "example.com", big, 0600);
	get_badly(w, -EFBIG, "LIMIT_CREDENTIALS_BYTES");
	unlink(w->config->hosts->credentials);
	get_badly(w, -ENOENT, w->config->hosts->credentials);
	assert_int_equal(mkfifo(w->config->hosts->credentials, 0600), 0);
	get_badly(w, -EINVAL, "no regular file");
	assert_int_equal(asked(w), 0);
}

static void test_certificates(void **state)
{
	struct web *w = *state;
	struct net_host *host;

	add_host(w, "example.com", "bearer x", 0600);
	host = &w->config->hosts[0];
	put(w->bench->dirfd, "ca.pem", "CA");
	put(w->bench->dirfd, "key.pem", "KEY");
	put(w->bench->dirfd, "certificate.pem", "CERTIFICATE");
	host->ca = str_printf("%s/ca.pem", w->bench->path);
	script(w, "status 302\nheader location: https://other.example/\ndone\n");
	script(w, "status 404\ndone\n");
	get_well(w);
	assert_job(w, 1, "fd5=CA", true);
	assert_job(w, 2, "fd5=CA", false);
	host->certificate = str_printf("%s/certificate.pem", w->bench->path);
	host->key = str_printf("%s/key.pem", w->bench->path);
	get_badly(w, -EPERM, "key.pem has mode 0644");
	assert_int_equal(chmod(host->key, 0600), 0);
	script(w, "status 404\ndone\n");
	get_well(w);
	assert_job(w, 3, "fd5=CA", true);
	assert_job(w, 3, "fd6=CERTIFICATE", true);
	assert_job(w, 3, "fd7=KEY", true);
}

/* ---- proxies --------------------------------------------------------------------------------- */

static void test_proxy_job(void **state)
{
	struct web *w = *state;

	w->config->https_proxy = strdup("http://me:secret@proxy:3128");
	script(w, "status 404\ndone\n");
	get_well(w);
	assert_job(w, 1, "proxy=http://me:secret@proxy:3128", true);
	free(w->config->https_proxy);
	w->config->https_proxy = strdup("proxy:3128");
	script(w, "status 404\ndone\n");
	get_well(w);
	assert_job(w, 2, "proxy=http://proxy:3128", true);
}

static void test_no_program(void **state)
{
	struct web *w = *state;

	assert_int_equal(unlinkat(w->libexec, "carob-fetch", 0), 0);
	get_badly(w, -ENOENT, "carob-fetch");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_get),          test(test_other_status),  test(test_retries),
		test(test_failures),     test(test_nonsense),      test(test_retry_after),
		test(test_redirects),    test(test_bad_redirects), test(test_http),
		test(test_credentials),  test(test_bearer),        test(test_bad_credentials),
		test(test_certificates), test(test_proxy_job),     test(test_no_program),
	};

	return web_run(tests, ARRAY_SIZE(tests), "transfer");
}
