/* Tokens of OCI registries: who is asked for one, and what for. */
#include "oci_session.h"

static void test_token(void **state)
{
	struct oci_descriptor manifest;
	_session_ struct session s;

	begin(&s, *state);
	serve_manifest(&manifest);
	registry_double->wants_token = true;
	s.config.n_hosts = 1;
	assert_ok(s.b, obtain(&s, TAGGED));
	assert_layers(&s);
	assert_int_equal(registry_double->tokens, 1);
	assert_int_equal(registry_double->unauthorized, 1);
	assert_string_equal(registry_double->credentials_of, REGISTRY ":443");
}

static void test_refused_tokens(void **state)
{
	static const struct {
		const char *challenge, *sentence;
		int code;
	} cases[] = {
		{ "Basic realm=\"x\"", "wants a user and password", -EACCES },
		{ "Bearer realm=\"https://evil.example/token\"", "not of its domain", -EACCES },
		{ "Bearer realm=\"http://auth.example.com/token\"", "without TLS", -EACCES },
		{ "Bearer realm=\"https://auth.example.com:444/token\"", "not of its domain",
		  -EACCES },
		{ "Bearer service=\"a\"", "in a way that is not understood", -EPROTO },
		{ "Negotiate", "in a way that is not understood", -EPROTO },
	};
	struct oci_descriptor manifest;
	_session_ struct session s;

	begin(&s, *state);
	serve_manifest(&manifest);
	registry_double->wants_token = true;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		registry_double->challenge = cases[i].challenge;
		refused(&s, TAGGED, cases[i].code, cases[i].sentence);
	}
	assert_int_equal(registry_double->tokens, 0);
}

static void test_challenges(_unused_ void **state)
{
	static const struct {
		const char *text, *realm, *service; /* realm NULL: refused */
	} cases[] = {
		{ "Bearer realm=\"https://a/t\",service=\"s\",scope=\"x:y:z\"", "https://a/t",
		  "s" },
		{ "bearer  realm=\"https://a\" , error=\"invalid_token\"", "https://a", "" },
		{ "Bearer realm=\"a\\\"b\", service=token", "a\"b", "token" },
		{ "BEARER REALM=\"r\"", "r", "" },
		{ "Basic realm=\"x\"", "", "" },
		{ "Bearer", NULL, NULL },
		{ "Bearer realm=", NULL, NULL },
		{ "Bearer realm=\"\"", NULL, NULL },
		{ "Bearer realm=\"a", NULL, NULL },
		{ "Bearer realm=\"a\",realm=\"b\"", NULL, NULL },
		{ "Bearer realm=\"a\" service=\"b\"", NULL, NULL },
		{ "Bearer realm=\"a\",", NULL, NULL },
		{ "Bearer =\"a\"", NULL, NULL },
		{ "Bearer realm=\"a\nb\"", NULL, NULL },
		{ "Digest realm=\"a\"", NULL, NULL },
		{ "", NULL, NULL },
	};
	struct oci_challenge c;
	struct error err = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = oci_challenge_parse(&c, cases[i].text, &err);

		if ((r < 0) != !cases[i].realm)
			fail_msg("%s: %d", cases[i].text, r);
		if (r < 0)
			continue;
		assert_string_equal(c.realm, cases[i].realm);
		assert_string_equal(c.service, cases[i].service);
		assert_int_equal(c.is_bearer, !str_starts(cases[i].text, "Basic"));
	}
}

static void test_realms(void **state)
{
	static const struct {
		const char *registry, *realm;
		bool allowed;
	} cases[] = {
		{ "https://registry-1.docker.io", "https://auth.docker.io/token", true },
		{ "https://registry.example.com", "https://registry.example.com/t", true },
		{ "https://example.com:5000", "https://example.com:5000/t", true },
		{ "https://example.com:5000", "https://example.com/t", true },
		{ "https://example.com:5000", "https://example.com:5001/t", false },
		{ "https://example.com", "https://auth.example.com/t", true },
		{ "https://registry.example.com", "https://example.com/t", true },
		{ "https://registry.example.com", "https://auth.example.com:444/t", false },
		{ "https://registry.example.com", "http://registry.example.com/t", false },
		{ "https://registry.example.com", "https://example.com.evil.org/t", false },
		{ "https://registry.example.com", "https://evilexample.com/t", false },
		{ "https://example.com", "https://evil.com/t", false },
		{ "https://shop.co.uk", "https://evil.co.uk/t", false },
		{ "https://registry.shop.co.uk", "https://auth.shop.co.uk/t", true },
		{ "https://localhost:5000", "https://localhost:5000/t", true },
		{ "https://10.0.0.1", "https://10.0.0.2/t", false },
		{ "https://1.10.0.1", "https://2.10.0.1/t", false },
		{ "https://[::1]", "https://[::2]/t", false },
		{ "https://registry.example.com", "https://named.org/t", true },
		{ "https://registry.example.com", "ftp://registry.example.com/t", false },
	};
	_session_ struct session s;

	begin(&s, *state);
	s.host.host = (char *)"named.org";
	s.config.n_hosts = 1;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = oci_realm_allowed(&s.net, cases[i].registry, cases[i].realm, &s.b->err);

		if ((r == 0) != cases[i].allowed)
			fail_msg("%s -> %s: %d", cases[i].registry, cases[i].realm, r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_token),
		TEST(test_refused_tokens),
		cmocka_unit_test(test_challenges),
		TEST(test_realms),
	};

	return cmocka_run_group_tests_name("oci_token", tests, NULL, NULL);
}
