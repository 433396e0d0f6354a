#include "stage1/stage1.h" /* EXPECT(cli may not include stage1) */
#include "tests/unit/harness.h" /* EXPECT(only tests include tests) */
#include "tools/tool.h" /* EXPECT(belongs to no module) */
