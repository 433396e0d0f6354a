/* A stream through shared memory: what comes out is what went in, whoever is slow; and what becomes
 * of one side when the other has gone or lies. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "kernel/ring.h"

/* The byte of the stream at this place: no two pieces of a ring's length are alike. */
static unsigned char byte_at(uint64_t at)
{
	return (unsigned char)((at * 2654435761u) >> 13);
}

struct pair {
	struct ring ring;
	struct ring_ends ends;
};

enum { SIZE = 1 << 20 };

static int begin(void **state)
{
	static struct pair p;

	*state = &p;
	return ring_make(&p.ring, SIZE, &p.ends);
}

static int end(void **state)
{
	struct pair *p = *state;

	ring_deinit(&p->ring);
	ring_ends_close(&p->ends);
	return 0;
}

/* The reader, in a process of its own: 0 when everything came as it should. */
static int read_everything(struct pair *p, uint64_t total, unsigned pause_us)
{
	struct ring_reader r;
	uint64_t at = 0;
	const void *data;
	ssize_t n;

	ring_deinit(&p->ring);
	if (ring_open(&r, &p->ends) < 0)
		return 2;
	while ((n = ring_next(&r, &data)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			if (((const unsigned char *)data)[i] != byte_at(at + (uint64_t)i))
				return 3;
		at += (uint64_t)n;
		if (pause_us)
			usleep(pause_us);
	}
	if (n < 0 || ring_next(&r, &data) != 0)
		return 4;
	return at == total ? 0 : 5;
}

static pid_t start_reader(struct pair *p, uint64_t total, unsigned pause_us)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(read_everything(p, total, pause_us));
	}
	cleanup_close(&p->ends.sock);
	return pid;
}

