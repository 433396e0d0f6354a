#pragma once
/* What the fuzzers of archives share: bytes through the reader, into a directory in memory. */
#include <stddef.h>
#include <stdint.h>

#include "images/unpack/reader.h"

enum { ARCHIVE_BLOCK = 512 };

/* The bytes of an input as a source (images/unpack/source.h): all that is left, then the end. */
struct archive_bytes {
	const uint8_t *data;
	size_t left;
};
ssize_t archive_give(void *arg, const void **ret);

/* Reads the archive into the directory root, or only looks at it (-1). */
void archive_read(const struct rules *rules, const uint8_t *data, size_t size, int root);

/* Makes the checksum of a tar header right: hardly any change of one would pass otherwise. */
void archive_mend_header(uint8_t header[ARCHIVE_BLOCK]);

/* Calls use with an empty directory. Whatever it does, nothing may appear beside that. */
void archive_with_tree(void (*use)(const uint8_t *data, size_t size, int root), const uint8_t *data,
		       size_t size);
