#pragma once
/*
 * ctrl-C, and other signals that end a process, while a mosaic is being changed: it ends at once,
 * and what was half made is gone.
 *
 * Nothing that a handler may do can clear up. But it may execute a program; so it executes this one
 * again, which closes every descriptor and with them all locks and mounts of what was being made,
 * removes what is left in staging, and dies by the same signal. Killed by SIGKILL, moctl leaves
 * that to the next `moctl MOSAIC check --repair`.
 */
#include "base/base.h"

/* From now on. Both are to live as long: what the mosaic was called, and a file that is to be
 * removed, or NULL. */
int interrupted_begin(const char *mosaic, const char *file) _must_check_;
void interrupted_end(void);

/* Are these the words that the handler calls this program with? */
bool interrupted_is(int argc, char *const *argv);

/* The second life, before anything else is set up: the signals are blocked still. Returns an exit
 * code only when the signal does not end it. */
int interrupted_run(char *const *argv);
