/* Chains of images, held against an array of bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ploop/ploop.h"

enum { MIB = 1 << 20, CLUSTERS = 12, SIZE = CLUSTERS * MIB, IMAGES = 6, STEPS = 300 };

struct disk {
	int fds[IMAGES]; /* ours; a chain gets copies */
	size_t n;
	struct ploop_chain *chain;
	uint8_t *model, *seen;
	struct error err;
};

static int new_image(uint64_t bytes)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ploop_image_make(fd, bytes, 0), 0);
	return fd;
}

/* Each has a file position and a mode of its own in real life; these do not matter here. */
static void copies(const struct disk *d, int *ret)
{
	for (size_t i = 0; i < d->n; i++) {
		ret[i] = fcntl(d->fds[i], F_DUPFD_CLOEXEC, 3);
		assert_true(ret[i] >= 0);
	}
}

static int try_open(struct disk *d, bool writable)
{
	int fds[IMAGES];

	copies(d, fds);
	return ploop_chain_open(fds, d->n, writable, &d->chain, &d->err);
}

static void open_disk(struct disk *d, bool writable)
{
	assert_int_equal(try_open(d, writable), 0);
}

static void close_disk(struct disk *d)
{
	ploop_chain_close(d->chain);
	d->chain = NULL;
}

static int setup(void **state)
{
	struct disk *d = calloc(1, sizeof(*d));

	if (!d)
		return -1;
	d->model = calloc(1, 2 * SIZE);
	d->seen = calloc(1, 2 * SIZE);
	d->fds[d->n++] = new_image(SIZE);
	*state = d;
	return 0;
}

static int teardown(void **state)
{
	struct disk *d = *state;

	close_disk(d);
	for (size_t i = 0; i < d->n; i++)
		close(d->fds[i]);
	free(d->model);
	free(d->seen);
	free(d);
	return 0;
}

static void assert_same(struct disk *d)
{
	size_t size = ploop_chain_size(d->chain);

	assert_int_equal(ploop_chain_read(d->chain, d->seen, size, 0), 0);
	assert_true(memcmp(d->seen, d->model, size) == 0);
}

static void write_at(struct disk *d, size_t at, size_t len, uint8_t value)
{
	memset(d->model + at, value, len);
	assert_int_equal(ploop_chain_write(d->chain, d->model + at, len, at), 0);
}

static void zero_at(struct disk *d, size_t at, size_t len)
{
	memset(d->model + at, 0, len);
	assert_int_equal(ploop_chain_zero(d->chain, at, len), 0);
}

static void assert_sound(const struct disk *d)
{
	struct error err = { 0 };

	for (size_t i = 0; i < d->n; i++)
		assert_int_equal(ploop_image_check(d->fds[i], &err), 0);
}

/* ---- cases ----------------------------------------------------------------------------------- */

static void a_new_disk_is_zeros_and_keeps_what_is_written(void **state)
{
	struct disk *d = *state;

	open_disk(d, true);
	assert_int_equal(ploop_chain_size(d->chain), SIZE);
	assert_same(d);
	write_at(d, 0, 1, 1);
	write_at(d, MIB - 3, 7, 2); /* over an edge */
	write_at(d, SIZE - 512, 512, 3);
	write_at(d, 4 * MIB + 5, 3 * MIB, 4);
	assert_same(d);
	close_disk(d);
	assert_sound(d);
	open_disk(d, false);
	assert_same(d);
	assert_int_equal(ploop_chain_write(d->chain, "x", 1, 0), -EROFS);
}

static void what_is_behind_the_end_is_refused(void **state)
{
	struct disk *d = *state;
	uint8_t byte;

	open_disk(d, true);
	assert_int_equal(ploop_chain_write(d->chain, "x", 1, SIZE), -EINVAL);
	assert_int_equal(ploop_chain_read(d->chain, &byte, 1, SIZE), -EINVAL);
	assert_int_equal(ploop_chain_zero(d->chain, SIZE - 1, 2), -EINVAL);
	assert_int_equal(ploop_chain_zero(d->chain, 1, UINT64_MAX), -EINVAL);
}

