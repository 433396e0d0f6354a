#include "kernel/kernel.h" /* EXPECT(lib/base may not include lib/kernel) */
