#pragma once
#include "base/self.h" /* EXPECT(lib/base/self.h -> lib/base/self.h) */
