/*
 * Any bytes as a plain image archive: read and judged, then also unpacked into a directory in
 * memory. As hardly any change of a tar header keeps its checksum right, each input is tried with
 * checksums mended too. Whatever comes, nothing appears beside the directory.
 */
#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"
#include "fuzz.h"
#include "images/unpack/reader.h"

enum { BLOCK = 512, CHECKSUM = 148, CHECKSUM_LEN = 8, SIZE = 124, SIZE_LEN = 12 };

struct bytes {
	const uint8_t *data;
	size_t left;
};

static ssize_t give(void *arg, void *buf, size_t size)
{
	struct bytes *b = arg;
	size_t n = b->left < size ? b->left : size;

	memcpy(buf, b->data, n);
	b->data += n;
	b->left -= n;
	return (ssize_t)n;
}

static void run(const uint8_t *data, size_t size, int root)
{
	_report_ struct report report = REPORT_INIT;
	struct bytes bytes = { data, size };
	const struct reader_source source = { give, &bytes };
	struct error err = { 0 };
	int r = reader_run(&image_rules, &source, root, &report, &err);

	/* an end before the end has a reason */
	assert(r == 0 || report.records.len || err.code);
}

/* Walks the members as they lie and makes every checksum right. */
static void mend(uint8_t *data, size_t size)
{
	for (size_t at = 0; size - at >= BLOCK;) {
		uint8_t *header = data + at;
		uint64_t content = 0;
		unsigned sum = 0;
		char text[CHECKSUM_LEN + 1];

		memset(header + CHECKSUM, ' ', CHECKSUM_LEN);
		for (size_t i = 0; i < BLOCK; i++)
			sum += header[i];
		snprintf(text, sizeof(text), "%06o", sum);
		memcpy(header + CHECKSUM, text, 7);
		for (size_t i = 0;
		     i < SIZE_LEN && header[SIZE + i] >= '0' && header[SIZE + i] <= '7'; i++)
			content = content * 8 + (header[SIZE + i] - '0');
		at += BLOCK;
		if (content > size - at)
			return;
		content = (content + BLOCK - 1) / BLOCK * BLOCK;
		if (content > size - at)
			return;
		at += content;
	}
}

static int count(_unused_ int dirfd, _unused_ const char *name, void *arg)
{
	(*(unsigned *)arg)++;
	return 0;
}

static void unpack(const uint8_t *data, size_t size)
{
	char path[] = "/dev/shm/fuzz-aci-XXXXXX";
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
	run(data, size, root);
	r = dir_each(top, count, &n);
	assert(r == 0 && n == 1);
	r = path_remove_tree(shm, strrchr(path, '/') + 1);
	assert(r == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_free_ uint8_t *mended = malloc(size ? size : 1);

	assert(mended);
	umask(0);
	run(data, size, -1);
	memcpy(mended, data, size);
	mend(mended, size);
	unpack(mended, size);
	return 0;
}
