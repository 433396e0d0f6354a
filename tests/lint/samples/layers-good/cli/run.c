#include "cli.h"
#include "images/images.h"
