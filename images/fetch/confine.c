/*
 * From a process with the caller's rights to one that can do little but speak with one host. What
 * is left of the world at the end: the file for the body, the report, /dev/null; a user who owns
 * nothing, without groups and capabilities; no file that could be opened, by landlock where the
 * kernel has it (landlock.h) and by the list of system calls everywhere; TCP sockets, connected to
 * one port where landlock knows ports. The network namespace stays the caller's: that is the one
 * thing this program is for.
 */
#include "images/fetch/confine.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "kernel/kernel.h"
#include "images/fetch/fetch.h"
#include "images/fetch/landlock.h"

enum { NOBODY = 65534, OPEN_FILES = 64 };

/* ---- rights ---------------------------------------------------------------------------------- */

static int resolve_first(int root, enum users_table table, const char *const *names, uint32_t *ret)
{
	int r = -ENOENT;

	for (; *names && r == -ENOENT; names++)
		r = users_resolve(root, table, *names, ret);
	if (r == -ENOENT || r == -EFBIG) {
		*ret = NOBODY;
		r = 0;
	}
	return r;
}

/* The C library's look-up would load modules, still with all rights. */
static int find_user(uint32_t *ret_uid, uint32_t *ret_gid, struct error *err)
{
	static const char *const users[] = { "carob-fetch", "nobody", NULL };
	static const char *const groups[] = { "carob-fetch", "nogroup", "nobody", NULL };
	_close_ int root = path_open(AT_FDCWD, "/", PATH_IN_ROOT, O_PATH | O_DIRECTORY, 0);
	int r = root < 0 ? root : resolve_first(root, USERS_PASSWD, users, ret_uid);

	if (r == 0)
		r = resolve_first(root, USERS_GROUP, groups, ret_gid);
	if (r < 0)
		return error_set(err, r, "cannot find the user carob-fetch or nobody");
	if (*ret_uid == 0 || *ret_gid == 0)
		return error_set(err, -EPERM,
				 "the user carob-fetch (or nobody) of this host has root's rights.");
	return 0;
}

/* Who is not root has no other user to become, and keeps his own. */
static int become_user(struct error *err)
{
	uint32_t uid, gid;
	int r;

	if (geteuid() != 0)
		return 0;
	r = find_user(&uid, &gid, err);
	if (r < 0)
		return r;
	r = caps_bound(0);
	if (r < 0)
		return error_set(err, r, "cannot give up capabilities");
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return error_set(err, -errno, "cannot become user %u", uid);
	return 0;
}

/* The bounding set is another user's by now, who could not change it: it was emptied before. */
static int drop_capabilities(struct error *err)
{
	int r = caps_set(0);

	return r < 0 ? error_set(err, r, "cannot give up capabilities") : 0;
}

/* Where nothing is open a socket would come to lie, and get what a library says to standard
 * error. */
static int silence_output(struct error *err)
{
	_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return error_set(err, -errno, "cannot open /dev/null");
	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
		if (null != fd && dup3(null, fd, O_CLOEXEC) < 0)
			return error_set(err, -errno, "cannot close what was inherited");
	if (null <= STDERR_FILENO)
		null = -1;
	return 0;
}

static int close_others(struct error *err)
{
	if (close_range(FETCH_CA_FD, ~0U, 0) < 0)
		return error_set(err, -errno, "cannot close what was inherited");
	return silence_output(err);
}

static int limit_resources(struct error *err)
{
	static const struct process_limit limits[] = {
		{ RLIMIT_AS, FETCH_MEMORY_BYTES },
		{ RLIMIT_NOFILE, OPEN_FILES },
		{ RLIMIT_CORE, 0 },
	};

	return confine_limit_resources(limits, ARRAY_SIZE(limits), err);
}

int confine_rights(struct error *err)
{
	static int (*const steps[])(struct error *) = {
		close_others,           become_user,     drop_capabilities,
		confine_bind_to_parent, limit_resources,
	};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int r = steps[i](err);

		if (r < 0)
			return error_context(err, r, "confine", NULL);
	}
	return 0;
}

/* ---- system calls ---------------------------------------------------------------------------- */

static const char *const allowed[] = {
	"read",
	"write",
	"readv",
	"writev",
	"close",
	"lseek",
	/* the file */
	"pwrite64",
	"ftruncate",
	/* the connection */
	"connect",
	"recvfrom",
	"recvmsg",
	"sendto",
	"sendmsg",
	"shutdown",
	"getsockname",
	"getpeername",
	"getsockopt",
	"setsockopt",
	"fcntl",
	"poll",
	"ppoll",
	"eventfd2", /* libcurl wakes itself with one of these */
	"pipe2",
	/* memory and time */
	"munmap",
	"mremap",
	"brk",
	"madvise",
	"futex",
	"getrandom",
	"clock_gettime",
	"gettimeofday",
	"nanosleep",
	"clock_nanosleep",
	"sched_yield",
	"getpid", /* OpenSSL looks whether it was forked */
	"rt_sigaction",
	"rt_sigprocmask",
	"rt_sigreturn",
	"restart_syscall",
	"exit",
	"exit_group",
	NULL,
};

/* What libraries try and can do without: an error lets them go on. Everything else kills. */
static const char *const refused[] = {
	"open",  "openat", "openat2",   "stat",       "fstat",    "lstat",      "newfstatat",
	"statx", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "ioctl",
	"clone", "clone3", "sysinfo",   "uname",      NULL,
};

/* What a socket() is compared by: arguments are int. */
#define FAMILY_IS(family)             \
	{                             \
		0, UINT32_MAX, family \
	}
#define TYPE_IS(type)        \
	{                    \
		1, 0xf, type \
	}

/* TCP over IPv4 and IPv6, and the pair by which libcurl wakes itself. */
static const struct seccomp_rule sockets[] = {
	{ "socket", SECCOMP_ACTION_ALLOW, .compare = { FAMILY_IS(AF_INET), TYPE_IS(SOCK_STREAM) },
	  .n_compare = 2 },
	{ "socket", SECCOMP_ACTION_ALLOW, .compare = { FAMILY_IS(AF_INET6), TYPE_IS(SOCK_STREAM) },
	  .n_compare = 2 },
	{ "socket", SECCOMP_ACTION_ERRNO, EAFNOSUPPORT, .compare = { TYPE_IS(SOCK_DGRAM) },
	  .n_compare = 1 },
	{ "socketpair", SECCOMP_ACTION_ALLOW, .compare = { FAMILY_IS(AF_UNIX) }, .n_compare = 1 },
};

static int filter_calls(struct error *err)
{
	static const struct confine_filter filter = {
		.allowed = { allowed },
		.refused = refused,
		.rules = sockets,
		.n_rules = ARRAY_SIZE(sockets),
	};

	return confine_calls(&filter, err);
}

int confine_reach(unsigned port, uint64_t max, struct error *err)
{
	const struct process_limit size = { RLIMIT_FSIZE, max };
	int r = confine_limit_resources(&size, 1, err);

	if (r == 0)
		r = landlock_restrict(port, err);
	if (r == 0)
		r = filter_calls(err);
	return error_context(err, r, "confine", NULL);
}
