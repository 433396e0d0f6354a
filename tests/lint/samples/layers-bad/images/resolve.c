#include "stage1/stage1.h" /* EXPECT(images may not include stage1) */
