#pragma once
/*
 * Signals while a pod is being made: noted, so that what was begun can be undone.
 *
 * interrupt_begin() catches SIGINT, SIGTERM and SIGHUP; between two steps the maker asks
 * interrupt_check(). interrupt_hold() blocks them for the last steps: what comes then is pending
 * when carob-stage1 starts in this process, and it finds them in its signalfd.
 */
#include "base/base.h"

int interrupt_begin(void) _must_check_;
int interrupt_hold(void) _must_check_;

/* 0, or 128 + the number of the signal that came, with err. */
int interrupt_check(struct error *err) _must_check_;

/* As it was before interrupt_begin(). */
void interrupt_end(void);
