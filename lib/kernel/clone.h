#pragma once
/*
 * The clone under process_spawn(). There are two: meson chooses clone-x86_64.c, where the child
 * borrows the parent's memory as vfork(2)'s does (half the time of a copy, and no page faults
 * afterwards), or clone-generic.c, where it has a copy.
 */
#include <linux/sched.h>

#include "base/base.h"

/*
 * Clones a process that runs child(arg) and sleeps until it has executed a program or ended.
 * CLONE_VFORK and what goes with it is added to args->flags. child returns only if it failed, with
 * a negative errno; the process ends then. Returns the pid, and in *ret_failure what child
 * returned or 0; or a negative errno when there was no clone.
 */
int clone_run(struct clone_args *args, int (*child)(void *arg), void *arg, int *ret_failure)
	_must_check_;

/* The same, and the child has a copy of the memory whatever the machine: for one that becomes
 * another user, who must never be seen to share memory with this process. */
int clone_copy(struct clone_args *args, int (*child)(void *arg), void *arg, int *ret_failure)
	_must_check_;
