#include <poll.h>
#include <sys/socket.h>

#include "kernel/kernel.h"
#include "ploop/server.h"

enum { PATIENCE_MS = 1000 };

static int carry_out(struct ploop_chain *chain, const struct ploop_message *m, const int *fds,
		     size_t n)
{
	if (m->command == PLOOP_SWITCH && n > 0)
		return ploop_chain_switch(chain, fds, n, NULL);
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	if (m->command == PLOOP_RESIZE)
		return ploop_chain_resize(chain, m->bytes);
	return m->command == PLOOP_SYNC ? ploop_chain_sync(chain) : -EINVAL;
}

/* Whoever can connect is who started us: the socket is in a directory of the superuser's. One that
 * sends nothing would hold up the disk, so he has a second. */
void control_answer(int listening, struct ploop_chain *chain, void (*resized)(void *arg), void *arg)
{
	_close_ int peer = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	struct pollfd wait = { .fd = peer, .events = POLLIN };
	struct ploop_message message;
	int fds[PLOOP_CHAIN_MAX];
	size_t n = ARRAY_SIZE(fds);
	int32_t answer;

	if (peer < 0 || poll(&wait, 1, PATIENCE_MS) <= 0)
		return;
	if (socket_receive_fds(peer, &message, sizeof(message), fds, &n) != sizeof(message))
		return;
	answer = carry_out(chain, &message, fds, n);
	if (message.command == PLOOP_RESIZE && answer == 0)
		resized(arg);
	(void)!send(peer, &answer, sizeof(answer), MSG_NOSIGNAL | MSG_DONTWAIT);
}
