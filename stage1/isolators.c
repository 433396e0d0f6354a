/*
 * Isolators: what a manifest asks for becomes numbers here, or the start is refused by the
 * isolator's name. A restriction that this host cannot apply is never dropped silently: only
 * --ignore-isolator lets it pass, and then the pod's status says so.
 */
#include "stage1/stage1.h"

enum { DEFAULT_PIDS = 4096 };

/* The kinds that no part of this runtime can enforce yet. */
static const struct {
	enum appc_isolator_kind kind;
	const char *why;
} unenforceable[] = {
	{ APPC_ISOLATOR_BLOCK_BANDWIDTH, "block device bandwidth is not limited by this version" },
	{ APPC_ISOLATOR_BLOCK_IOPS, "block device operations are not limited by this version" },
	{ APPC_ISOLATOR_NETWORK_BANDWIDTH, "network bandwidth is not limited by this version" },
	{ APPC_ISOLATOR_SELINUX, "SELinux contexts are not applied by this version" },
	{ APPC_ISOLATOR_APPARMOR, "AppArmor profiles are not applied by this version" },
	{ APPC_ISOLATOR_SYSCTL, "kernel parameters are not set by this version" },
};

void confinement_deinit(struct confinement *c)
{
	free(c->filter);
	c->filter = NULL;
}

/* Refuses, or notes, every isolator that cannot be enforced. */
static int check_enforceable(struct supervisor *s, const struct appc_isolators *set,
			     const char *owner, struct error *err)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct appc_isolator *iso = &set->list[i];
		const char *why = NULL;

		for (size_t k = 0; k < ARRAY_SIZE(unenforceable); k++)
			if (unenforceable[k].kind == iso->kind)
				why = unenforceable[k].why;
		if (iso->kind == APPC_ISOLATOR_UNKNOWN) {
			if (supervisor_note(s, "%s: isolator %s is unknown and was ignored", owner,
					    iso->name) < 0)
				return error_set(err, -ENOMEM, "out of memory");
		} else if (why && supervisor_ignores(s, iso->name)) {
			if (supervisor_note(s, "%s: isolator %s was ignored as asked: %s", owner,
					    iso->name, why) < 0)
				return error_set(err, -ENOMEM, "out of memory");
		} else if (why) {
			error_set(err, -EOPNOTSUPP, "%s; --ignore-isolator %s starts without it.",
				  why, iso->name);
			return error_context(err, -EOPNOTSUPP, "isolators", iso->name);
		}
	}
	return 0;
}

/* cores and shares as the v2 weight: 100 is what a group without a wish has. */
static uint64_t weight_from_shares(uint64_t shares)
{
	shares = shares < 2 ? 2 : shares > 262144 ? 262144 : shares;
	return 1 + (shares - 2) * 9999 / 262142;
}

static void compile_limits(const struct appc_isolators *set, struct cgroup_limits *ret)
{
	const struct appc_isolator *memory = appc_isolator_find(set, APPC_ISOLATOR_MEMORY);
	const struct appc_isolator *cpu = appc_isolator_find(set, APPC_ISOLATOR_CPU);
	const struct appc_isolator *shares = appc_isolator_find(set, APPC_ISOLATOR_CPU_SHARES);
	const struct appc_isolator *pids = appc_isolator_find(set, APPC_ISOLATOR_PIDS);

	if (memory && memory->limit_milli > 0)
		ret->memory_max = ((uint64_t)memory->limit_milli + 999) / 1000;
	if (memory && memory->request_milli > 0)
		ret->memory_low = ((uint64_t)memory->request_milli + 999) / 1000;
	if (cpu && cpu->limit_milli > 0)
		ret->cpu_milli = (uint64_t)cpu->limit_milli;
	if (cpu && cpu->request_milli > 0)
		ret->cpu_weight = weight_from_shares((uint64_t)cpu->request_milli * 1024 / 1000);
	if (shares)
		ret->cpu_weight = weight_from_shares((uint64_t)shares->number);
	if (pids)
		ret->pids_max = (uint64_t)pids->number;
}

