#include "cli/moctl/interrupted.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "cli/cli.h"
#include "mosaic/mosaic.h"

static const int caught[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
static const char word[] = "--interrupted";

enum {
	PATIENCE_NS = 2000000000,
	NAP_NS = 2000000,
};

/* The handler has no argument to find these by. */
static struct {
	char number[4];
	const char *argv[6];
} again;

static void interrupted(int number)
{
	/* at most two digits, and nothing that allocates */
	again.number[0] = (char)('0' + number / 10 % 10);
	again.number[1] = (char)('0' + number % 10);
	execve("/proc/self/exe", (char *const *)again.argv, environ);
	(void)raise(number); /* SA_RESETHAND: this one ends the process */
}

int interrupted_begin(const char *mosaic, const char *file)
{
	/* a second signal is held back until all is cleared up */
	struct sigaction action = { .sa_handler = interrupted, .sa_flags = (int)SA_RESETHAND };

	again.argv[0] = cli_program;
	again.argv[1] = word;
	again.argv[2] = again.number;
	again.argv[3] = mosaic;
	again.argv[4] = file ? file : "";
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++)
		sigaddset(&action.sa_mask, caught[i]);
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++) {
		struct sigaction before;

		/* nohup means it */
		if (sigaction(caught[i], NULL, &before) < 0 ||
		    (before.sa_handler != SIG_IGN && sigaction(caught[i], &action, NULL) < 0))
			return -errno;
	}
	return 0;
}

void interrupted_end(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++) {
		struct sigaction before;

		if (sigaction(caught[i], NULL, &before) == 0 && before.sa_handler == interrupted)
			(void)signal(caught[i], SIG_DFL);
	}
}

bool interrupted_is(int argc, char *const *argv)
{
	return argc == 5 && str_eq(argv[1], word);
}

static void signal_children(int number)
{
	_fclose_ FILE *list = fopen("/proc/thread-self/children", "re");
	int pid;

	while (list && fscanf(list, "%d", &pid) == 1)
		(void)kill(pid, number);
}

/* What the library had started for us are our children still. Who is to thaw a file system when we
 * are gone takes no SIGTERM, and ends when that is done: so it is waited for. */
static void end_children(void)
{
	int64_t patience = time_boot_ns() + PATIENCE_NS;
	bool killed = false;
	pid_t pid;

	signal_children(SIGTERM);
	while ((pid = waitpid(-1, NULL, killed ? 0 : WNOHANG)) >= 0 || errno == EINTR) {
		if (pid != 0)
			continue;
		if (time_boot_ns() < patience) {
			nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
		} else {
			signal_children(SIGKILL);
			killed = true;
		}
	}
}

/* Held back until now, so that a second one did not end the clearing up. */
static void end_by(int number)
{
	sigset_t none;

	sigemptyset(&none);
	(void)signal(number, SIG_DFL);
	(void)raise(number);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

int interrupted_run(char *const *argv)
{
	_mosaic_ struct mosaic *m = NULL;
	struct error err = { 0 };
	char text[1024];
	uint64_t number;
	unsigned n;

	if (str_to_u64(argv[2][0] == '0' ? argv[2] + 1 : argv[2], 31, &number) < 0)
		return CLI_FAILED;
	end_children();
	if (*argv[4])
		(void)unlink(argv[4]);
	if (mosaic_open_named(&m, argv[3], 0, &err) == 0)
		(void)!mosaic_collect(m, &n, &err);
	if (err.code) {
		error_format(&err, text, sizeof(text));
		cli_complain("interrupted; what was begun stays for `moctl %s check --repair`: %s",
			     argv[3], text);
	}
	end_by((int)number);
	return CLI_FAILED;
}
