#include "cli/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>

enum { CHUNK = 4096 };

struct terminal_size terminal_size(void)
{
	struct winsize size;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0)
		return (struct terminal_size){ 24, 80 };
	return (struct terminal_size){ size.ws_row, size.ws_col };
}

/* ---- raw mode -------------------------------------------------------------------------------- */

struct raw {
	struct termios before;
	bool set;
};

static void raw_leave(struct raw *raw)
{
	if (raw->set)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &raw->before);
	raw->set = false;
}

static int raw_enter(struct raw *raw)
{
	struct termios mode;

	if (tcgetattr(STDIN_FILENO, &raw->before) < 0)
		return -errno;
	mode = raw->before;
	cfmakeraw(&mode);
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &mode) < 0)
		return -errno;
	raw->set = true;
	return 0;
}

/* ---- signals --------------------------------------------------------------------------------- */

struct signals {
	int fd;
	sigset_t before;
};

static int signals_catch(struct signals *s)
{
	static const int numbers[] = { SIGWINCH, SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		sigaddset(&set, numbers[i]);
	if (sigprocmask(SIG_BLOCK, &set, &s->before) < 0)
		return -errno;
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->fd < 0 ? -errno : 0;
}

static void signals_release(struct signals *s)
{
	if (s->fd < 0)
		return;
	close(s->fd);
	(void)sigprocmask(SIG_SETMASK, &s->before, NULL);
}

/* ---- the relay ------------------------------------------------------------------------------- */

enum { FROM_USER, FROM_APP, FROM_API, FROM_SIGNALS, SOURCES };

struct relay {
	const struct terminal_relay *r;
	struct pollfd fds[SOURCES];
	char pending[CHUNK]; /* typed, not yet taken by the app */
	size_t pending_at, pending_len;
	bool ended;
	int signal;
};

static int user_to_app(struct relay *l)
{
	ssize_t n;

	if (l->fds[FROM_USER].revents && l->pending_len == 0) {
		n = read(STDIN_FILENO, l->pending, sizeof(l->pending));
		if (n <= 0 && !(n < 0 && (errno == EINTR || errno == EAGAIN)))
			l->fds[FROM_USER].fd = -1; /* hung up */
		l->pending_at = 0;
		l->pending_len = n > 0 ? (size_t)n : 0;
	}
	if (l->pending_len == 0 || l->fds[FROM_APP].fd < 0)
		return 0;
	n = write(l->r->master, l->pending + l->pending_at, l->pending_len);
	if (n < 0 && errno != EAGAIN && errno != EINTR && errno != EIO)
		return -errno;
	if (n > 0) {
		l->pending_at += (size_t)n;
		l->pending_len -= (size_t)n;
	}
	return 0;
}

/* 1 while there may be more. */
static int app_to_user(struct relay *l)
{
	char data[CHUNK];
	ssize_t n = l->fds[FROM_APP].fd < 0 ? 0 : read(l->r->master, data, sizeof(data));
	int r;

	if (n < 0 && errno == EINTR)
		return 1;
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0) { /* EIO: nobody has the other end open */
		l->fds[FROM_APP].fd = -1;
		return 0;
	}
	r = write_all(STDOUT_FILENO, data, (size_t)n);
	return r < 0 ? r : 1;
}

static void signal_handle(struct relay *l)
{
	struct signalfd_siginfo info;
	struct winsize size;

	if (read(l->fds[FROM_SIGNALS].fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo != SIGWINCH)
		l->signal = (int)info.ssi_signo;
	else if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
		(void)ioctl(l->r->master, TIOCSWINSZ, &size);
}

static int relay_turn(struct relay *l)
{
	int r = 0;

	l->fds[FROM_USER].events = l->pending_len ? 0 : POLLIN;
	l->fds[FROM_APP].events = (short)(POLLIN | (l->pending_len ? POLLOUT : 0));
	if (poll(l->fds, SOURCES, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	if (l->fds[FROM_SIGNALS].revents)
		signal_handle(l);
	if (l->fds[FROM_APP].revents & ~POLLOUT)
		r = app_to_user(l);
	if (r >= 0)
		r = user_to_app(l);
	if (r >= 0 && l->fds[FROM_API].revents) {
		r = l->r->done(l->r->arg);
		l->ended = r == 1;
	}
	return r < 0 ? r : 0;
}

static int relay_run(struct relay *l)
{
	int r = 0;

	while (r == 0 && !l->ended && !l->signal)
		r = relay_turn(l);
	while (l->ended && r >= 0) {
		r = app_to_user(l);
		if (r != 1)
			break;
	}
	return r < 0 ? r : 0;
}

int terminal_relay(const struct terminal_relay *relay, int *ret_signal, struct error *err)
{
	_cleanup_(signals_release) struct signals signals = { .fd = -1 };
	_cleanup_(raw_leave) struct raw raw = { 0 };
	struct relay l = { .r = relay };
	int flags = fcntl(relay->master, F_GETFL), r = signals_catch(&signals);

	if (r == 0 && (flags < 0 || fcntl(relay->master, F_SETFL, flags | O_NONBLOCK) < 0))
		r = -errno;
	if (r == 0)
		r = raw_enter(&raw);
	l.fds[FROM_USER] = (struct pollfd){ .fd = STDIN_FILENO };
	l.fds[FROM_APP] = (struct pollfd){ .fd = relay->master };
	l.fds[FROM_API] = (struct pollfd){ .fd = relay->sock, .events = POLLIN };
	l.fds[FROM_SIGNALS] = (struct pollfd){ .fd = signals.fd, .events = POLLIN };
	if (r == 0)
		r = relay_run(&l);
	*ret_signal = l.signal;
	return r < 0 ? error_set(err, r, "the terminal") : 0;
}
