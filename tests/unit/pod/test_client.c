/* The client of a pod's API against a server that a child process plays. */
#include "pods.h"

#include <jansson.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Plays the server: reads one line, with up to four descriptors, and answers with these bytes. */
struct play {
	const char *answer;
	size_t piece; /* so many bytes a time; 0: all at once */
	int fd;       /* goes with the first byte; -1: none */
};

static ssize_t receive(int sock, char *line, size_t size, int fds[4], size_t *n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} room;
	struct iovec io = { line, size };
	struct msghdr m = { .msg_iov = &io,
			    .msg_iovlen = 1,
			    .msg_control = room.bytes,
			    .msg_controllen = sizeof(room.bytes) };
	ssize_t n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	*n_fds = c ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
	if (c)
		memcpy(fds, CMSG_DATA(c), *n_fds * sizeof(int));
	return n;
}

static void answer(int sock, const struct play *p)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} room = { 0 };
	size_t len = strlen(p->answer);

	for (size_t at = 0; at < len;) {
		size_t n = p->piece && p->piece < len - at ? p->piece : len - at;
		struct iovec io = { (char *)p->answer + at, n };
		struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1 };

		if (at == 0 && p->fd >= 0) {
			m.msg_control = room.bytes;
			m.msg_controllen = sizeof(room.bytes);
			room.align = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET,
						       SCM_RIGHTS };
			memcpy(CMSG_DATA(&room.align), &p->fd, sizeof(int));
		}
		if (sendmsg(sock, &m, MSG_NOSIGNAL) < 0)
			_exit(3);
		at += n;
	}
}

/* Starts the server. Returns our end. The child exits with the number of descriptors that came. */
static int server_start(const struct play *p, pid_t *ret)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	*ret = fork();
	assert_true(*ret >= 0);
	if (*ret == 0) {
		char line[4096];
		size_t n_fds;
		int fds[4];
		ssize_t n;

		close(ends[0]);
		n = receive(ends[1], line, sizeof(line), fds, &n_fds);
		if (n <= 0 || line[n - 1] != '\n')
			_exit(4);
		answer(ends[1], p);
		_exit((int)n_fds);
	}
	close(ends[1]);
	return ends[0];
}

static int server_end(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void a_call_has_its_result(void **state _unused_)
{
	static const size_t pieces[] = { 0, 1, 7 };

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		const struct play p = { "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"exit\":3}}\n",
					pieces[i], -1 };
		_cleanup_(pod_api_message_deinit) struct pod_api_message m = { .fd = -1 };
		struct error err = { 0 };
		pid_t pid;
		_close_ int sock = server_start(&p, &pid);

		assert_ok(pod_api_call(sock, "wait", NULL, NULL, &m, &err), &err);
		assert_int_equal(json_integer_value(json_object_get(m.json, "exit")), 3);
		assert_int_equal(m.fd, -1);
		assert_int_equal(server_end(pid), 0);
	}
}

