#pragma once
/*
 * Seccomp filters: a description by system call name, compiled to BPF for the native
 * architecture and the others that the kernel also accepts (x86 and x32 on x86_64, arm on
 * aarch64). A call by any of them meets the same rules, or, for a program that has no business with
 * them, none at all (native_only).
 *
 * libseccomp knows the numbers of all system calls. The program is made here: a balanced tree of
 * ranges of numbers, so that a call costs ten comparisons instead of hundreds, compiling takes
 * well under a millisecond, and rules have an order (libseccomp's have none: "all but TIOCSTI"
 * cannot be said to it). The filter of a running app is decided once; seccomp_spec_digest()
 * names it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

struct sock_filter;

enum seccomp_action {
	SECCOMP_ACTION_ALLOW,
	SECCOMP_ACTION_ERRNO, /* errno_value */
	SECCOMP_ACTION_KILL,  /* the process, by SIGSYS */
};

/* (argument & mask) == value. The kernel reads most arguments as 32 bits: mask the rest away. */
struct seccomp_compare {
	unsigned argument;
	uint64_t mask, value;
};

/* Names are libseccomp's; those that this machine does not have are passed over. */
struct seccomp_rule {
	const char *syscall;
	enum seccomp_action action;
	int errno_value;
	struct seccomp_compare compare[2];
	unsigned n_compare;
};

/* The first rule of a system call whose comparisons all hold decides; when there is none, the
 * default action. Names that are listed in no rule, and numbers that nobody has a name for, get
 * the default. */
struct seccomp_spec {
	enum seccomp_action default_action;
	int default_errno;
	const struct seccomp_rule *rules;
	size_t n_rules;
	/* the rules hold for the native architecture alone: another one kills the process, and
	 * x32's numbers, which the kernel counts to x86_64, get the default action */
	bool native_only;
};

/* Is there a system call of that name on any of our architectures? */
bool seccomp_knows(const char *syscall);

/* EPERM -> 1, ...; -1 for a name that errno(3) does not have. */
int seccomp_errno(const char *name);

enum { SECCOMP_DIGEST_TEXT = 65 };

/* SHA-256 over everything that decides the result: rules, action, libseccomp's version. */
void seccomp_spec_digest(const struct seccomp_spec *spec, char dst[SECCOMP_DIGEST_TEXT]);

/* Compiles; *ret is an array of struct sock_filter (malloc; caller frees), *ret_n its length. */
int seccomp_compile(const struct seccomp_spec *spec, void **ret, size_t *ret_n, struct error *err)
	_must_check_;

/*
 * The default filter (seccomp_default.c says what and why). What it allows depends on the
 * capabilities that the app keeps: CAP_SYS_ADMIN comes with mounts and namespaces, CAP_SYS_TIME
 * with the clock. Writes at most max rules and returns how many there are. The spec's default
 * action is SECCOMP_ACTION_ERRNO with SECCOMP_DEFAULT_ERRNO.
 */
enum {
	SECCOMP_DEFAULT_ERRNO =
		38, /* ENOSYS: what is newer than the table looks like an older kernel */
	SECCOMP_DEFAULT_MAX = 640, /* room that is always enough */
};
size_t seccomp_default_rules(uint64_t capabilities, struct seccomp_rule *rules, size_t max);
