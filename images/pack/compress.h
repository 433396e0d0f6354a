#pragma once
#include "base/base.h"

/* Is it one of "gzip", "bzip2", "xz"? */
bool compress_knows(const char *name);

/* Compresses in to out. The same bytes always become the same. */
int compress_run(const char *name, int in, int out, struct error *err) _must_check_;
