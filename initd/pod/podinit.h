#pragma once
/*
 * What stage1 sends to a new carob-pod-init on descriptor PLAN_SOCKET_FD, in one message; pod-init
 * answers with one byte when the pod's namespaces are ready and closes the socket. On a failure it
 * writes step and errno into the report page and exits.
 */
#include <stdint.h>

#include "plan/plan.h"

struct podinit_config {
	uint32_t magic; /* PLAN_MAGIC */
	uint32_t n_cgroup_fds;
	uint32_t shm_kib; /* size of the pod's /dev/shm; 0: the kernel's default */
	char hostname[65];
};

/* The message's descriptors: the report page, the lifeline's read end, then the v1 tasks files. */
enum { PODINIT_FD_REPORT, PODINIT_FD_LIFELINE, PODINIT_FD_CGROUPS };

enum podinit_step {
	PODINIT_STEP_NONE,
	PODINIT_STEP_RECEIVE,
	PODINIT_STEP_CGROUP,
	PODINIT_STEP_HOSTNAME,
	PODINIT_STEP_LOOPBACK, /* the network namespace and its loopback */
	PODINIT_STEP_ROOT,
	PODINIT_STEP_CONFINE,
	PODINIT_STEPS
};