static int status_of(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* Writes it in pieces of no more than so many bytes. */
static void write_everything(struct pair *p, uint64_t total, size_t piece)
{
	uint64_t at = 0;

	while (at < total) {
		unsigned char *to;
		size_t n = ring_room(&p->ring, &to);

		if (n == 0) {
			assert_int_equal(ring_hear(&p->ring), 0);
			continue;
		}
		n = n < piece ? n : piece;
		n = n < total - at ? n : (size_t)(total - at);
		for (size_t i = 0; i < n; i++)
			to[i] = byte_at(at + i);
		assert_int_equal(ring_written(&p->ring, n), 0);
		at += n;
	}
	ring_end(&p->ring);
}

static void pass(struct pair *p, uint64_t total, size_t piece, unsigned pause_us)
{
	pid_t reader = start_reader(p, total, pause_us);

	write_everything(p, total, piece);
	assert_int_equal(status_of(reader), 0);
}

static void large_pieces(void **state)
{
	pass(*state, 3 * SIZE + 12345, 1 << 20, 0);
}

static void odd_pieces(void **state)
{
	pass(*state, 2 * SIZE + 1, 70001, 0);
}

/* Far more messages than a socket holds, while the reader is slow to take them. */
static void many_tiny_pieces(void **state)
{
	pass(*state, 300000, 37, 100);
}

static void slow_reader(void **state)
{
	pass(*state, 4 * SIZE, SIZE, 2000);
}

static void nothing_at_all(void **state)
{
	pass(*state, 0, 1, 0);
}

/* What a writer that was killed has written is there; the end comes after it. */
static void writer_gone(void **state)
{
	struct pair *p = *state;
	struct ring_reader r;
	unsigned char *to;
	const void *data;

	assert_int_equal(ring_open(&r, &p->ends), 0);
	assert_int_equal(ring_room(&p->ring, &to), SIZE);
	memcpy(to, "word", 4);
	assert_int_equal(ring_written(&p->ring, 4), 0);
	cleanup_close(&p->ring.sock);
	assert_int_equal(ring_next(&r, &data), 4);
	assert_memory_equal(data, "word", 4);
	assert_int_equal(ring_next(&r, &data), 0);
	ring_close(&r);
	p->ends.sock = -1; /* it was the reader's */
}

static void reader_gone(void **state)
{
	struct pair *p = *state;

	cleanup_close(&p->ends.sock);
	assert_int_equal(ring_written(&p->ring, 1), -EPIPE);
	assert_int_equal(ring_hear(&p->ring), -EPIPE);
}

static void reader_lies(void **state)
{
	struct pair *p = *state;
	uint64_t more = 5, less = 2, right = 3;

	assert_int_equal(ring_written(&p->ring, 4), 0);
	assert_int_equal(write(p->ends.sock, &more, sizeof(more)), sizeof(more));
	assert_int_equal(ring_hear(&p->ring), -EPROTO);
	assert_int_equal(write(p->ends.sock, &right, sizeof(right)), sizeof(right));
	assert_int_equal(ring_hear(&p->ring), 0);
	assert_int_equal(write(p->ends.sock, &less, sizeof(less)), sizeof(less));
	assert_int_equal(ring_hear(&p->ring), -EPROTO);
	assert_int_equal(write(p->ends.sock, "abc", 3), 3);
	assert_int_equal(ring_hear(&p->ring), -EPROTO);
}

static void writer_lies(void **state)
{
	struct pair *p = *state;
	struct ring_reader r;
	const void *data;

	assert_int_equal(ring_open(&r, &p->ends), 0);
	assert_int_equal(ring_written(&p->ring, SIZE + 1), 0);
	assert_int_equal(ring_next(&r, &data), -EPROTO);
	ring_close(&r);
	p->ends.sock = -1;
}

/* A ring that the reader made: the writer in a process of its own. */
static void made_by_the_reader(void **state)
{
	enum { TOTAL = 5 * SIZE + 99 };
	struct ring_reader r;
	struct ring_ends ends;
	uint64_t at = 0;
	const void *data;
	ssize_t n;
	pid_t pid;

	(void)state;
	assert_int_equal(ring_make_reader(&r, SIZE, &ends), 0);
	assert_int_equal(ftruncate(ends.memory, 0), -1);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct pair p = { .ends = ends };

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ring_close(&r);
		if (ring_join(&p.ring, &ends) < 0)
			_exit(1);
		write_everything(&p, TOTAL, 54321);
		ring_deinit(&p.ring);
		_exit(0);
	}
	ring_ends_close(&ends);
	while ((n = ring_next(&r, &data)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(((const unsigned char *)data)[i],
					 byte_at(at + (uint64_t)i));
		at += (uint64_t)n;
	}
	assert_int_equal(n, 0);
	assert_int_equal(at, TOTAL);
	assert_int_equal(status_of(pid), 0);
	ring_close(&r);
}

/* Whoever has the reader's descriptor cannot change what the writer has looked at. */
static void only_one_can_write(void **state)
{
	struct pair *p = *state;

	assert_ptr_equal(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, p->ends.memory, 0),
			 MAP_FAILED);
	assert_int_equal(pwrite(p->ends.memory, "x", 1, 0), -1);
	assert_int_equal(ftruncate(p->ends.memory, 0), -1);
	assert_int_equal(fallocate(p->ends.memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				   4096),
			 -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(large_pieces, begin, end),
		cmocka_unit_test_setup_teardown(odd_pieces, begin, end),
		cmocka_unit_test_setup_teardown(many_tiny_pieces, begin, end),
		cmocka_unit_test_setup_teardown(slow_reader, begin, end),
		cmocka_unit_test_setup_teardown(nothing_at_all, begin, end),
		cmocka_unit_test_setup_teardown(writer_gone, begin, end),
		cmocka_unit_test_setup_teardown(reader_gone, begin, end),
		cmocka_unit_test_setup_teardown(reader_lies, begin, end),
		cmocka_unit_test_setup_teardown(writer_lies, begin, end),
		cmocka_unit_test(made_by_the_reader),
		cmocka_unit_test_setup_teardown(only_one_can_write, begin, end),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
