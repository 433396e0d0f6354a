/*
 * The caller's terminal and the app's. The app has a terminal of its own, made inside the pod; we
 * hold its master. What is typed goes to the master, what comes from it is a stream like any other
 * (output.c). Our own terminal is raw meanwhile and gets its settings back at the end.
 */
#include <fcntl.h>
#include <sys/ioctl.h>

#include "stage1/stage1.h"

void terminal_size(uint16_t *rows, uint16_t *columns)
{
	struct winsize size;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0)
		return;
	*rows = size.ws_row;
	*columns = size.ws_col;
}

void terminal_resize(struct terminal *t)
{
	struct winsize size;

	if (t->master >= 0 && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
		ioctl(t->master, TIOCSWINSZ, &size);
}

/* Gives the master what is held. True when nothing is left. */
static bool hand_over(struct terminal *t)
{
	ssize_t n = t->n_held ? write(t->master, t->held, t->n_held) : 0;

	if (n < 0)
		n = errno == EAGAIN || errno == EINTR ? 0 : (ssize_t)t->n_held;
	memmove(t->held, t->held + n, t->n_held - (size_t)n);
	t->n_held -= (size_t)n;
	return t->n_held == 0;
}

static int on_input(struct loop_source *source, uint32_t events)
{
	struct terminal *t = source->data;
	ssize_t n = read(source->fd, t->held, sizeof(t->held));

	(void)events;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0) {
		loop_remove(&t->s->loop, &t->input); /* our terminal hung up */
		return 0;
	}
	t->n_held = (size_t)n;
	if (hand_over(t))
		return 0;
	loop_remove(&t->s->loop, &t->input);
	return loop_add(&t->s->loop, &t->output, t->master, EPOLLOUT);
}

static int on_master_room(struct loop_source *source, uint32_t events)
{
	struct terminal *t = source->data;

	(void)events;
	if (!hand_over(t))
		return 0;
	loop_remove(&t->s->loop, &t->output);
	return loop_add(&t->s->loop, &t->input, STDIN_FILENO, EPOLLIN);
}

int terminal_attach(struct supervisor *s, int master)
{
	struct terminal *t = &s->terminal;
	struct termios raw;

	t->s = s;
	t->input = (struct loop_source){ .fd = -1, .fn = on_input, .data = t };
	t->output = (struct loop_source){ .fd = -1, .fn = on_master_room, .data = t };
	t->master = fcntl(master, F_DUPFD_CLOEXEC, 3);
	if (t->master < 0 || fcntl(t->master, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	if (tcgetattr(STDIN_FILENO, &t->saved) < 0)
		return -errno;
	raw = t->saved;
	cfmakeraw(&raw);
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0)
		return -errno;
	t->raw = true;
	terminal_resize(t);
	return loop_add(&s->loop, &t->input, STDIN_FILENO, EPOLLIN);
}

void terminal_restore(struct terminal *t)
{
	if (t->raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &t->saved);
	t->raw = false;
	if (t->master >= 0)
		close(t->master);
	t->master = -1;
}
