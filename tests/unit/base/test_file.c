#include "scratch.h"

#include <sys/resource.h>
#include <signal.h>

static void reads_whole_files(void **state)
{
	const struct scratch *s = *state;
	_free_ char *text = NULL, *big = NULL, *empty = NULL;
	_close_ int fd = -1;
	size_t len = 0;

	scratch_put(s->fd, "file", "line\n");
	assert_int_equal(file_read(s->fd, "file", 5, &text, &len), 0);
	assert_string_equal(text, "line\n");
	assert_int_equal(len, 5);
	scratch_put(s->fd, "empty", "");
	assert_int_equal(file_read(s->fd, "empty", 0, &empty, NULL), 0);
	assert_string_equal(empty, "");

	fd = openat(s->fd, "big", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 100000), 0);
	assert_int_equal(lseek(fd, 7, SEEK_SET), 7);
	assert_int_equal(file_read_fd(fd, 100000, &big, &len), 0);
	assert_int_equal(len, 100000);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 7); /* the offset is the caller's */
}

static void reads_files_that_seem_empty(void **state _unused_)
{
	_free_ char *text = NULL, *none = NULL;
	size_t len = 0;

	assert_int_equal(file_read(AT_FDCWD, "/proc/self/maps", 1 << 20, &text, &len), 0);
	assert_true(len > 0 && strlen(text) == len);
	assert_non_null(strstr(text, "[stack]"));
	assert_int_equal(file_read(AT_FDCWD, "/proc/self/maps", 10, &none, &len), -EFBIG);
	assert_null(none);
}

static void refuses_what_is_no_plain_file(void **state)
{
	const struct scratch *s = *state;
	_close_ int dir = -1;
	char *text = NULL;

	scratch_put(s->fd, "file", "12345");
	assert_int_equal(symlinkat("file", s->fd, "link"), 0);
	assert_int_equal(mkfifoat(s->fd, "fifo", 0600), 0);
	assert_int_equal(mkdirat(s->fd, "dir", 0700), 0);
	assert_int_equal(file_read(s->fd, "file", 4, &text, NULL), -EFBIG);
	assert_int_equal(file_read(s->fd, "link", 99, &text, NULL), -ELOOP);
	assert_int_equal(file_read(s->fd, "fifo", 99, &text, NULL), -EINVAL);
	assert_int_equal(file_read(s->fd, "dir", 99, &text, NULL), -EISDIR);
	assert_int_equal(file_read(s->fd, "missing", 99, &text, NULL), -ENOENT);
	assert_int_equal(file_read(AT_FDCWD, "/dev/zero", 99, &text, NULL), -EINVAL);
	dir = openat(s->fd, "dir", O_RDONLY | O_CLOEXEC);
	assert_int_equal(file_read_fd(dir, 99, &text, NULL), -EISDIR);
	assert_null(text);
}

static int count(int dirfd, const char *name, void *arg)
{
	assert_true(scratch_has(dirfd, name));
	++*(int *)arg;
	return 0;
}

static int entries(int dirfd)
{
	int n = 0;

	assert_int_equal(dir_each(dirfd, count, &n), 0);
	return n;
}

