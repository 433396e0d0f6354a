#include <stdio.h>

#include "config.h"

#include "base/error.h"
#include "log.h"
