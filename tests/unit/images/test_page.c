/* What a page says, by the rules of HTML: carob-meta's part that reads, in this process. */
#include "images/meta/page.h"
#include "pages.h"

/* "NAME\0CONTENT\0" as "NAME<tab>CONTENT<newline>". */
static char *as_lines(struct buf *pairs)
{
	bool name = true;

	for (size_t i = 0; i < pairs->len; i++) {
		if (pairs->data[i])
			continue;
		pairs->data[i] = name ? '\t' : '\n';
		name = !name;
	}
	assert_true(name);
	return pairs->data ? pairs->data : (char *)"";
}

static void check(const char *name, const char *page, size_t len, const char *pairs,
		  _unused_ void *arg)
{
	_buf_ struct buf found = BUF_INIT(META_OUTPUT_BYTES);
	const char *lines;

	assert_int_equal(page_read(page, len, &found), META_READ);
	lines = as_lines(&found);
	if (!str_eq(lines, pairs))
		fail_msg("%s has\n%sand not\n%s", name, pairs, lines);
}

static void test_pages(_unused_ void **state)
{
	pages_each(check, NULL);
}

/* As many of these as fit; what page_read() says, and how many bytes come. */
static enum meta_status read_many(const char *text, size_t len, size_t *ret_len)
{
	_buf_ struct buf found = BUF_INIT(META_OUTPUT_BYTES);
	size_t unit = strlen(text), n = len / unit;
	_free_ char *page = malloc(len + 1);
	enum meta_status status;

	for (size_t i = 0; i < n; i++)
		memcpy(page + i * unit, text, unit);
	status = page_read(page, n * unit, &found);
	*ret_len = found.len;
	return status;
}

static void test_limits(_unused_ void **state)
{
	static const char tag[] = "<meta name=ac-x content=y>";
	size_t len;

	assert_int_equal(read_many(tag, strlen(tag) * LIMIT_PAGE_PAIRS, &len), META_READ);
	assert_int_equal(len, LIMIT_PAGE_PAIRS * strlen("ac-x.y."));
	assert_int_equal(read_many(tag, strlen(tag) * (LIMIT_PAGE_PAIRS + 1), &len), META_TOO_MANY);
	assert_int_equal(read_many("x", LIMIT_PAGE_BYTES, &len), META_READ);
	assert_int_equal(read_many("x", LIMIT_PAGE_BYTES + 1, &len), META_TOO_LONG);
}

/* Elements that every paragraph opens anew: a tree hundreds of times the page. */
static void test_memory(_unused_ void **state)
{
	_buf_ struct buf page = BUF_INIT(LIMIT_PAGE_BYTES), found = BUF_INIT(META_OUTPUT_BYTES);

	assert_int_equal(buf_addf(&page, "<div>"), 0);
	for (int i = 0; i < 60; i++)
		assert_int_equal(buf_addf(&page, "<b x=%d>", i), 0);
	assert_int_equal(buf_addf(&page, "</div>"), 0);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(buf_addf(&page, "<p>x"), 0);
	assert_int_equal(page_read(page.data, page.len, &found), META_TOO_LARGE);
	assert_int_equal(found.len, 0);
}

/* Deeper than any stack would like. */
static void test_depth(_unused_ void **state)
{
	size_t len;

	assert_int_equal(read_many("<svg>", 500000, &len), META_READ);
	assert_int_equal(len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_depth),
	};

	return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
