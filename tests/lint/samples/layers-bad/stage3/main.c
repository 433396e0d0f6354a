#include "appc/appc.h" /* EXPECT(stage3 may not include lib/appc) */
