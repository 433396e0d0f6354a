#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <fcntl.h>

#include "images/net.h"

static char directory[] = "/tmp/test-config-XXXXXX";
static char path[64];

static int setup(_unused_ void **state)
{
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/carob.yaml", directory);
	return 0;
}

static int teardown(_unused_ void **state)
{
	_close_ int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return path_remove_tree(tmp, directory + strlen("/tmp/"));
}

static int read_config(const char *text, struct net_config **ret, struct error *err)
{
	assert_int_equal(file_write(AT_FDCWD, path, text, strlen(text), 0644, 0), 0);
	return net_config_read(ret, path, true, err);
}

static void test_missing(_unused_ void **state)
{
	struct net_config *c = NULL;
	struct error err = { 0 };

	unlink(path);
	assert_int_equal(net_config_read(&c, path, true, &err), -ENOENT);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(net_config_read(&c, path, false, &err), 0);
	assert_string_equal(c->path, "");
	assert_int_equal(c->connect_timeout_s, 30);
	assert_int_equal(c->stall_timeout_s, 60);
	assert_int_equal(c->min_speed, 1024);
	assert_int_equal(c->retries, 4);
	assert_int_equal(c->parallel, 4);
	assert_string_equal(c->trust_dir, "/etc/carob/trust.d");
	assert_false(c->has_sources);
	assert_null(c->http_proxy);
	net_config_free(c);
	net_config_free(NULL);
}

static void test_empty(_unused_ void **state)
{
	static const char *const texts[] = { "", "# nothing\n", "---\n", "{}\n" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct net_config *c = NULL;
		struct error err = { 0 };

		assert_int_equal(read_config(texts[i], &c, &err), 0);
		assert_string_equal(c->path, path);
		assert_int_equal(c->retries, 4);
		assert_false(c->has_sources);
		net_config_free(c);
	}
}

