#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#include "base/base.h"
#include "kernel/cgroup_private.h"

/* Where a number is: the file, the key of the line in it (NULL: the file is the number) and its
 * unit. */
struct source {
	const char *file, *key;
	uint64_t unit;
};

static const struct {
	enum cgroup_controller controller;
	size_t offset;
	struct source v1, v2;
} stats[] = {
	{ CGROUP_CPUACCT,
	  offsetof(struct cgroup_stats, cpu_ns),
	  { "cpuacct.usage", NULL, 1 },
	  { "cpu.stat", "usage_usec", 1000 } },
	{ CGROUP_MEMORY,
	  offsetof(struct cgroup_stats, memory_bytes),
	  { "memory.usage_in_bytes", NULL, 1 },
	  { "memory.current", NULL, 1 } },
	{ CGROUP_MEMORY,
	  offsetof(struct cgroup_stats, memory_peak_bytes),
	  { "memory.max_usage_in_bytes", NULL, 1 },
	  { "memory.peak", NULL, 1 } },
	{ CGROUP_PIDS,
	  offsetof(struct cgroup_stats, pids),
	  { "pids.current", NULL, 1 },
	  { "pids.current", NULL, 1 } },
	{ CGROUP_MEMORY,
	  offsetof(struct cgroup_stats, oom_kills),
	  { "memory.oom_control", "oom_kill", 1 },
	  { "memory.events", "oom_kill", 1 } },
};

/* 0 when the file or the line is not there. */
static int read_number(const struct cgroup_hierarchy *h, const char *path, const struct source *s,
		       uint64_t *ret)
{
	char name[CGROUP_FILE];
	_free_ char *text = NULL;
	char *rest, *line;
	int r;

	*ret = 0;
	r = cgroup_file(name, path, s->file);
	if (r == 0)
		r = file_read(h->fd, name, 1 << 16, &text, NULL);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL) {
		const char *value = line;

		if (s->key) {
			value += strcspn(line, " ");
			if (*value != ' ' || strncmp(line, s->key, strlen(s->key)) != 0 ||
			    (size_t)(value - line) != strlen(s->key))
				continue;
			value++;
		}
		r = str_to_u64(value, UINT64_MAX / s->unit, ret);
		*ret = r < 0 ? 0 : *ret * s->unit;
		return r;
	}
	return 0;
}

int cgroup_stats(const struct cgroup_host *h, const char *path, struct cgroup_stats *ret)
{
	struct cgroup_stats s = { 0 };
	bool there = false;

	for (unsigned i = 0; i < h->n && !there; i++)
		there = faccessat(h->list[i].fd, path, F_OK, 0) == 0;
	if (!there)
		return -ENOENT;
	for (size_t i = 0; i < ARRAY_SIZE(stats); i++) {
		const struct cgroup_hierarchy *in = cgroup_with(h, stats[i].controller);
		int r = 0;

		if (in)
			r = read_number(in, path, in->v2 ? &stats[i].v2 : &stats[i].v1,
					(uint64_t *)((char *)&s + stats[i].offset));
		if (r < 0)
			return r;
	}
	*ret = s;
	return 0;
}
