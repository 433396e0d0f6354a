#include "images/images.h" /* EXPECT(stage1 may not include images) */
#include "cli/cli.h" /* EXPECT(stage1 may not include cli) */
