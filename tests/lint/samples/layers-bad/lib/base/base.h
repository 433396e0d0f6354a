#pragma once
#include "error.h"
#include "base/log.h"
