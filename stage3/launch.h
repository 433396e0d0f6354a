#pragma once
/* What stage1 sends to a new carob-stage3 on descriptor PLAN_SOCKET_FD, in one message. */
#include <stdint.h>

#include "plan/plan.h"

struct launch_message {
	uint32_t magic;    /* PLAN_MAGIC */
	uint32_t plan_len; /* bytes in the plan's memfd */
};

/* The message's descriptors: the plan's memfd, the report page's memfd, then the plan's fds[]. */
enum { LAUNCH_FD_PLAN, LAUNCH_FD_REPORT, LAUNCH_FD_FIRST };

/* What stage3 sends back, each with one descriptor. */
enum launch_reply {
	LAUNCH_REPLY_NAMESPACE = 'n', /* the new mount namespace */
	LAUNCH_REPLY_TERMINAL = 't',  /* the master of the app's terminal */
};
