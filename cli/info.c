/* `carob info`: what this host can and cannot do for pods, and what to do about it. */
#include <fcntl.h>
#include <jansson.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "kernel/kernel.h"

static const struct cli_option info_options[] = {
	{ "json", 0, NULL, "as JSON", CLI_FLAG, offsetof(struct table_options, json) },
	{ "no-legend", 0, NULL, "no line of titles", CLI_FLAG,
	  offsetof(struct table_options, no_legend) },
	{ NULL },
};

static const struct table_column info_columns[] = {
	{ "WHAT", "name" }, { "STATE", "state" }, { "FOUND", "found" }, { "REMEDY", "remedy" },
	{ NULL },
};

enum finding {
	FINDING_OK,
	FINDING_LIMITED, /* pods run, but not with everything */
	FINDING_MISSING, /* no pod can run */
};

struct result {
	char found[1024];
	const char *remedy; /* when not OK */
};

/* Adds to what was found; what has no room is cut. */
static _printf_(2, 3) void found(struct result *r, const char *fmt, ...)
{
	size_t used = strlen(r->found);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->found + used, sizeof(r->found) - used, fmt, ap);
	va_end(ap);
}

/* ---- checks ---------------------------------------------------------------------------------- */

static enum finding check_kernel(_unused_ const struct cli *cli, struct result *r)
{
	struct utsname u;
	unsigned major = 0, minor = 0;

	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return FINDING_MISSING;
	found(r, "%s %s, %s", u.sysname, u.release, u.machine);
	r->remedy = "Linux 5.12 or newer is needed";
	return major > 5 || (major == 5 && minor >= 12) ? FINDING_OK : FINDING_MISSING;
}

static enum finding check_paths(_unused_ const struct cli *cli, struct result *r)
{
	_close_ int fd = path_open(AT_FDCWD, ".", PATH_BENEATH, O_PATH | O_DIRECTORY, 0);

	found(r, "%s", fd >= 0 ? "openat2" : strerror(-fd));
	r->remedy = "openat2(2) is needed: Linux 5.6, and no filter that forbids it";
	return fd >= 0 ? FINDING_OK : FINDING_MISSING;
}

static enum finding check_mounts(_unused_ const struct cli *cli, struct result *r)
{
	char message[128] = "";
	_close_ int fd = mount_new("tmpfs", NULL, 0, MOUNT_NOSUID, message, sizeof(message));

	found(r, "%s", fd >= 0 ? "detached mounts" : message[0] ? message : strerror(-fd));
	r->remedy = "mounting by descriptor is needed: Linux 5.12, root, CAP_SYS_ADMIN";
	return fd >= 0 ? FINDING_OK : FINDING_MISSING;
}

static enum finding check_processes(_unused_ const struct cli *cli, struct result *r)
{
	_close_ int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	found(r, "%s", fd >= 0 ? "pidfds" : strerror(errno));
	r->remedy = "pidfd_open(2) is needed: Linux 5.3, and no filter that forbids it";
	return fd >= 0 ? FINDING_OK : FINDING_MISSING;
}

static enum finding check_namespaces(_unused_ const struct cli *cli, struct result *r)
{
	static const char *const names[] = { "mnt", "pid", "ipc", "uts", "net", "cgroup" };
	enum finding finding = FINDING_OK;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char path[64];
		bool there;

		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		there = access(path, F_OK) == 0;
		if (!there)
			finding = FINDING_MISSING;
		found(r, "%s%s%s", i ? " " : "", there ? "" : "no ", names[i]);
	}
	r->remedy = "a kernel with all namespaces is needed, and /proc";
	return finding;
}

/* What limits need, in the words of enum cgroup_controller. */
static const struct {
	uint32_t bit;
	const char *name;
} controllers[] = {
	{ CGROUP_CPU, "cpu" },
	{ CGROUP_MEMORY, "memory" },
	{ CGROUP_PIDS, "pids" },
	{ CGROUP_DEVICES, "devices" },
};

