/*
 * The default filter, as tables.
 *
 * Known and harmless calls are allowed, in the tradition of the container engines, so that
 * images made for them run. Known and dangerous ones get EPERM, unless the app keeps a
 * capability that they belong to. Everything else (removed, obscure, or newer than this list)
 * gets ENOSYS, as from a kernel without it: C libraries try a new call first and fall back on
 * ENOSYS, but not on EPERM. For the same reason clone3, whose flags a filter cannot see, is
 * ENOSYS unless namespaces are allowed anyway.
 *
 * What is kept away, and why:
 *
 *	namespaces, mounts	an unprivileged user namespace opens most of the kernel to an app
 *	AF_ALG, AF_VSOCK	the page cache by way of the crypto API; the hypervisor
 *	socketcall		hides the family from the filter; only on 32-bit x86, where programs
 *				made for Linux before 4.3 know no other way to a socket
 *	TIOCSTI, TIOCLINUX	typing into the terminal of whoever started the app
 *	io_uring, userfaultfd,	large, and past sources of root; io_uring also does what other calls
 *	bpf, perf_event_open	are refused for
 *	keyctl and its kin	keys are not all of the app
 *	open_by_handle_at	opens files outside of the root
 *	personality		but for values that change no layout of memory
 *
 * Arguments are compared in the 32 bits that the kernel reads: a bit set above changes nothing.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/base.h"
#include "kernel/caps.h"
#include "kernel/seccomp.h"

enum {
	DAC_READ_SEARCH = 2,
	SYS_MODULE = 16,
	SYS_RAWIO = 17,
	SYS_CHROOT = 18,
	SYS_PTRACE = 19,
	SYS_PACCT = 20,
	SYS_ADMIN = 21,
	SYS_BOOT = 22,
	SYS_NICE = 23,
	SYS_TIME = 25,
	SYS_TTY_CONFIG = 26,
	SYSLOG = 34,
	PERFMON = 38,
	BPF = 39,
};

#define LOW32 0xffffffffULL

/* CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET; for unshare() NEWTIME too,
 * whose bit clone() takes for a part of a signal number. */
#define CLONE_NAMESPACES   0x7e020000ULL
#define UNSHARE_NAMESPACES (CLONE_NAMESPACES | 0x80)

#define ALLOW(name)                        \
	{                                  \
		name, SECCOMP_ACTION_ALLOW \
	}
#define ALLOW_IF(name, arg, mask, value)                                   \
	{                                                                  \
		name, SECCOMP_ACTION_ALLOW, 0, { { arg, mask, value } }, 1 \
	}
#define DENY(name)                                \
	{                                         \
		name, SECCOMP_ACTION_ERRNO, EPERM \
	}
#define DENY_IF(name, arg, mask, value)                                        \
	{                                                                      \
		name, SECCOMP_ACTION_ERRNO, EPERM, { { arg, mask, value } }, 1 \
	}

static const struct seccomp_rule by_argument[] = {
	DENY_IF("socket", 0, LOW32, AF_ALG),
	DENY_IF("socket", 0, LOW32, AF_VSOCK),
	ALLOW("socket"),
	DENY_IF("ioctl", 1, LOW32, TIOCSTI),
	DENY_IF("ioctl", 1, LOW32, TIOCLINUX),
	ALLOW("ioctl"),
	ALLOW_IF("personality", 0, LOW32, 0),       /* PER_LINUX */
	ALLOW_IF("personality", 0, LOW32, 8),       /* PER_LINUX32 */
	ALLOW_IF("personality", 0, LOW32, 0x20000), /* UNAME26 */
	ALLOW_IF("personality", 0, LOW32, 0x20008),
	ALLOW_IF("personality", 0, LOW32, LOW32), /* asks only */
	DENY("personality"),
};

static const struct seccomp_rule with_namespaces[] = {
	ALLOW("clone"),
	ALLOW("clone3"),
	ALLOW("unshare"),
};

/* clone3 is in neither table: ENOSYS. */
static const struct seccomp_rule without_namespaces[] = {
	ALLOW_IF("clone", 0, CLONE_NAMESPACES, 0),
	DENY("clone"),
	ALLOW_IF("unshare", 0, UNSHARE_NAMESPACES, 0),
	DENY("unshare"),
};

