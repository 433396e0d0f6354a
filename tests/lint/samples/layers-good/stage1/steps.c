#include "stage1.h"
#include "stage3/launch.h"
#include "store/store.h"
