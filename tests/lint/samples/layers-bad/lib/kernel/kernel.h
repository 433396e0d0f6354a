#pragma once
#include "kernel/mount.h"
