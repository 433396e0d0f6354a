#pragma once
/*
 * A tar stream read to its end: libarchive makes members of the bytes, layout.c judges them,
 * tree.c makes them files. Where the bytes come from and where the tree is are the caller's
 * matter, so this also runs on a fuzzer's bytes.
 */
#include "base/base.h"
#include "images/unpack/layout.h"
#include "images/unpack/report.h"
#include "images/unpack/source.h"

/* root: the directory to fill or (rules->over) to change, or -1 to look only, which rules->over
 * does without. What is wrong with the archive becomes records of report, the manifest one as well.
 * 0 when all was read, faults or not; a negative errno and err when that could not be (no memory,
 * disk full); -EBADMSG when a fault ended it early. */
int reader_run(const struct rules *rules, const struct source *source, int root,
	       struct report *report, struct error *err) _must_check_;
