#include "store/store.h" /* EXPECT(images/unpack may not include lib/store) */
#include "images/images.h" /* EXPECT(images/unpack may not include images) */
