#include "images/fetch/deadline.h"

#include <signal.h>
#include <sys/syscall.h>

#include "images/fetch/report.h"

/* Made ready beforehand: a signal comes in the middle of anything. */
static char why[512];
static size_t why_len;

/* Nothing here but system calls. */
static void on_alarm(_unused_ int number)
{
	report_text(FETCH_FAILURE, FETCH_FAILED_NOW, why, why_len);
	syscall(SYS_exit_group, EXIT_FAILURE);
}

void deadline_begin(const char *host, uint64_t seconds)
{
	struct sigaction action = { .sa_handler = on_alarm };

	snprintf(why, sizeof(why), "cannot look %.256s up within %llu seconds.", host,
		 (unsigned long long)seconds);
	why_len = strlen(why);
	sigaction(SIGALRM, &action, NULL);
	alarm((unsigned)seconds);
}

void deadline_end(void)
{
	alarm(0);
	signal(SIGALRM, SIG_DFL);
}
