#include "kernel/process.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/base.h"
#include "kernel/clone.h"

/* Flags of memfd_create(2) that are newer than the headers. */
enum {
	MEMFD_NOT_EXECUTABLE = 0x0008, /* MFD_NOEXEC_SEAL */
	MEMFD_EXECUTABLE = 0x0010,     /* MFD_EXEC */
};

enum {
	STDIO = 3,
	FIXED = 4,     /* stdio and keep_fd */
	MORE_MAX = 16, /* more_fds */
	LIMITS_MAX = 8,
};

/* What the child needs, made ready before the clone. */
struct child {
	const struct process_spec *spec;
	int exe;
	pid_t parent;
	struct rlimit limits[LIMITS_MAX];
	int fds[FIXED + MORE_MAX]; /* fds[i] is to become i; -1: nothing */
	int n;
};

/* A descriptor that lies where another one is to be goes out of the way. */
static int move_away(int *fd, int target, int end)
{
	int moved;

	if (*fd < 0 || *fd >= end || *fd == target)
		return 0;
	moved = fcntl(*fd, F_DUPFD_CLOEXEC, end);
	if (moved < 0)
		return -errno;
	*fd = moved;
	return 0;
}

static int place(int fd, int target)
{
	if (fd == target)
		return fcntl(fd, F_SETFD, 0) < 0 ? -errno : 0;
	return dup3(fd, target, 0) < 0 ? -errno : 0; /* lint: fd ok: the program is to have it */
}

static int place_all(struct child *c)
{
	int r = move_away(&c->exe, -1, c->n);

	for (int i = 0; i < c->n && r == 0; i++)
		r = move_away(&c->fds[i], i, c->n);
	for (int i = 0; i < c->n && r == 0; i++)
		if (c->fds[i] >= 0)
			r = place(c->fds[i], i);
	return r;
}

/* The system calls themselves: the C library's functions would look for threads. The signal comes
 * last, a change of the user takes it back; it does not come for a parent that is gone already. */
static int confine(const struct child *c)
{
	const struct process_confinement *confine = c->spec->confine;

	if (confine->change_user &&
	    (syscall(SYS_setgroups, 0, NULL) < 0 ||
	     syscall(SYS_setresgid, confine->gid, confine->gid, confine->gid) < 0 ||
	     syscall(SYS_setresuid, confine->uid, confine->uid, confine->uid) < 0))
		return -errno;
	for (size_t i = 0; i < confine->n_limits; i++)
		if (setrlimit((__rlimit_resource_t)confine->limits[i].resource, &c->limits[i]) < 0)
			return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return getppid() == c->parent ? 0 : -ESRCH;
}

/* From the clone to the execveat. The memory may be the parent's own: nothing is allocated, and
 * nothing but *arg is changed. It has no arrays on its stack, because it is left without a return
 * and AddressSanitizer would never hear that they are gone. */
static int run_child(void *arg)
{
	static const sigset_t none;
	struct child *c = arg;
	int r;

	if (c->spec->new_session && setsid() < 0)
		return -errno;
	r = place_all(c);
	if (r == 0 && c->spec->confine)
		r = confine(c);
	if (r < 0)
		return r;
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		return -errno;
	syscall(SYS_execveat, c->exe, "", c->spec->argv, c->spec->envp, AT_EMPTY_PATH);
	return -errno;
}

/* What each limit will be: never more than ours. */
static int prepare_limits(struct child *c)
{
	const struct process_confinement *confine = c->spec->confine;

	if (!confine)
		return 0;
	if (confine->n_limits > LIMITS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < confine->n_limits; i++) {
		const struct process_limit *l = &confine->limits[i];
		struct rlimit *limit = &c->limits[i];

		if (getrlimit((__rlimit_resource_t)l->resource, limit) < 0)
			return -errno;
		if (l->max < limit->rlim_max)
			limit->rlim_max = l->max;
		if (limit->rlim_cur > limit->rlim_max)
			limit->rlim_cur = limit->rlim_max;
	}
	return 0;
}

/* Fills in the descriptors; *null is opened when one of stdio asks for it. */
static int prepare(struct child *c, int *null)
{
	const struct process_spec *spec = c->spec;

	if (spec->n_more_fds > MORE_MAX)
		return -E2BIG;
	for (int i = 0; i < STDIO; i++) {
		if (spec->stdio[i] < 0 && *null < 0)
			*null = open("/dev/null", O_RDWR | O_CLOEXEC);
		c->fds[i] = spec->stdio[i] < 0 ? *null : spec->stdio[i];
		if (c->fds[i] < 0)
			return -errno;
	}
	c->fds[STDIO] = spec->keep_fd;
	for (size_t i = 0; i < spec->n_more_fds; i++)
		c->fds[FIXED + i] = spec->more_fds[i];
	c->n = FIXED + (int)spec->n_more_fds;
	return 0;
}

