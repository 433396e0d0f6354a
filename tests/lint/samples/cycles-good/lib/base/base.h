#pragma once
#include "error.h"
#include "log.h"
