/* Dependencies: order, matching, cycles, limits. Needs no privileges: the images have no trees. */
#include "bench.h"

#define DEPENDS(list) ",\"dependencies\":[" list "]"
#define ON(name)      "{\"imageName\":\"" name "\"}"

static void expect_order(struct bench *b, char digit, const char *digits)
{
	_chain_ struct chain c = { 0 };
	char id[STORE_ID_TEXT], got[64] = "";

	id_of(id, digit);
	assert_ok(b, chain_resolve(&c, &b->im, id, &b->err));
	for (size_t i = 0; i < c.n; i++)
		got[i] = c.links[i].id[7];
	assert_string_equal(got, digits);
	assert_int_equal(c.links[c.n - 1].parent, c.n - 1);
}

static void refuse(struct bench *b, char digit, int code, const char *words)
{
	_chain_ struct chain c = { 0 };
	char id[STORE_ID_TEXT];

	id_of(id, digit);
	assert_int_equal(chain_resolve(&c, &b->im, id, &b->err), code);
	if (!strstr(b->err.text, words))
		fail_msg("\"%s\" should say \"%s\"", b->err.text, words);
}

/* The examples of appc.md section 5. */
static void test_order(void **state)
{
	struct bench *b = *state;

	adopt(b, 'b', "b", "", "");
	adopt(b, 'd', "d", "", "");
	adopt(b, 'c', "c", "", DEPENDS(ON("d")));
	adopt(b, 'a', "a", "", DEPENDS(ON("b") "," ON("c")));
	expect_order(b, 'a', "bdca");
	expect_order(b, 'b', "b");
}

static void test_laid_twice(void **state)
{
	struct bench *b = *state;
	_chain_ struct chain c = { 0 };
	char id[STORE_ID_TEXT];

	adopt(b, 'd', "d", "", "");
	adopt(b, 'b', "b", "", DEPENDS(ON("d")));
	adopt(b, 'c', "c", "", DEPENDS(ON("d")));
	adopt(b, 'a', "a", "", DEPENDS(ON("b") "," ON("c")));
	expect_order(b, 'a', "dbdca");
	id_of(id, 'a');
	assert_ok(b, chain_resolve(&c, &b->im, id, &b->err));
	assert_int_equal(c.links[0].parent, 1);
	assert_int_equal(c.links[1].parent, 4);
	assert_int_equal(c.links[2].parent, 3);
	assert_int_equal(c.links[3].parent, 4);
}

static void test_cycles(void **state)
{
	struct bench *b = *state;

	adopt(b, 'a', "a", "", DEPENDS(ON("a")));
	refuse(b, 'a', -ELOOP, "a depends on itself");
	adopt(b, 'b', "b", "", DEPENDS(ON("c")));
	adopt(b, 'c', "c", "", DEPENDS(ON("d")));
	adopt(b, 'd', "d", "", DEPENDS(ON("b")));
	refuse(b, 'b', -ELOOP, "b depends on itself, through d");
}

static void test_missing(void **state)
{
	struct bench *b = *state;

	adopt(b, 'a', "a", "", DEPENDS(ON("example.com/b")));
	refuse(b, 'a', -ENOENT, "a needs example.com/b");
}

static void test_labels(void **state)
{
	struct bench *b = *state;

	adopt(b, 'b', "b", "version=1", ",\"labels\":[{\"name\":\"version\",\"value\":\"1\"}]");
	adopt(b, 'c', "b", "version=2", ",\"labels\":[{\"name\":\"version\",\"value\":\"2\"}]");
	adopt(b, 'a', "a", "",
	      DEPENDS("{\"imageName\":\"b\",\"labels\":[{\"name\":\"version\",\"value\":\"1\"}]}"));
	expect_order(b, 'a', "ba");
	adopt(b, 'd', "d", "",
	      DEPENDS("{\"imageName\":\"b\",\"labels\":[{\"name\":\"version\",\"value\":\"3\"}]}"));
	refuse(b, 'd', -ENOENT, "d needs b");
	adopt(b, 'e', "e", "", DEPENDS(ON("b")));
	expect_order(b, 'e', "ce");
}