static void test_all(_unused_ void **state)
{
	static const char text[] = "proxy:\n"
				   "  http: http://proxy:3128\n"
				   "  https: https://u:p@proxy\n"
				   "  no: localhost,.example.org\n"
				   "timeouts: {connect: 5, stall: 7, minimumSpeed: 9}\n"
				   "retries: 0\n"
				   "parallel: 9\n"
				   "hosts:\n"
				   "  Example.com:5000:\n"
				   "    ca: /ca\n"
				   "    certificate: /certificate\n"
				   "    key: /key\n"
				   "    credentials: /credentials\n"
				   "    insecureHttp: true\n"
				   "    mirrors: [m.example, '127.0.0.1:5000']\n"
				   "  \"[::1]\": {}\n"
				   "sources: [example.com/a, '*.example.org']\n"
				   "unsignedSources: []\n"
				   "trust: /trust\n";
	struct net_config *c = NULL;
	struct error err = { 0 };

	if (read_config(text, &c, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(c->http_proxy, "http://proxy:3128");
	assert_string_equal(c->https_proxy, "https://u:p@proxy");
	assert_string_equal(c->no_proxy, "localhost,.example.org");
	assert_int_equal(c->connect_timeout_s, 5);
	assert_int_equal(c->stall_timeout_s, 7);
	assert_int_equal(c->min_speed, 9);
	assert_int_equal(c->retries, 0);
	assert_int_equal(c->parallel, 9);
	assert_int_equal(c->n_hosts, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct net_host *h = &c->hosts[i];

		if (str_eq(h->host, "[::1]")) {
			assert_null(h->ca);
			assert_int_equal(h->n_mirrors, 0);
			assert_false(h->insecure_http);
			continue;
		}
		assert_string_equal(h->host, "example.com:5000");
		assert_string_equal(h->ca, "/ca");
		assert_string_equal(h->certificate, "/certificate");
		assert_string_equal(h->key, "/key");
		assert_string_equal(h->credentials, "/credentials");
		assert_true(h->insecure_http);
		assert_int_equal(h->n_mirrors, 2);
		assert_string_equal(h->mirrors[1], "127.0.0.1:5000");
	}
	assert_true(c->has_sources);
	assert_int_equal(c->n_sources, 2);
	assert_string_equal(c->sources[1], "*.example.org");
	assert_int_equal(c->n_unsigned_sources, 0);
	assert_string_equal(c->trust_dir, "/trust");
	net_config_free(c);
}

static void test_faults(_unused_ void **state)
{
	static const struct {
		const char *text, *fault;
	} cases[] = {
		{ "source: []\n", "line 1, column 1: source: is not a key that is known here" },
		{ "retries: 1\nproxy:\n  htp: x\n", "line 3, column 3: proxy.htp: is not a key" },
		{ "hosts:\n  a.b:\n    token: x\n",
		  "line 3, column 5: hosts[\"a.b\"].token: is not a key" },
		{ "hosts:\n  a/b: {}\n", "line 2, column 3: hosts[\"a/b\"]: must be HOST" },
		{ "hosts: {'*.a.b': {}}\n", "must be HOST" },
		{ "hosts: {a: 1}\n", "hosts.a: must be an object, not an integer" },
		{ "hosts: {a: {ca: etc/ca}}\n", "hosts.a.ca: must be an absolute path" },
		{ "hosts: {a: {key: /k}}\n", "hosts.a: has a key without its certificate" },
		{ "hosts: {a: {certificate: /k}}\n", "has a certificate without its key" },
		{ "hosts: {a: {insecureHttp: yes}}\n", "must be true or false, not a string" },
		{ "hosts:\n", "hosts: has no value" },
		{ "sources:\n", "line 1, column 1: sources: has no value" },
		{ "sources: ~\n", "sources: has no value" },
		{ "sources: [a, ~]\n", "sources[1]: must be a string, not null" },
		{ "sources: example.com\n", "sources: must be a list, not a string" },
		{ "sources:\n  - ok\n  - http://a\n", "line 3, column 5: sources[1]" },
		{ "unsignedSources: ['*']\n", "unsignedSources[0]" },
		{ "proxy: {http: 'ftp://u:secret@x'}\n",
		  "proxy.http: must be http:// or https://" },
		{ "timeouts: {connect: 0}\n", "timeouts.connect: must be 1 to 86400, not 0" },
		{ "timeouts: {connect: 5s}\n", "must be an integer, not a string" },
		{ "retries: -1\n", "retries: must be 0 to 100" },
		{ "parallel: 0\n", "parallel: must be 1 to 64" },
		{ "trust: trust.d\n", "trust: must be an absolute path" },
		{ "trust: ''\n", "trust: must be an absolute path" },
		{ "[1]\n", "must be an object, not a list" },
		{ "retries: 1\nretries: 2\n",
		  "line 2, column 1: the key retries is there already" },
		{ "retries: [\n", "line 2, column 1: " },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct net_config *c = NULL;
		struct error err = { 0 };

		if (read_config(cases[i].text, &c, &err) != -EBADMSG)
			fail_msg("%s: is accepted", cases[i].text);
		assert_null(c);
		if (!str_starts(err.text, path) || !strstr(err.text, cases[i].fault))
			fail_msg("%s: %s", cases[i].text, err.text);
		assert_null(strstr(err.text, "secret"));
	}
}

static void test_no_file(_unused_ void **state)
{
	_free_ char *big = malloc(LIMIT_CONFIG_BYTES + 2);
	struct net_config *c = NULL;
	struct error err = { 0 };

	assert_int_equal(net_config_read(&c, directory, false, &err), -EISDIR);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(net_config_read(&c, path, false, &err), -EINVAL);
	unlink(path);
	assert_non_null(big);
	memset(big, '#', LIMIT_CONFIG_BYTES + 1);
	big[LIMIT_CONFIG_BYTES + 1] = '\0';
	assert_int_equal(read_config(big, &c, &err), -EFBIG);
	assert_non_null(strstr(err.text, "LIMIT_CONFIG_BYTES"));
}

static void test_open(_unused_ void **state)
{
	struct images_policy policy = { .config = path, .config_given = true };
	struct error err = { 0 };
	struct net n = { 0 };

	unlink(path);
	assert_int_equal(net_open(&n, NULL, &policy, &err), -ENOENT);
	assert_null(n.config);
	net_close(&n);
	policy.config_given = false;
	assert_int_equal(net_open(&n, NULL, &policy, &err), 0);
	assert_ptr_equal(n.policy, &policy);
	net_close(&n);
	assert_null(n.config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_missing), cmocka_unit_test(test_empty),
		cmocka_unit_test(test_all),     cmocka_unit_test(test_faults),
		cmocka_unit_test(test_no_file), cmocka_unit_test(test_open),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
