#include "base/error.h" /* EXPECT(include its door lib/base/base.h) */
#include "../base/log.h" /* EXPECT(include its door lib/base/base.h) */
#include "store/store.h" /* EXPECT(may not include lib/store) */
#include "lib/pod/pod.h" /* EXPECT(may not include lib/pod) */
#include <base/base.h> /* EXPECT(write "base/base.h") */
#include "mont.h" /* EXPECT(no file of this tree) */
