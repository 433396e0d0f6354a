/* What carob-meta finds in a page. */
#include "images/internal.h"
#include "images/meta/meta.h"

void meta_pairs_deinit(struct meta_pairs *p)
{
	free(p->list);
	buf_deinit(&p->text);
	*p = (struct meta_pairs){ 0 };
}

static int read_output(int fd, struct buf *ret, struct error *err)
{
	char part[16 << 10];
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = read_all(fd, part, sizeof(part))) != 0)
		r = n < 0 ? (int)n : buf_add(ret, part, (size_t)n);
	return r < 0 ? error_set(err, r, "cannot read from carob-meta") : 0;
}

/* The program has read a stranger's page: its word is taken for no more than its form. */
static int split(struct meta_pairs *p, struct error *err)
{
	const char *at = p->text.data, *end = at + p->text.len;
	size_t zeros = 0;

	for (size_t i = 0; i < p->text.len; i++)
		zeros += !at[i];
	if (p->text.len == 0)
		return 0;
	if (end[-1] || zeros % 2 || zeros / 2 > LIMIT_PAGE_PAIRS)
		return error_set(err, -EPROTO, "what carob-meta says of the page has no form.");
	p->list = calloc(zeros / 2, sizeof(p->list[0]));
	if (!p->list)
		return error_set(err, -ENOMEM, "out of memory");
	while (at < end) {
		struct meta_pair *pair = &p->list[p->n++];

		pair->name = at;
		at += strlen(at) + 1;
		pair->content = at;
		at += strlen(at) + 1;
	}
	return 0;
}

static int check_status(int status, struct error *err)
{
	switch (status) {
	case META_READ:
		return 0;
	case META_TOO_LONG:
		return error_set(err, -E2BIG, "the page has more than %d bytes (LIMIT_PAGE_BYTES).",
				 LIMIT_PAGE_BYTES);
	case META_TOO_MANY:
		return error_set(err, -E2BIG, "the page has more than %d tags (LIMIT_PAGE_PAIRS).",
				 LIMIT_PAGE_PAIRS);
	case META_TOO_LARGE:
		return error_set(err, -E2BIG,
				 "the page takes more than %d MiB to read (LIMIT_PAGE_MEMORY).",
				 LIMIT_PAGE_MEMORY >> 20);
	case META_FAILED:
		return error_set(err, -EIO, "carob-meta could not shut itself in, or not read.");
	default:
		return error_set(err, -E2BIG,
				 "the page cannot be read as HTML within %d seconds "
				 "(LIMIT_PAGE_SECONDS); carob-meta ended with %d.",
				 LIMIT_PAGE_SECONDS, status);
	}
}

static int run(const struct images *im, int page, struct buf *ret, struct error *err)
{
	struct helper h = { .program = "carob-meta", .fd3 = -1, .fd4 = -1 };
	_close_ int out = -1, in = -1;
	_helper_ int pidfd = -1;
	int status, r = helper_pipe(&in, &out, err);

	if (r < 0)
		return r;
	h.stdio[0] = page;
	h.stdio[1] = out;
	h.stdio[2] = -1;
	pidfd = helper_start(im, &h, err);
	if (pidfd < 0)
		return pidfd;
	cleanup_close(&out);
	r = read_output(in, ret, err);
	if (r == 0) {
		r = helper_wait(&pidfd, &status);
		r = r < 0 ? error_set(err, r, "cannot wait for carob-meta")
			  : check_status(status, err);
	}
	return r;
}

int meta_read(const struct images *im, const char *page, size_t len, struct meta_pairs *ret,
	      struct error *err)
{
	_meta_pairs_ struct meta_pairs p = { .text = BUF_INIT(META_OUTPUT_BYTES) };
	_close_ int fd = process_sealed_bytes("page", page, len);
	int r;

	if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return error_set(err, fd < 0 ? fd : -errno, "cannot keep the page in memory");
	r = run(im, fd, &p.text, err);
	if (r == 0)
		r = split(&p, err);
	if (r < 0)
		return r;
	*ret = p;
	p = (struct meta_pairs){ 0 };
	return 0;
}