static enum finding check_cgroups(_unused_ const struct cli *cli, struct result *r)
{
	static const char *const modes[] = { "none", "v1", "hybrid", "v2" };
	_cleanup_(cgroup_host_close) struct cgroup_host host = { 0 };
	struct error err = { 0 };
	uint32_t has;
	enum finding finding = FINDING_OK;

	r->remedy = "mount the cgroup hierarchies below /sys/fs/cgroup";
	if (cgroup_host_open(&host, &err) < 0) {
		found(r, "%s", err.text);
		return FINDING_MISSING;
	}
	has = host.v2_controllers;
	for (unsigned i = 0; i < host.n; i++)
		has |= host.list[i].has;
	if (host.mode == CGROUP_V2)
		has |= CGROUP_DEVICES; /* by a program, no controller */
	found(r, "%s:", modes[host.mode]);
	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++) {
		if (!(has & controllers[i].bit))
			finding = FINDING_LIMITED;
		found(r, " %s%s", has & controllers[i].bit ? "" : "no ", controllers[i].name);
	}
	if (finding == FINDING_LIMITED)
		r->remedy = "limits that need what is missing are refused; enable those controllers";
	return host.mode == CGROUP_NONE ? FINDING_MISSING : finding;
}

static enum finding check_seccomp(_unused_ const struct cli *cli, struct result *r)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;
	bool there = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;

	found(r, "%s", there ? "filters" : strerror(errno));
	r->remedy = "a kernel with CONFIG_SECCOMP_FILTER is needed";
	return there ? FINDING_OK : FINDING_MISSING;
}

static enum finding check_capabilities(_unused_ const struct cli *cli, struct result *r)
{
	static const char *const needed[] = { "CAP_SYS_ADMIN",    "CAP_NET_ADMIN", "CAP_CHOWN",
					      "CAP_DAC_OVERRIDE", "CAP_FOWNER",    "CAP_SETUID",
					      "CAP_SETGID",       "CAP_SETPCAP",   "CAP_MKNOD",
					      "CAP_KILL",         "CAP_SETFCAP" };
	uint64_t have = 0;

	if (caps_permitted(&have) < 0)
		return FINDING_MISSING;
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!(have & CAP_BIT(caps_number(needed[i]))))
			found(r, "%s%s", r->found[0] ? " " : "no ", needed[i]);
	r->remedy = "run carob as root, in an environment that keeps these capabilities";
	if (r->found[0])
		return FINDING_MISSING;
	found(r, "all that are needed");
	if (have & CAP_BIT(caps_number("CAP_SYS_RESOURCE")))
		return FINDING_OK;
	found(r, ", but no CAP_SYS_RESOURCE");
	r->remedy =
		"limits above those of this process are refused (carob/rlimits, a lower oom score)";
	return FINDING_LIMITED;
}

static enum finding check_programs(const struct cli *cli, struct result *r)
{
	static const char *const names[] = { "carob-stage1", "carob-stage3", "carob-pod-init",
					     "carob-unpack", "carob-pack",   "carob-fetch" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char path[LIMIT_PATH_BYTES];

		snprintf(path, sizeof(path), "%s/%s", cli->libexec, names[i]);
		if (access(path, X_OK) < 0)
			found(r, "%s%s", r->found[0] ? " " : "no ", names[i]);
	}
	r->remedy = "install them, or say where they are with CAROB_LIBEXEC";
	if (r->found[0])
		return FINDING_MISSING;
	found(r, "%s", cli->libexec);
	return FINDING_OK;
}

static enum finding check_mosaic(const struct cli *cli, struct result *r)
{
	_mosaic_ struct mosaic *m = NULL;
	struct error err = { 0 };
	int result = cli_mosaic_open(cli, NULL, 0, &m, &err);
	size_t n = 0;

