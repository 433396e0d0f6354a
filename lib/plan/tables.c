#include <linux/filter.h>

#include "base/base.h"
#include "plan/block.h"

#define TABLE(member) \
	.pointer = offsetof(struct plan, member), .count = offsetof(struct plan, n_##member)

const struct plan_table plan_tables[PLAN_TABLES] = {
	{ TABLE(argv), sizeof(char *), .strings = 1, .terminated = true, .max = LIMIT_ARGS },
	{ TABLE(envp), sizeof(char *), .strings = 1, .terminated = true, .max = LIMIT_ARGS },
	{ TABLE(mounts), sizeof(struct plan_mount), .strings = 2,
	  .string = { offsetof(struct plan_mount, fstype), offsetof(struct plan_mount, target) },
	  .max = LIMIT_MOUNTS },
	{ TABLE(options), sizeof(char *), .strings = 1, .max = 2 * 2 * LIMIT_MOUNTS },
	{ TABLE(devices), sizeof(struct plan_device), .strings = 1,
	  .string = { offsetof(struct plan_device, path) }, .max = 256 },
	{ TABLE(links), sizeof(struct plan_link), .strings = 2,
	  .string = { offsetof(struct plan_link, path), offsetof(struct plan_link, target) },
	  .max = 256 },
	{ TABLE(masks), sizeof(char *), .strings = 1, .max = 256 },
	{ TABLE(readonly), sizeof(char *), .strings = 1, .max = 256 },
	{ TABLE(joins), sizeof(struct plan_join), .max = 8 },
	{ TABLE(cgroup_fds), sizeof(uint32_t), .max = 32 },
	{ TABLE(gids), sizeof(uint32_t), .max = PLAN_MAX_GIDS },
	{ TABLE(rlimits), sizeof(struct plan_rlimit), .max = 16 },
	{ TABLE(seccomp), sizeof(struct sock_filter), .max = BPF_MAXINSNS },
};

const uint16_t plan_strings[PLAN_STRINGS] = {
	offsetof(struct plan, app),       offsetof(struct plan, user), offsetof(struct plan, group),
	offsetof(struct plan, directory), offsetof(struct plan, root),
};