/* EPERM, but allowed to an app that keeps one of the capabilities. */
static const struct {
	const char *name;
	uint64_t capabilities; /* 0: never allowed */
} privileged[] = {
	{ "acct", CAP_BIT(SYS_PACCT) },
	{ "add_key", 0 },
	{ "bpf", CAP_BIT(SYS_ADMIN) | CAP_BIT(BPF) },
	{ "chroot", CAP_BIT(SYS_CHROOT) },
	{ "clock_settime", CAP_BIT(SYS_TIME) },
	{ "clock_settime64", CAP_BIT(SYS_TIME) },
	{ "delete_module", CAP_BIT(SYS_MODULE) },
	{ "fanotify_init", CAP_BIT(SYS_ADMIN) },
	{ "finit_module", CAP_BIT(SYS_MODULE) },
	{ "fsconfig", CAP_BIT(SYS_ADMIN) },
	{ "fsmount", CAP_BIT(SYS_ADMIN) },
	{ "fsopen", CAP_BIT(SYS_ADMIN) },
	{ "fspick", CAP_BIT(SYS_ADMIN) },
	{ "get_mempolicy", CAP_BIT(SYS_NICE) },
	{ "init_module", CAP_BIT(SYS_MODULE) },
	{ "io_uring_enter", 0 },
	{ "io_uring_register", 0 },
	{ "io_uring_setup", 0 },
	{ "ioperm", CAP_BIT(SYS_RAWIO) },
	{ "iopl", CAP_BIT(SYS_RAWIO) },
	{ "kcmp", CAP_BIT(SYS_PTRACE) },
	{ "kexec_file_load", 0 },
	{ "kexec_load", 0 },
	{ "keyctl", 0 },
	{ "listmount", CAP_BIT(SYS_ADMIN) },
	{ "lookup_dcookie", CAP_BIT(SYS_ADMIN) },
	{ "lsm_get_self_attr", CAP_BIT(SYS_ADMIN) },
	{ "lsm_list_modules", CAP_BIT(SYS_ADMIN) },
	{ "lsm_set_self_attr", CAP_BIT(SYS_ADMIN) },
	{ "mbind", CAP_BIT(SYS_NICE) },
	{ "migrate_pages", CAP_BIT(SYS_NICE) },
	{ "mount", CAP_BIT(SYS_ADMIN) },
	{ "mount_setattr", CAP_BIT(SYS_ADMIN) },
	{ "move_mount", CAP_BIT(SYS_ADMIN) },
	{ "move_pages", CAP_BIT(SYS_NICE) },
	{ "open_by_handle_at", CAP_BIT(DAC_READ_SEARCH) },
	{ "open_tree", CAP_BIT(SYS_ADMIN) },
	{ "open_tree_attr", CAP_BIT(SYS_ADMIN) },
	{ "perf_event_open", CAP_BIT(SYS_ADMIN) | CAP_BIT(PERFMON) },
	{ "pidfd_getfd", CAP_BIT(SYS_PTRACE) },
	{ "pivot_root", CAP_BIT(SYS_ADMIN) },
	{ "process_madvise", CAP_BIT(SYS_PTRACE) },
	{ "quotactl", CAP_BIT(SYS_ADMIN) },
	{ "quotactl_fd", CAP_BIT(SYS_ADMIN) },
	{ "reboot", CAP_BIT(SYS_BOOT) },
	{ "request_key", 0 },
	{ "set_mempolicy", CAP_BIT(SYS_NICE) },
	{ "set_mempolicy_home_node", CAP_BIT(SYS_NICE) },
	{ "setdomainname", CAP_BIT(SYS_ADMIN) },
	{ "sethostname", CAP_BIT(SYS_ADMIN) },
	{ "setns", CAP_BIT(SYS_ADMIN) },
	{ "settimeofday", CAP_BIT(SYS_TIME) },
	{ "socketcall", 0 },
	{ "statmount", CAP_BIT(SYS_ADMIN) },
	{ "stime", CAP_BIT(SYS_TIME) },
	{ "swapoff", 0 },
	{ "swapon", 0 },
	{ "_sysctl", 0 },
	{ "sysfs", 0 },
	{ "syslog", CAP_BIT(SYS_ADMIN) | CAP_BIT(SYSLOG) },
	{ "umount", CAP_BIT(SYS_ADMIN) },
	{ "umount2", CAP_BIT(SYS_ADMIN) },
	{ "uselib", 0 },
	{ "userfaultfd", 0 },
	{ "ustat", 0 },
	{ "vhangup", CAP_BIT(SYS_TTY_CONFIG) },
	{ "vm86", 0 },
	{ "vm86old", 0 },
};

