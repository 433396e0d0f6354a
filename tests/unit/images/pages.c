#include "pages.h"

#include <fcntl.h>

struct pages {
	void (*check)(const char *name, const char *page, size_t len, const char *pairs, void *arg);
	void *arg;
	unsigned n;
};

static int one(int dirfd, const char *name, void *arg)
{
	struct pages *p = arg;
	_free_ char *page = NULL, *pairs = NULL, *expected = NULL;
	size_t len;

	if (!str_ends(name, ".html"))
		return 0;
	expected = str_printf("%.*s.pairs", (int)(strlen(name) - strlen(".html")), name);
	assert_int_equal(file_read(dirfd, name, LIMIT_PAGE_BYTES, &page, &len), 0);
	assert_int_equal(file_read(dirfd, expected, 1 << 20, &pairs, NULL), 0);
	p->check(name, page, len, pairs, p->arg);
	p->n++;
	return 0;
}

void pages_each(void (*check)(const char *name, const char *page, size_t len, const char *pairs,
			      void *arg),
		void *arg)
{
	const char *path = getenv("CAROB_PAGES");
	struct pages p = { .check = check, .arg = arg };
	_close_ int dir = -1;

	assert_non_null(path);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(dir_each(dir, one, &p), 0);
	assert_true(p.n >= 60);
}
