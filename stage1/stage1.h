#pragma once
/*
 * stage1: the holder of one pod (docs/architecture.md). One process, one thread, one loop.
 *
 *	main.c       arguments, the order of things, exit code
 *	steps.c      what is set up, in order, each with its undo
 *	isolators.c  isolators -> limits, capabilities, filter, notes; refuses the unenforceable
 *	filter.c     the seccomp filter, compiled once and kept by digest
 *	volumes.c    volumes -> detached mounts
 *	compile.c    an app -> struct plan
 *	launch.c     a plan -> a process, told apart by what stage3 reports
 *	podinit.c    PID 1
 *	supervise.c  state x event of each app, and the end of the pod
 *	output.c     what apps write -> log and caller
 *	terminal.c   the caller's terminal <-> the app's
 *	api.c        api.sock;  methods.c what it answers
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <termios.h>

#include "appc/appc.h"
#include "base/base.h"
#include "kernel/kernel.h"
#include "plan/plan.h"
#include "pod/pod.h"

struct mosaic;
struct supervisor;
struct app;

/* ---- isolators ----------------------------------------------------------------------------- */

/* What the isolators of one app (or of the pod) come to. */
struct confinement {
	struct cgroup_limits limits;
	uint64_t capabilities;
	bool no_new_privileges;
	int32_t oom_score_adj; /* INT32_MIN: as it is */
	struct plan_rlimit rlimits[16];
	uint32_t n_rlimits;
	void *filter; /* struct sock_filter[n_filter]; NULL: none */
	size_t n_filter;
};

void confinement_deinit(struct confinement *c);

/* An app's isolators, without the filter. Adds notes to the supervisor for what was ignored or
 * changed. */
int isolators_compile_app(struct supervisor *s, const struct appc_pod_app *app,
			  struct confinement *ret, struct error *err) _must_check_;
/* The pod's: only limits come out of it. */
int isolators_compile_pod(struct supervisor *s, struct cgroup_limits *ret, struct error *err)
	_must_check_;

/* The filter for these isolators: from the cache or compiled and kept. */
int filter_compile(const struct supervisor *s, const struct appc_isolators *isolators,
		   uint64_t capabilities, void **ret, size_t *ret_n, struct error *err)
	_must_check_;

/* ---- volumes ------------------------------------------------------------------------------- */

/* One mount of an app, ready to be attached. */
struct app_mount {
	const char *volume; /* name, for messages */
	const char *path;
	int fd; /* detached mount, attributes set */
	bool file;
};

int volumes_open(struct supervisor *s, const struct appc_pod_app *app, struct app_mount **ret,
		 size_t *ret_n, struct error *err) _must_check_;
void volumes_close(struct app_mount *mounts, size_t n);

/* ---- cgroups ------------------------------------------------------------------------------- */

/* How processes get into a group: opened once, used for each of them. */
struct entrance {
	int v2; /* directory to be born in, or -1 */
	int tasks[CGROUP_MAX];
	unsigned n; /* 0 and v2 -1: not opened */
};

/* ---- launching ----------------------------------------------------------------------------- */

struct compiled;

struct launched {
	int pidfd;
	pid_t pid;
	int terminal;  /* master, or -1 */
	int namespace; /* mount namespace, or -1 */
	uint32_t uid, gid;
};

/* Starts stage3 with the plan and returns when it has executed the app's program. stdio: three
 * descriptors, -1 for /dev/null. A failure is told in err with app, step, field and reason; exit
 * code for it: launch_exit_code(). */
int launch_process(struct supervisor *s, const struct compiled *c, const int stdio[3],
		   struct launched *ret, struct error *err) _must_check_;

/* 127 when the program is not there, 126 when it cannot be executed, 125 for all else. */
int launch_exit_code(const struct supervisor *s);

int podinit_start(struct supervisor *s, struct error *err) _must_check_;
/* Waits until it is ready and enters its pid namespace for all further children. */
int podinit_enter(struct supervisor *s, struct error *err) _must_check_;

/* ---- compile ------------------------------------------------------------------------------- */

/* A plan, all that its tables point to, and the descriptors that go with it. */
struct compiled {
	struct plan plan;
	struct plan_mount mounts[LIMIT_MOUNTS];
	const char *options[2 * 16];
	struct plan_device devices[8];
	const char **argv, **envp;
	struct appc_strings env_owned; /* strings made for envp */
	uint32_t cgroup_indices[CGROUP_MAX];
	struct plan_join joins[2];
	int fds[PLAN_MAX_FDS]; /* the plan's fds[]; borrowed */
	int cgroup;            /* v2 directory to be born in, or -1; borrowed */
};

void compiled_deinit(struct compiled *c);

/* What kind of process of the app is to be started. */
enum role { ROLE_MAIN, ROLE_PRE_START, ROLE_POST_STOP, ROLE_EXEC };

/* Overrides of `carob enter`; NULL and 0: as the app has it. */
struct role_options {
	const char *const *argv;
	const char *const *env; /* NAME=VALUE, added or replaced */
	const char *directory;
	const char *user, *group;
	bool terminal;
	uint16_t rows, columns;
};

int compile_app(struct app *app, enum role role, const struct role_options *options,
		struct compiled *ret, struct error *err) _must_check_;

/* What a failing step was about, in the manifest's words: "mounts[2] /data (volume db)". */
void compile_describe(const struct plan *plan, uint32_t step, uint32_t index, char *dst,
		      size_t size);

/* ---- output -------------------------------------------------------------------------------- */

