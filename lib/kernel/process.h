#pragma once
/*
 * Processes are started with clone3(2) and held as pidfds: no pid is ever looked up twice.
 *
 * The child runs nothing of ours between clone and execveat but the lines of one function: move
 * stdio into place, keep one socket, execute an open file.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/wait.h>

#include "base/base.h"

/* What a program that is not ours is left with. It can never gain rights by executing a file (no
 * new privileges), and is killed when this process ends. */
struct process_limit {
	int resource; /* RLIMIT_* */
	uint64_t max; /* a lower one stays */
};
struct process_confinement {
	bool change_user; /* to these, and to no other group: needs root */
	uint32_t uid, gid;
	const struct process_limit *limits;
	size_t n_limits;
};

struct process_spec {
	int exe_fd; /* what is executed: an open file (sealed memfd or O_PATH) */
	const char *const *argv;
	const char *const *envp; /* NULL-terminated; never inherited */
	uint64_t clone_flags;    /* CLONE_NEW* */
	int cgroup_fd;           /* a cgroup v2 directory to be born in, or -1 */
	int stdio[3];            /* become 0, 1, 2; -1: /dev/null */
	int keep_fd;             /* becomes descriptor 3 (PLAN_SOCKET_FD); -1: none */
	const int *more_fds;     /* become 4, 5, ... */
	size_t n_more_fds;
	bool new_session;                          /* setsid() */
	const struct process_confinement *confine; /* NULL: all that we may */
};

/* Starts the process. Returns its pidfd (O_CLOEXEC) or a negative errno, also when the exec failed.
 * *ret_pid may be NULL. Every other descriptor must be close-on-exec. */
int process_spawn(const struct process_spec *spec, pid_t *ret_pid) _must_check_;

/* Waits for the end of the process behind pidfd and reaps it. *ret: 0-255 the exit code, 128 + n
 * for a signal. */
int process_wait(int pidfd, int *ret_status) _must_check_;

/* Reaps if it has ended: 1 and *ret_status, 0 still running, or a negative errno. */
int process_try_wait(int pidfd, int *ret_status) _must_check_;

/* The same, and by which signal it ended; 0: by none. */
int process_try_wait_signal(int pidfd, int *ret_status, int *ret_signal) _must_check_;

int process_signal(int pidfd, int sig) _must_check_;

/* A sealed copy of a file in memory (memfd): what is executed inside a pod can then neither be
 * changed through /proc/PID/exe nor lead back to the file on disk (CVE-2019-5736). */
int process_sealed_copy(int fd, const char *name) _must_check_;

/* A sealed memfd with these bytes. */
int process_sealed_bytes(const char *name, const void *data, size_t len) _must_check_;

/* Gives every signal that is ignored its default action back. The mask stays: what it holds back
 * may be meant for somebody who is not ready yet. */
int process_reset_signals(void) _must_check_;
