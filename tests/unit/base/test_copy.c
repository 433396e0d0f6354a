#include "scratch.h"

#include <sys/mman.h>

enum { MIB = 1 << 20 };

struct told {
	uint64_t bytes;
	unsigned times, most;
};

static int tell(uint64_t bytes, void *arg)
{
	struct told *told = arg;

	told->bytes += bytes;
	return ++told->times == told->most ? -ECANCELED : 0;
}

/* A MiB of data, 8 MiB of nothing, 2 MiB of data. */
static int make_source(struct stat *st)
{
	static char data[2 * MIB];
	int fd = memfd_create("source", MFD_CLOEXEC);

	assert_true(fd >= 0);
	memset(data, 'x', sizeof(data));
	assert_int_equal(pwrite(fd, data, MIB, 0), MIB);
	assert_int_equal(pwrite(fd, data, 2 * MIB, 9 * MIB), 2 * MIB);
	assert_int_equal(fstat(fd, st), 0);
	return fd;
}

static void all_bytes_but_holes_are_told(void **state _unused_)
{
	struct told told = { 0 };
	const struct copy_teller teller = { tell, &told };
	struct stat st, copied;
	_close_ int src = make_source(&st), dst = memfd_create("copy", MFD_CLOEXEC);
	char byte;

	assert_int_equal(copy_file_telling(src, dst, &st, &teller), 0);
	assert_int_equal(told.bytes, 3 * MIB);
	assert_int_equal(fstat(dst, &copied), 0);
	assert_int_equal(copied.st_size, 11 * MIB);
	assert_int_equal(pread(dst, &byte, 1, 11 * MIB - 1), 1);
	assert_int_equal(byte, 'x');
	assert_int_equal(pread(dst, &byte, 1, 5 * MIB), 1);
	assert_int_equal(byte, '\0');
}

static void whoever_is_told_can_end_it(void **state _unused_)
{
	struct told told = { .most = 1 };
	const struct copy_teller teller = { tell, &told };
	struct stat st;
	_close_ int src = make_source(&st), dst = memfd_create("copy", MFD_CLOEXEC);

	assert_int_equal(copy_file_telling(src, dst, &st, &teller), -ECANCELED);
	assert_int_equal(told.times, 1);
}

static void nobody_need_be_told(void **state _unused_)
{
	struct stat st, copied;
	_close_ int src = make_source(&st), dst = memfd_create("copy", MFD_CLOEXEC);

	assert_int_equal(copy_file(src, dst, &st), 0);
	assert_int_equal(fstat(dst, &copied), 0);
	assert_int_equal(copied.st_size, st.st_size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_bytes_but_holes_are_told),
		cmocka_unit_test(whoever_is_told_can_end_it),
		cmocka_unit_test(nobody_need_be_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
