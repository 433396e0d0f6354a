/*
 * Any bytes as a launch plan. What decode accepts is sound to the last string, and is the same
 * after another encode and decode. As few inputs have the right beginning, each is also tried
 * with it.
 */
#include <assert.h>
#include <linux/filter.h>
#include <string.h>

#include "base/base.h"
#include "fuzz.h"
#include "plan/plan.h"

static volatile size_t sink;

static void touch(const void *data, size_t size)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < size; i++)
		sink += p[i];
}

static void touch_string(const char *s)
{
	touch(s, strlen(s) + 1);
}

static void touch_strings(const char *const *list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		touch_string(list[i]);
}

static void touch_mounts(const struct plan *p)
{
	for (uint32_t i = 0; i < p->n_mounts; i++) {
		const struct plan_mount *m = &p->mounts[i];

		touch_string(m->fstype);
		touch_string(m->target);
		assert(m->target[0] == '/' && m->source <= PLAN_SOURCE_POD);
		assert(m->source != PLAN_SOURCE_FD || m->fd < p->n_fds);
		for (uint32_t k = 0; k < 2 * m->option_n; k++) {
			assert(m->option_first + k < p->n_options);
			touch_string(p->options[m->option_first + k]);
		}
	}
}

static void touch_plan(const struct plan *p)
{
	touch_string(p->app);
	touch_string(p->user);
	touch_string(p->group);
	touch_string(p->directory);
	touch_string(p->root);
	assert(p->n_argv > 0 && !p->argv[p->n_argv] && !p->envp[p->n_envp]);
	touch_strings(p->argv, p->n_argv);
	touch_strings(p->envp, p->n_envp);
	touch_strings(p->options, p->n_options);
	touch_strings(p->masks, p->n_masks);
	touch_strings(p->readonly, p->n_readonly);
	touch_mounts(p);
	for (uint32_t i = 0; i < p->n_devices; i++)
		touch_string(p->devices[i].path);
	for (uint32_t i = 0; i < p->n_links; i++) {
		touch_string(p->links[i].path);
		touch_string(p->links[i].target);
	}
	for (uint32_t i = 0; i < p->n_joins; i++)
		assert(p->joins[i].fd < p->n_fds);
	for (uint32_t i = 0; i < p->n_cgroup_fds; i++)
		assert(p->cgroup_fds[i] < p->n_fds);
	touch(p->gids, p->n_gids * sizeof(*p->gids));
	touch(p->rlimits, p->n_rlimits * sizeof(*p->rlimits));
	touch(p->seccomp, p->n_seccomp * sizeof(struct sock_filter));
	assert(p->n_fds <= PLAN_MAX_FDS);
}

static void encode_again(const struct plan *p)
{
	_free_ void *once = NULL, *copy = NULL, *twice = NULL;
	size_t len, len_twice;
	struct plan again;
	int r = plan_encode(p, &once, &len);

	assert(r == 0);
	copy = malloc(len);
	assert(copy);
	memcpy(copy, once, len);
	r = plan_decode(&again, copy, len);
	assert(r == 0);
	touch_plan(&again);
	r = plan_encode(&again, &twice, &len_twice);
	assert(r == 0 && len_twice == len && memcmp(once, twice, len) == 0);
}

static void decode(const uint8_t *data, size_t size, bool mend)
{
	_free_ char *block = malloc(size ? size : 1);
	struct plan p;

	assert(block);
	memcpy(block, data, size);
	if (mend) {
		memcpy(block, &(uint32_t){ PLAN_MAGIC }, 4);
		memcpy(block + 4, &(uint32_t){ PLAN_VERSION }, 4);
		memcpy(block + 8, &(uint64_t){ size }, 8);
		block[size - 1] = '\0';
	}
	if (plan_decode(&p, block, size) == 0) {
		touch_plan(&p);
		encode_again(&p);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	decode(data, size, false);
	if (size > 16)
		decode(data, size, true);
	return 0;
}
