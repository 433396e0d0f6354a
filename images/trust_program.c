/*
 * gpg and gpgv as programs that get what they need as descriptors and nothing else: no home
 * directory, no keyring, no environment, no agent. What they write goes into files in memory, of
 * limited size, which are read when they have ended: nobody waits for anybody.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "images/trust_parts.h"
#include "kernel/kernel.h"

enum {
	OUTPUT_BYTES = 2 * LIMIT_KEY_BYTES, /* of each of what it writes */
	MEMORY_BYTES = 1 << 30,             /* mostly what the C library reserves */
	NOBODY = 65534,
	SPAWN_FDS = 3,
};

static const char *const places[][2] = {
	{ "gpg", "/usr/bin/gpg" },
	{ "gpg", "/bin/gpg" },
	{ "gpgv", "/usr/bin/gpgv" },
	{ "gpgv", "/bin/gpgv" },
};

const char *trust_program(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (str_eq(places[i][0], name) && access(places[i][1], X_OK) == 0)
			return places[i][1];
	return NULL;
}

int trust_open_program(const char *name, struct error *err)
{
	const char *path = trust_program(name);
	int fd;

	if (!path)
		return error_set(err, -ENOENT, "there is no /usr/bin/%s: install the package %s.",
				 name, name);
	fd = open(path, O_PATH | O_CLOEXEC);
	return fd < 0 ? error_set(err, -errno, "cannot open %s", path) : fd;
}

void trust_ran_deinit(struct trust_ran *r)
{
	free(r->out);
	free(r->says);
}

void trust_last_words(const char *says, char *dst, size_t size)
{
	size_t end = strlen(says), start;
	const char *colon;

	while (end > 0 && says[end - 1] == '\n')
		end--;
	for (start = end; start > 0 && says[start - 1] != '\n';)
		start--;
	colon = memmem(says + start, end - start, ": ", 2);
	if (colon)
		start = (size_t)(colon - says) + 2;
	snprintf(dst, size, "%.*s", (int)(end - start), says + start);
}

/* ---- running --------------------------------------------------------------------------------- */

static int make_file(const char *name, struct error *err)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	return fd < 0 ? error_set(err, -errno, "cannot make a file in memory") : fd;
}

static int start(const struct trust_run *run, int out, int says, struct error *err)
{
	static const char *const no_environment[] = { NULL };
	const struct process_limit limits[] = {
		{ RLIMIT_FSIZE, OUTPUT_BYTES }, { RLIMIT_AS, MEMORY_BYTES },
		{ RLIMIT_NOFILE, 64 },          { RLIMIT_CORE, 0 },
		{ RLIMIT_CPU, run->max_cpu },
	};
	const struct process_confinement confine = {
		.change_user = geteuid() == 0,
		.uid = NOBODY,
		.gid = NOBODY,
		.limits = limits,
		.n_limits = ARRAY_SIZE(limits) - !run->max_cpu,
	};
	struct process_spec spec = {
		.argv = run->argv,
		.envp = no_environment,
		.clone_flags = confine.change_user ? CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS : 0,
		.cgroup_fd = -1,
		.stdio = { run->in, out, says },
		.keep_fd = run->fds[0],
		.more_fds = run->fds + 1,
		.confine = &confine,
	};
	_close_ int exe = trust_open_program(run->program, err);
	int r;

	if (exe < 0)
		return exe;
	spec.exe_fd = exe;
	while (spec.n_more_fds < SPAWN_FDS - 1 && run->fds[spec.n_more_fds + 1] >= 0)
		spec.n_more_fds++;
	r = process_spawn(&spec, NULL);
	return r < 0 ? error_set(err, r, "cannot start %s", run->program) : r;
}

int trust_run(const struct trust_run *run, struct trust_ran *ret, struct error *err)
{
	_trust_ran_ struct trust_ran ran = { 0 };
	_close_ int out = make_file("output", err), says = -1, pidfd = -1;
	int r;

	if (out < 0)
		return out;
	says = make_file("messages", err);
	if (says < 0)
		return says;
	pidfd = start(run, out, says, err);
	if (pidfd < 0)
		return pidfd;
	r = process_wait(pidfd, &ran.status);
	if (r == 0)
		r = file_read_fd(out, OUTPUT_BYTES, &ran.out, &ran.out_len);
	if (r == 0)
		r = file_read_fd(says, OUTPUT_BYTES, &ran.says, NULL);
	if (r < 0)
		return error_set(err, r, "cannot tell what %s said", run->program);
	if (ran.status > 128)
		return error_set(err, -EIO, "%s was killed by signal %d.", run->program,
				 ran.status - 128);
	*ret = ran;
	ran = (struct trust_ran){ 0 };
	return 0;
}
