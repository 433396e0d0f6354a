#include "this/is/not/looked/at.h"
