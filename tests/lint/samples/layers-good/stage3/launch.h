#pragma once
#include "plan/plan.h"
