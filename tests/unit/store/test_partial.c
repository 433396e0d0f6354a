#include "fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define SECOND 1000000000LL

static void begin(struct fixture *f, const char *name, struct store_partial *ret)
{
	assert_int_equal(store_partial_open(f->store, name, ret, &f->err), 0);
}

static bool has(const struct fixture *f, const struct store_partial *p, const char *file)
{
	char path[128];

	snprintf(path, sizeof(path), "partial/%s/%s", p->key, file);
	return faccessat(f->dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void test_outlives(void **state)
{
	struct fixture *f = *state;
	_store_partial_ struct store_partial p = STORE_PARTIAL_NONE, other = STORE_PARTIAL_NONE;
	_free_ char *text = NULL;
	char data[8] = "";
	size_t len = 1;

	begin(f, "https://example.com/a", &p);
	/* SHA-256 of the name */
	assert_string_equal(p.key,
			    "2dce0a4c50441bfccfa9caf4b58c3cba6e06c420505dd829f0436de1aa44baac");
	assert_int_equal(store_partial_read(&p, &text, &len, &f->err), 0);
	assert_null(text);
	assert_int_equal(write_all(p.data, "begin", 5), 0);
	assert_int_equal(store_partial_write(&p, "{}", 2, &f->err), 0);
	begin(f, "https://example.com/b", &other);
	assert_string_not_equal(p.key, other.key);
	store_partial_close(&p);
	assert_int_equal(p.dir, -1);

	begin(f, "https://example.com/a", &p);
	assert_int_equal(store_partial_read(&p, &text, &len, &f->err), 0);
	assert_string_equal(text, "{}");
	assert_int_equal(len, 2);
	assert_int_equal(pread(p.data, data, sizeof(data), 0), 5);
	assert_string_equal(data, "begin");
	store_partial_remove(f->store, &p);
	assert_false(has(f, &p, "."));
	assert_true(has(f, &other, "data"));
	store_partial_remove(f->store, &p); /* of nothing */
}

static void test_link(void **state)
{
	struct fixture *f = *state;
	_store_partial_ struct store_partial p = STORE_PARTIAL_NONE;
	struct store_staged staged = STORE_STAGED_NONE;
	_free_ char *text = NULL;

	begin(f, "x", &p);
	assert_int_equal(write_all(p.data, "archive", 7), 0);
	assert_int_equal(store_stage(f->store, &staged, &f->err), 0);
	assert_int_equal(store_partial_link(&p, &staged, "aci", &f->err), 0);
	store_partial_remove(f->store, &p);
	assert_int_equal(file_read(staged.fd, "aci", 100, &text, NULL), 0);
	assert_string_equal(text, "archive");
	assert_int_equal(store_partial_link(&p, &staged, "again", &f->err), -EBADF);
	store_discard(f->store, &staged);
}

/* The image's archive is not touched, and the download begins anew. */
static void test_fresh(void **state)
{
	struct fixture *f = *state;
	struct store_partial p = STORE_PARTIAL_NONE;
	struct store_staged staged = STORE_STAGED_NONE;
	_free_ char *text = NULL, *kept = NULL;
	size_t len;

	begin(f, "x", &p);
	assert_int_equal(write_all(p.data, "archive", 7), 0);
	assert_int_equal(store_partial_write(&p, "{}", 2, &f->err), 0);
	assert_false(store_partial_is_taken(&p));
	assert_int_equal(store_stage(f->store, &staged, &f->err), 0);
	assert_int_equal(store_partial_link(&p, &staged, "aci", &f->err), 0);
	assert_true(store_partial_is_taken(&p));
	assert_int_equal(store_partial_fresh(&p, &f->err), 0);
	assert_false(store_partial_is_taken(&p));
	assert_int_equal(write_all(p.data, "other", 5), 0);
	assert_int_equal(store_partial_read(&p, &kept, &len, &f->err), 0);
	assert_null(kept);
	assert_int_equal(file_read(staged.fd, "aci", 100, &text, NULL), 0);
	assert_string_equal(text, "archive");
	store_partial_remove(f->store, &p);
	store_discard(f->store, &staged);
}

/* Runs fn in a process of its own, which has no part in what is held here. */
static pid_t spawn(struct fixture *f, struct store_partial *held, int (*fn)(struct fixture *f))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (held)
			store_partial_close(held);
		_exit(fn(f));
	}
	return pid;
}

