#pragma once
/* How carob-meta shuts itself in. */
#include "base/base.h"

/* All or nothing: on an error the process must end without reading anything. */
int confine(struct error *err) _must_check_;
