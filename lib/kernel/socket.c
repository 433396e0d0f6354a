#include "kernel/socket.h"

#include <string.h>
#include <sys/socket.h>

/* Room for one more than we accept: the kernel's own limit is SCM_MAX_FD, 253. */
union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE((SOCKET_MAX_FDS + 3) * sizeof(int))];
};

int socket_send_fds(int sock, const void *data, size_t len, const int *fds, size_t n)
{
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control;
	struct cmsghdr *c = &control.align;
	ssize_t sent;

	if (n > SOCKET_MAX_FDS)
		return -E2BIG;
	if (n > 0) {
		memset(&control, 0, CMSG_SPACE(n * sizeof(int)));
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	do
		sent = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	return (size_t)sent == len ? 0 : -EMSGSIZE;
}

/* The descriptors of a message, moved to fds as far as there is room; the rest is closed. Returns
 * how many there were. */
static size_t collect_fds(const struct msghdr *msg, int *fds, size_t room)
{
	const struct cmsghdr *c = msg->msg_controllen >= sizeof(*c) ? CMSG_FIRSTHDR(msg) : NULL;
	size_t n;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return 0;
	n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	for (size_t i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
		if (i < room)
			fds[i] = fd;
		else
			close(fd);
	}
	return n;
}

ssize_t socket_receive_fds(int sock, void *data, size_t len, int *fds, size_t *n)
{
	union control control;
	struct iovec iov = { .iov_base = data, .iov_len = len };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t got;
	size_t came;

	do
		got = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	came = collect_fds(&msg, fds, *n);
	if (came <= *n && !(msg.msg_flags & (MSG_CTRUNC | MSG_TRUNC))) {
		*n = came;
		return got;
	}
	for (size_t i = 0; i < came && i < *n; i++)
		close(fds[i]);
	*n = 0;
	if (msg.msg_flags &
	    MSG_CTRUNC) /* there was room in control, so it was our descriptor table */
		return -EMFILE;
	return msg.msg_flags & MSG_TRUNC ? -EMSGSIZE : -E2BIG;
}
