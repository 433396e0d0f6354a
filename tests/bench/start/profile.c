/*
 * Carob's default filter for the others in the benchmark: for OCI runtimes as a "seccomp" section,
 * for the floor as the finished program.
 *
 *	bench-profile JSON-FILE FILTER-FILE
 *
 * The rules of libseccomp, which those runtimes use, have no order. So what is denied by argument
 * and allowed otherwise (ioctl, but not TIOCSTI) becomes allowed, and what is allowed by argument
 * and denied otherwise meets the default. The number of rules, which is what costs time, is the
 * same.
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <sys/utsname.h>

#include <jansson.h>

#include "base/base.h"
#include "kernel/kernel.h"

static json_t *architectures(void)
{
	struct utsname host;

	if (uname(&host) == 0 && str_eq(host.machine, "x86_64"))
		return json_pack("[sss]", "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32");
	if (str_eq(host.machine, "aarch64"))
		return json_pack("[ss]", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM");
	return json_array(); /* the native one */
}

static json_t *by_argument(const struct seccomp_rule *rule)
{
	const struct seccomp_compare *c = &rule->compare[0];

	return json_pack("{s:[s], s:s, s:[{s:i, s:I, s:I, s:s}]}", "names", rule->syscall, "action",
			 "SCMP_ACT_ALLOW", "args", "index", (int)c->argument, "value",
			 (json_int_t)c->mask, "valueTwo", (json_int_t)c->value, "op",
			 "SCMP_CMP_MASKED_EQ");
}

static json_t *oci_section(const struct seccomp_spec *spec)
{
	json_t *allowed = json_array(), *denied = json_array(), *calls = json_array();

	for (size_t i = 0; i < spec->n_rules; i++) {
		const struct seccomp_rule *rule = &spec->rules[i];
		bool last_of_more = i > 0 && str_eq(spec->rules[i - 1].syscall, rule->syscall);

		if (rule->action == SECCOMP_ACTION_ALLOW && rule->n_compare)
			json_array_append_new(calls, by_argument(rule));
		else if (rule->action == SECCOMP_ACTION_ALLOW)
			json_array_append_new(allowed, json_string(rule->syscall));
		else if (!rule->n_compare && !last_of_more)
			json_array_append_new(denied, json_string(rule->syscall));
	}
	json_array_append_new(calls, json_pack("{s:o, s:s}", "names", allowed, "action",
					       "SCMP_ACT_ALLOW"));
	json_array_append_new(calls, json_pack("{s:o, s:s, s:i}", "names", denied, "action",
					       "SCMP_ACT_ERRNO", "errnoRet", EPERM));
	return json_pack("{s:s, s:i, s:o, s:o}", "defaultAction", "SCMP_ACT_ERRNO",
			 "defaultErrnoRet", spec->default_errno, "architectures", architectures(),
			 "syscalls", calls);
}

static int write_filter(const struct seccomp_spec *spec, const char *path)
{
	struct error err = { 0 };
	_free_ void *filter = NULL;
	size_t n;
	int r;

	r = seccomp_compile(spec, &filter, &n, &err);
	if (r < 0) {
		fprintf(stderr, "bench-profile: %s\n", err.text);
		return r;
	}
	return file_write(AT_FDCWD, path, filter, n * sizeof(struct sock_filter), 0600, 0);
}

int main(int argc, char **argv)
{
	static struct seccomp_rule rules[SECCOMP_DEFAULT_MAX];
	struct seccomp_spec spec = {
		.default_action = SECCOMP_ACTION_ERRNO,
		.default_errno = SECCOMP_DEFAULT_ERRNO,
		.rules = rules,
	};
	json_t *section;
	int r;

	if (argc != 3) {
		fprintf(stderr, "usage: bench-profile JSON-FILE FILTER-FILE\n");
		return EXIT_FAILURE;
	}
	spec.n_rules = seccomp_default_rules(CAPS_APP_DEFAULT, rules, ARRAY_SIZE(rules));
	section = oci_section(&spec);
	r = section ? json_dump_file(section, argv[1], JSON_INDENT(1)) : -1;
	json_decref(section);
	return r == 0 && write_filter(&spec, argv[2]) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
