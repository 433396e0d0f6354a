/* A store on a file system that is full to the last block and the last inode. Needs root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>

#include "kernel/kernel.h"
#include "store/store.h"

static void fill(int dirfd)
{
	static const char block[4096];
	_close_ int fd = openat(dirfd, "filler", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	char name[32];

	assert_true(fd >= 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	for (int i = 0;; i++) {
		_close_ int file = -1;

		snprintf(name, sizeof(name), "filler.%d", i);
		file = openat(dirfd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (file < 0)
			break;
	}
	assert_int_equal(errno, ENOSPC);
}

static void test_full(_unused_ void **state)
{
	const struct mount_option options[] = { { "size", "256k" }, { "nr_inodes", "32" } };
	_store_partial_ struct store_partial p = STORE_PARTIAL_NONE;
	_close_ int fs = mount_new("tmpfs", options, 2, 0, NULL, 0);
	_store_ struct store *store = NULL;
	struct error err = { 0 };
	char path[64];
	unsigned n;

	assert_true(fs >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fs);
	assert_int_equal(store_open(&store, path, true, &err), 0);
	for (int i = 0; i < 3; i++) {
		char name[2] = { (char)('a' + i) };

		assert_int_equal(store_partial_open(store, name, &p, &err), 0);
		assert_int_equal(write_all(p.data, "data", 4), 0);
		assert_int_equal(store_partial_write(&p, "{}", 2, &err), 0);
		if (i < 2)
			store_partial_close(&p);
	}
	fill(fs);
	assert_int_equal(store_partial_write(&p, "{}", 2, &err), -ENOSPC);
	store_partial_remove(store, &p);
	snprintf(path, sizeof(path), "partial/%s", p.key);
	assert_int_equal(faccessat(fs, path, F_OK, 0), -1);
	fill(fs);
	assert_int_equal(store_partial_collect(store, 0, &n, &err), 0);
	assert_int_equal(n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_full) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
