#pragma once
/*
 * How far back a decompressor may have to look (RFC 8878, 3.1.1.1: the header of a zstd frame;
 * RFC 1951, 2: gzip's 32 KiB), which is what it needs memory for. Nothing is decompressed to know.
 */
#include <stddef.h>
#include <stdint.h>

enum { WINDOW_HEAD = 18 }; /* bytes of a file that are enough */

/* The window of the first member or frame of a file with these first bytes. UINT64_MAX: not known,
 * as of xz, and of a zstd file that begins with a frame to be skipped. */
uint64_t window_of(const unsigned char *head, size_t n);

/* The same of the whole file, which may have more members or frames: LIMIT_LATER_WINDOW holds for
 * them unless the first one has more. */
enum window_kind {
	WINDOW_SMALL,  /* of gzip, all of them; also where nothing is compressed */
	WINDOW_MIDDLE, /* none has more than LIMIT_LATER_WINDOW */
	WINDOW_LARGE,  /* they may have all that is allowed */
};
enum window_kind window_kind(const unsigned char *head, size_t n);
