#pragma once
#include "base/str.h"
