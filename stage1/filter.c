/*
 * An app's seccomp filter. libseccomp needs milliseconds to compile one, the kernel a fraction of
 * that to load it; so the result is kept in ROOT/cache/seccomp under the digest of everything that
 * went into it.
 */
#include <fcntl.h>
#include <linux/filter.h>

#include "stage1/stage1.h"

enum { MAX_RULES = 1024 };

/* What a retained set must also allow so that the program can be started and can end. */
static const char *const life_cycle[] = { "execve",     "execveat",     "exit",
					  "exit_group", "rt_sigreturn", "sigreturn" };

struct rules {
	struct seccomp_rule list[MAX_RULES];
	size_t n;
};

static int add_rule(struct rules *rules, const char *syscall, enum seccomp_action action,
		    int errno_value)
{
	if (rules->n == MAX_RULES)
		return -E2BIG;
	rules->list[rules->n++] = (struct seccomp_rule){ .syscall = syscall,
							 .action = action,
							 .errno_value = errno_value };
	return 0;
}

static bool has_wildcard(const struct appc_isolator *iso, const char *name)
{
	for (size_t i = 0; i < iso->set.n; i++)
		if (str_eq(iso->set.list[i], name))
			return true;
	return false;
}

/* errno "" means SIGSYS (appc spec, "seccomp"). */
static int denial(const struct appc_isolator *iso, enum seccomp_action *ret_action, int *ret_errno,
		  struct error *err)
{
	*ret_errno = 0;
	*ret_action = SECCOMP_ACTION_KILL;
	if (!iso->error || !*iso->error)
		return 0;
	*ret_action = SECCOMP_ACTION_ERRNO;
	*ret_errno = seccomp_errno(iso->error);
	if (*ret_errno > 0)
		return 0;
	error_set(err, -EINVAL, "errno %s is not known (errno(3)).", iso->error);
	return error_context(err, -EINVAL, "isolators", iso->name);
}

static int check_names(const struct appc_isolator *iso, struct error *err)
{
	for (size_t i = 0; i < iso->set.n; i++) {
		const char *name = iso->set.list[i];

		if (name[0] == '@' || seccomp_knows(name))
			continue;
		error_set(err, -EINVAL, "%s is no system call.", name);
		return error_context(err, -EINVAL, "isolators", iso->name);
	}
	return 0;
}

static int retain_rules(const struct appc_isolator *iso, struct rules *rules)
{
	for (size_t i = 0; i < ARRAY_SIZE(life_cycle); i++)
		if (add_rule(rules, life_cycle[i], SECCOMP_ACTION_ALLOW, 0) < 0)
			return -E2BIG;
	for (size_t i = 0; i < iso->set.n; i++) {
		bool have = false;

		for (size_t k = 0; k < rules->n; k++)
			have = have || str_eq(rules->list[k].syscall, iso->set.list[i]);
		if (!have && add_rule(rules, iso->set.list[i], SECCOMP_ACTION_ALLOW, 0) < 0)
			return -E2BIG;
	}
	return 0;
}

/* Takes every rule about the named calls out of the default filter and denies them instead. */
static int remove_rules(const struct appc_isolator *iso, enum seccomp_action action,
			int errno_value, struct rules *rules)
{
	for (size_t i = 0; i < iso->set.n; i++) {
		const char *name = iso->set.list[i];
		size_t kept = 0;

		if (name[0] == '@')
			continue;
		for (size_t k = 0; k < rules->n; k++)
			if (!str_eq(rules->list[k].syscall, name))
				rules->list[kept++] = rules->list[k];
		rules->n = kept;
		if (add_rule(rules, name, action, errno_value) < 0)
			return -E2BIG;
	}
	return 0;
}

static int cached(const struct supervisor *s, const struct seccomp_spec *spec, void **ret,
		  size_t *ret_n, struct error *err)
{
	char dir[sizeof(s->dirs.root) + 32], digest[SECCOMP_DIGEST_TEXT],
		path[sizeof(dir) + SECCOMP_DIGEST_TEXT];
	size_t len;
	int r;

	seccomp_spec_digest(spec, digest);
	snprintf(dir, sizeof(dir), "%s/cache/seccomp", s->dirs.root);
	snprintf(path, sizeof(path), "%s/%s", dir, digest);
	r = file_read(AT_FDCWD, path, PLAN_MAX_BYTES, (char **)ret, &len);
	if (r == 0 && len > 0 && len % sizeof(struct sock_filter) == 0) {
		*ret_n = len / sizeof(struct sock_filter);
		return 0;
	}
	if (r == 0)
		free(*ret);
	r = seccomp_compile(spec, ret, ret_n, err);
	if (r < 0)
		return error_context(err, r, "seccomp", NULL);
	/* a cache that cannot be written costs time at the next start, nothing else */
	if (make_dirs(dir, 0700) == 0)
		r = file_write(AT_FDCWD, path, *ret, *ret_n * sizeof(struct sock_filter), 0600, 0);
	return 0;
}

int filter_compile(const struct supervisor *s, const struct appc_isolators *isolators,
		   uint64_t capabilities, void **ret, size_t *ret_n, struct error *err)
{
	const struct appc_isolator *retain = appc_isolator_find(isolators,
								APPC_ISOLATOR_SECCOMP_RETAIN);
	const struct appc_isolator *remove = appc_isolator_find(isolators,
								APPC_ISOLATOR_SECCOMP_REMOVE);
	struct seccomp_spec spec = { .default_action = SECCOMP_ACTION_ERRNO,
				     .default_errno = ENOSYS };
	enum seccomp_action action;
	_free_ struct rules *rules = malloc(sizeof(*rules));
	int errno_value, r = 0;

	if (!rules)
		return error_set(err, -ENOMEM, "out of memory");
	rules->n = 0;
	*ret = NULL;
	*ret_n = 0;
	if (retain && has_wildcard(retain, "@appc.io/all"))
		return 0;
	if (retain || remove) {
		r = denial(retain ? retain : remove, &action, &errno_value, err);
		if (r == 0)
			r = check_names(retain ? retain : remove, err);
		if (r < 0)
			return r;
	}
	if (retain) {
		spec.default_action = action;
		spec.default_errno = errno_value;
		r = retain_rules(retain, rules);
	} else {
		rules->n = seccomp_default_rules(capabilities, rules->list, MAX_RULES);
		if (remove && !has_wildcard(remove, "@appc.io/empty"))
			r = remove_rules(remove, action, errno_value, rules);
	}
	if (r < 0)
		return error_set(err, r, "more than %d seccomp rules.", MAX_RULES);
	spec.rules = rules->list;
	spec.n_rules = rules->n;
	return cached(s, &spec, ret, ret_n, err);
}
