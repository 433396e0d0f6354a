#pragma once
#include "error.h"
#include "self.h"
