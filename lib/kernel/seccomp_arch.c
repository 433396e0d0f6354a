/*
 * System call numbers. libseccomp's names are used as they are, but for one thing: on 32-bit x86
 * it answers for socket and System V IPC calls with made-up negative numbers, as they may also
 * come through socketcall(2) and ipc(2). For us those are two system calls of their own, and the
 * direct ones have the numbers below (Linux 4.3 and 5.1;
 * arch/x86/entry/syscalls/syscall_32.tbl).
 */
#include <linux/audit.h>
#include <seccomp.h>

#include "base/base.h"
#include "kernel/seccomp_private.h"

static const struct seccomp_arch families[][SECCOMP_ARCH_MAX] = {
	{
		{ SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64 },
		{ SCMP_ARCH_X32, AUDIT_ARCH_X86_64 },
		{ SCMP_ARCH_X86, AUDIT_ARCH_I386 },
	},
	{
		{ SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64 },
		{ SCMP_ARCH_ARM, AUDIT_ARCH_ARM },
	},
};

static const struct {
	const char *name;
	int number;
} x86_direct[] = {
	{ "socket", 359 },      { "socketpair", 360 }, { "bind", 361 },
	{ "connect", 362 },     { "listen", 363 },     { "accept4", 364 },
	{ "getsockopt", 365 },  { "setsockopt", 366 }, { "getsockname", 367 },
	{ "getpeername", 368 }, { "sendto", 369 },     { "sendmsg", 370 },
	{ "recvfrom", 371 },    { "recvmsg", 372 },    { "shutdown", 373 },
	{ "recvmmsg", 337 },    { "sendmmsg", 345 },   { "semget", 393 },
	{ "semctl", 394 },      { "shmget", 395 },     { "shmctl", 396 },
	{ "shmat", 397 },       { "shmdt", 398 },      { "msgget", 399 },
	{ "msgsnd", 400 },      { "msgrcv", 401 },     { "msgctl", 402 },
};

unsigned seccomp_arch_list(struct seccomp_arch ret[SECCOMP_ARCH_MAX])
{
	uint32_t native = seccomp_arch_native();
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (families[i][0].token == native)
			for (; n < SECCOMP_ARCH_MAX && families[i][n].token; n++)
				ret[n] = families[i][n];
	if (n == 0) /* tokens are the kernel's numbers, but for x32 */
		ret[n++] = (struct seccomp_arch){ native, native };
	return n;
}

int64_t seccomp_arch_number(const struct seccomp_arch *arch, const char *syscall)
{
	int number = seccomp_syscall_resolve_name_arch(arch->token, syscall);

	if (number >= 0)
		return number;
	if (number == __NR_SCMP_ERROR || arch->token != SCMP_ARCH_X86)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(x86_direct); i++)
		if (str_eq(x86_direct[i].name, syscall))
			return x86_direct[i].number;
	return -1;
}
