#include "archive.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"

enum { CHECKSUM = 148, CHECKSUM_LEN = 8 };

ssize_t archive_give(void *arg, const void **ret)
{
	struct archive_bytes *b = arg;
	size_t n = b->left;

	*ret = b->data;
	b->left = 0;
	return (ssize_t)n;
}

void archive_read(const struct rules *rules, const uint8_t *data, size_t size, int root)
{
	_report_ struct report report = REPORT_INIT;
	struct archive_bytes bytes = { data, size };
	const struct source source = { archive_give, &bytes };
	struct error err = { 0 };
	int r = reader_run(rules, &source, root, &report, &err);

	/* an end before the end has a reason */
	assert(r == 0 || report.records.len || err.code);
}

void archive_mend_header(uint8_t header[ARCHIVE_BLOCK])
{
	char text[CHECKSUM_LEN + 1];
	unsigned sum = 0;

	memset(header + CHECKSUM, ' ', CHECKSUM_LEN);
	for (size_t i = 0; i < ARCHIVE_BLOCK; i++)
		sum += header[i];
	snprintf(text, sizeof(text), "%06o", sum);
	memcpy(header + CHECKSUM, text, 7);
}

static int count(_unused_ int dirfd, _unused_ const char *name, void *arg)
{
	(*(unsigned *)arg)++;
	return 0;
}

void archive_with_tree(void (*use)(const uint8_t *data, size_t size, int root), const uint8_t *data,
		       size_t size)
{
	char path[] = "/dev/shm/fuzz-archive-XXXXXX";
	_close_ int shm = -1, top = -1, root = -1;
	unsigned n = 0;
	int r;

	assert(mkdtemp(path));
	shm = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(shm >= 0 && top >= 0);
	r = mkdirat(top, "tree", 0755);
	assert(r == 0);
	root = openat(top, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(root >= 0);
	use(data, size, root);
	r = dir_each(top, count, &n);
	assert(r == 0 && n == 1);
	r = path_remove_tree(shm, strrchr(path, '/') + 1);
	assert(r == 0);
}
