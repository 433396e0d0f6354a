#pragma once
/*
 * Launches without stage1: a root file system with busybox in it, a pod held by carob-pod-init, and
 * processes started by carob-stage3 from plans that a test writes itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/base.h"
#include "kernel/kernel.h"
#include "plan/plan.h"

/* A directory below /tmp with busybox and its names in /bin, removed again at the end. */
struct rootfs {
	char path[64];
	int fd;
};

void rootfs_make(struct rootfs *r);
void rootfs_remove(struct rootfs *r);
void rootfs_put(const struct rootfs *r, const char *name, const char *text,
		mode_t mode); /* one file */

struct pod {
	int init; /* pidfd */
	pid_t pid;
	int lifeline; /* write end; -1: cut */
};

/* Starts the pod and enters its pid namespace for the children to come. */
void pod_start(struct pod *p);
/* Cuts the lifeline, waits for pod-init and returns how it ended. Idempotent (-1). */
int pod_end(struct pod *p);

/* A plan with room for what tests add to it. */
struct trial {
	struct plan plan;
	struct plan_mount mounts[16];
	const char *options[32], *argv[8], *envp[8];
	struct plan_device devices[8];
	struct plan_join joins[2];
	int fds[16];
};

/* The plan of an ordinary app on r: as root, default capabilities, all mounts, masks and devices.
 * script is what its shell runs. */
void trial_init(struct trial *t, const struct pod *p, const struct rootfs *r, const char *script);
/* The same for a process in an existing mount namespace. */
void trial_join(struct trial *t, const struct pod *p, int namespace, const char *script);
uint32_t trial_add_fd(struct trial *t, int fd);
void trial_mount(struct trial *t, int fd, const char *target, uint32_t flags);
void trial_deinit(struct trial *t);

struct outcome {
	struct plan_report report;
	int status;              /* as process_wait() has it */
	char output[16384];      /* of the app: stdout and stderr together, terminated */
	int namespace, terminal; /* descriptors that came back, or -1 */
	int pidfd, pipe;         /* until the end */
};

/* Launches; returns when the program was executed, or was not. */
void trial_start(struct trial *t, struct outcome *o);
/* Reads all output and waits for the end. */
void trial_finish(struct outcome *o);
void trial_run(struct trial *t, struct outcome *o); /* both */
void outcome_deinit(struct outcome *o);

/* The output of the trial, which has to come to its exec. Ends the trial. */
void trial_expect(struct trial *t, const char *output);
/* The launch fails in that step with that errno, and the app never runs. Ends the trial. */
void trial_expect_refusal(struct trial *t, enum plan_step step, uint32_t index, int error);

/* What each test has: a pod and a root file system. */
struct fixture {
	struct pod pod;
	struct rootfs rootfs;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);
void fixture_app(void **state, struct trial *t, const char *script); /* trial_init() */
/* Runs the script in an ordinary app and compares its output. */
void fixture_expect(void **state, const char *script, const char *output);

/* A script that tells who it is and what it may. */
#define STATUS "grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups|Uid|Gid)' /proc/self/status"

#define LAUNCH_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

/* The arguments are carob-stage3 and carob-pod-init, the programs under test. */
int harness_main(int argc, char **argv, const struct CMUnitTest *tests, size_t n);
