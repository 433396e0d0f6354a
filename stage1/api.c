/*
 * api.sock: one JSON-RPC request a line. Clients are root's (or the pod owner's) processes; still,
 * every line has a maximum, every descriptor is counted, and a client that does not read its
 * answers loses its connection instead of stopping the pod.
 */
#include "stage1/api.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static void close_fds(struct client *c)
{
	for (size_t i = 0; i < c->n_fds; i++)
		close(c->fds[i]);
	c->n_fds = 0;
}

static void client_drop(struct client *c)
{
	struct api *api = c->api;

	for (struct client **at = &api->clients; *at; at = &(*at)->next) {
		if (*at != c)
			continue;
		*at = c->next;
		break;
	}
	for (struct exec *e = api->s->execs; e; e = e->next) {
		if (e->client != c)
			continue;
		/* whoever entered is gone: its process hears so, as from a terminal that hung up */
		e->client = NULL;
		if (process_signal(e->child.pidfd, SIGHUP) < 0)
			continue;
	}
	if (c->source.fd >= 0) {
		int fd = c->source.fd;

		loop_remove(&api->s->loop, &c->source);
		close(fd);
	}
	close_fds(c);
	buf_deinit(&c->in);
	json_decref(c->waiting_id);
	api->n_clients--;
	free(c);
}

void api_send(struct client *c, json_t *line, int fd)
{
	_free_ char *text = json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER);
	_free_ char *whole = text ? str_printf("%s\n", text) : NULL;

	json_decref(line);
	if (c->source.fd < 0)
		return;
	if (!whole || socket_send_fds(c->source.fd, whole, strlen(whole), &fd, fd >= 0 ? 1 : 0) < 0)
		shutdown(c->source.fd, SHUT_RDWR);
}

/* data: what a program can make of the error, e.g. {"exit": 127}; its reference is taken; or NULL. */
static void reply_fault(struct client *c, json_t *id, int code, const char *message, json_t *data)
{
	json_t *error = json_pack("{s:i, s:s}", "code", code, "message", message);

	if (data)
		json_object_set_new(error, "data", data);
	api_send(c, json_pack("{s:s, s:O?, s:o}", "jsonrpc", "2.0", "id", id, "error", error), -1);
}

static void reply_error(struct client *c, json_t *id, int code, const char *message)
{
	reply_fault(c, id, code, message, NULL);
}

static void reply_result(struct client *c, json_t *id, json_t *result, int fd)
{
	api_send(c, json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", id, "result", result), fd);
}

static void handle_request(struct client *c, json_t *request)
{
	json_t *id = json_object_get(request, "id"), *params = json_object_get(request, "params"),
	       *result = NULL;
	const char *name = json_string_value(json_object_get(request, "method"));
	const struct api_method *method = name ? api_method_find(name) : NULL;
	struct error err = { 0 };
	char line[1024];
	int fd = -1, r;

	if (!name || !id || (params && !json_is_object(params))) {
		reply_error(c, id, API_REQUEST,
			    "a request has jsonrpc, id, method and an object params");
		return;
	}
	if (!method) {
		reply_error(c, id, API_METHOD, "no such method: status, wait, signal, stop, exec");
		return;
	}
	if (!(method->phases & 1U << c->api->s->phase)) {
		reply_error(c, id, API_PHASE, "not possible in this phase of the pod's life");
		return;
	}
	r = method->fn(c, params, id, &result, &fd, &err);
	if (r == API_DEFERRED)
		return;
	if (r < 0) {
		error_format(&err, line, sizeof(line));
		reply_fault(c, id, r == -EINVAL ? API_PARAMS : API_FAILED, line, result);
		return;
	}
	reply_result(c, id, result, fd);
	if (fd >= 0)
		close(fd);
}

static void handle_line(struct client *c, const char *line, size_t len)
{
	json_error_t at;
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &at);

	if (json_is_object(request))
		handle_request(c, request);
	else
		reply_error(c, NULL, API_PARSE, request ? "a request is a JSON object" : at.text);
	json_decref(request);
	close_fds(c);
}

