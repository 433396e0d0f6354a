/*
 * Any bytes as two layers, cut in the middle at a block: the second over what the first made, so
 * over anything that a lower layer could have. Each is also read as an archive of plain files.
 * Whatever comes, nothing appears beside the directory.
 */
#include <assert.h>
#include <string.h>
#include <sys/stat.h>

#include "archive.h"
#include "base/base.h"
#include "fuzz.h"

/* Every block that could be a header. Contents change too, which does not matter. */
static void mend(uint8_t *data, size_t size)
{
	for (size_t at = 0; size - at >= ARCHIVE_BLOCK; at += ARCHIVE_BLOCK)
		if (memcmp(data + at + 257, "ustar", 5) == 0)
			archive_mend_header(data + at);
}

static void as_layers(const uint8_t *data, size_t size, int root)
{
	size_t half = size / ARCHIVE_BLOCK / 2 * ARCHIVE_BLOCK;

	archive_read(&layer_rules, data, half, root);
	archive_read(&layer_rules, data + half, size - half, root);
}

static void as_files(const uint8_t *data, size_t size, int root)
{
	archive_read(&bundle_rules, data, size, root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_free_ uint8_t *mended = malloc(size ? size : 1);

	assert(mended);
	umask(0);
	memcpy(mended, data, size);
	mend(mended, size);
	archive_with_tree(as_layers, mended, size);
	archive_with_tree(as_files, mended, size);
	return 0;
}
