#pragma once
/* Between the seccomp_*.c files. */
#include "kernel/seccomp.h"

/* A table of system calls. Two may share what the kernel calls an architecture (AUDIT_ARCH_*):
 * x32's numbers are those of x86_64 with a bit. */
struct seccomp_arch {
	uint32_t token; /* libseccomp's */
	uint32_t audit;
};

enum { SECCOMP_ARCH_MAX = 3 };

/* Those of this machine, the native one first. */
unsigned seccomp_arch_list(struct seccomp_arch ret[SECCOMP_ARCH_MAX]);

/* The number, or -1 when that architecture has no such call. */
int64_t seccomp_arch_number(const struct seccomp_arch *arch, const char *syscall);
