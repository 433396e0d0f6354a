#include "kernel/mount.h"
#include "base/error.h"
#include "tests/unit/harness.h"
