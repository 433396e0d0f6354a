/* Where an image came from, written and read again. */
#include <fcntl.h>

#include "bench.h"

#define KEY "CF976CE1E270F0A626D75F27A9A0D26107B2BA07"
#define SIGNATURE(key, made) \
	"\"signature\":{\"key\":\"" key "\",\"rule\":\"\",\"user\":\"u\",\"made\":\"" made "\"}"
#define HEAD "{\"version\":1,\"reference\":\"r\",\"url\":\"u\",\"transport\":\"https\","
#define TAIL ",\"insecure\":[],\"manifestDigest\":\"\"}"

static void put_origin(struct bench *b, char digit, const char *text)
{
	char id[STORE_ID_TEXT];
	_free_ char *path = NULL;

	id_of(id, digit);
	path = str_printf("store/images/%s/origin", id);
	if (text)
		put(b->dirfd, path, text);
	else
		unlinkat(b->dirfd, path, 0);
}

static void what_is_written_is_read(void **state)
{
	struct bench *b = *state;
	_origin_ struct origin got = { 0 };
	char reference[] = "example.com/a:1", url[] = "https://example.com/\303\244?x",
	     transport[] = "https", prefix[] = "example.com", user[] = "A <a@example.com>",
	     digest[] = "sha256:0";
	const struct origin o = {
		.reference = reference,
		.url = url,
		.transport = transport,
		.has_signature = true,
		.signature = { .fingerprint = KEY, .prefix = prefix, .user = user, .made_ns = 17 },
		.insecure_http = true,
		.insecure_signature = true,
		.manifest_digest = digest,
	};
	char id[STORE_ID_TEXT];
	_free_ char *path = NULL;
	_close_ int dir = -1;

	adopt(b, 'a', "example.com/a", "", "");
	id_of(id, 'a');
	assert_int_equal(origin_read(b->im.store, id, &got, &b->err), STORE_MISSING);
	path = str_printf("store/images/%s", id);
	dir = openat(b->dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	assert_ok(b, origin_write(dir, &o, &b->err));
	assert_ok(b, origin_read(b->im.store, id, &got, &b->err));
	assert_string_equal(got.reference, reference);
	assert_string_equal(got.url, url);
	assert_string_equal(got.transport, transport);
	assert_true(got.has_signature);
	assert_string_equal(got.signature.fingerprint, KEY);
	assert_string_equal(got.signature.prefix, prefix);
	assert_string_equal(got.signature.user, user);
	assert_int_equal(got.signature.made_ns, 17);
	assert_true(got.insecure_http);
	assert_true(got.insecure_signature);
	assert_string_equal(got.manifest_digest, digest);
}

static void little_is_known_of_some(void **state)
{
	struct bench *b = *state;
	_origin_ struct origin got = { 0 };
	char transport[] = "oci", bad[] = "ftp";
	struct origin o = { .transport = transport };
	char id[STORE_ID_TEXT];
	_free_ char *path = NULL;
	_close_ int dir = -1;

	adopt(b, 'a', "example.com/a", "", "");
	id_of(id, 'a');
	path = str_printf("store/images/%s", id);
	dir = openat(b->dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_ok(b, origin_write(dir, &o, &b->err));
	assert_ok(b, origin_read(b->im.store, id, &got, &b->err));
	assert_string_equal(got.reference, "");
	assert_false(got.has_signature);
	assert_false(got.insecure_http);
	assert_false(got.insecure_signature);
	o.transport = bad;
	assert_int_equal(origin_write(dir, &o, &b->err), -EINVAL);
	o.transport = NULL;
	assert_int_equal(origin_write(dir, &o, &b->err), -EINVAL);
}

static void damaged_ones_are_told(void **state)
{
	struct bench *b = *state;
	static const struct {
		const char *text, *says; /* NULL: is taken */
	} table[] = {
		{ HEAD SIGNATURE(KEY, "2026-11-22T12:00:00Z") TAIL, NULL },
		{ HEAD "\"signature\":null" TAIL, NULL },
		{ HEAD "\"signature\":null,\"more\":1" TAIL, NULL },
		{ "", "" },
		{ "[]", "" },
		{ HEAD "\"signature\":null", "" },
		{ HEAD SIGNATURE("AB", "2026-11-22T12:00:00Z") TAIL, "signature.key" },
		{ HEAD SIGNATURE(KEY, "yesterday") TAIL, "signature.made" },
		{ HEAD "\"signature\":{\"key\":\"" KEY "\"}" TAIL, "signature" },
		{ HEAD "\"signature\":null,\"insecure\":[\"all\"],\"manifestDigest\":\"\"}",
		  "insecure" },
		{ HEAD "\"signature\":null,\"insecure\":[1],\"manifestDigest\":\"\"}", "insecure" },
		{ "{\"version\":2,\"reference\":\"r\",\"url\":\"u\",\"transport\":\"https\"" TAIL,
		  "version" },
		{ "{\"version\":1,\"reference\":\"r\",\"url\":\"u\",\"transport\":\"ftp\"" TAIL,
		  "transport" },
		{ "{\"version\":1,\"reference\":\"r\",\"transport\":\"https\"" TAIL, "url" },
	};
	char id[STORE_ID_TEXT];

	adopt(b, 'a', "example.com/a", "", "");
	id_of(id, 'a');
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_origin_ struct origin got = { 0 };
		struct error err = { 0 };
		int r;

		put_origin(b, 'a', table[i].text);
		r = origin_read(b->im.store, id, &got, &err);
		put_origin(b, 'a', NULL);
		if (r != (table[i].says ? -EBADMSG : 0))
			fail_msg("row %zu: %d %s", i, r, err.text);
		if (table[i].says && !strstr(err.text, table[i].says))
			fail_msg("row %zu: %s", i, err.text);
	}
}

static void which_is_worth_more(_unused_ void **state)
{
	const struct origin none = { .has_signature = false };
	struct origin a = { .has_signature = true,
			    .signature = { .fingerprint = KEY, .made_ns = 10 } };
	struct origin b = { .has_signature = true,
			    .signature = { .fingerprint = "B", .made_ns = 20 } };

	assert_true(origin_is_better(&a, NULL));
	assert_true(origin_is_better(&a, &none));
	assert_false(origin_is_better(&none, NULL));
	assert_false(origin_is_better(&none, &none));
	assert_false(origin_is_better(&none, &a));
	/* the first stays, but for a newer signature by another key */
	assert_false(origin_is_better(&a, &a));
	assert_true(origin_is_better(&b, &a));
	assert_false(origin_is_better(&a, &b));
	a.insecure_http = true; /* the signature is as good as without */
	assert_true(origin_is_better(&a, &none));
}

#define with_bench(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_bench(what_is_written_is_read),
		with_bench(little_is_known_of_some),
		with_bench(damaged_ones_are_told),
		cmocka_unit_test(which_is_worth_more),
	};

	return cmocka_run_group_tests_name("origin", tests, NULL, NULL);
}
