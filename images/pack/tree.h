#pragma once
/* Writes the archive of a manifest and a root file system (pack.h). */
#include "base/base.h"
#include "images/pack/remarks.h"

struct pack {
	int manifest, rootfs, out;
	int64_t epoch; /* no time is later; -1: any */
};

int pack_tree(const struct pack *p, struct remarks *remarks, struct error *err) _must_check_;