static void descriptors_go_both_ways(void **state _unused_)
{
	_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const struct play p = { "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n", 0, null };
	const int stdio[] = { null, null, null };
	_cleanup_(pod_api_message_deinit) struct pod_api_message m = { .fd = -1 };
	struct error err = { 0 };
	struct stat a, b;
	pid_t pid;
	_close_ int sock = server_start(&p, &pid);

	assert_ok(pod_api_call(sock, "exec", json_pack("{s:[s]}", "argv", "x"), stdio, &m, &err),
		  &err);
	assert_int_equal(server_end(pid), 3);
	assert_true(m.fd >= 0);
	assert_int_equal(fcntl(m.fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fstat(m.fd, &a), 0);
	assert_int_equal(fstat(null, &b), 0);
	assert_int_equal(a.st_rdev, b.st_rdev);
}

static void an_error_reply_is_an_error(void **state _unused_)
{
	static const struct {
		const char *answer;
		int code;
		const char *text;
	} cases[] = {
		{ "{\"id\":1,\"error\":{\"code\":-32000,\"message\":\"not now\"}}\n", -EBUSY,
		  "not now" },
		{ "{\"id\":1,\"error\":{\"code\":-32602,\"message\":\"signal is missing\"}}\n",
		  -EINVAL, "signal is missing" },
		{ "{\"id\":1,\"error\":{\"code\":-32001,\"message\":\"failed\"}}\n", -EIO,
		  "failed" },
		{ "{\"id\":1,\"error\":{\"code\":5}}\n", -EPROTO, "no reason" },
		{ "{\"id\":1}\n", -EPROTO, "no result" },
		{ "[1]\n", -EPROTO, "JSON object" },
		{ "hello\n", -EPROTO, "JSON object" },
		{ "{\"id\":1,\"id\":1,\"result\":{}}\n", -EPROTO, "JSON object" },
		{ "{\"id\":1,", -ECONNRESET, "ended the connection" },
		{ "", -ECONNRESET, "ended the connection" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct play p = { cases[i].answer, 0, -1 };
		struct pod_api_message m = { .fd = -1 };
		struct error err = { 0 };
		pid_t pid;
		_close_ int sock = server_start(&p, &pid);

		assert_int_equal(pod_api_call(sock, "signal", NULL, NULL, &m, &err), cases[i].code);
		assert_non_null(strstr(err.text, cases[i].text));
		assert_null(m.json);
		assert_int_equal(server_end(pid), 0);
	}
}

/* What comes right behind the reply is for whoever reads next. */
static void notifications_are_kept_for_the_next_reader(void **state _unused_)
{
	const struct play p = {
		"{\"method\":\"old\"}\n{\"id\":1,\"result\":{\"id\":7}}\n"
		"{\"method\":\"exec-exit\",\"params\":{\"id\":7}}\n{\"method\":\"last\"}\n",
		0, -1
	};
	_cleanup_(pod_api_message_deinit) struct pod_api_message reply = { .fd = -1 },
								 one = { .fd = -1 },
								 two = { .fd = -1 };
	struct pod_api_message none = { .fd = -1 };
	struct error err = { 0 };
	pid_t pid;
	_close_ int sock = server_start(&p, &pid);

	assert_ok(pod_api_call(sock, "exec", NULL, NULL, &reply, &err), &err);
	assert_int_equal(json_integer_value(json_object_get(reply.json, "id")), 7);
	assert_ok(pod_api_receive(sock, &one, &err), &err);
	assert_string_equal(json_string_value(json_object_get(one.json, "method")), "exec-exit");
	assert_ok(pod_api_receive(sock, &two, &err), &err);
	assert_string_equal(json_string_value(json_object_get(two.json, "method")), "last");
	assert_int_equal(pod_api_receive(sock, &none, &err), -ECONNRESET);
	assert_int_equal(server_end(pid), 0);
}

static void a_line_has_a_maximum(void **state _unused_)
{
	_free_ char *line = malloc(LIMIT_API_LINE_BYTES + 2);
	struct pod_api_message m = { .fd = -1 };
	struct play p = { line, 0, -1 };
	struct error err = { 0 };
	int status;
	pid_t pid;

	assert_non_null(line);
	memset(line, ' ', LIMIT_API_LINE_BYTES + 1);
	line[LIMIT_API_LINE_BYTES + 1] = '\0';
	{
		_close_ int sock = server_start(&p, &pid);

		assert_int_equal(pod_api_call(sock, "status", NULL, NULL, &m, &err), -E2BIG);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

/* The socket is found also where its whole path has no room in a socket's address. */
static void connects_below_a_long_path(void **state)
{
	const struct scratch *s = *state;
	struct pod_dirs dirs = pods_dirs(s);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_close_ int dir = -1, server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), client = -1;
	char path[LIMIT_PATH_BYTES];
	struct error err = { 0 };

	snprintf(dirs.run, sizeof(dirs.run), "%s/%0150d", s->path, 0);
	snprintf(path, sizeof(path), "%s/pods/11112222-0000-4000-8000-000000000001", dirs.run);
	assert_int_equal(pod_api_connect(&dirs, "11112222-0000-4000-8000-000000000001", &err),
			 -ENOENT);
	assert_int_equal(make_dirs(path, 0700), 0);
	assert_int_equal(pod_api_connect(&dirs, "11112222-0000-4000-8000-000000000001", &err),
			 -ENOENT);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/api.sock", dir);
	assert_int_equal(bind(server, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(pod_api_connect(&dirs, "11112222-0000-4000-8000-000000000001", &err),
			 -ECONNREFUSED);
	assert_int_equal(listen(server, 1), 0);
	client = pod_api_connect(&dirs, "11112222-0000-4000-8000-000000000001", &err);
	assert_true(client >= 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_has_its_result),
		cmocka_unit_test(descriptors_go_both_ways),
		cmocka_unit_test(an_error_reply_is_an_error),
		cmocka_unit_test(notifications_are_kept_for_the_next_reader),
		cmocka_unit_test(a_line_has_a_maximum),
		scratch_test(connects_below_a_long_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
