#pragma once
/*
 * lib/kernel: the kernel's interfaces that a container runtime lives on, a thin and checked layer.
 * It knows nothing of pods. What needs libseccomp is in kernel/seccomp.h; everything else also
 * serves the static programs (musl) and allocates nothing unless it says so.
 */
#include "kernel/caps.h"
#include "kernel/cgroup.h"
#include "kernel/confine.h"
#include "kernel/dm.h"
#include "kernel/guard.h"
#include "kernel/loopdev.h"
#include "kernel/mount.h"
#include "kernel/mountinfo.h"
#include "kernel/process.h"
#include "kernel/ring.h"
#include "kernel/seccomp.h"
#include "kernel/socket.h"
#include "kernel/users.h"
