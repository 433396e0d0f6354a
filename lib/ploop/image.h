#pragma once
/* Reading and writing parts of one image file: for chain.c and its like. */
#include "ploop/format.h"

enum { PLOOP_NOWHERE = 0 };

/* The table: entries numbers, in the host's byte order; the caller frees. Entries that point out of
 * the file are PLOOP_NOWHERE in an image that was not closed, and -EBADMSG in one that was. */
int image_read_table(int fd, const struct ploop_header *h, uint32_t **ret, struct error *err)
	_must_check_;

/* Writes entries from .. from + n of the table. */
int image_write_table(int fd, const uint32_t *table, uint32_t from, uint32_t n) _must_check_;

int image_write_header(int fd, const struct ploop_header *h) _must_check_;

/* pread of all; what is behind the end reads as zeros. */
int image_read(int fd, void *data, size_t len, uint64_t at) _must_check_;

/* pwrite_all(), but blocks of zeros are left out: for new clusters. */
int image_write_sparse(int fd, const uint8_t *data, size_t len, uint64_t at) _must_check_;
bool image_is_zero(const uint8_t *data, size_t len);
