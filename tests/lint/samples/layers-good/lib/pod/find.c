#include "appc/appc.h"
#include "lib/base/base.h"
#include "pod/pod.h"
