#pragma once
/*
 * Filters, run by an interpreter of the instructions that they are made of: what they decide for
 * a call by any architecture can be asked without making it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <linux/audit.h>
#include <linux/seccomp.h>

#include "base/base.h"
#include "kernel/seccomp_private.h"

struct program {
	struct sock_filter *code;
	size_t n;
	unsigned steps; /* that the last run took */
};

/* What the program returns for the call: SECCOMP_RET_*. */
uint32_t run(struct program *p, const struct seccomp_data *data);

/* Compiles the rules, or fails the test. */
struct program compile(const struct seccomp_rule *rules, size_t n, enum seccomp_action action,
		       int number);
