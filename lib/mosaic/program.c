#include "mosaic/program.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "kernel/kernel.h"
#include "mosaic/driver.h"

#define PROGRAM_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum {
	WORDS_MAX = 320, /* bytes that are quoted of what it wrote, its end */
	LINE_MAX_LOGGED = 800,
};

static int find(const char *name)
{
	const char *at = PROGRAM_PATH;

	while (*at) {
		size_t n = strcspn(at, ":");
		char path[128];
		struct stat st;
		int fd;

		snprintf(path, sizeof(path), "%.*s/%s", (int)n, at, name);
		fd = open(path, O_PATH | O_CLOEXEC);
		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_mode & 0111)
			return fd;
		if (fd >= 0)
			close(fd);
		at += n + (at[n] == ':');
	}
	return -ENOENT;
}

/* The end of what it wrote, on one line. */
static void read_words(int fd, char words[WORDS_MAX])
{
	struct stat st;
	off_t from;
	ssize_t n;

	words[0] = '\0';
	if (fstat(fd, &st) < 0)
		return;
	from = st.st_size >= WORDS_MAX ? st.st_size - (WORDS_MAX - 1) : 0;
	n = pread(fd, words, WORDS_MAX - 1, from);
	if (n < 0)
		n = 0;
	while (n > 0 && words[n - 1] == '\n')
		n--;
	words[n] = '\0';
	for (char *p = words; *p; p++)
		if (*p == '\n')
			*p = ';';
}

static void log_run(const struct program *p)
{
	char line[LINE_MAX_LOGGED];
	size_t n = 0;

	for (size_t i = 0; p->argv[i] && n < sizeof(line); i++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s", i ? " " : "", p->argv[i]);
	mosaic_log(MOSAIC_LOG_DEBUG, "run: %s", line);
}

int program_run(const struct program *p, struct error *err)
{
	static const char *const environment[] = { "PATH=" PROGRAM_PATH, "LC_ALL=C.UTF-8", NULL };
	/* It dies with us: our locks, which keep others from what it works on, end when we do. */
	static const struct process_confinement confine = { .change_user = false };
	_close_ int exe = find(p->name), said = -1, pidfd = -1;
	char words[WORDS_MAX];
	int status, r;

	if (exe < 0)
		return error_set(err, exe, "the program %s is missing: it is in none of %s.",
				 p->name, PROGRAM_PATH);
	said = memfd_create("said", MFD_CLOEXEC);
	if (said < 0)
		return error_set(err, -errno, "cannot make room for what %s says", p->name);
	log_run(p);
	const struct process_spec spec = {
		.exe_fd = exe,
		.argv = p->argv,
		.envp = environment,
		.cgroup_fd = -1,
		.stdio = { p->input, p->output >= 0 ? p->output : said, said },
		.keep_fd = p->keep_fd,
		.confine = &confine,
	};
	pidfd = process_spawn(&spec, NULL);
	if (pidfd < 0)
		return error_set(err, pidfd, "cannot run %s", p->name);
	r = process_wait(pidfd, &status);
	if (r < 0)
		return error_set(err, r, "cannot wait for %s", p->name);
	if (status <= p->ok_status)
		return 0;
	read_words(said, words);
	return error_set(err, -EIO, "%s ended with status %d%s%s.", p->name, status,
			 words[0] ? ": " : "", words);
}