/* An image for another machine needs dependencies for that one. */
static void test_foreign(void **state)
{
#define FOREIGN \
	",\"labels\":[{\"name\":\"os\",\"value\":\"linux\"},{\"name\":\"arch\",\"value\":\"s390x\"}]"
	struct bench *b = *state;
	_free_ char *mine = str_printf("os=linux,arch=%s", appc_host_arch());
	_free_ char *labels = str_printf(
		",\"labels\":[{\"name\":\"os\",\"value\":\"linux\"},{\"name\":\"arch\",\"value\":\"%s\"}]",
		appc_host_arch());

	adopt(b, 'b', "b", "os=linux,arch=s390x", FOREIGN);
	adopt(b, 'c', "b", mine, labels);
	adopt(b, 'a', "a", "os=linux,arch=s390x", FOREIGN DEPENDS(ON("b")));
	adopt(b, 'd', "d", "", DEPENDS(ON("b")));
	expect_order(b, 'a', "ba");
	expect_order(b, 'd', "cd");
}

static void test_by_id(void **state)
{
	struct bench *b = *state;
	_free_ char *right = NULL, *wrong = NULL, *size = NULL;
	char id[STORE_ID_TEXT];

	id_of(id, 'b');
	adopt(b, 'b', "b", "", "");
	adopt(b, 'c', "b", "", "");
	right = str_printf(DEPENDS("{\"imageName\":\"b\",\"imageID\":\"%s\",\"size\":3}"), id);
	adopt(b, 'a', "a", "", right);
	expect_order(b, 'a', "ba"); /* not "c", which is newer */
	wrong = str_printf(DEPENDS("{\"imageName\":\"x\",\"imageID\":\"%s\"}"), id);
	adopt(b, 'd', "d", "", wrong);
	refuse(b, 'd', -EBADMSG, "has the name b");
	size = str_printf(DEPENDS("{\"imageName\":\"b\",\"imageID\":\"%s\",\"size\":4}"), id);
	adopt(b, 'e', "e", "", size);
	refuse(b, 'e', -EBADMSG, "has 3 bytes and should have 4");
}

static void test_too_deep(void **state)
{
	static const char digits[] = "0123456789abcdef";
	struct bench *b = *state;

	/* a chain of names: n63 -> n62 -> ... only 16 IDs can be told apart here, so by real IDs */
	for (int i = 0; i <= LIMIT_DEPENDENCY_DEPTH; i++) {
		_free_ char *name = str_printf("n%d", i);
		_free_ char *more = i ? str_printf(DEPENDS("{\"imageName\":\"n%d\"}"), i - 1)
				      : strdup("");
		_free_ char *manifest = manifest_text(name, more);
		struct store_info info = {
			.name = name, .labels = (char *)"", .imported_ns = i, .source = (char *)""
		};
		struct store_staged staged;

		id_of(info.id, digits[i % 16]);
		info.id[8] = digits[i / 16];
		assert_ok(b, store_stage(b->im.store, &staged, &b->err));
		put(staged.fd, "aci", "aci");
		assert_ok(b, store_adopt(b->im.store, &staged, &info, manifest, strlen(manifest),
					 &b->err));
		if (i == LIMIT_DEPENDENCY_DEPTH) {
			_chain_ struct chain c = { 0 };

			assert_int_equal(chain_resolve(&c, &b->im, info.id, &b->err), -E2BIG);
			assert_non_null(strstr(b->err.text, "LIMIT_DEPENDENCY_DEPTH"));
		}
	}
}

