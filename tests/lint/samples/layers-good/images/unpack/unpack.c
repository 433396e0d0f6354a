#include "base/base.h"
#include "kernel/kernel.h"
#include "unpack.h"
