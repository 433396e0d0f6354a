#pragma once
/* How carob-fetch gives up what it does not need, in two steps. */
#include <stdint.h>

#include "base/base.h"

/* Before anything that comes from outside is read, the answers of name servers included: a user
 * without rights, no descriptors but those of fetch.h, an end with the parent's. */
int confine_rights(struct error *err) _must_check_;

/* When everything is loaded and known: no files, no programs, connections to this port only, a file
 * of max bytes at most. All or nothing: on an error nothing may be sent. */
int confine_reach(unsigned port, uint64_t max, struct error *err) _must_check_;
