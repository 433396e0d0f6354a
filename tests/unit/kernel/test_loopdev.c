/* Loop devices: real ones, of files in /tmp. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "kernel/kernel.h"

enum { SIZE = 4 << 20, CHILDREN = 8 };

static const struct loopdev_config autoclear = { .autoclear = true, .direct_io = true };

/* An unnamed file of 4 MiB that says "begin". */
static int make_file(struct stat *st)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	assert_int_equal(pwrite(fd, "begin", 5, 0), 5);
	assert_int_equal(fstat(fd, st), 0);
	return fd;
}

static uint64_t size_of(const struct loopdev *d)
{
	uint64_t size = 0;

	assert_int_equal(ioctl(d->fd, BLKGETSIZE64, &size), 0);
	return size;
}

static void assert_gone(const struct stat *st)
{
	struct loopdev d = LOOPDEV_NONE_OPEN;

	assert_int_equal(loopdev_find(st->st_dev, st->st_ino, &d), LOOPDEV_NONE);
}

static void a_device_is_of_its_file_and_ends_with_its_user(void **state)
{
	struct loopdev d = LOOPDEV_NONE_OPEN;
	struct loopdev_status s;
	char text[8] = "";
	struct stat st, node;
	_close_ int file = make_file(&st);

	(void)state;
	assert_int_equal(loopdev_attach(file, &autoclear, &d), 0);
	assert_int_equal(size_of(&d), SIZE);
	assert_int_equal(pread(d.fd, text, 5, 0), 5);
	assert_string_equal(text, "begin");
	assert_int_equal(stat(d.path, &node), 0);
	assert_int_equal(node.st_rdev, d.device);
	assert_int_equal(loopdev_status(&d, &s), 0);
	assert_int_equal(s.file_inode, st.st_ino);
	assert_int_equal(s.file_device, st.st_dev);
	assert_true(s.autoclear && !s.read_only);
	loopdev_close(&d);
	assert_gone(&st);
}

static void it_is_found_by_its_file_and_by_its_label(void **state)
{
	const struct loopdev_config labelled = { .autoclear = true, .label = "test loopdev 7" };
	_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN, found = LOOPDEV_NONE_OPEN;
	_loopdev_ struct loopdev by_label = LOOPDEV_NONE_OPEN, none = LOOPDEV_NONE_OPEN;
	struct stat st;
	_close_ int file = make_file(&st);

	(void)state;
	assert_gone(&st);
	assert_int_equal(loopdev_attach(file, &labelled, &d), 0);
	assert_int_equal(loopdev_find(st.st_dev, st.st_ino, &found), 0);
	assert_string_equal(found.path, d.path);
	assert_int_equal(loopdev_find_label("test loopdev 7", &by_label), 0);
	assert_string_equal(by_label.path, d.path);
	assert_int_equal(loopdev_find_label("test loopdev 8", &none), LOOPDEV_NONE);
}

static void who_finds_it_keeps_it(void **state)
{
	struct loopdev d = LOOPDEV_NONE_OPEN, found = LOOPDEV_NONE_OPEN;
	struct stat st;
	_close_ int file = make_file(&st);

	(void)state;
	assert_int_equal(loopdev_attach(file, &autoclear, &d), 0);
	assert_int_equal(loopdev_find(st.st_dev, st.st_ino, &found), 0);
	loopdev_close(&d);
	assert_int_equal(size_of(&found), SIZE);
	loopdev_close(&found);
	assert_gone(&st);
}

static void without_autoclear_it_stays_until_told(void **state)
{
	struct loopdev d = LOOPDEV_NONE_OPEN;
	struct loopdev_status s;
	struct stat st;
	_close_ int file = make_file(&st);

	(void)state;
	assert_int_equal(loopdev_attach(file, &autoclear, &d), 0);
	assert_int_equal(loopdev_set_autoclear(&d, false), 0);
	loopdev_close(&d);
	assert_int_equal(loopdev_find(st.st_dev, st.st_ino, &d), 0);
	assert_int_equal(loopdev_status(&d, &s), 0);
	assert_false(s.autoclear);
	assert_int_equal(loopdev_set_autoclear(&d, true), 0);
	assert_int_equal(loopdev_set_autoclear(&d, true), 0); /* is so already */
	loopdev_close(&d);
	assert_gone(&st);
}