static int ended(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int take_it(struct fixture *f)
{
	struct store_partial p = STORE_PARTIAL_NONE;
	struct stat st;

	if (store_partial_open(f->store, "x", &p, &f->err) < 0)
		return 1;
	/* what was removed while we waited is not what we have */
	return fstat(p.dir, &st) == 0 && st.st_nlink > 0 && has(f, &p, "data") ? 0 : 2;
}

static void wait_until_blocked(pid_t pid)
{
	_free_ char *path = str_printf("/proc/%d/wchan", pid);
	_free_ char *text = NULL;

	for (int i = 0; i < 500; i++) {
		usleep(10000);
		cleanup_free(&text);
		text = NULL;
		if (file_read(AT_FDCWD, path, 100, &text, NULL) < 0 || strstr(text, "lock"))
			return;
	}
}

static void test_waits(void **state)
{
	struct fixture *f = *state;
	_store_partial_ struct store_partial p = STORE_PARTIAL_NONE;
	pid_t pid;

	begin(f, "x", &p);
	pid = spawn(f, &p, take_it);
	usleep(100000);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	store_partial_close(&p);
	assert_int_equal(ended(pid), 0);
}

static void test_removed_meanwhile(void **state)
{
	struct fixture *f = *state;
	_store_partial_ struct store_partial p = STORE_PARTIAL_NONE;
	pid_t pids[4];

	begin(f, "x", &p);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		pids[i] = spawn(f, &p, take_it);
	wait_until_blocked(pids[0]);
	usleep(100000);
	store_partial_remove(f->store, &p);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		assert_int_equal(ended(pids[i]), 0);
}

/* A helper that was handed the data outlives who started it: nobody else gets at the file. */
static void test_helper_holds_data(void **state)
{
	struct fixture *f = *state;
	_store_partial_ struct store_partial p = STORE_PARTIAL_NONE;
	_close_ int helper = -1;
	unsigned n = 1;
	pid_t pid;

	begin(f, "x", &p);
	helper = fcntl(p.data, F_DUPFD_CLOEXEC, 3);
	store_partial_close(&p);
	assert_int_equal(store_partial_collect(f->store, 0, &n, &f->err), 0);
	assert_int_equal(n, 0);
	assert_true(has(f, &p, "data"));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(helper);
		_exit(take_it(f));
	}
	usleep(100000);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	cleanup_close(&helper);
	assert_int_equal(ended(pid), 0);
}

static void on_signal(_unused_ int number) {}

static int interrupted(struct fixture *f)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct store_partial p = STORE_PARTIAL_NONE;

	if (sigaction(SIGTERM, &action, NULL) < 0)
		return 1;
	return store_partial_open(f->store, "x", &p, &f->err) == -EINTR && p.dir == -1 ? 0 : 2;
}

static void test_interrupted(void **state)
{
	struct fixture *f = *state;
	_store_partial_ struct store_partial p = STORE_PARTIAL_NONE;
	pid_t pid;

	begin(f, "x", &p);
	pid = spawn(f, &p, interrupted);
	wait_until_blocked(pid);
	usleep(100000);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(ended(pid), 0);
}

static void set_age(struct fixture *f, const struct store_partial *p, int64_t seconds)
{
	static const char *const names[] = { "state", "data", "." };
	struct timespec times[2];
	char path[LIMIT_PATH_BYTES];

	times[0].tv_sec = time_now_ns() / SECOND - seconds;
	times[0].tv_nsec = 0;
	times[1] = times[0];
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "partial/%s/%s", p->key, names[i]);
		assert_int_equal(utimensat(f->dirfd, path, times, 0), 0);
	}
}