int process_spawn(const struct process_spec *spec, pid_t *ret_pid)
{
	struct child child = { .spec = spec,
			       .exe = spec->exe_fd,
			       .parent = spec->confine ? getpid() : 0 };
	int (*const run)(struct clone_args *, int (*)(void *), void *,
			 int *) = spec->confine ? clone_copy : clone_run;
	_close_ int null = -1, pidfd = -1;
	struct clone_args args = {
		.flags = spec->clone_flags | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
		.pidfd = (uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	int failure, status, pid, r;

	r = prepare(&child, &null);
	if (r == 0)
		r = prepare_limits(&child);
	if (r < 0)
		return r;
	if (spec->cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)spec->cgroup_fd;
	}
	pid = run(&args, run_child, &child, &failure);
	if (pid < 0)
		return pid;
	if (failure < 0) {
		r = process_wait(pidfd, &status);
		return r < 0 ? r : failure;
	}
	if (ret_pid)
		*ret_pid = pid;
	return take_fd(&pidfd);
}

/* ---- waiting and signals ---------------------------------------------------------------- */

static int wait_for(int pidfd, int flags, int *ret_status, int *ret_signal)
{
	siginfo_t info = { 0 };
	int r;

	do
		r = waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | flags);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	if (info.si_pid == 0)
		return 0;
	*ret_signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
	*ret_status = *ret_signal ? 128 + *ret_signal : info.si_status;
	return 1;
}

int process_wait(int pidfd, int *ret_status)
{
	int signal, r = wait_for(pidfd, 0, ret_status, &signal);

	return r < 0 ? r : 0;
}

int process_try_wait(int pidfd, int *ret_status)
{
	int signal;

	return wait_for(pidfd, WNOHANG, ret_status, &signal);
}

int process_try_wait_signal(int pidfd, int *ret_status, int *ret_signal)
{
	return wait_for(pidfd, WNOHANG, ret_status, ret_signal);
}

int process_signal(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

/* The set of ignored signals, from the line "SigIgn:\t%016lx" of /proc/self/status. */
static int ignored_signals(uint64_t *ret)
{
	static const char label[] = "\nSigIgn:\t";
	_close_ int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	char text[4096];
	const char *line;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1); /* procfs gives such a file in one piece */
	if (n < 0)
		return -errno;
	text[n] = '\0';
	line = strstr(text, label);
	if (!line)
		return -EBADMSG;
	*ret = strtoull(line + sizeof(label) - 1, NULL, 16);
	return 0;
}

/* The system call itself: the C library keeps two of the signals to itself, but whoever started us
 * can have ignored them all the same. */
int process_reset_signals(void)
{
	/* the kernel's struct sigaction: SIG_DFL, no flags, no mask */
	static const uint64_t default_action[4];
	uint64_t ignored;
	int r = ignored_signals(&ignored);

	if (r < 0)
		return r;
	for (int sig = 1; sig <= 64; sig++)
		if (ignored & 1ULL << (sig - 1) &&
		    syscall(SYS_rt_sigaction, sig, default_action, NULL, sizeof(uint64_t)) < 0)
			return -errno;
	return 0;
}

/* ---- sealed memory ---------------------------------------------------------------------- */

/* A memfd; newer is one of the flags that older kernels do not know. */
static int make_memfd(const char *name, unsigned newer)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | newer);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

static int seal(int fd)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;

	return fcntl(fd, F_ADD_SEALS, seals) < 0 ? -errno : 0;
}

int process_sealed_copy(int fd, const char *name)
{
	_close_ int copy = make_memfd(name, MEMFD_EXECUTABLE);
	struct stat st;
	off_t at = 0;
	int r;

	if (copy < 0)
		return copy;
	if (fstat(fd, &st) < 0)
		return -errno;
	while (at < st.st_size) {
		ssize_t n = sendfile(copy, fd, &at, (size_t)(st.st_size - at));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0) /* it became shorter under our hands */
			return -EIO;
	}
	r = seal(copy);
	return r < 0 ? r : take_fd(&copy);
}

int process_sealed_bytes(const char *name, const void *data, size_t len)
{
	_close_ int fd = make_memfd(name, MEMFD_NOT_EXECUTABLE);
	int r;

	if (fd < 0)
		return fd;
	r = write_all(fd, data, len);
	if (r == 0)
		r = seal(fd);
	return r < 0 ? r : take_fd(&fd);
}
