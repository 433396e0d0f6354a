#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/base.h"
#include "kernel/users.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "root:x:9:9:a second root:/:/bin/sh\n"
			     "rooted:x:7:7::/:\n"
			     "roo:x:8:8::/:\n"
			     "\n"
			     ":x:11:11::/:\n"
			     "nonumber:x::5::/:\n"
			     "nonumber:x:12:5::/:\n"
			     "sign:x:+5:5::/:\n"
			     "blank:x: 5:5::/:\n"
			     "hex:x:0x5:5::/:\n"
			     "octal:x:010:5::/:\n"
			     "trailing:x:5a:5::/:\n"
			     "big:x:4294967294:5::/:\n"
			     "toobig:x:4294967295:5::/:\n"
			     "huge:x:99999999999999999999999999999999:5::/:\n"
			     "short\n"
			     "short:x\n"
			     "short:x:44\n"
			     "0:x:1234:5::/:\n"
			     "77:x:78:5::/:\n"
			     "#comment:x:3:3::/:\n"
			     " space:x:3:3::/:\n"
			     "emptypw::21:21::/:\n"
			     "last:x:99:99::/:";

struct expectation {
	const char *name;
	int64_t id; /* below 0: the errno */
};

static const struct expectation table[] = {
	{ "root", 0 },
	{ "rooted", 7 },
	{ "roo", 8 },
	{ "ro", -ENOENT },
	{ "", -ENOENT },
	{ "nonumber", 12 },
	{ "sign", -ENOENT },
	{ "blank", -ENOENT },
	{ "hex", -ENOENT },
	{ "octal", -ENOENT },
	{ "trailing", -ENOENT },
	{ "big", 4294967294 },
	{ "toobig", -ENOENT },
	{ "huge", -ENOENT },
	{ "short", 44 },
	{ "0", 1234 },
	{ "77", 78 },
	{ "1234", -ENOENT },
	{ "comment", -ENOENT },
	{ "space", -ENOENT },
	{ "emptypw", 21 },
	{ "last", 99 },
	{ "root:x", -ENOENT },
	{ "x", -ENOENT },
	{ "root\n", -ENOENT },
	{ "roo:x:8", -ENOENT },
	{ "/root", -ENOENT },
	{ "nobody", -ENOENT },
};

static int64_t find(const char *text, size_t len, const char *name)
{
	uint32_t id = 4711;
	int r = users_find(text, len, name, &id);

	if (r < 0)
		assert_int_equal(id, 4711); /* untouched */
	return r < 0 ? r : (int64_t)id;
}

static void finds_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		assert_int_equal(find(passwd, sizeof(passwd) - 1, table[i].name), table[i].id);
}

static void odd_texts(void **state)
{
	static const char zero[] = "a\0b:x:1:\na:x:2:\nb:x:3\0x:\n";

	(void)state;
	assert_int_equal(find("", 0, "root"), -ENOENT);
	assert_int_equal(find("\n\n\n", 3, "root"), -ENOENT);
	assert_int_equal(find(":::::", 5, "root"), -ENOENT);
	assert_int_equal(find(zero, sizeof(zero) - 1, "a"), 2);
	assert_int_equal(find(zero, sizeof(zero) - 1, "b"), -ENOENT);
	assert_int_equal(find("root:x:5", 8, "root"), 5);
	assert_int_equal(find("root:x:55", 8, "root"), 5); /* no byte past the end */
	assert_int_equal(find("root:x:", 7, "root"), -ENOENT);
	assert_int_equal(find("root:x:5\r\n", 10, "root"), -ENOENT);
}

/* ---- in a root ------------------------------------------------------------------------------- */

struct root {
	char path[64];
	int fd;
};

