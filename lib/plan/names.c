#include "plan/plan.h"

const char *plan_step_name(unsigned step)
{
	static const char *const names[PLAN_STEPS] = {
		[PLAN_STEP_NONE] = "start",
		[PLAN_STEP_RECEIVE] = "receive",
		[PLAN_STEP_DECODE] = "decode",
		[PLAN_STEP_CGROUP] = "cgroup",
		[PLAN_STEP_NAMESPACES] = "namespaces",
		[PLAN_STEP_ROOT] = "root",
		[PLAN_STEP_MOUNT] = "mount",
		[PLAN_STEP_DEVICE] = "device",
		[PLAN_STEP_LINK] = "link",
		[PLAN_STEP_MASK] = "mask",
		[PLAN_STEP_READONLY] = "readonly",
		[PLAN_STEP_PIVOT] = "pivot",
		[PLAN_STEP_TERMINAL] = "terminal",
		[PLAN_STEP_OOM_SCORE] = "oom-score",
		[PLAN_STEP_RLIMIT] = "rlimit",
		[PLAN_STEP_KEYRING] = "keyring",
		[PLAN_STEP_USER] = "user",
		[PLAN_STEP_DIRECTORY] = "directory",
		[PLAN_STEP_CAPABILITIES] = "capabilities",
		[PLAN_STEP_IDS] = "ids",
		[PLAN_STEP_STDIO] = "stdio",
		[PLAN_STEP_SECCOMP] = "seccomp",
		[PLAN_STEP_EXEC] = "exec",
	};

	return step < PLAN_STEPS ? names[step] : "unknown";
}
