#pragma once
/*
 * Something done aside by a copy of this process: for what only waits for the kernel and needs no
 * program of its own. It has four descriptors and no other, so that it keeps no pipe open that
 * others wait for the end of; signals have their default effect; and it ends with its parent.
 */
#include <stddef.h>

#include "base/base.h"

enum { FORKED_FDS = 4 };

/* The copy has fds as 0 to 3 (all open, one may be there twice) and calls run(arg), whose value (0
 * to 127) is its exit code. Returns its pidfd: helper_wait(), helper_reap(). */
int forked_start(const int fds[FORKED_FDS], int (*run)(void *arg), void *arg) _must_check_;
