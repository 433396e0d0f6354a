#pragma once
/* What carob-pack has to say at its end. */
#include "base/base.h"

struct remarks {
	struct buf text;
	unsigned n;
};

/* Something that is left out; after many of them only the fact that there are more. */
int remarks_warn(struct remarks *r, const char *path, const char *text) _must_check_;
int remarks_fail(struct remarks *r, const struct error *err) _must_check_;
