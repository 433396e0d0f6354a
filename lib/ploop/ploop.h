#pragma once
/*
 * Expandable image files in the parallels format, version 2 ("WithouFreSpacExt", as in qemu's
 * docs/interop/parallels.txt), and chains of them. Works on descriptors alone: what opens files is
 * elsewhere.
 */
#include "ploop/chain.h"
#include "ploop/control.h"
#include "ploop/format.h"