static void test_collect(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = { "old", "held", "young", "future" };
	static const int64_t ages[] = { 100, 100, 10, -100 };
	struct store_partial p[4];
	unsigned n = 1;

	assert_int_equal(store_partial_collect(f->store, 0, &n, &f->err), 0);
	assert_int_equal(n, 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		begin(f, names[i], &p[i]);
		assert_int_equal(store_partial_write(&p[i], "{}", 2, &f->err), 0);
		set_age(f, &p[i], ages[i]);
		if (i != 1)
			store_partial_close(&p[i]);
	}
	assert_int_equal(store_partial_collect(f->store, 50 * SECOND, &n, &f->err), 0);
	assert_int_equal(n, 1);
	assert_false(has(f, &p[0], "."));
	store_partial_close(&p[1]);
	assert_int_equal(store_partial_collect(f->store, 0, NULL, &f->err), 0);
	assert_false(has(f, &p[1], "."));
	assert_false(has(f, &p[2], "."));
	assert_true(has(f, &p[3], "state"));
}

/* What is no download goes too, however it came there. */
static void test_collect_strays(void **state)
{
	struct fixture *f = *state;
	_close_ int partial = -1, file = -1;
	unsigned n = 0;

	assert_int_equal(mkdirat(f->dirfd, "partial", 0700), 0);
	partial = openat(f->dirfd, "partial", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	file = openat(partial, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(file >= 0);
	assert_int_equal(symlinkat("/", partial, "link"), 0);
	assert_int_equal(store_partial_collect(f->store, 0, &n, &f->err), 0);
	assert_int_equal(n, 2);
}

static void test_refuses_strange_data(void **state)
{
	struct fixture *f = *state;
	_store_partial_ struct store_partial p = STORE_PARTIAL_NONE;
	char path[128];

	begin(f, "x", &p);
	snprintf(path, sizeof(path), "partial/%s/data", p.key);
	assert_int_equal(unlinkat(f->dirfd, path, 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", f->dirfd, path), 0);
	store_partial_close(&p);
	assert_int_equal(store_partial_open(f->store, "x", &p, &f->err), -ELOOP);
	assert_int_equal(unlinkat(f->dirfd, path, 0), 0);
	assert_int_equal(mkfifoat(f->dirfd, path, 0600), 0);
	assert_int_equal(store_partial_open(f->store, "x", &p, &f->err), -EINVAL);
}

static int say(const struct fixture *f)
{
	char text[1024];

	error_format(&f->err, text, sizeof(text));
	print_error("%s\n", text);
	return 1;
}

static int open_and_remove(struct fixture *f)
{
	for (int i = 0; i < 200; i++) {
		struct store_partial p = STORE_PARTIAL_NONE;
		char data[8];

		if (store_partial_open(f->store, "x", &p, &f->err) < 0)
			return say(f);
		/* nobody else is between these lines */
		if (pread(p.data, data, sizeof(data), 0) != 0 || write(p.data, "mine", 4) != 4 ||
		    ftruncate(p.data, 0) < 0)
			return 2;
		if (i % 2)
			store_partial_remove(f->store, &p);
		else
			store_partial_close(&p);
	}
	return 0;
}

static int collect_all(struct fixture *f)
{
	for (int i = 0; i < 400; i++)
		if (store_partial_collect(f->store, 0, NULL, &f->err) < 0)
			return say(f);
	return 0;
}

static void test_race(void **state)
{
	struct fixture *f = *state;
	pid_t pids[5];

	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		pids[i] = spawn(f, NULL, i == 0 ? collect_all : open_and_remove);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		assert_int_equal(ended(pids[i]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(outlives),
		TEST(link),
		TEST(fresh),
		TEST(waits),
		TEST(removed_meanwhile),
		TEST(helper_holds_data),
		TEST(interrupted),
		TEST(collect),
		TEST(collect_strays),
		TEST(refuses_strange_data),
		TEST(race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
