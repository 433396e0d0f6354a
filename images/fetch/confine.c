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
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
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

static int drop_capabilities(struct error *err)
{
	int r = caps_set(0);

	return r < 0 ? error_set(err, r, "cannot give up capabilities") : 0;
}

/* Losing the parent ends us at once; a change of user would have taken that back. */
static int bind_to_parent(struct error *err)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(err, -errno, "cannot give up privileges");
	return 0;
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

static int limit(int resource, rlim_t max, struct error *err)
{
	struct rlimit l;

	if (getrlimit(resource, &l) < 0)
		return error_set(err, -errno, "cannot read a resource limit");
	if (max < l.rlim_max)
		l.rlim_max = max;
	l.rlim_cur = l.rlim_max;
	if (setrlimit(resource, &l) < 0)
		return error_set(err, -errno, "cannot set a resource limit");
	return 0;
}

static int limit_resources(struct error *err)
{
	int r = limit(RLIMIT_AS, FETCH_MEMORY_BYTES, err);

	if (r == 0)
		r = limit(RLIMIT_NOFILE, OPEN_FILES, err);
	return r == 0 ? limit(RLIMIT_CORE, 0, err) : r;
}

int confine_rights(struct error *err)
{
	static int (*const steps[])(struct error *) = {
		close_others, become_user, drop_capabilities, bind_to_parent, limit_resources,
	};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int r = steps[i](err);

		if (r < 0)
			return error_context(err, r, "confine", NULL);
	}
	return 0;
}

/* ---- system calls ---------------------------------------------------------------------------- */

static const int allowed[] = {
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(close),
	SCMP_SYS(lseek),
	/* the file */
	SCMP_SYS(pwrite64),
	SCMP_SYS(ftruncate),
	/* the connection */
	SCMP_SYS(connect),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(shutdown),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
	SCMP_SYS(fcntl),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(eventfd2), /* libcurl wakes itself with one of these */
	SCMP_SYS(pipe2),
	/* memory and time */
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(brk),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(getrandom),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(sched_yield),
	SCMP_SYS(getpid), /* OpenSSL looks whether it was forked */
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* What libraries try and can do without: an error lets them go on. Everything else kills. */
static const int refused[] = {
	SCMP_SYS(open),       SCMP_SYS(openat),    SCMP_SYS(openat2),    SCMP_SYS(stat),
	SCMP_SYS(fstat),      SCMP_SYS(lstat),     SCMP_SYS(newfstatat), SCMP_SYS(statx),
	SCMP_SYS(access),     SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink),
	SCMP_SYS(readlinkat), SCMP_SYS(ioctl),     SCMP_SYS(clone),      SCMP_SYS(clone3),
	SCMP_SYS(sysinfo),    SCMP_SYS(uname),
};

static int add_all(scmp_filter_ctx ctx, uint32_t action, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = seccomp_rule_add(ctx, action, calls[i], 0);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Memory, but none that could be executed. */
static int allow_memory(scmp_filter_ctx ctx)
{
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				 SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	return r < 0 ? r
		     : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
					SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

/* TCP over IPv4 and IPv6, and the pair by which libcurl wakes itself. */
static int allow_sockets(scmp_filter_ctx ctx)
{
	static const int families[] = { AF_INET, AF_INET6 };
	const int type_bits = 0xf;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(families) && r == 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
				     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]),
				     SCMP_A1(SCMP_CMP_MASKED_EQ, type_bits, SOCK_STREAM));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, type_bits, SOCK_DGRAM));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1,
				     SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	return r;
}

static int filter_calls(struct error *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r;

	if (!ctx)
		return error_set(err, -ENOMEM, "out of memory");
	r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = add_all(ctx, SCMP_ACT_ALLOW, allowed, ARRAY_SIZE(allowed));
	if (r == 0)
		r = add_all(ctx, SCMP_ACT_ERRNO(EACCES), refused, ARRAY_SIZE(refused));
	if (r == 0)
		r = allow_memory(ctx);
	if (r == 0)
		r = allow_sockets(ctx);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r < 0 ? error_set(err, r, "cannot load the system call filter") : 0;
}

int confine_reach(unsigned port, uint64_t max, struct error *err)
{
	int r = limit(RLIMIT_FSIZE, max, err);

	if (r == 0)
		r = landlock_restrict(port, err);
	if (r == 0)
		r = filter_calls(err);
	return error_context(err, r, "confine", NULL);
}
