/*
 * Any bytes as a plain image archive: read and judged, then also unpacked into a directory in
 * memory. As hardly any change of a tar header keeps its checksum right, each input is tried with
 * checksums mended too. Whatever comes, nothing appears beside the directory.
 */
#include <assert.h>
#include <string.h>
#include <sys/stat.h>

#include "archive.h"
#include "base/base.h"
#include "fuzz.h"

enum { SIZE = 124, SIZE_LEN = 12 };

/* Walks the members as they lie. */
static void mend(uint8_t *data, size_t size)
{
	for (size_t at = 0; size - at >= ARCHIVE_BLOCK;) {
		uint8_t *header = data + at;
		uint64_t content = 0;

		archive_mend_header(header);
		for (size_t i = 0;
		     i < SIZE_LEN && header[SIZE + i] >= '0' && header[SIZE + i] <= '7'; i++)
			content = content * 8 + (header[SIZE + i] - '0');
		at += ARCHIVE_BLOCK;
		if (content > size - at)
			return;
		content = (content + ARCHIVE_BLOCK - 1) / ARCHIVE_BLOCK * ARCHIVE_BLOCK;
		if (content > size - at)
			return;
		at += content;
	}
}

static void unpack(const uint8_t *data, size_t size, int root)
{
	archive_read(&image_rules, data, size, root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_free_ uint8_t *mended = malloc(size ? size : 1);

	assert(mended);
	umask(0);
	unpack(data, size, -1);
	memcpy(mended, data, size);
	mend(mended, size);
	archive_with_tree(unpack, mended, size);
	return 0;
}
