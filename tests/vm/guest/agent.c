/*
 * The agent runs the command and tells the host how it ended. It is a process of its own, so that
 * process 1 may become another program: the agent is then a child which that program never
 * started, and the command runs beside it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

/* What a shell says when a command could not be started, and when there is none. */
#define EXIT_CANNOT_START 126
#define EXIT_NOT_FOUND    127

void set_environment(void)
{
	clearenv();
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/root", 1);
	setenv("USER", "root", 1);
	setenv("LANG", "C.UTF-8", 1);
	setenv("TERM", "dumb", 1);
	setenv("CAROB_VM", "1", 1);
	/* Otherwise device mapper tools wait for a udev that does not run. */
	setenv("DM_DISABLE_UDEV", "1", 1);
}

/* The strings stay in the request, which is never freed. */
static char **make_argument_vector(const struct request *request)
{
	char *value = NULL;
	char **arguments;
	size_t n = 0;

	while ((value = request_next(request, "arg", value)) != NULL)
		n++;
	arguments = calloc(n + 1, sizeof(*arguments));
	if (arguments == NULL || n == 0)
		guest_fail("request: no command");
	for (size_t i = 0; i < n; i++) {
		value = request_next(request, "arg", value);
		arguments[i] = value;
	}
	return arguments;
}

static _Noreturn void run_command(const struct request *request, int port)
{
	const char *directory = request_get(request, "cwd");
	char *variable = NULL;
	char **arguments = make_argument_vector(request);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (setsid() < 0 || dup2(null, 0) < 0 || dup2(port, 1) < 0 || dup2(port, 2) < 0)
		guest_fail("command");
	set_environment();
	while ((variable = request_next(request, "env", variable)) != NULL)
		putenv(variable);

	if (directory != NULL && chdir(directory) < 0) {
		dprintf(2, "vm: %s: %s\n", directory, strerror(errno));
		_exit(EXIT_CANNOT_START);
	}
	execvp(arguments[0], arguments);
	dprintf(2, "vm: %s: %s\n", arguments[0], strerror(errno));
	_exit(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_START);
}

static int await_command(pid_t command)
{
	int status;

	while (waitpid(command, &status, 0) < 0) {
		if (errno != EINTR)
			guest_fail("wait for the command");
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/*
 * The trailer goes the way the output went, so it cannot overtake it. The host ends the machine
 * when it has read it: a guest that switched itself off here would lose what the host has not yet
 * taken from the port.
 */
static _Noreturn void report(const struct request *request, int port, int code)
{
	const char *mark = request_get(request, "mark");

	sync();
	dprintf(port, "%s%d\n", mark == NULL ? "" : mark, code);
	for (;;)
		pause();
}

void start_agent(const struct request *request, int port)
{
	pid_t agent = fork(), command;

	if (agent < 0)
		guest_fail("fork");
	if (agent > 0)
		return;

	setsid();
	command = fork();
	if (command < 0)
		guest_fail("fork");
	if (command == 0)
		run_command(request, port);
	report(request, port, await_command(command));
}