static int on_client(struct loop_source *source, uint32_t events)
{
	struct client *c = source->data;
	int fds[API_REQUEST_FDS];
	size_t n_fds = API_REQUEST_FDS - c->n_fds;
	char chunk[4096], *end;
	ssize_t n = socket_receive_fds(source->fd, chunk, sizeof(chunk), fds, &n_fds);

	(void)events;
	if (n == -EAGAIN || n == -EINTR)
		return 0;
	if (n <= 0) {
		client_drop(c);
		return 0;
	}
	for (size_t i = 0; i < n_fds; i++)
		c->fds[c->n_fds++] = fds[i];
	if (buf_add(&c->in, chunk, (size_t)n) < 0) {
		reply_error(c, NULL, API_PARSE, "the line is too long");
		client_drop(c);
		return 0;
	}
	while ((end = memchr(c->in.data, '\n', c->in.len)) != NULL) {
		size_t len = (size_t)(end - c->in.data);

		handle_line(c, c->in.data, len);
		buf_drop_front(&c->in, len + 1);
	}
	return c->api->s->phase == PHASE_OVER ? 1 : 0;
}

static bool is_trusted(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static int on_listener(struct loop_source *source, uint32_t events)
{
	struct api *api = source->data;
	/* cppcheck-suppress nullPointer ; accept(2): without an address it is not given one */
	_close_ int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *c;

	(void)events;
	if (fd < 0 || api->n_clients >= LIMIT_API_CLIENTS || !is_trusted(fd))
		return 0;
	c = calloc(1, sizeof(*c));
	if (!c)
		return 0;
	c->api = api;
	c->in = (struct buf)BUF_INIT(LIMIT_API_LINE_BYTES);
	c->source = (struct loop_source){ .fd = -1, .fn = on_client, .data = c };
	if (loop_add(&api->s->loop, &c->source, fd, EPOLLIN) < 0) {
		free(c);
		return 0;
	}
	fd = -1;
	c->next = api->clients;
	api->clients = c;
	api->n_clients++;
	return 0;
}

/* RUN/pods/UUID, made with its parents only where they are missing. */
static int make_directory(const char *path)
{
	/* lint: path ok: the runtime directory is the host's */
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return 0;
	return errno == ENOENT ? make_dirs(path, 0700) : -errno;
}

int api_start(struct supervisor *s, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char dir[sizeof(s->dirs.run) + UUID_TEXT + 8];
	_close_ int fd = -1;
	int r;

	snprintf(dir, sizeof(dir), "%s/pods/%s", s->dirs.run, s->pod.uuid);
	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s/api.sock", dir) >=
	    (int)sizeof(address.sun_path))
		return error_set(err, -ENAMETOOLONG,
				 "the runtime directory %s is too long for a socket", s->dirs.run);
	r = make_directory(dir);
	if (r < 0)
		return error_set(err, r, "cannot make %s", dir);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(err, -errno, "cannot make a socket");
	/* what fchmod() says of a socket without a name is the mode that bind() gives the name */
	if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 16) < 0)
		return error_set(err, -errno, "cannot listen on %s", address.sun_path);
	s->api = calloc(1, sizeof(*s->api));
	if (!s->api)
		return error_set(err, -ENOMEM, "out of memory");
	s->api->s = s;
	s->api->listener = (struct loop_source){ .fd = -1, .fn = on_listener, .data = s->api };
	r = loop_add(&s->loop, &s->api->listener, fd, EPOLLIN);
	if (r < 0)
		return error_set(err, r, "cannot watch %s", address.sun_path);
	fd = -1;
	return 0;
}

void api_stop(struct supervisor *s)
{
	char path[sizeof(s->dirs.run) + UUID_TEXT + 24];

	if (s->api) {
		while (s->api->clients)
			client_drop(s->api->clients);
		free(s->api);
		s->api = NULL;
	}
	snprintf(path, sizeof(path), "%s/pods/%s/api.sock", s->dirs.run, s->pod.uuid);
	unlink(path); /* lint: path ok: the runtime directory is the host's */
	*strrchr(path, '/') = '\0';
	rmdir(path); /* lint: path ok: the runtime directory is the host's */
}

static void answer_wait(struct client *c, int code)
{
	json_t *id = c->waiting_id;

	c->waiting_id = NULL;
	reply_result(c, id, json_pack("{s:i}", "exit", code), -1);
	json_decref(id);
}

void api_app_ended(struct supervisor *s, const struct app *app)
{
	for (struct client *c = s->api ? s->api->clients : NULL; c; c = c->next)
		if (c->waiting_id && c->wait_app == app)
			answer_wait(c, app->exit);
}

void api_pod_ended(struct supervisor *s)
{
	for (struct client *c = s->api ? s->api->clients : NULL; c; c = c->next)
		if (c->waiting_id)
			answer_wait(c, s->exit);
}

void api_exec_ended(struct exec *e, int status)
{
	if (!e->client)
		return;
	api_send(e->client,
		 json_pack("{s:s, s:s, s:{s:i, s:i}}", "jsonrpc", "2.0", "method", "exec-exit",
			   "params", "id", e->id, "exit", status),
		 -1);
}
