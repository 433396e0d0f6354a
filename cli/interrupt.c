#include "cli/interrupt.h"

#include <signal.h>

static const int caught[] = { SIGINT, SIGTERM, SIGHUP };

/* The one thing that a handler can tell: no setting, so a variable of this file. */
static volatile sig_atomic_t came;

static void note(int number)
{
	came = number;
}

int interrupt_begin(void)
{
	struct sigaction action = {
		.sa_handler = note
	}; /* no SA_RESTART: what waits is to wake up */

	for (size_t i = 0; i < ARRAY_SIZE(caught); i++)
		if (sigaction(caught[i], &action, NULL) < 0)
			return -errno;
	return 0;
}

int interrupt_hold(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++)
		sigaddset(&set, caught[i]);
	return sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? -errno : 0;
}

int interrupt_check(struct error *err)
{
	if (!came)
		return 0;
	error_set(err, -EINTR, "interrupted by signal %d: what was begun is undone.", (int)came);
	return 128 + (int)came;
}

void interrupt_end(void)
{
	sigset_t none;

	for (size_t i = 0; i < ARRAY_SIZE(caught); i++)
		(void)signal(caught[i], SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}
