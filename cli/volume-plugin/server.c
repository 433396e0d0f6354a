/*
 * libmicrohttpd without threads: it tells when it wants to run (an epoll descriptor, a deadline),
 * and a call is answered before the next one is looked at, so that a struct mosaic has one user.
 */
#include "cli/volume-plugin/server.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "cli/cli.h"
#include "cli/volume-plugin/plugin.h"
#include "cli/volume-plugin/protocol.h"

#define CONTENT_TYPE "application/vnd.docker.plugins.v1.2+json"

/* ---- one request ----------------------------------------------------------------------------- */

struct request {
	struct buf body;
	bool too_large;
};

/* Takes text, which may be NULL: memory was out. */
static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned status, char *text)
{
	struct MHD_Response *response;
	enum MHD_Result r;

	if (!text)
		return MHD_NO; /* ends the connection */
	response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(text);
		return MHD_NO;
	}
	r = MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, CONTENT_TYPE);
	if (r == MHD_YES && status == MHD_HTTP_METHOD_NOT_ALLOWED)
		r = MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, MHD_HTTP_METHOD_POST);
	if (r == MHD_YES)
		r = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return r;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *why)
{
	cli_complain("%s", why);
	return send_text(connection, status, str_printf("{\"Err\":\"%s\"}", why));
}

static enum MHD_Result refuse_large(struct MHD_Connection *connection)
{
	_free_ char *why = str_printf("a request has at most %d bytes", PLUGIN_BODY_MAX);

	return why ? refuse(connection, MHD_HTTP_CONTENT_TOO_LARGE, why) : MHD_NO;
}

static enum MHD_Result answer(struct plugin *p, struct MHD_Connection *connection, const char *url,
			      const struct request *q)
{
	struct error err = { 0 };
	char line[1024];
	char *text;
	unsigned status = plugin_call(p, url, q->body.data ? q->body.data : "", q->body.len, &text,
				      &err);

	if (status != MHD_HTTP_OK) {
		error_format(&err, line, sizeof(line));
		cli_complain("%s: %s", url + (*url == '/'), line);
	}
	return send_text(connection, status, text);
}

/* Its length, when it is announced, is known before a byte of it is taken. */
static bool announces_too_much(struct MHD_Connection *connection)
{
	const char *text = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
						       MHD_HTTP_HEADER_CONTENT_LENGTH);
	uint64_t length;

	return text && str_to_u64(text, PLUGIN_BODY_MAX, &length) == -ERANGE;
}

static enum MHD_Result begin(struct MHD_Connection *connection, const char *method, void **state)
{
	struct request *q;

	if (!str_eq(method, MHD_HTTP_METHOD_POST))
		return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "calls are made by POST");
	if (announces_too_much(connection))
		return refuse_large(connection);
	q = malloc(sizeof(*q));
	if (!q)
		return MHD_NO;
	*q = (struct request){ .body = BUF_INIT(PLUGIN_BODY_MAX) };
	*state = q;
	return MHD_YES;
}

/* lint: size ok: libmicrohttpd calls it so */
static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
			      const char *method, _unused_ const char *version, const char *data,
			      size_t *size, void **state)
{
	struct request *q = *state;

	if (!q)
		return begin(connection, method, state);
	if (*size == 0)
		return q->too_large ? refuse_large(connection) : answer(arg, connection, url, q);
	if (!q->too_large) {
		int r = buf_add(&q->body, data, *size);

		if (r < 0 && r != -E2BIG)
			return MHD_NO;
		q->too_large = r < 0; /* the rest is read and dropped: only then can be answered */
	}
	*size = 0;
	return MHD_YES;
}

static void done(_unused_ void *arg, _unused_ struct MHD_Connection *connection, void **state,
		 _unused_ enum MHD_RequestTerminationCode code)
{
	struct request *q = *state;

	if (q)
		buf_deinit(&q->body);
	free(q);
	*state = NULL;
}

/* ---- the socket ------------------------------------------------------------------------------ */

static int make_parent(const char *path, struct error *err)
{
	_free_ char *parent = strdup(path);
	char *slash = parent ? strrchr(parent, '/') : NULL;
	int r;

	if (!parent)
		return error_set(err, -ENOMEM, "%s", path);
	if (!slash || slash == parent)
		return 0;
	*slash = '\0';
	r = make_dirs(parent, 0755);
	return r < 0 ? error_set(err, r, "cannot make %s", parent) : 0;
}

