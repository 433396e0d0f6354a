/*
 * Signing, with the caller's own gpg: its home, its agent, its terminal. The signature goes through
 * memory, where it is looked at, so that a file appears only when it is one that trust_verify()
 * would take.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "images/trust_parts.h"
#include "kernel/kernel.h"

/* Our environment and the terminal on which gpg is to ask for pass phrases; the strings stay where
 * they are. NULL when memory is out. */
static const char **environment(char *terminal, size_t size)
{
	char name[128] = "";
	const char **env;
	size_t n = 0;

	while (environ[n])
		n++;
	env = calloc(n + 2, sizeof(*env));
	if (!env)
		return NULL;
	memcpy(env, environ, n * sizeof(*env));
	if (!getenv("GPG_TTY") && ttyname_r(STDIN_FILENO, name, sizeof(name)) == 0) {
		snprintf(terminal, size, "GPG_TTY=%s", name);
		env[n] = terminal;
	}
	return env;
}

/* Runs gpg; what it says goes where our errors go. */
static int run_gpg(int archive, int out, const char *key, struct error *err)
{
	const char *argv[] = { "gpg",      "--enable-special-filenames",
			       "--armor",  "--detach-sign",
			       "--output", "-",
			       "--",       "-&3",
			       NULL,       NULL,
			       NULL };
	_close_ int exe = trust_open_program("gpg", err), pidfd = -1;
	char terminal[256];
	_free_ const char **env = environment(terminal, sizeof(terminal));
	struct process_spec spec = {
		.exe_fd = exe,
		.argv = argv,
		.envp = env,
		.cgroup_fd = -1,
		.stdio = { STDIN_FILENO, out, STDERR_FILENO },
		.keep_fd = archive,
	};
	int status = 0, r;

	if (exe < 0)
		return exe;
	if (key) {
		argv[6] = "--local-user";
		argv[7] = key;
		argv[8] = "--";
		argv[9] = "-&3";
	}
	if (!env)
		return error_set(err, -ENOMEM, "out of memory");
	pidfd = process_spawn(&spec, NULL);
	r = pidfd < 0 ? pidfd : process_wait(pidfd, &status);
	if (r < 0)
		return error_set(err, r, "cannot run gpg");
	if (status)
		return error_set(err, -EKEYREJECTED,
				 "gpg has not signed it: its exit status is %d.", status);
	return 0;
}

static int check(const char *text, size_t len, struct error *err)
{
	_buf_ struct buf packets = BUF_INIT(LIMIT_SIGNATURE_BYTES);
	struct openpgp_signature s;
	struct openpgp_packet p;
	size_t at = 0;
	int r = openpgp_dearmour(text, len, "SIGNATURE", true, &packets, err);

	if (r < 0)
		return r;
	while ((r = openpgp_next(packets.data, packets.len, &at, &p)) > 0) {
		r = openpgp_signature(&p, &s);
		if (r < 0 || s.kind != 0)
			return error_set(
				err, -EBADMSG,
				"gpg made no signature of version 4 over a binary document.");
		if (!openpgp_hash_is_strong(s.hash))
			return error_set(err, -EBADMSG,
					 "gpg made a signature with %s, which nobody should accept: "
					 "look for digest-algo in its gpg.conf.",
					 openpgp_hash_name(s.hash));
	}
	return r < 0 ? error_set(err, r, "gpg made a signature that cannot be read.") : 0;
}

int trust_sign(const char *archive, const char *out, const char *key, bool overwrite,
	       struct error *err)
{
	_close_ int file = open(archive, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	_close_ int signature = -1;
	_free_ char *text = NULL;
	struct stat st;
	size_t len;
	int r;

	if (file < 0 || fstat(file, &st) < 0)
		return error_set(err, -errno, "cannot open %s", archive);
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "%s is no regular file.", archive);
	if (!overwrite && access(out, F_OK) == 0) /* before somebody types a pass phrase */
		return error_set(err, -EEXIST, "%s is there already (--overwrite replaces it).",
				 out);
	signature = memfd_create("signature", MFD_CLOEXEC);
	if (signature < 0)
		return error_set(err, -errno, "cannot make a file in memory");
	r = run_gpg(file, signature, key, err);
	if (r < 0)
		return r;
	r = file_read_fd(signature, LIMIT_SIGNATURE_BYTES, &text, &len);
	if (r < 0)
		return error_set(err, r, "cannot read what gpg wrote");
	r = check(text, len, err);
	if (r < 0)
		return r;
	r = file_write(AT_FDCWD, out, text, len, 0644,
		       FILE_SYNC | (overwrite ? 0U : FILE_EXCLUSIVE));
	return r < 0 ? error_set(err, r, "cannot write %s", out) : 0;
}
