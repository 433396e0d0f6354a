#pragma once
#include "lib/base/str.h"