/* Is what has the name a socket that nobody listens at? Then it goes. */
static int clear_way(const struct sockaddr_un *address, struct error *err)
{
	_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const char *path = address->sun_path;
	struct stat st;

	if (fd < 0)
		return error_set(err, -errno, "cannot make a socket");
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : error_set(err, -errno, "cannot look at %s", path);
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, -EEXIST, "%s is there and is no socket.", path);
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		return error_set(err, -EADDRINUSE, "somebody listens at %s already.", path);
	if (errno != ECONNREFUSED)
		return error_set(err, -errno, "cannot find out who listens at %s", path);
	return unlink(path) < 0 ? error_set(err, -errno, "cannot remove the old %s", path) : 0;
}

static int open_socket(const char *path, int *ret_fd, struct error *err)
{
	_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t before;
	int r;

	if (fd < 0)
		return error_set(err, -errno, "cannot make a socket");
	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, -ENAMETOOLONG, "socket %s: a path has at most %zu bytes.",
				 path, sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path));
	r = make_parent(path, err);
	if (r == 0)
		r = clear_way(&address, err);
	if (r < 0)
		return r;
	before = umask(0177); /* there is no moment at which others may connect */
	r = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(before);
	if (r == 0 && listen(fd, SERVER_CONNECTIONS) < 0)
		r = -errno;
	if (r < 0)
		return error_set(err, r, "cannot listen at %s", path);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* ---- serving --------------------------------------------------------------------------------- */

static void stop_daemon(struct MHD_Daemon **d)
{
	if (*d)
		MHD_stop_daemon(*d);
	*d = NULL;
}

/* Milliseconds until it wants to run whatever happens; -1: never. */
static int patience(struct MHD_Daemon *d)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(d, &ms) != MHD_YES)
		return -1;
	return ms > 60000 ? 60000 : (int)ms;
}

static int serve(struct MHD_Daemon *d, int signalfd, struct error *err)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(d, MHD_DAEMON_INFO_EPOLL_FD);
	struct pollfd fds[] = { { .events = POLLIN }, { .fd = signalfd, .events = POLLIN } };

	if (!info)
		return error_set(err, -EOPNOTSUPP, "libmicrohttpd has no epoll here.");
	fds[0].fd = info->epoll_fd;
	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), patience(d)) < 0 && errno != EINTR)
			return error_set(err, -errno, "cannot wait for requests");
		if (fds[1].revents)
			return 0;
		if (MHD_run(d) != MHD_YES)
			return error_set(err, -EIO, "libmicrohttpd cannot go on.");
	}
}

/* What is answered already still goes out; who says nothing is not waited for. */
static void finish(struct MHD_Daemon *d)
{
	for (int i = 0; i < 16 && patience(d) == 0; i++)
		if (MHD_run(d) != MHD_YES)
			return;
}

static void ignore(_unused_ int sig) {}

int server_run(struct plugin *p, const char *path, int signalfd, struct error *err)
{
	/* not SIG_IGN, which the programs that the library runs would inherit */
	const struct sigaction quiet = { .sa_handler = ignore, .sa_flags = SA_RESTART };
	__attribute__((cleanup(stop_daemon))) struct MHD_Daemon *d = NULL;
	_close_ int fd = -1;
	int r = open_socket(path, &fd, err);

	if (r < 0)
		return r;
	sigaction(SIGPIPE, &quiet, NULL);
	d = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, handle, p, MHD_OPTION_LISTEN_SOCKET, fd,
			     MHD_OPTION_CONNECTION_LIMIT, (unsigned)SERVER_CONNECTIONS,
			     MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SERVER_IDLE_SECONDS,
			     MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)SERVER_HEADER_BYTES,
			     MHD_OPTION_NOTIFY_COMPLETED, done, NULL, MHD_OPTION_END);
	if (d) {
		take_fd(&fd); /* it closes it */
		r = serve(d, signalfd, err);
		finish(d);
	} else {
		r = error_set(err, -EIO, "libmicrohttpd cannot serve at %s.", path);
	}
	unlink(path);
	return r;
}
