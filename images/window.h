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