/* 2^n images by sharing: each layer needs the one below twice. */
static void test_too_many(void **state)
{
	struct bench *b = *state;

	adopt(b, '0', "n0", "", "");
	for (char i = 1; i < 10; i++) {
		_free_ char *name = str_printf("n%d", i);
		_free_ char *more = str_printf(
			DEPENDS("{\"imageName\":\"n%d\"},{\"imageName\":\"n%d\"}"), i - 1, i - 1);

		adopt(b, (char)('0' + i), name, "", more);
	}
	expect_order(b, '2', "0010012");
	adopt(b, 'a', "na", "", DEPENDS(ON("n9") "," ON("n9")));
	refuse(b, 'a', -E2BIG, "LIMIT_DEPENDENCIES");
}

/* S84: ten thousand dependencies are refused, and soon. */
static void test_ten_thousand(void **state)
{
	enum { MANY = 10000 };
	_buf_ struct buf list = BUF_INIT(1 << 20);
	struct bench *b = *state;
	int64_t start = time_boot_ns();

	adopt(b, 'b', "b", "", "");
	assert_int_equal(buf_addf(&list, ",\"dependencies\":[" ON("b")), 0);
	for (int i = 1; i < MANY; i++)
		assert_int_equal(buf_addf(&list, "," ON("b")), 0);
	assert_int_equal(buf_addf(&list, "]"), 0);
	adopt(b, 'a', "a", "", list.data);
	refuse(b, 'a', -EBADMSG, "10000 entries, the limit is 1024");
	assert_true(time_boot_ns() - start < 5000000000LL);
}

static bool note(const char *id, void *arg)
{
	char *seen = arg;

	seen[strlen(seen)] = id[7];
	return strlen(seen) < 8; /* else a circle has no end */
}

/* What is there is found also when something else is missing; a circle has no end of its own. */
static void test_reach(void **state)
{
	struct bench *b = *state;
	char id[STORE_ID_TEXT], seen[16] = "", round[16] = "";

	adopt(b, 'd', "d", "", "");
	adopt(b, 'c', "c", "", DEPENDS(ON("nowhere") "," ON("d")));
	adopt(b, 'a', "a", "", DEPENDS(ON("nobody") "," ON("c")));
	id_of(id, 'a');
	assert_ok(b, chain_reach(&b->im, id, note, seen, &b->err));
	assert_string_equal(seen, "cd");
	adopt(b, 'e', "e", "", DEPENDS(ON("f")));
	adopt(b, 'f', "f", "", DEPENDS(ON("e")));
	id_of(id, 'e');
	assert_ok(b, chain_reach(&b->im, id, note, round, &b->err));
	assert_string_equal(round, "fefefefe");
}

static void test_names_of_volumes(void **state)
{
	struct bench *b = *state;
	char one[MOSAIC_NAME_MAX + 1], two[MOSAIC_NAME_MAX + 1];
	_chain_ struct chain c = { 0 };
	char id[STORE_ID_TEXT];

	adopt(b, 'b', "b", "", "");
	adopt(b, 'a', "a", "", DEPENDS(ON("b")));
	id_of(id, 'a');
	assert_ok(b, chain_resolve(&c, &b->im, id, &b->err));
	chain_volume_name(one, &c);
	assert_int_equal(strlen(one), 6 + 64);
	assert_true(hex_is(one + 6, 64));
	chain_deinit(&c);
	assert_ok(b, chain_resolve(&c, &b->im, id, &b->err));
	chain_volume_name(two, &c);
	assert_string_equal(one, two);
	c.links[0].parent = 0; /* the same images, but one does not depend on the other */
	chain_volume_name(two, &c);
	assert_string_not_equal(one, two);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(order),    TEST(laid_twice),       TEST(cycles),       TEST(missing),
		TEST(labels),   TEST(foreign),          TEST(by_id),        TEST(too_deep),
		TEST(too_many), TEST(names_of_volumes), TEST(ten_thousand), TEST(reach),
	};

	return cmocka_run_group_tests_name("chain", tests, NULL, NULL);
}
