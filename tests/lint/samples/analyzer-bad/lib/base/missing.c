#include "base/missing.h" /* EXPECT(No such file) */
