#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/base.h"
#include "kernel/socket.h"

static int pair[2];

static int setup(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

static int teardown(void **state)
{
	(void)state;
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static size_t count_fds(void)
{
	_closedir_ DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	return n;
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	assert_int_equal(fstat(a, &x), 0);
	assert_int_equal(fstat(b, &y), 0);
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static void data_and_descriptors(void **state)
{
	_close_ int a = memfd_create("a", MFD_CLOEXEC), b = memfd_create("b", MFD_CLOEXEC);
	int fds[2] = { a, b }, got[4];
	size_t n = ARRAY_SIZE(got);
	char data[16];

	(void)state;
	assert_int_equal(socket_send_fds(pair[0], "hello", 5, fds, 2), 0);
	assert_int_equal(socket_receive_fds(pair[1], data, sizeof(data), got, &n), 5);
	assert_memory_equal(data, "hello", 5);
	assert_int_equal(n, 2);
	assert_true(same_file(got[0], a));
	assert_true(same_file(got[1], b));
	assert_int_equal(fcntl(got[0], F_GETFD), FD_CLOEXEC);
	close(got[0]);
	close(got[1]);
	assert_int_equal(socket_send_fds(pair[0], "x", 1, NULL, 0), 0);
	n = ARRAY_SIZE(got);
	assert_int_equal(socket_receive_fds(pair[1], data, sizeof(data), got, &n), 1);
	assert_int_equal(n, 0);
}

static void the_end(void **state)
{
	size_t n = 0;
	char c;

	(void)state;
	shutdown(pair[0], SHUT_WR);
	assert_int_equal(socket_receive_fds(pair[1], &c, 1, NULL, &n), 0);
	shutdown(pair[1], SHUT_RDWR);
	assert_int_equal(socket_send_fds(pair[0], "x", 1, NULL, 0), -EPIPE); /* and no signal */
}

static void as_many_as_there_can_be(void **state)
{
	int fds[SOCKET_MAX_FDS + 1], got[SOCKET_MAX_FDS];
	size_t n = SOCKET_MAX_FDS, before;
	char c;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = pair[0];
	assert_int_equal(socket_send_fds(pair[0], "x", 1, fds, SOCKET_MAX_FDS + 1), -E2BIG);
	assert_int_equal(socket_send_fds(pair[0], "x", 1, fds, SOCKET_MAX_FDS), 0);
	assert_int_equal(socket_receive_fds(pair[1], &c, 1, got, &n), 1);
	assert_int_equal(n, SOCKET_MAX_FDS);
	for (size_t i = 0; i < n; i++)
		close(got[i]);
	/* more than the receiver has room for: none stays open */
	before = count_fds();
	assert_int_equal(socket_send_fds(pair[0], "x", 1, fds, 5), 0);
	n = 4;
	assert_int_equal(socket_receive_fds(pair[1], &c, 1, got, &n), -E2BIG);
	assert_int_equal(n, 0);
	assert_int_equal(count_fds(), before);
}

static void longer_than_expected(void **state)
{
	size_t n = 0;
	char c;

	(void)state;
	assert_int_equal(socket_send_fds(pair[0], "xy", 2, NULL, 0), 0);
	assert_int_equal(socket_receive_fds(pair[1], &c, 1, NULL, &n), -EMSGSIZE);
}

static void no_room_in_the_table(void **state)
{
	int fds[8], got[8];
	struct rlimit old, low;
	size_t n = ARRAY_SIZE(got), before = count_fds();
	char c;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = pair[0];
	assert_int_equal(socket_send_fds(pair[0], "x", 1, fds, ARRAY_SIZE(fds)), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = (struct rlimit){ .rlim_cur = (rlim_t)pair[1] + 3, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(socket_receive_fds(pair[1], &c, 1, got, &n), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(n, 0);
	assert_int_equal(count_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(data_and_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(as_many_as_there_can_be, setup, teardown),
		cmocka_unit_test_setup_teardown(longer_than_expected, setup, teardown),
		cmocka_unit_test_setup_teardown(no_room_in_the_table, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
