/* The host, and what Linux has, in the specification's words. */
#include <sys/utsname.h>

#include "appc/appc.h"

const char *appc_host_os(void)
{
	return "linux";
}

const char *appc_host_arch(void)
{
	static const struct {
		const char *machine, *arch;
	} archs[] = {
		{ "x86_64", "amd64" },
		{ "i386", "i386" },
		{ "i486", "i386" },
		{ "i586", "i386" },
		{ "i686", "i386" },
		{ "aarch64", "aarch64" },
		{ "aarch64_be", "aarch64_be" },
		{ "armv6l", "armv6l" },
		{ "armv7l", "armv7l" },
		{ "armv7b", "armv7b" },
		{ "ppc64", "ppc64" },
		{ "ppc64le", "ppc64le" },
		{ "s390x", "s390x" },
	};
	struct utsname host;

	if (uname(&host) < 0)
		return "unknown";
	for (size_t i = 0; i < ARRAY_SIZE(archs); i++)
		if (str_eq(host.machine, archs[i].machine))
			return archs[i].arch;
	return "unknown";
}

int appc_capability(const char *name)
{
	static const char *const names[] = {
		"CHOWN",
		"DAC_OVERRIDE",
		"DAC_READ_SEARCH",
		"FOWNER",
		"FSETID",
		"KILL",
		"SETGID",
		"SETUID",
		"SETPCAP",
		"LINUX_IMMUTABLE",
		"NET_BIND_SERVICE",
		"NET_BROADCAST",
		"NET_ADMIN",
		"NET_RAW",
		"IPC_LOCK",
		"IPC_OWNER",
		"SYS_MODULE",
		"SYS_RAWIO",
		"SYS_CHROOT",
		"SYS_PTRACE",
		"SYS_PACCT",
		"SYS_ADMIN",
		"SYS_BOOT",
		"SYS_NICE",
		"SYS_RESOURCE",
		"SYS_TIME",
		"SYS_TTY_CONFIG",
		"MKNOD",
		"LEASE",
		"AUDIT_WRITE",
		"AUDIT_CONTROL",
		"SETFCAP",
		"MAC_OVERRIDE",
		"MAC_ADMIN",
		"SYSLOG",
		"WAKE_ALARM",
		"BLOCK_SUSPEND",
		"AUDIT_READ",
		"PERFMON",
		"BPF",
		"CHECKPOINT_RESTORE",
	};

	if (!str_starts(name, "CAP_"))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_eq(name + strlen("CAP_"), names[i]))
			return (int)i;
	return -1;
}