static void another_image(struct disk *d)
{
	int fds[IMAGES];

	d->fds[d->n++] = new_image(ploop_chain_size(d->chain));
	copies(d, fds);
	assert_int_equal(ploop_chain_switch(d->chain, fds, d->n, &d->err), 0);
}

/* Anything, many times over, with new tops in between; then the same in fewer images. */
static void whatever_is_done_it_is_as_an_array(void **state)
{
	struct disk *d = *state;
	int merged;

	srand(7);
	open_disk(d, true);
	for (int i = 0; i < STEPS; i++) {
		size_t at = (size_t)rand() % SIZE, len = (size_t)rand() % (2 * MIB) + 1;

		if (len > SIZE - at)
			len = SIZE - at;
		if (rand() % 4 == 0) { /* whole clusters too */
			at -= at % MIB;
			len = MIB;
		}
		if (rand() % 3)
			write_at(d, at, len, (uint8_t)rand());
		else
			zero_at(d, at, len);
		if (i % 60 == 59 && d->n < IMAGES)
			another_image(d);
		if (i % 50 == 49) {
			close_disk(d);
			assert_sound(d);
			open_disk(d, true);
		}
		if (i % 10 == 0)
			assert_same(d);
	}
	close_disk(d);
	merged = new_image(SIZE);
	assert_int_equal(ploop_merge(d->fds + 2, 3, merged, &d->err), 0);
	for (size_t i = 2; i < 5; i++)
		close(d->fds[i]);
	d->fds[2] = merged;
	d->fds[3] = d->fds[5];
	d->n = 4;
	assert_sound(d);
	open_disk(d, true);
	assert_same(d);
}

