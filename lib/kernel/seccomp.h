#pragma once
/*
 * Seccomp filters: a description compiled to BPF by libseccomp (binary tree of comparisons,
 * SCMP_FLTATR_CTL_OPTIMIZE 2) for the native architecture and the others that the kernel also
 * accepts (x86 and x32 on x86_64). Compiling costs milliseconds, so what was compiled is kept
 * by the caller under seccomp_spec_digest().
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct sock_filter;

enum seccomp_action {
	SECCOMP_ACTION_ALLOW,
	SECCOMP_ACTION_ERRNO, /* errno_value */
	SECCOMP_ACTION_KILL,  /* the process, by SIGSYS */
};

struct seccomp_compare { /* (argument & mask) == value */
	unsigned argument;
	uint64_t mask, value;
};

struct seccomp_rule {
	const char *syscall; /* by libseccomp's name; names this machine does not have are passed over */
	enum seccomp_action action;
	int errno_value;
	struct seccomp_compare compare[2];
	unsigned n_compare;
};

struct seccomp_spec {
	enum seccomp_action default_action;
	int default_errno;
	const struct seccomp_rule *rules;
	size_t n_rules;
};

/* Is there a system call of that name on any of our architectures? */
bool seccomp_knows(const char *syscall);

/* EPERM -> 1, ...; -1 for a name that errno(3) does not have. */
int seccomp_errno(const char *name);

enum { SECCOMP_DIGEST_TEXT = 65 };

/* SHA-256 over everything that decides the result: rules, action, libseccomp's version. */
void seccomp_spec_digest(const struct seccomp_spec *spec, char dst[SECCOMP_DIGEST_TEXT]);

/* Compiles; *ret is an array of struct sock_filter (malloc; caller frees), *ret_n its length. */
int seccomp_compile(const struct seccomp_spec *spec, void **ret, size_t *ret_n, struct error *err) _must_check_;