static int setup(void **state)
{
	static struct root r;

	snprintf(r.path, sizeof(r.path), "/tmp/carob-users-XXXXXX");
	assert_non_null(mkdtemp(r.path));
	r.fd = open(r.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(r.fd >= 0);
	assert_int_equal(mkdirat(r.fd, "etc", 0755), 0);
	*state = &r;
	return 0;
}

static int teardown(void **state)
{
	struct root *r = *state;
	int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	close(r->fd);
	assert_int_equal(path_remove_tree(tmp, r->path + strlen("/tmp/")), 0);
	close(tmp);
	return 0;
}

static void put(const struct root *r, const char *name, const char *text)
{
	assert_int_equal(file_write(r->fd, name, text, strlen(text), 0644, 0), 0);
}

static int64_t resolve(const struct root *r, enum users_table which, const char *name)
{
	uint32_t id = 4711;
	int result = users_resolve(r->fd, which, name, &id);

	if (result < 0)
		assert_int_equal(id, 4711);
	return result < 0 ? result : (int64_t)id;
}

static void numbers(void **state)
{
	static const struct expectation names[] = {
		{ "0", 0 },
		{ "1000", 1000 },
		{ "4294967294", 4294967294 },
		{ "4294967295", -ERANGE },
		{ "4294967296", -ERANGE },
		{ "99999999999999999999999", -ERANGE },
		{ "", -ENOENT },
		{ "0x0", -ENOENT },
		{ "1000:", -ENOENT },
		{ ":5", -ENOENT },
		{ "+0", -ENOENT },
		{ "-1", -ENOENT },
		{ " 0", -ENOENT },
		{ "1000 ", -ENOENT },
		{ "00", -ENOENT },
		{ "nobody", -ENOENT },
	};
	struct root *r = *state;

	/* without any file */
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(resolve(r, USERS_PASSWD, names[i].name), names[i].id);
}

static void name_goes_before_number(void **state)
{
	struct root *r = *state;

	put(r, "etc/passwd", passwd);
	put(r, "etc/group", "root:x:5:\n77:x:6:a,b,c\n");
	assert_int_equal(resolve(r, USERS_PASSWD, "77"), 78);
	assert_int_equal(resolve(r, USERS_GROUP, "77"), 6);
	assert_int_equal(resolve(r, USERS_GROUP, "root"), 5); /* never from passwd */
	assert_int_equal(resolve(r, USERS_PASSWD, "76"), 76);
	assert_int_equal(resolve(r, USERS_GROUP, "rooted"), -ENOENT);
}

static void owners(void **state)
{
	struct root *r = *state;

	put(r, "file", "");
	assert_int_equal(symlinkat("/file", r->fd, "absolute"), 0);
	assert_int_equal(symlinkat("../../../../../../file", r->fd, "up"), 0);
	assert_int_equal(symlinkat("/proc/self/cwd", r->fd, "magic"), 0);
	assert_int_equal(symlinkat("loop", r->fd, "loop"), 0);
	assert_int_equal(resolve(r, USERS_PASSWD, "/file"), geteuid());
	assert_int_equal(resolve(r, USERS_GROUP, "/file"), getegid());
	assert_int_equal(resolve(r, USERS_PASSWD, "/absolute"), geteuid());
	assert_int_equal(resolve(r, USERS_PASSWD, "/up"), geteuid());
	assert_int_equal(resolve(r, USERS_PASSWD, "/../../file"), geteuid());
	assert_int_equal(resolve(r, USERS_PASSWD, "/missing"), -ENOENT);
	assert_int_equal(resolve(r, USERS_PASSWD, "/magic"),
			 -ENOENT); /* the host's /proc is not in there */
	assert_int_equal(resolve(r, USERS_PASSWD, "/bin/sh"), -ENOENT);
	assert_int_equal(resolve(r, USERS_PASSWD, "/loop"), -ELOOP);
}

/* A missing or odd file counts as empty, and nothing blocks. */
static void odd_files(void **state)
{
	struct root *r = *state;

	assert_int_equal(mkfifoat(r->fd, "etc/passwd", 0644), 0);
	assert_int_equal(resolve(r, USERS_PASSWD, "root"), -ENOENT);
	assert_int_equal(resolve(r, USERS_PASSWD, "5"), 5);
	assert_int_equal(unlinkat(r->fd, "etc/passwd", 0), 0);
	assert_int_equal(mkdirat(r->fd, "etc/passwd", 0755), 0);
	assert_int_equal(resolve(r, USERS_PASSWD, "root"), -ENOENT);
	assert_int_equal(unlinkat(r->fd, "etc/passwd", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("passwd", r->fd, "etc/passwd"), 0);
	assert_int_equal(resolve(r, USERS_PASSWD, "root"), -ENOENT);
	assert_int_equal(unlinkat(r->fd, "etc/passwd", 0), 0);
	assert_int_equal(symlinkat("/dev/zero", r->fd, "etc/passwd"),
			 0); /* inside the root there is none */
	assert_int_equal(resolve(r, USERS_PASSWD, "root"), -ENOENT);
	assert_int_equal(unlinkat(r->fd, "etc/passwd", 0), 0);
	assert_int_equal(symlinkat("/../usr/passwd", r->fd, "etc/passwd"), 0);
	assert_int_equal(mkdirat(r->fd, "usr", 0755), 0);
	put(r, "usr/passwd", "root:x:33:\n");
	assert_int_equal(resolve(r, USERS_PASSWD, "root"), 33);
	assert_int_equal(unlinkat(r->fd, "etc/passwd", 0), 0);
	assert_int_equal(unlinkat(r->fd, "etc", AT_REMOVEDIR), 0);
	put(r, "etc", "no directory");
	assert_int_equal(resolve(r, USERS_PASSWD, "root"), -ENOENT);
}

/* Names on both sides of every edge of the window that a file is read through. */
static void long_files(void **state)
{
	struct root *r = *state;
	size_t size = LIMIT_PASSWD_BYTES, at = 0;
	_free_ char *text = malloc(size + 2);
	_close_ int group = -1;
	char name[32];

	assert_non_null(text);
	for (unsigned i = 0; at + 40 < size; i++)
		at += (size_t)snprintf(text + at, 40, "user%u:%.*s:%u:\n", i, (int)(i % 13),
				       "xxxxxxxxxxxxx", 100000 + i);
	memset(text + at, '\n', size - at);
	text[size] = '\0';
	put(r, "etc/passwd", text);
	for (unsigned i = 0; i < 40000; i += 1999) {
		snprintf(name, sizeof(name), "user%u", i);
		assert_int_equal(resolve(r, USERS_PASSWD, name), 100000 + i);
	}
	assert_int_equal(resolve(r, USERS_PASSWD, "nobody"), -ENOENT);
	text[size] = '\n';
	text[size + 1] = '\0';
	put(r, "etc/passwd", text);
	assert_int_equal(resolve(r, USERS_PASSWD, "user0"), -EFBIG);
	/* a sparse file of 8 GiB */
	put(r, "etc/group", "root:x:0:\n");
	group = openat(r->fd, "etc/group", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(group, 8LL << 30), 0);
	assert_int_equal(resolve(r, USERS_GROUP, "root"), -EFBIG);
	/* one line as long as the file may be */
	memset(text, 'x', size);
	text[size] = '\0';
	memcpy(text + size - 10, "\nyou:x:5:\n", 10);
	put(r, "etc/passwd", text);
	assert_int_equal(resolve(r, USERS_PASSWD, "you"), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_names),
		cmocka_unit_test(odd_texts),
		cmocka_unit_test_setup_teardown(numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(name_goes_before_number, setup, teardown),
		cmocka_unit_test_setup_teardown(owners, setup, teardown),
		cmocka_unit_test_setup_teardown(odd_files, setup, teardown),
		cmocka_unit_test_setup_teardown(long_files, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