/* Where forwarded output goes: a descriptor of the caller that may be slow. */
struct sink {
	struct supervisor *s;
	int fd;                    /* -1: nowhere */
	bool pollable;             /* regular files are not: they never block */
	struct loop_source source; /* waits for room */
	struct stream *waiting;    /* streams that wait for room, linked by next */
};

/* One stream of an app: a pipe (or a terminal's master) read into the log and passed on. */
struct stream {
	struct app *app;
	const char *tag; /* "stdout", "stderr" */
	struct loop_source source;
	int fd; /* ours; -1 at the end */
	struct sink *sink;
	struct stream *next;
	struct buf line;    /* the beginning of a line that has not ended yet */
	struct buf pending; /* read and logged, but not passed on yet */
	bool mid_line;      /* the next byte passed on does not begin a line (prefixes) */
};

int output_open_log(struct app *app, struct error *err) _must_check_;
int output_start(struct stream *st, struct app *app, const char *tag, int fd, struct sink *sink)
	_must_check_;
void output_drain(
	struct stream *st); /* logs what is left; closes; what the sink still lacks is pending */
void output_flush(struct stream *st); /* passes on what is pending, however long it takes */
void sink_init(struct sink *k, struct supervisor *s, int fd);

/* ---- terminal ------------------------------------------------------------------------------ */

struct terminal {
	struct supervisor *s;
	bool raw;
	int master;                /* a descriptor of our own, non-blocking; -1: none */
	struct loop_source input;  /* the caller's terminal: readable */
	struct loop_source output; /* the master: has room again */
	struct termios saved;
	char held[256]; /* typed, not taken by the master yet */
	size_t n_held;
};

int terminal_attach(struct supervisor *s, int master) _must_check_;
void terminal_restore(struct terminal *t);
void terminal_resize(struct terminal *t);
void terminal_size(uint16_t *rows, uint16_t *columns);

/* ---- apps and the pod ---------------------------------------------------------------------- */

/* A process that is watched until it ends. */
struct child {
	struct app *app;
	enum role role;
	int pidfd; /* -1: none */
	pid_t pid;
	struct loop_source source;
};

struct app {
	struct supervisor *s;
	const struct appc_pod_app *manifest;
	const struct pod_launch_app *launch;
	struct confinement confinement;
	struct cgroup cgroup;
	struct entrance entrance;
	int rootfs;    /* detached mount until the first process took it; then -1 */
	int namespace; /* mount namespace kept for handlers; or -1 */
	struct app_mount *mounts;
	size_t n_mounts;
	struct child child; /* main process or handler: one at a time */
	enum pod_app_state state;
	bool stopping; /* post-stop phase */
	int exit;      /* -1: not yet */
	int signal;    /* that ended its main process; 0: none */
	bool oom;      /* the kernel ended something in it for want of memory */
	int64_t started_ns, ended_ns;
	char *error;
	struct stream out, err;
	int log; /* -1: none */
};

/* A process started over the API. */
struct exec {
	struct supervisor *s;
	struct child child;
	struct client *client; /* NULL once it is gone */
	int id;
	struct exec *next;
};

enum phase { PHASE_STARTING, PHASE_RUNNING, PHASE_STOPPING, PHASE_OVER };

struct supervisor {
	struct pod_dirs dirs;
	const char *libexec;
	int dir; /* the pod directory, locked */
	struct pod pod;
	enum phase phase;
	struct loop loop;
	struct cgroup_host cgroups;
	struct cgroup group;
	struct entrance init_entrance; /* with one app: that app's */
	struct mosaic *mosaic;
	int podinit_exe, stage3_exe;
	int report_fd;
	struct plan_report *report;
	int podinit_sock, podinit, lifeline;
	pid_t podinit_pid;
	int signals;
	struct loop_source signal_source;
	struct loop_timer kill_timer;
	struct app *apps;
	size_t n_apps;
	struct exec *execs;
	int next_exec;
	struct sink out, err;
	struct terminal terminal;
	struct api *api;
	int ready_fd; /* -1: foreground */
	bool debug;   /* tell on standard error what is done, and when */
	int64_t begun_ns;
	int exit; /* of the pod; -1 not yet */
	char **notes;
	size_t n_notes;
	struct error failure; /* what stopped the start */
};

int supervisor_note(struct supervisor *s, const char *fmt, ...) _printf_(2, 3);
struct app *supervisor_app(struct supervisor *s,
			   const char *name); /* NULL: the only one, if it is; else NULL */
bool supervisor_ignores(const struct supervisor *s, const char *isolator);

/* steps.c */
int steps_up(struct supervisor *s, struct error *err) _must_check_;
void steps_down(struct supervisor *s);

/* supervise.c */
int supervise_start(struct supervisor *s, struct error *err) _must_check_;
int supervise_stop(struct supervisor *s, unsigned grace_s) _must_check_;
int supervise_signal(struct supervisor *s, struct app *app,
		     int sig); /* NULL: all; returns how many */
/* A process to be started in a running app, for a client of the API. */
struct exec_request {
	struct app *app;
	const struct role_options *options;
	int stdio[3]; /* -1: /dev/null; with a terminal not looked at */
	struct client *client;
};
/* Starts and watches it. Its end is told to the client (api_exec_ended). */
int supervise_exec(struct supervisor *s, const struct exec_request *request, struct launched *ret,
		   int *ret_id, struct error *err) _must_check_;
int supervise_status(const struct supervisor *s, struct pod_status *ret) _must_check_;
void supervise_reap_all(struct supervisor *s);

/* api.c */
int api_start(struct supervisor *s, struct error *err) _must_check_;
void api_stop(struct supervisor *s);
void api_app_ended(struct supervisor *s, const struct app *app);
void api_pod_ended(struct supervisor *s);
void api_exec_ended(struct exec *e, int status);