static const char *const allowed[] = {
	"accept",
	"accept4",
	"access",
	"adjtimex",
	"alarm",
	"arch_prctl",
	"arm_fadvise64_64",
	"arm_sync_file_range",
	"bind",
	"breakpoint",
	"brk",
	"cacheflush",
	"cachestat",
	"capget",
	"capset",
	"chdir",
	"chmod",
	"chown",
	"chown32",
	"clock_adjtime",
	"clock_adjtime64",
	"clock_getres",
	"clock_getres_time64",
	"clock_gettime",
	"clock_gettime64",
	"clock_nanosleep",
	"clock_nanosleep_time64",
	"close",
	"close_range",
	"connect",
	"copy_file_range",
	"creat",
	"dup",
	"dup2",
	"dup3",
	"epoll_create",
	"epoll_create1",
	"epoll_ctl",
	"epoll_ctl_old",
	"epoll_pwait",
	"epoll_pwait2",
	"epoll_wait",
	"epoll_wait_old",
	"eventfd",
	"eventfd2",
	"execve",
	"execveat",
	"exit",
	"exit_group",
	"faccessat",
	"faccessat2",
	"fadvise64",
	"fadvise64_64",
	"fallocate",
	"fanotify_mark",
	"fchdir",
	"fchmod",
	"fchmodat",
	"fchmodat2",
	"fchown",
	"fchown32",
	"fchownat",
	"fcntl",
	"fcntl64",
	"fdatasync",
	"fgetxattr",
	"flistxattr",
	"flock",
	"fork",
	"fremovexattr",
	"fsetxattr",
	"fstat",
	"fstat64",
	"fstatat64",
	"fstatfs",
	"fstatfs64",
	"fsync",
	"ftruncate",
	"ftruncate64",
	"futex",
	"futex_requeue",
	"futex_time64",
	"futex_wait",
	"futex_waitv",
	"futex_wake",
	"futimesat",
	"get_robust_list",
	"get_thread_area",
	"getcpu",
	"getcwd",
	"getdents",
	"getdents64",
	"getegid",
	"getegid32",
	"geteuid",
	"geteuid32",
	"getgid",
	"getgid32",
	"getgroups",
	"getgroups32",
	"getitimer",
	"getpeername",
	"getpgid",
	"getpgrp",
	"getpid",
	"getppid",
	"getpriority",
	"getrandom",
	"getresgid",
	"getresgid32",
	"getresuid",
	"getresuid32",
	"getrlimit",
	"getrusage",
	"getsid",
	"getsockname",
	"getsockopt",
	"gettid",
	"gettimeofday",
	"getuid",
	"getuid32",
	"getxattr",
	"getxattrat",
	"inotify_add_watch",
	"inotify_init",
	"inotify_init1",
	"inotify_rm_watch",
	"io_cancel",
	"io_destroy",
	"io_getevents",
	"io_pgetevents",
	"io_pgetevents_time64",
	"io_setup",
	"io_submit",
	"ioprio_get",
	"ioprio_set",
	"ipc",
	"kill",
	"landlock_add_rule",
	"landlock_create_ruleset",
	"landlock_restrict_self",
	"lchown",
	"lchown32",
	"lgetxattr",
	"link",
	"linkat",
	"listen",
	"listxattr",
	"listxattrat",
	"llistxattr",
	"_llseek",
	"lremovexattr",
	"lseek",
	"lsetxattr",
	"lstat",
	"lstat64",
	"madvise",
	"map_shadow_stack",
	"membarrier",
	"memfd_create",
	"memfd_secret",
	"mincore",
	"mkdir",
	"mkdirat",
	"mknod",
	"mknodat",
	"mlock",
	"mlock2",
	"mlockall",
	"mmap",
	"mmap2",
	"modify_ldt",
	"mprotect",
	"mq_getsetattr",
	"mq_notify",
	"mq_open",
	"mq_timedreceive",
	"mq_timedreceive_time64",
	"mq_timedsend",
	"mq_timedsend_time64",
	"mq_unlink",
	"mremap",
	"mseal",
	"msgctl",
	"msgget",
	"msgrcv",
	"msgsnd",
	"msync",
	"munlock",
	"munlockall",
	"munmap",
	"name_to_handle_at",
	"nanosleep",
	"newfstatat",
	"_newselect",
	"open",
	"openat",
	"openat2",
	"pause",
	"pidfd_open",
	"pidfd_send_signal",
	"pipe",
	"pipe2",
	"pkey_alloc",
	"pkey_free",
	"pkey_mprotect",
	"poll",
	"ppoll",
	"ppoll_time64",
	"prctl",
	"pread64",
	"preadv",
	"preadv2",
	"prlimit64",
	"process_mrelease",
	"process_vm_readv",
	"process_vm_writev",
	"pselect6",
	"pselect6_time64",
	"ptrace",
	"pwrite64",
	"pwritev",
	"pwritev2",
	"read",
	"readahead",
	"readlink",
	"readlinkat",
	"readv",
	"recv",
	"recvfrom",
	"recvmmsg",
	"recvmmsg_time64",
	"recvmsg",
	"remap_file_pages",
	"removexattr",
	"removexattrat",
	"rename",
	"renameat",
	"renameat2",
	"restart_syscall",
	"rmdir",
	"rseq",
	"rt_sigaction",
	"rt_sigpending",
	"rt_sigprocmask",
	"rt_sigqueueinfo",
	"rt_sigreturn",
	"rt_sigsuspend",
	"rt_sigtimedwait",
	"rt_sigtimedwait_time64",
	"rt_tgsigqueueinfo",
	"sched_get_priority_max",
	"sched_get_priority_min",
	"sched_getaffinity",
	"sched_getattr",
	"sched_getparam",
	"sched_getscheduler",
	"sched_rr_get_interval",
	"sched_rr_get_interval_time64",
	"sched_setaffinity",
	"sched_setattr",
	"sched_setparam",
	"sched_setscheduler",
	"sched_yield",
	"seccomp",
	"select",
	"semctl",
	"semget",
	"semop",
	"semtimedop",
	"semtimedop_time64",
	"send",
	"sendfile",
	"sendfile64",
	"sendmmsg",
	"sendmsg",
	"sendto",
	"set_robust_list",
	"set_thread_area",
	"set_tid_address",
	"set_tls",
	"setfsgid",
	"setfsgid32",
	"setfsuid",
	"setfsuid32",
	"setgid",
	"setgid32",
	"setgroups",
	"setgroups32",
	"setitimer",
	"setpgid",
	"setpriority",
	"setregid",
	"setregid32",
	"setresgid",
	"setresgid32",
	"setresuid",
	"setresuid32",
	"setreuid",
	"setreuid32",
	"setrlimit",
	"setsid",
	"setsockopt",
	"setuid",
	"setuid32",
	"setxattr",
	"setxattrat",
	"shmat",
	"shmctl",
	"shmdt",
	"shmget",
	"shutdown",
	"sigaltstack",
	"signal",
	"signalfd",
	"signalfd4",
	"sigpending",
	"sigprocmask",
	"sigreturn",
	"sigsuspend",
	"socketpair",
	"splice",
	"stat",
	"stat64",
	"statfs",
	"statfs64",
	"statx",
	"symlink",
	"symlinkat",
	"sync",
	"sync_file_range",
	"sync_file_range2",
	"syncfs",
	"sysinfo",
	"tee",
	"tgkill",
	"time",
	"timer_create",
	"timer_delete",
	"timer_getoverrun",
	"timer_gettime",
	"timer_gettime64",
	"timer_settime",
	"timer_settime64",
	"timerfd_create",
	"timerfd_gettime",
	"timerfd_gettime64",
	"timerfd_settime",
	"timerfd_settime64",
	"times",
	"tkill",
	"truncate",
	"truncate64",
	"ugetrlimit",
	"umask",
	"uname",
	"unlink",
	"unlinkat",
	"uretprobe",
	"utime",
	"utimensat",
	"utimensat_time64",
	"utimes",
	"vfork",
	"vmsplice",
	"wait4",
	"waitid",
	"waitpid",
	"write",
	"writev",
};

struct list {
	struct seccomp_rule *rules;
	size_t n, max;
};

static void add(struct list *l, struct seccomp_rule rule)
{
	if (l->n < l->max)
		l->rules[l->n] = rule;
	l->n++;
}

static void add_all(struct list *l, const struct seccomp_rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add(l, rules[i]);
}

size_t seccomp_default_rules(uint64_t capabilities, struct seccomp_rule *rules, size_t max)
{
	struct list l = { .rules = rules, .max = max };

	add_all(&l, by_argument, ARRAY_SIZE(by_argument));
	if (capabilities & CAP_BIT(SYS_ADMIN))
		add_all(&l, with_namespaces, ARRAY_SIZE(with_namespaces));
	else
		add_all(&l, without_namespaces, ARRAY_SIZE(without_namespaces));
	for (size_t i = 0; i < ARRAY_SIZE(privileged); i++) {
		if (capabilities & privileged[i].capabilities)
			add(&l, (struct seccomp_rule)ALLOW(privileged[i].name));
		else
			add(&l, (struct seccomp_rule)DENY(privileged[i].name));
	}
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
		add(&l, (struct seccomp_rule)ALLOW(allowed[i]));
	return l.n;
}
