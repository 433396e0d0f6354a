#pragma once
/*
 * What must not outlive this process, although the kernel would keep it: a child undoes it when we
 * say so, or when we die, by whatever signal. It knows by the end of a pipe (pipe(7)) whose other
 * end only we have.
 */
#include "base/base.h"

typedef void (*guard_undo_fn)(void *arg);

struct guard {
	int pipe; /* -1: there is none */
	int pidfd;
	guard_undo_fn undo;
	void *arg; /* the child sees what was there at the beginning */
};
#define GUARD_NONE                       \
	{                                \
		.pipe = -1, .pidfd = -1, \
	}

/* Before what is to be undone; undo has to bear that it was not done. arg outlives the guard, which
 * stays none after an error: a negative errno. */
int guard_start(struct guard *ret, guard_undo_fn undo, void *arg) _must_check_;
/* It is undone when this returns: by the child, or by us if somebody has killed it. */
void guard_end(struct guard *g);
/* Nothing is undone. */
void guard_cancel(struct guard *g);