static void a_read_only_device_takes_no_writes(void **state)
{
	const struct loopdev_config read_only = { .autoclear = true, .read_only = true };
	_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN;
	_close_ int writable = -1;
	struct loopdev_status s;
	struct stat st;
	_close_ int file = make_file(&st);

	(void)state;
	assert_int_equal(loopdev_attach(file, &read_only, &d), 0);
	assert_int_equal(loopdev_status(&d, &s), 0);
	assert_true(s.read_only);
	writable = open(d.path, O_RDWR | O_CLOEXEC);
	assert_true(writable >= 0); /* opening it is no sin */
	assert_int_equal(write(writable, "x", 1), -1);
	assert_int_equal(errno, EPERM);
}

static void it_grows_with_its_file(void **state)
{
	_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN;
	struct stat st;
	_close_ int file = make_file(&st);

	(void)state;
	assert_int_equal(loopdev_attach(file, &autoclear, &d), 0);
	assert_int_equal(ftruncate(file, 2 * SIZE), 0);
	assert_int_equal(size_of(&d), SIZE);
	assert_int_equal(loopdev_set_capacity(&d), 0);
	assert_int_equal(size_of(&d), 2 * SIZE);
}

static void sectors_are_as_large_as_asked(void **state)
{
	const struct loopdev_config large = { .autoclear = true, .block_size = 4096 };
	_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN;
	int sector = 0;
	struct stat st;
	_close_ int file = make_file(&st);

	(void)state;
	assert_int_equal(loopdev_attach(file, &large, &d), 0);
	assert_int_equal(ioctl(d.fd, BLKSSZGET, &sector), 0);
	assert_int_equal(sector, 4096);
}

/* Everybody is told of the same free one. */
static void several_at_once_get_one_each(void **state)
{
	pid_t children[CHILDREN];

	(void)state;
	for (int i = 0; i < CHILDREN; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			for (int n = 0; n < 10; n++) {
				_loopdev_ struct loopdev d = LOOPDEV_NONE_OPEN;
				_close_ int file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC,
							0600);

				if (file < 0 || ftruncate(file, SIZE) < 0 ||
				    loopdev_attach(file, &autoclear, &d) < 0)
					_exit(1);
			}
			_exit(0);
		}
		assert_true(children[i] > 0);
	}
	for (int i = 0; i < CHILDREN; i++) {
		int status = -1;

		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
}

/* As where /dev is no devtmpfs: the node is made. */
static void a_missing_node_is_made(void **state)
{
	struct loopdev d = LOOPDEV_NONE_OPEN, found = LOOPDEV_NONE_OPEN;
	struct stat st;
	_close_ int file = make_file(&st);

	(void)state;
	assert_int_equal(loopdev_attach(file, &autoclear, &d), 0);
	assert_int_equal(unlink(d.path), 0);
	assert_int_equal(loopdev_find(st.st_dev, st.st_ino, &found), 0);
	assert_int_equal(access(d.path, F_OK), 0);
	loopdev_close(&d);
	loopdev_close(&found);
	assert_gone(&st);
}

static void what_is_no_file_is_refused(void **state)
{
	struct loopdev d = LOOPDEV_NONE_OPEN;
	_close_ int directory = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_int_equal(loopdev_attach(directory, &autoclear, &d), -EINVAL);
	assert_int_equal(loopdev_attach(-1, &autoclear, &d), -EBADF);
	assert_int_equal(d.fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_is_of_its_file_and_ends_with_its_user),
		cmocka_unit_test(it_is_found_by_its_file_and_by_its_label),
		cmocka_unit_test(who_finds_it_keeps_it),
		cmocka_unit_test(without_autoclear_it_stays_until_told),
		cmocka_unit_test(a_read_only_device_takes_no_writes),
		cmocka_unit_test(it_grows_with_its_file),
		cmocka_unit_test(sectors_are_as_large_as_asked),
		cmocka_unit_test(several_at_once_get_one_each),
		cmocka_unit_test(a_missing_node_is_made),
		cmocka_unit_test(what_is_no_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