static int capability_set(const struct appc_isolator *iso, uint64_t *ret, struct error *err)
{
	uint64_t set = 0;

	for (size_t i = 0; i < iso->set.n; i++) {
		int number = caps_number(iso->set.list[i]);

		if (number < 0) {
			error_set(err, -EINVAL, "%s is no capability (capabilities(7)).",
				  iso->set.list[i]);
			return error_context(err, -EINVAL, "isolators", iso->name);
		}
		set |= CAP_BIT(number);
	}
	*ret = set;
	return 0;
}

static int compile_capabilities(struct supervisor *s, const struct appc_pod_app *app, uint64_t *ret,
				struct error *err)
{
	const struct appc_isolator *retain = appc_isolator_find(&app->app->isolators,
								APPC_ISOLATOR_CAPS_RETAIN);
	const struct appc_isolator *remove = appc_isolator_find(&app->app->isolators,
								APPC_ISOLATOR_CAPS_REMOVE);
	uint64_t set = CAPS_APP_DEFAULT, named = 0, ours = 0, missing;
	int r = 0;

	if (retain || remove)
		r = capability_set(retain ? retain : remove, &named, err);
	if (r < 0)
		return r;
	if (retain)
		set = named;
	else if (remove)
		set &= ~named;
	r = caps_permitted(&ours);
	if (r < 0)
		return error_set(err, r, "cannot read the capabilities of carob-stage1");
	missing = set & ~ours;
	for (int i = 0; missing; i++, missing >>= 1)
		if (missing & 1 && supervisor_note(s, "app %s: %s is not to be had on this host",
						   app->name, caps_name(i)) < 0)
			return error_set(err, -ENOMEM, "out of memory");
	*ret = set & ours;
	return 0;
}

static void compile_rlimits(const struct appc_isolators *set, struct confinement *ret)
{
	const struct appc_isolator *iso = appc_isolator_find(set, APPC_ISOLATOR_RLIMITS);
	bool core = false;

	for (size_t i = 0;
	     iso && i < iso->n_rlimits && ret->n_rlimits < ARRAY_SIZE(ret->rlimits) - 1; i++) {
		const struct appc_rlimit *l = &iso->rlimits[i];

		core = core || l->resource == 4 /* RLIMIT_CORE */;
		ret->rlimits[ret->n_rlimits++] = (struct plan_rlimit){ (uint32_t)l->resource,
								       l->soft, l->hard };
	}
	/* the host's core_pattern may be a program that runs outside with paths from inside */
	if (!core)
		ret->rlimits[ret->n_rlimits++] = (struct plan_rlimit){ 4 /* RLIMIT_CORE */, 0, 0 };
}

int isolators_compile_app(struct supervisor *s, const struct appc_pod_app *app,
			  struct confinement *ret, struct error *err)
{
	const struct appc_isolators *set = &app->app->isolators;
	const struct appc_isolator *oom = appc_isolator_find(set, APPC_ISOLATOR_OOM_SCORE_ADJ);
	const struct appc_isolator *nnp = appc_isolator_find(set, APPC_ISOLATOR_NO_NEW_PRIVS);
	int r;

	*ret = (struct confinement){ .oom_score_adj = oom ? (int32_t)oom->number : INT32_MIN };
	r = check_enforceable(s, set, app->name, err);
	if (r < 0)
		return r;
	compile_limits(set, &ret->limits);
	compile_rlimits(set, ret);
	ret->no_new_privileges = nnp && nnp->flag;
	return compile_capabilities(s, app, &ret->capabilities, err);
}

int isolators_compile_pod(struct supervisor *s, struct cgroup_limits *ret, struct error *err)
{
	*ret = (struct cgroup_limits){ .devices = true };
	compile_limits(&s->pod.manifest->isolators, ret);
	if (!ret->pids_max)
		ret->pids_max = DEFAULT_PIDS;
	return check_enforceable(s, &s->pod.manifest->isolators, "pod", err);
}
