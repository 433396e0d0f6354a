#pragma once
/* How carob-unpack shuts itself in. */
#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"

struct confinement {
	uint32_t keep_fds; /* bits of the descriptors 0 to 4 that stay open */
	uint32_t memory;   /* bytes of its own */
	bool tree;   /* descriptor 3 becomes all that the process sees; else it sees nothing */
	bool change; /* what is in the tree may be removed, and links in it be followed */
};

/* All or nothing: on an error the process must end without reading anything. */
int confine(const struct confinement *c, struct error *err) _must_check_;