static void writes_replace(void **state)
{
	const struct scratch *s = *state;
	struct stat st;

	umask(022);
	assert_int_equal(file_write(s->fd, "file", "one", 3, 0640, 0), 0);
	scratch_expect(s->fd, "file", "one");
	assert_int_equal(fstatat(s->fd, "file", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(file_write(s->fd, "file", "", 0, 0600, FILE_SYNC), 0);
	scratch_expect(s->fd, "file", "");
	assert_int_equal(entries(s->fd), 1);
	/* a link is replaced, not written through */
	assert_int_equal(symlinkat("file", s->fd, "link"), 0);
	assert_int_equal(file_write(s->fd, "link", "two", 3, 0600, 0), 0);
	scratch_expect(s->fd, "file", "");
	scratch_expect(s->fd, "link", "two");
	assert_int_equal(entries(s->fd), 2);
}

static void exclusive_writes_do_not(void **state)
{
	const struct scratch *s = *state;

	assert_int_equal(file_write(s->fd, "file", "one", 3, 0600, FILE_EXCLUSIVE), 0);
	assert_int_equal(file_write(s->fd, "file", "two", 3, 0600, FILE_EXCLUSIVE), -EEXIST);
	assert_int_equal(file_write(s->fd, "file", "two", 3, 0600, FILE_EXCLUSIVE | FILE_SYNC),
			 -EEXIST);
	scratch_expect(s->fd, "file", "one");
	assert_int_equal(entries(s->fd), 1);
}

static void writes_take_paths_and_any_directory_fd(void **state)
{
	const struct scratch *s = *state;
	_close_ int handle = openat(s->fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char path[sizeof(s->path) + 16];

	assert_int_equal(mkdirat(s->fd, "dir", 0700), 0);
	assert_int_equal(file_write(s->fd, "dir/a", "1", 1, 0600, 0), 0);
	scratch_expect(s->fd, "dir/a", "1");
	assert_int_equal(file_write(handle, "dir/a", "2", 1, 0600, FILE_SYNC), 0);
	assert_int_equal(file_write(handle, "b", "3", 1, 0600, FILE_SYNC), 0);
	scratch_expect(s->fd, "dir/a", "2");
	scratch_expect(s->fd, "b", "3");
	snprintf(path, sizeof(path), "%s/dir/c", s->path);
	assert_int_equal(file_write(AT_FDCWD, path, "4", 1, 0600, FILE_SYNC | FILE_EXCLUSIVE), 0);
	scratch_expect(s->fd, "dir/c", "4");
	assert_int_equal(entries(s->fd), 2);
	assert_int_equal(file_write(s->fd, "missing/a", "1", 1, 0600, 0), -ENOENT);
	assert_int_equal(file_write(s->fd, "b/a", "1", 1, 0600, 0), -ENOTDIR);
}

static void failed_writes_leave_the_old_file(void **state)
{
	const struct scratch *s = *state;
	struct rlimit limit, small;
	char data[8192] = { 0 };
	int r;

	assert_int_equal(file_write(s->fd, "file", "old", 3, 0600, 0), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = limit;
	small.rlim_cur = 4096;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	r = file_write(s->fd, "file", data, sizeof(data), 0600, 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(r, -EFBIG);
	scratch_expect(s->fd, "file", "old");
	assert_int_equal(mkdirat(s->fd, "dir", 0700), 0);
	assert_int_equal(file_write(s->fd, "dir", "x", 1, 0600, 0), -EISDIR);
	assert_int_equal(entries(s->fd), 2);
}

static void a_leftover_is_overcome(void **state)
{
	const struct scratch *s = *state;
	char left[32];

	snprintf(left, sizeof(left), ".file.%d", getpid());
	scratch_put(s->fd, left, "from somebody who died");
	assert_int_equal(file_write(s->fd, "file", "new", 3, 0600, 0), 0);
	scratch_expect(s->fd, "file", "new");
	assert_int_equal(entries(s->fd), 1);
}

static void longest_names(void **state)
{
	const struct scratch *s = *state;
	char name[LIMIT_NAME_BYTES + 2];

	memset(name, 'n', sizeof(name));
	name[LIMIT_NAME_BYTES + 1] = '\0';
	assert_int_equal(file_write(s->fd, name, "x", 1, 0600, 0), -ENAMETOOLONG);
	name[LIMIT_NAME_BYTES] = '\0';
	assert_int_equal(file_write(s->fd, name, "x", 1, 0600, 0), 0);
	assert_int_equal(entries(s->fd), 1);
}

static void puts_into_what_exists(void **state)
{
	const struct scratch *s = *state;

	assert_int_equal(file_put(s->fd, "file", "1"), -ENOENT);
	scratch_put(s->fd, "file", "old");
	assert_int_equal(file_put(s->fd, "file", "n"), 0);
	scratch_expect(s->fd, "file", "nld");
	assert_int_equal(symlinkat("file", s->fd, "link"), 0);
	assert_int_equal(file_put(s->fd, "link", "1"), -ELOOP);
	assert_int_equal(file_put(AT_FDCWD, "/dev/full", "1"), -ENOSPC);
}

static void reads_and_writes_through_pipes(void **state _unused_)
{
	static char data[300000], back[sizeof(data) + 1];
	int pipes[2];
	pid_t pid;

	memset(data, 'p', sizeof(data));
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0)
		_exit(write_all(pipes[1], data, sizeof(data)) == 0 ? 0 : 1);
	close(pipes[1]);
	assert_int_equal(read_all(pipes[0], back, sizeof(back)), sizeof(data));
	assert_memory_equal(back, data, sizeof(data));
	assert_int_equal(read_all(pipes[0], back, 1), 0);
	close(pipes[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(read_all(-1, back, 1), -EBADF);
	assert_int_equal(write_all(-1, "x", 1), -EBADF);
}

static void writes_elsewhere_than_at_the_position(void **state)
{
	const struct scratch *s = *state;
	int fd;

	scratch_put(s->fd, "file", "abcdef");
	fd = openat(s->fd, "file", O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(lseek(fd, 1, SEEK_SET), 1);
	assert_int_equal(pwrite_all(fd, "XYZ", 3, 4), 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 1);
	close(fd);
	scratch_expect(s->fd, "file", "abcdXYZ");
	assert_int_equal(pwrite_all(-1, "x", 1, 0), -EBADF);
	assert_int_equal(pwrite_all(-1, "x", 0, 0), 0);
}

static void makes_directories(void **state)
{
	const struct scratch *s = *state;
	char path[LIMIT_PATH_BYTES + 16];
	struct stat st;

	umask(022);
	snprintf(path, sizeof(path), "%s/a/b//c/", s->path);
	assert_int_equal(make_dirs(path, 0700), 0);
	assert_int_equal(make_dirs(path, 0700), 0);
	assert_int_equal(fstatat(s->fd, "a/b/c", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	scratch_put(s->fd, "file", "");
	snprintf(path, sizeof(path), "%s/file/x", s->path);
	assert_int_equal(make_dirs(path, 0700), -ENOTDIR);
	snprintf(path, sizeof(path), "%s/file", s->path);
	assert_int_equal(make_dirs(path, 0700), -ENOTDIR);
	assert_int_equal(make_dirs("", 0700), -ENOENT);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(make_dirs(path, 0700), -ENAMETOOLONG);
}

static int stop_at(int dirfd _unused_, const char *name, void *arg)
{
	return str_eq(name, "5") ? *(int *)arg : 0;
}

static int unlink_it(int dirfd, const char *name, void *arg _unused_)
{
	return unlinkat(dirfd, name, 0) < 0 ? -errno : 0;
}

static void goes_through_directories(void **state)
{
	const struct scratch *s = *state;
	char name[16];
	int value;

	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "%d", i);
		scratch_put(s->fd, name, "");
	}
	assert_int_equal(entries(s->fd), 500);
	assert_int_equal(entries(s->fd), 500); /* the descriptor's offset does not matter */
	value = 7;
	assert_int_equal(dir_each(s->fd, stop_at, &value), 7);
	value = -EIO;
	assert_int_equal(dir_each(s->fd, stop_at, &value), -EIO);
	assert_int_equal(dir_each(s->fd, unlink_it, NULL), 0);
	assert_int_equal(entries(s->fd), 0);
	assert_int_equal(dir_each(-1, stop_at, &value), -EBADF);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		scratch_test(reads_whole_files),
		cmocka_unit_test(reads_files_that_seem_empty),
		scratch_test(refuses_what_is_no_plain_file),
		scratch_test(writes_replace),
		scratch_test(exclusive_writes_do_not),
		scratch_test(writes_take_paths_and_any_directory_fd),
		scratch_test(failed_writes_leave_the_old_file),
		scratch_test(a_leftover_is_overcome),
		scratch_test(longest_names),
		scratch_test(puts_into_what_exists),
		cmocka_unit_test(reads_and_writes_through_pipes),
		scratch_test(writes_elsewhere_than_at_the_position),
		scratch_test(makes_directories),
		scratch_test(goes_through_directories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
