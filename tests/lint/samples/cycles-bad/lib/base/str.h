#pragma once
#include "lib/base/base.h" /* EXPECT(lib/base/base.h -> lib/base/error.h -> lib/base/str.h -> lib/base/base.h) */
