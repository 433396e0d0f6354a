/*
 * The client's side of a pod's API (docs/api/pod.json): one JSON object a line, descriptors beside.
 *
 * A socket is all the state there is. So a line is looked at first (MSG_PEEK) and then taken to its
 * newline exactly; what follows stays in the socket for the next reader.
 */
#include "pod/pod.h"

#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "pod/internal.h"

enum {
	STDIO_FDS = 3,
	CHUNK = 4096,
	REQUEST_ID = 1, /* one request at a time on a connection */
};

void pod_api_message_deinit(struct pod_api_message *m)
{
	json_decref(m->json);
	m->json = NULL;
	cleanup_close(&m->fd);
}

int pod_api_connect(const struct pod_dirs *dirs, const char *uuid, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char path[LIMIT_PATH_BYTES];
	_close_ int dir = -1, sock = -1;
	int r = pod_path(path, dirs->run, "pods", uuid);

	if (r < 0)
		return error_set(err, r, "%s", dirs->run);
	/* through a descriptor: the whole path may be longer than a socket's address */
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return error_set(err, -errno, "cannot reach the API of pod %s", uuid);
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/api.sock", dir);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || connect(sock, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set(err, -errno, "cannot reach the API of pod %s", uuid);
	return take_fd(&sock);
}

/* ---- lines ----------------------------------------------------------------------------------- */

union fd_room {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(STDIO_FDS * sizeof(int))];
};

static int line_send(int sock, const char *line, size_t len, const int *stdio)
{
	union fd_room room = { 0 };
	struct iovec io = { (char *)line, len };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1 };

	if (stdio) {
		struct cmsghdr *c = &room.align;

		m.msg_control = room.bytes;
		m.msg_controllen = sizeof(room.bytes);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(STDIO_FDS * sizeof(int));
		memcpy(CMSG_DATA(c), stdio, STDIO_FDS * sizeof(int));
	}
	while (io.iov_len > 0) {
		ssize_t n = sendmsg(sock, &m, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		io.iov_base = (char *)io.iov_base + n;
		io.iov_len -= (size_t)n;
		m.msg_control = NULL; /* descriptors go with the first byte */
		m.msg_controllen = 0;
	}
	return 0;
}

/* Keeps the first descriptor that came, closes all others. */
static void fds_keep_first(struct msghdr *m, int *fd)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int got;

			memcpy(&got, CMSG_DATA(c) + i * sizeof(int), sizeof(got));
			if (*fd < 0)
				*fd = got;
			else
				close(got);
		}
	}
}

/* Takes at most len bytes that are known to be there. */
static ssize_t chunk_take(int sock, char *data, size_t len, int *fd)
{
	union fd_room room = { 0 };
	struct iovec io = { data, len };
	struct msghdr m = { .msg_iov = &io,
			    .msg_iovlen = 1,
			    .msg_control = room.bytes,
			    .msg_controllen = sizeof(room.bytes) };
	ssize_t n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);

	if (n < 0)
		return -errno;
	fds_keep_first(&m, fd);
	return n;
}

static int line_receive(int sock, struct buf *line, int *fd)
{
	char data[CHUNK];

	for (;;) {
		ssize_t n = recv(sock, data, sizeof(data), MSG_PEEK);
		const char *end;
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		end = memchr(data, '\n', (size_t)n);
		n = chunk_take(sock, data, end ? (size_t)(end - data) + 1 : (size_t)n, fd);
		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		r = buf_add(line, data, (size_t)n);
		if (r < 0)
			return r;
		if (n > 0 && data[n - 1] == '\n')
			return 0;
	}
}

static int message_receive(int sock, struct pod_api_message *ret, struct error *err)
{
	_buf_ struct buf line = BUF_INIT(LIMIT_API_LINE_BYTES);
	_close_ int fd = -1;
	json_t *json;
	int r = line_receive(sock, &line, &fd);

	if (r == -ECONNRESET)
		return error_set(err, r, "the pod has ended the connection.");
	if (r < 0)
		return error_set(err, r, "cannot receive from the pod");
	json = json_loadb(line.data, line.len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(json)) {
		json_decref(json);
		return error_set(err, -EPROTO, "the pod did not answer with a JSON object.");
	}
	*ret = (struct pod_api_message){ json, take_fd(&fd) };
	return 0;
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* The codes of docs/api/pod.json, "errors". */
static int error_code(json_int_t code)
{
	static const struct {
		json_int_t code;
		int number;
	} table[] = {
		{ -32000, -EBUSY },  { -32001, -EIO },    { -32600, -EPROTO },
		{ -32601, -ENOSYS }, { -32602, -EINVAL }, { -32700, -EPROTO },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].code == code)
			return table[i].number;
	return -EPROTO;
}

/* A program that was not found or cannot be executed (data.exit) is told from all else. */
static int fault_number(const json_t *fault)
{
	switch (json_integer_value(json_object_get(json_object_get(fault, "data"), "exit"))) {
	case 127:
		return -ENOENT;
	case 126:
		return -EACCES;
	default:
		return error_code(json_integer_value(json_object_get(fault, "code")));
	}
}

/* Turns the whole reply into the result, or the server's sentence. */
static int reply_open(struct pod_api_message *m, struct error *err)
{
	json_t *fault = json_object_get(m->json, "error"),
	       *result = json_object_get(m->json, "result");

	if (json_is_object(fault)) {
		const char *text = json_string_value(json_object_get(fault, "message"));

		return error_set(err, fault_number(fault), "%s.",
				 text ? text : "the pod gave no reason");
	}
	if (!result)
		return error_set(err, -EPROTO, "the pod's answer has no result.");
	json_incref(result);
	json_decref(m->json);
	m->json = result;
	return 0;
}

static int request_send(int sock, const char *method, struct json_t *params, const int *stdio)
{
	json_t *request = json_pack("{s:s, s:i, s:s, s:o}", "jsonrpc", "2.0", "id", REQUEST_ID,
				    "method", method, "params", params ? params : json_object());
	_free_ char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	_free_ char *line = text ? str_printf("%s\n", text) : NULL;

	json_decref(request);
	if (!line)
		return -ENOMEM;
	if (strlen(line) > LIMIT_API_LINE_BYTES)
		return -E2BIG;
	return line_send(sock, line, strlen(line), stdio);
}

int pod_api_call(int sock, const char *method, struct json_t *params, const int stdio[3],
		 struct pod_api_message *ret, struct error *err)
{
	_cleanup_(pod_api_message_deinit) struct pod_api_message m = { .fd = -1 };
	int r = request_send(sock, method, params, stdio);

	if (r < 0)
		return error_set(err, r, "cannot send the request %s to the pod", method);
	do { /* past notifications of earlier requests */
		pod_api_message_deinit(&m);
		r = message_receive(sock, &m, err);
	} while (r == 0 && !json_object_get(m.json, "id"));
	if (r == 0)
		r = reply_open(&m, err);
	if (r < 0)
		return error_context(err, r, method, NULL);
	*ret = m;
	m = (struct pod_api_message){ .fd = -1 };
	return 0;
}

int pod_api_send(int sock, const char *method, struct json_t *params, struct error *err)
{
	int r = request_send(sock, method, params, NULL);

	return r < 0 ? error_set(err, r, "cannot send the request %s to the pod", method) : 0;
}

int pod_api_receive(int sock, struct pod_api_message *ret, struct error *err)
{
	return message_receive(sock, ret, err);
}