	if (result == -ENOENT) {
		found(r, "%s: made when the first image comes", cli->mosaic);
		return FINDING_OK;
	}
	r->remedy = "see the message; `carob --mosaic MOSAIC` takes another one";
	if (result < 0) {
		found(r, "%s", err.text);
		return FINDING_MISSING;
	}
	found(r, "%s: driver %s", mosaic_location(m), mosaic_type(m));
	for (unsigned i = 0; mosaic_feature_name(1u << i); i++)
		if (mosaic_features(m) & 1u << i)
			found(r, "%s %s", n++ ? "" : ":", mosaic_feature_name(1u << i));
	r->remedy =
		"every app gets a whole copy of its image; a file system that overlay works on is faster";
	return mosaic_features(m) & MOSAIC_CLONE ? FINDING_OK : FINDING_LIMITED;
}

static enum finding check_directories(const struct cli *cli, struct result *r)
{
	bool root = access(cli->dirs.root, W_OK) == 0 || errno == ENOENT;
	bool run = access(cli->dirs.run, W_OK) == 0 || errno == ENOENT;

	found(r, "%s%s, %s%s", root ? "" : "cannot write ", cli->dirs.root,
	      run ? "" : "cannot write ", cli->dirs.run);
	r->remedy = "choose others with --root and --runroot, or CAROB_ROOT and CAROB_RUNROOT";
	return root && run ? FINDING_OK : FINDING_MISSING;
}

static enum finding check_limits(_unused_ const struct cli *cli, struct result *r)
{
	enum { FILES_ENOUGH = 1024 };
	struct rlimit files, processes;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || getrlimit(RLIMIT_NPROC, &processes) < 0)
		return FINDING_MISSING;
	found(r, "%jd files, %jd processes", (intmax_t)files.rlim_cur,
	      (intmax_t)processes.rlim_cur);
	r->remedy = "pods of many apps need more descriptors: raise the limit of open files";
	return files.rlim_cur >= FILES_ENOUGH ? FINDING_OK : FINDING_LIMITED;
}

/* Without them pods run, and unsigned images can be fetched by saying so. */
static enum finding check_signatures(_unused_ const struct cli *cli, struct result *r)
{
	static const struct {
		const char *program, *remedy;
	} needed[] = {
		{ "gpgv", "signatures cannot be checked, so no signed image can be fetched: "
			  "install the package gpgv" },
		{ "gpg",
		  "keys cannot be trusted (`carob trust add`) nor images signed: install the "
		  "package gpg" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		const char *path = trust_program(needed[i].program);

		found(r, "%s%s%s", i ? ", " : "", path ? "" : "no ",
		      path ? path : needed[i].program);
		if (!path && !r->remedy)
			r->remedy = needed[i].remedy;
	}
	return r->remedy ? FINDING_LIMITED : FINDING_OK;
}

static const struct {
	const char *name;
	enum finding (*check)(const struct cli *cli, struct result *r);
} checks[] = {
	{ "kernel", check_kernel },           { "paths", check_paths },
	{ "mounts", check_mounts },           { "processes", check_processes },
	{ "namespaces", check_namespaces },   { "cgroups", check_cgroups },
	{ "seccomp", check_seccomp },         { "capabilities", check_capabilities },
	{ "programs", check_programs },       { "mosaic", check_mosaic },
	{ "directories", check_directories }, { "limits", check_limits },
	{ "signatures", check_signatures },
};

/* ---- the verb -------------------------------------------------------------------------------- */

static int info_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	static const char *const states[] = { "ok", "limited", "missing" };
	struct table_options o = { 0 };
	struct cli_set set = { info_options, &o };
	enum finding worst = FINDING_OK;
	json_t *rows;
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 0, 0, err);
	if (r != 0)
		return r;
	rows = json_array();
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		struct result result = { .found = "" };
		enum finding f = checks[i].check(cli, &result);

		json_array_append_new(rows,
				      json_pack("{s:s, s:s, s:s, s:s?}", "name", checks[i].name,
						"state", states[f], "found", result.found, "remedy",
						f == FINDING_OK ? NULL : result.remedy));
		worst = f > worst ? f : worst;
	}
	r = table_print(rows, info_columns, &o, err);
	return r < 0 ? r : worst == FINDING_MISSING ? CLI_FAILED : 0;
}

const struct cli_verb verb_info = {
	.name = "info",
	.summary = "Tell what this host can and cannot do for pods",
	.tables = { { info_options } },
	.run = info_run,
};
