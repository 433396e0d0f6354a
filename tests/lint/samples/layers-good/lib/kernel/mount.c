/* #include "store/store.h": in a comment, so no include */
#include "mount.h"

#include "base/base.h"
