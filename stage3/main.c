#include "stage3/stage3.h"

#include <sys/syscall.h>

enum { EXIT_OURS = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

struct step {
	int (*run)(struct launch *l);
	bool build; /* only when the root is built; a launch into an existing one passes over it */
};

static const struct step steps[PLAN_STEPS] = {
	[PLAN_STEP_RECEIVE] = { step_receive },
	[PLAN_STEP_DECODE] = { step_decode },
	[PLAN_STEP_CGROUP] = { step_cgroup },
	[PLAN_STEP_NAMESPACES] = { step_namespaces },
	[PLAN_STEP_ROOT] = { step_root, .build = true },
	[PLAN_STEP_MOUNT] = { step_mount, .build = true },
	[PLAN_STEP_DEVICE] = { step_device, .build = true },
	[PLAN_STEP_LINK] = { step_link, .build = true },
	[PLAN_STEP_MASK] = { step_mask, .build = true },
	[PLAN_STEP_READONLY] = { step_readonly, .build = true },
	[PLAN_STEP_PIVOT] = { step_pivot, .build = true },
	[PLAN_STEP_TERMINAL] = { step_terminal },
	[PLAN_STEP_OOM_SCORE] = { step_oom_score },
	[PLAN_STEP_RLIMIT] = { step_rlimit },
	[PLAN_STEP_KEYRING] = { step_keyring },
	[PLAN_STEP_USER] = { step_user },
	[PLAN_STEP_DIRECTORY] = { step_directory },
	[PLAN_STEP_CAPABILITIES] = { step_capabilities },
	[PLAN_STEP_IDS] = { step_ids },
	[PLAN_STEP_STDIO] = { step_stdio },
	[PLAN_STEP_SECCOMP] = { step_seccomp },
	[PLAN_STEP_EXEC] = { step_exec },
};

/* The filter may forbid to exit. */
static _noreturn_ void end(int code)
{
	syscall(SYS_exit_group, code);
	for (;;)
		__builtin_trap();
}

static int exit_code(uint32_t step, int error)
{
	if (step != PLAN_STEP_EXEC)
		return EXIT_OURS;
	return error == -ENOENT || error == -ENOTDIR ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

int main(void)
{
	struct plan_report unseen = { 0 }; /* until the shared page is there */
	struct launch l = { .report = &unseen, .root = -1, .dev = -1, .proc = -1, .terminal = -1 };
	uint32_t step;
	int r = 0;

	for (step = PLAN_STEP_RECEIVE; step < PLAN_STEPS && r == 0; step++) {
		if (steps[step].build && !(l.plan.flags & PLAN_BUILD_ROOT))
			continue;
		l.report->index = 0;
		l.report->step = step;
		r = steps[step].run(&l);
	}
	l.report->error = -r;
	end(exit_code(step - 1, r));
}
