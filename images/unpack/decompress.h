#pragma once
/* Compressed archives: gzip, bzip2, xz, zstd, told by their first bytes. */
#include "base/base.h"

/* Reads the compressed file from in, writes what is in it to out. Every byte of it must belong
 * to the compressed stream: -EBADMSG and err when it is cut short, damaged or followed by
 * something else. */
int decompress_run(int in, int out, struct error *err) _must_check_;
