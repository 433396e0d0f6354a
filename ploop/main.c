/* mosaic-ploop: see server.h. */
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>

#include "kernel/kernel.h"
#include "ploop/server.h"

/* Nobody may end us but the loss of the file system: a disk is not to vanish below who uses it. */
static void ignore_signals(void)
{
	static const int signals[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGPIPE,
				       SIGALRM, SIGUSR1, SIGUSR2, SIGTSTP, SIGXFSZ };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)!sigaction(signals[i], &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
}

/* Shut in, we go on in a process that is nobody's child and speaks to nobody. */
static int leave_parent(struct error *err)
{
	_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int r = null < 0 ? error_set(err, -errno, "cannot open /dev/null") : server_confine(err);
	pid_t pid = r < 0 ? 0 : fork();

	if (r < 0)
		return r;
	if (pid < 0)
		return error_set(err, -errno, "cannot start the server");
	if (pid > 0)
		_exit(0);
	if (setsid() < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(null, STDERR_FILENO) < 0)
		return error_set(err, -errno, "cannot leave the session");
	return 0;
}

static int run(bool writable, size_t n, struct error *err)
{
	int fds[PLOOP_IMAGES_MAX], r;
	struct ploop_chain *chain = NULL;
	struct server *server = NULL;

	for (size_t i = 0; i < n; i++)
		fds[i] = PLOOP_IMAGE_FD + (int)i;
	if (close_range((unsigned)PLOOP_IMAGE_FD + (unsigned)n, ~0U, 0) < 0)
		return error_set(err, -errno, "cannot close what was inherited");
	ignore_signals();
	r = ploop_chain_open(fds, n, writable, &chain, err);
	if (r == 0)
		r = server_new(chain, writable, &server, err);
	if (r == 0)
		r = leave_parent(err);
	if (r == 0)
		r = server_confine_calls(err);
	if (r == 0)
		server_run(server);
	return r;
}

int main(int argc, char **argv)
{
	struct error err = { 0 };
	char text[1024];
	uint64_t n = 0;
	bool ok = argc == 3 && (str_eq(argv[1], "r") || str_eq(argv[1], "w")) &&
		  str_to_u64(argv[2], PLOOP_IMAGES_MAX, &n) == 0 && n > 0;

	if (!ok) {
		dprintf(STDERR_FILENO, "mosaic-ploop is started by libmosaic.\n");
		return EXIT_FAILURE;
	}
	if (run(str_eq(argv[1], "w"), (size_t)n, &err) < 0) {
		error_format(&err, text, sizeof(text));
		dprintf(STDERR_FILENO, "%s\n", text);
		syscall(SYS_exit_group, EXIT_FAILURE);
	}
	/* at once: what libraries do at the end of a program is not on the list of calls */
	syscall(SYS_exit_group, EXIT_SUCCESS);
}
