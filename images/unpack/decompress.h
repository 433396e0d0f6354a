#pragma once
/* Compressed archives: gzip, bzip2, xz, zstd, told by their first bytes. */
#include "base/base.h"
#include "images/unpack/source.h"

/* Where the plain bytes go. */
struct decompress_sink {
	/* Where the next ones have room, which is never none. */
	int (*room)(void *arg, unsigned char **ret, size_t *ret_size, struct error *err);
	/* So many of them are there. */
	int (*put)(void *arg, size_t n, struct error *err);
	void *arg;
	bool small_window; /* LIMIT_LATER_WINDOW holds for every frame of zstd */
};

/* Reads the compressed file from in, gives what is in it to sink. Every byte of it must belong
 * to the compressed stream: -EBADMSG and err when it is cut short, damaged or followed by
 * something else. */
int decompress_run(const struct source *in, const struct decompress_sink *sink, struct error *err)
	_must_check_;

int decompress_to_fd(const struct source *in, int out, struct error *err) _must_check_;
