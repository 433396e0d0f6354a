/*
 * Any bytes as two layers, cut in the middle at a block: the second over what the first made, so
 * over anything that a lower layer could have. Each is also read as an archive of plain files.
 * Whatever comes, nothing appears beside the directory.
 */
#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"
#include "fuzz.h"
#include "images/unpack/reader.h"

enum { BLOCK = 512, CHECKSUM = 148, CHECKSUM_LEN = 8 };

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

static void run(const struct rules *rules, const uint8_t *data, size_t size, int root)
{
	_report_ struct report report = REPORT_INIT;
	struct bytes bytes = { data, size };
	const struct reader_source source = { give, &bytes };
	struct error err = { 0 };
	int r = reader_run(rules, &source, root, &report, &err);

	/* an end before the end has a reason */
	assert(r == 0 || report.records.len || err.code);
}

/* Every block that could be a header gets a checksum that is right: hardly any change would pass
 * otherwise. Contents change too, which does not matter. */
static void mend(uint8_t *data, size_t size)
{
	for (size_t at = 0; size - at >= BLOCK; at += BLOCK) {
		uint8_t *header = data + at;
		unsigned sum = 0;
		char text[CHECKSUM_LEN + 1];

		if (memcmp(header + 257, "ustar", 5) != 0)
			continue;
		memset(header + CHECKSUM, ' ', CHECKSUM_LEN);
		for (size_t i = 0; i < BLOCK; i++)
			sum += header[i];
		snprintf(text, sizeof(text), "%06o", sum);
		memcpy(header + CHECKSUM, text, 7);
	}
}

static int count(_unused_ int dirfd, _unused_ const char *name, void *arg)
{
	(*(unsigned *)arg)++;
	return 0;
}

static void with_tree(void (*use)(const uint8_t *, size_t, int), const uint8_t *data, size_t size)
{
	char path[] = "/dev/shm/fuzz-layer-XXXXXX";
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

static void as_layers(const uint8_t *data, size_t size, int root)
{
	size_t half = size / BLOCK / 2 * BLOCK;

	run(&layer_rules, data, half, root);
	run(&layer_rules, data + half, size - half, root);
}

static void as_files(const uint8_t *data, size_t size, int root)
{
	run(&bundle_rules, data, size, root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_free_ uint8_t *mended = malloc(size ? size : 1);

	assert(mended);
	umask(0);
	memcpy(mended, data, size);
	mend(mended, size);
	with_tree(as_layers, mended, size);
	with_tree(as_files, mended, size);
	return 0;
}
