#pragma once
/*
 * Landlock (landlock(7)): every right over files that the running kernel knows is taken away, and,
 * where it knows that too, every TCP connection but to one port, every abstract UNIX socket and
 * every signal to others. Descriptors that are open stay what they are.
 *
 * A kernel without landlock leaves this out: the user, the capabilities and the list of system
 * calls hold there all the same.
 */
#include "base/base.h"

int landlock_restrict(unsigned port, struct error *err) _must_check_;
