#include <string.h>

#include "base/base.h"
#include "kernel/cgroup_private.h"

/* One file of a controller and what to write there. "" writes nothing: the kernel's default is
 * it. */
struct limit_file {
	const char *name;
	void (*format)(char dst[48], const struct cgroup_limits *l);
	bool optional; /* some kernels do not have it: what it adds is then not to be had */
};

struct limit {
	const char *what; /* for people */
	enum cgroup_controller controller;
	bool (*wanted)(const struct cgroup_limits *l);
	struct limit_file v1[2], v2[2];
};

static void number(char dst[48], uint64_t n)
{
	snprintf(dst, 48, "%llu", (unsigned long long)n);
}

static bool wants_memory_max(const struct cgroup_limits *l)
{
	return l->memory_max;
}

static void memory_max(char dst[48], const struct cgroup_limits *l)
{
	number(dst, l->memory_max);
}

static void no_swap(char dst[48], const struct cgroup_limits *l)
{
	(void)l;
	number(dst, 0);
}

static bool wants_memory_low(const struct cgroup_limits *l)
{
	return l->memory_low;
}

static void memory_low(char dst[48], const struct cgroup_limits *l)
{
	number(dst, l->memory_low);
}

static bool wants_cpu(const struct cgroup_limits *l)
{
	return l->cpu_milli;
}

/* The kernel takes no quota below a millisecond: tiny shares are counted over a longer period. */
static uint64_t cpu_period_us(const struct cgroup_limits *l)
{
	return l->cpu_milli < 10 ? 1000000 : 100000;
}

static uint64_t cpu_quota_us(const struct cgroup_limits *l)
{
	return l->cpu_milli * (cpu_period_us(l) / 1000);
}

static void cpu_period(char dst[48], const struct cgroup_limits *l)
{
	dst[0] = '\0';
	if (cpu_period_us(l) != 100000)
		number(dst, cpu_period_us(l));
}

static void cpu_quota(char dst[48], const struct cgroup_limits *l)
{
	number(dst, cpu_quota_us(l));
}

static void cpu_max(char dst[48], const struct cgroup_limits *l)
{
	snprintf(dst, 48, "%llu %llu", (unsigned long long)cpu_quota_us(l),
		 (unsigned long long)cpu_period_us(l));
}

static bool wants_weight(const struct cgroup_limits *l)
{
	return l->cpu_weight;
}

static void cpu_weight(char dst[48], const struct cgroup_limits *l)
{
	number(dst, l->cpu_weight);
}

/* The defaults, 100 and 1024, mean the same; the kernel takes 2 to 262144. */
static void cpu_shares(char dst[48], const struct cgroup_limits *l)
{
	uint64_t shares = l->cpu_weight * 1024 / 100;

	number(dst, shares < 2 ? 2 : shares);
}

static bool wants_pids(const struct cgroup_limits *l)
{
	return l->pids_max;
}

static void pids_max(char dst[48], const struct cgroup_limits *l)
{
	number(dst, l->pids_max);
}

static const struct limit limits_table[] = {
	{
		"the memory limit",
		CGROUP_MEMORY,
		wants_memory_max,
		.v1 = { { "memory.limit_in_bytes", memory_max },
			{ "memory.memsw.limit_in_bytes", memory_max, .optional = true } },
		.v2 = { { "memory.max", memory_max },
			{ "memory.swap.max", no_swap, .optional = true } },
	},
	{
		"the memory request",
		CGROUP_MEMORY,
		wants_memory_low,
		.v1 = { { "memory.soft_limit_in_bytes", memory_low } },
		.v2 = { { "memory.low", memory_low } },
	},
	{
		"the cpu limit",
		CGROUP_CPU,
		wants_cpu,
		.v1 = { { "cpu.cfs_period_us", cpu_period }, { "cpu.cfs_quota_us", cpu_quota } },
		.v2 = { { "cpu.max", cpu_max } },
	},
	{
		"the cpu weight",
		CGROUP_CPU,
		wants_weight,
		.v1 = { { "cpu.shares", cpu_shares } },
		.v2 = { { "cpu.weight", cpu_weight } },
	},
	{
		"the limit of processes",
		CGROUP_PIDS,
		wants_pids,
		.v1 = { { "pids.max", pids_max } },
		.v2 = { { "pids.max", pids_max } },
	},
};

/* Who made "carob" may not have got to its controllers yet. */
static void enable_above(const struct cgroup *g, const struct cgroup_hierarchy *v2)
{
	char part[sizeof(g->path)];

	cgroup_enable_controllers(g->host, v2, "");
	snprintf(part, sizeof(part), "%s", g->path);
	for (char *p = part; (p = strchr(p, '/')) != NULL; *p++ = '/') {
		*p = '\0';
		cgroup_enable_controllers(g->host, v2, part);
	}
}

static int write_file(const struct cgroup *g, const struct cgroup_hierarchy *h,
		      const struct limit_file *f, const char *value)
{
	int r = cgroup_put(h, g->path, f->name, value);

	if (r == -ENOENT && h->v2 && !f->optional) {
		enable_above(g, h);
		r = cgroup_put(h, g->path, f->name, value);
	}
	return r == -ENOENT && f->optional ? 0 : r;
}

static int apply(const struct cgroup *g, const struct limit *l, const struct cgroup_limits *limits,
		 struct error *err)
{
	const struct cgroup_hierarchy *h = cgroup_with(g->host, l->controller);
	const struct limit_file *files;

	if (!h)
		return error_set(
			err, -EOPNOTSUPP,
			"%s cannot be enforced: no cgroup hierarchy of this host has the controller "
			"'%s'. Mount one that has it, or run without this limit.",
			l->what, cgroup_controller_name(l->controller));
	files = h->v2 ? l->v2 : l->v1;
	for (size_t i = 0; i < ARRAY_SIZE(l->v1) && files[i].name; i++) {
		char value[48];
		int r;

		files[i].format(value, limits);
		r = *value ? write_file(g, h, &files[i], value) : 0;
		if (r == -ENOENT)
			return error_set(
				err, -EOPNOTSUPP,
				"%s cannot be enforced: this kernel has no %s in %s. Run without this limit.",
				l->what, files[i].name, h->mount);
		if (r < 0)
			return error_set(err, r, "cannot write %s to %s/%s/%s for %s", value,
					 h->mount, g->path, files[i].name, l->what);
	}
	return 0;
}

int cgroup_limit(const struct cgroup *g, const struct cgroup_limits *limits, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(limits_table) && r == 0; i++)
		if (limits_table[i].wanted(limits))
			r = apply(g, &limits_table[i], limits, err);
	if (r == 0 && limits->devices)
		r = cgroup_limit_devices(g, err);
	return r;
}