static uint64_t blocks(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void discarded_space_is_given_back(void **state)
{
	struct disk *d = *state;

	open_disk(d, true);
	write_at(d, 0, 8 * MIB, 1);
	assert_int_equal(ploop_chain_sync(d->chain), 0);
	assert_true(blocks(d->fds[0]) >= 8 * MIB);
	zero_at(d, 4096, 8 * MIB - 4096);
	assert_true(blocks(d->fds[0]) < MIB);
	assert_same(d);
	another_image(d);
	zero_at(d, 0, MIB); /* is in the base: hidden, without a block */
	assert_int_equal(ploop_chain_sync(d->chain), 0);
	assert_true(blocks(d->fds[1]) < 64 << 10);
	assert_same(d);
}

/* A process that is killed: its file is as it was written, and its table may be old. */
static void die_after(struct disk *d, void (*fn)(struct disk *d))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		open_disk(d, true);
		fn(d);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void write_and_sync(struct disk *d)
{
	write_at(d, MIB, 2 * MIB, 5);
	if (ploop_chain_sync(d->chain) < 0)
		_exit(1);
	write_at(d, 6 * MIB, 2 * MIB, 6); /* not synced */
}

static void what_was_synced_survives(void **state)
{
	struct disk *d = *state;
	struct ploop_header h;

	die_after(d, write_and_sync);
	assert_int_equal(ploop_image_header(d->fds[0], &h, &d->err), 0);
	assert_int_equal(h.in_use, PLOOP_IN_USE);
	memset(d->model + MIB, 5, 2 * MIB);
	open_disk(d, true);
	assert_same(d);
	/* what the dead has left at the end is not seen in a new cluster */
	write_at(d, 9 * MIB + 100, 1, 9);
	assert_same(d);
	close_disk(d);
	assert_int_equal(ploop_image_header(d->fds[0], &h, &d->err), 0);
	assert_int_not_equal(h.in_use, PLOOP_IN_USE);
	assert_sound(d);
}

static void entry(int fd, uint32_t i, uint32_t value)
{
	assert_int_equal(pwrite(fd, &value, sizeof(value), PLOOP_HEADER + 4 * (off_t)i), 4);
}

static void a_table_that_lies_is_found(void **state)
{
	struct disk *d = *state;

	open_disk(d, true);
	write_at(d, 0, 2 * MIB, 1);
	close_disk(d);
	entry(d->fds[0], 5, 1); /* that of entry 0 */
	assert_int_equal(ploop_image_check(d->fds[0], &d->err), -EBADMSG);
	assert_non_null(strstr(d->err.text, "entry 5"));
	entry(d->fds[0], 5, 7777);
	assert_int_equal(ploop_image_check(d->fds[0], &d->err), -EBADMSG);
	assert_int_equal(try_open(d, true), -EBADMSG);
	assert_null(d->chain);
	entry(d->fds[0], 5, 0);
	assert_sound(d);
}

static void it_grows_and_reads_zeros_there(void **state)
{
	struct disk *d = *state;

	open_disk(d, true);
	write_at(d, SIZE - MIB, MIB, 1);
	assert_int_equal(ploop_chain_resize(d->chain, 2 * SIZE), 0);
	assert_int_equal(ploop_chain_resize(d->chain, SIZE), -EINVAL);
	assert_int_equal(ploop_chain_resize(d->chain, 2 * SIZE + 512), -EINVAL);
	assert_int_equal(ploop_chain_resize(d->chain, (uint64_t)1 << 42), -EFBIG);
	assert_same(d);
	write_at(d, 2 * SIZE - 5, 5, 2);
	close_disk(d);
	open_disk(d, false);
	assert_int_equal(ploop_chain_size(d->chain), 2 * SIZE);
	assert_same(d);
}

/* The base has data behind where the disk ended for a while. */
static void what_a_shorter_disk_hid_does_not_come_back(void **state)
{
	struct disk *d = *state;

	open_disk(d, true);
	write_at(d, 0, SIZE, 1);
	another_image(d);
	write_at(d, SIZE - 2 * MIB, MIB, 2);
	close_disk(d);
	assert_int_equal(ploop_has_data_from(d->fds, d->n, SIZE / 2, &d->err), 1);
	assert_int_equal(ploop_image_set_size(d->fds[1], SIZE / 2), 0);
	memset(d->model + SIZE / 2, 0, SIZE / 2);
	assert_int_equal(ploop_has_data_from(d->fds, d->n, SIZE / 2, &d->err), 0);
	open_disk(d, true);
	assert_int_equal(ploop_chain_size(d->chain), SIZE / 2);
	assert_same(d);
	assert_int_equal(ploop_chain_resize(d->chain, SIZE), 0);
	assert_same(d);
	close_disk(d);
	assert_sound(d);
	open_disk(d, false);
	assert_same(d);
	close_disk(d);
	assert_int_equal(ploop_has_data_from(d->fds, d->n, SIZE / 2, &d->err), 0);
}

/* RLIMIT_FSIZE is the full file system: nothing can be written behind that byte. */
static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_file_system_loses_nothing(void **state)
{
	struct disk *d = *state;
	static const uint8_t data[MIB] = { 7, 7, 7 };

	signal(SIGXFSZ, SIG_IGN);
	open_disk(d, true);
	write_at(d, 0, 2 * MIB, 1);
	limit_files(3 * MIB + MIB / 2); /* half of the next cluster */
	assert_int_equal(ploop_chain_write(d->chain, data, MIB, 5 * MIB), -EFBIG);
	assert_same(d);
	write_at(d, MIB, 100, 2); /* what is there can be written */
	limit_files(RLIM_INFINITY);
	write_at(d, 6 * MIB + 9, 1, 3); /* and what was begun is not seen */
	assert_same(d);
	close_disk(d);
	assert_sound(d);
	open_disk(d, false);
	assert_same(d);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_new_disk_is_zeros_and_keeps_what_is_written),
		CASE(what_is_behind_the_end_is_refused),
		CASE(whatever_is_done_it_is_as_an_array),
		CASE(discarded_space_is_given_back),
		CASE(what_was_synced_survives),
		CASE(a_table_that_lies_is_found),
		CASE(it_grows_and_reads_zeros_there),
		CASE(what_a_shorter_disk_hid_does_not_come_back),
		CASE(a_full_file_system_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
