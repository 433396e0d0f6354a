#include "images/images.h"
#include "../images.h"
#include "images/unpack/unpack.h"
#include "store/store.h"
