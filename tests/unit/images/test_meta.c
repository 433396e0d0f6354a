/* Pages through carob-meta itself; and what is left to it. */
#include "pages.h"

#include <fcntl.h>

static void check(const char *name, const char *page, size_t len, const char *pairs, void *arg)
{
	struct bench *b = arg;
	_meta_pairs_ struct meta_pairs found = { 0 };
	_buf_ struct buf lines = BUF_INIT(1 << 20);

	assert_ok(b, meta_read(&b->im, page, len, &found, &b->err));
	for (size_t i = 0; i < found.n; i++)
		assert_int_equal(buf_addf(&lines, "%s\t%s\n", found.list[i].name,
					  found.list[i].content),
				 0);
	if (!str_eq(lines.data ? lines.data : "", pairs))
		fail_msg("%s has\n%sand not\n%s", name, pairs, lines.data);
}

static void test_pages(void **state)
{
	pages_each(check, *state);
}

static void refuse(struct bench *b, const char *page, size_t len, const char *says)
{
	struct meta_pairs found = { 0 };

	b->err = (struct error){ 0 };
	assert_int_equal(meta_read(&b->im, page, len, &found, &b->err), -E2BIG);
	if (!strstr(b->err.text, says))
		fail_msg("%s", b->err.text);
	assert_null(found.list);
	assert_null(found.text.data);
}

/* Elements that every paragraph opens anew: a tree hundreds of times the page. */
static void page_that_grows(struct buf *page)
{
	assert_int_equal(buf_addf(page, "<div>"), 0);
	for (int i = 0; i < 60; i++)
		assert_int_equal(buf_addf(page, "<b x=%d>", i), 0);
	assert_int_equal(buf_addf(page, "</div>"), 0);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(buf_addf(page, "<p>x"), 0);
}

static void test_limits(void **state)
{
	_buf_ struct buf page = BUF_INIT(8 << 20);

	for (int i = 0; i <= LIMIT_PAGE_PAIRS; i++)
		assert_int_equal(buf_addf(&page, "<meta name=ac-x content=y>"), 0);
	refuse(*state, page.data, page.len, "LIMIT_PAGE_PAIRS");
	while (page.len <= LIMIT_PAGE_BYTES)
		assert_int_equal(buf_addf(&page, "%1000s", ""), 0);
	refuse(*state, page.data, page.len, "LIMIT_PAGE_BYTES");
	page.len = 0;
	page_that_grows(&page);
	refuse(*state, page.data, page.len, "LIMIT_PAGE_MEMORY");
	page.len = 0;
	for (int i = 0; i < 120000; i++) /* one tag with so many attributes */
		assert_int_equal(buf_addf(&page, "%s%d", i ? " a" : "<p a", i), 0);
	assert_int_equal(buf_addf(&page, ">"), 0);
	refuse(*state, page.data, page.len, "LIMIT_PAGE_SECONDS");
}

/* A shell in the place of carob-meta, the page its script. */
static void refuse_program(struct bench *b, const char *script, int code, const char *says)
{
	struct meta_pairs found = { 0 };

	b->err = (struct error){ 0 };
	assert_int_equal(meta_read(&b->im, script, strlen(script), &found, &b->err), code);
	if (!strstr(b->err.text, says))
		fail_msg("%s", b->err.text);
}

static void test_trusts_nothing(void **state)
{
	struct bench *b = *state;
	_free_ char *path = str_printf("%s/carob-meta", b->libexec);
	_meta_pairs_ struct meta_pairs found = { 0 };

	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/bin/sh", path), 0);
	assert_ok(b, meta_read(&b->im, "printf 'a\\0b\\0'", 15, &found, &b->err));
	assert_int_equal(found.n, 1);
	refuse_program(b, "printf abc", -EPROTO, "no form");
	refuse_program(b, "printf 'abc\\0'", -EPROTO, "no form");
	refuse_program(b, "printf 'a\\0b\\0c'", -EPROTO, "no form");
	refuse_program(b, "head -c 600 /dev/zero", -EPROTO, "no form");
	refuse_program(b, "exec cat /dev/zero", -E2BIG, "cannot read");
	refuse_program(b, "printf 'a\\0b\\0'; exit 1", -EIO, "shut itself in");
	refuse_program(b, "kill -9 $$", -E2BIG, "137");
	assert_int_equal(unlink(path), 0);
	refuse_program(b, "", -ENOENT, "cannot open");
}

/* ---- what is left to it ---------------------------------------------------------------------- */

struct process {
	int pidfd, proc, in, out;
};

static void start(struct bench *b, struct process *p)
{
	_close_ int in = -1, out = -1, host = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_free_ char *exe = str_printf("%s/carob-meta", b->libexec);
	_close_ int exe_fd = open(exe, O_PATH | O_CLOEXEC);
	const char *argv[] = { "carob-meta", NULL }, *envp[] = { NULL };
	char path[32];
	pid_t pid;
	struct process_spec spec = {
		.exe_fd = exe_fd,
		.argv = argv,
		.envp = envp,
		.cgroup_fd = -1,
		.keep_fd = host, /* somebody forgot to close it */
	};

	assert_ok(b, helper_pipe(&in, &p->in, &b->err));
	assert_ok(b, helper_pipe(&p->out, &out, &b->err));
	spec.stdio[0] = in;
	spec.stdio[1] = out;
	spec.stdio[2] = host;
	p->pidfd = process_spawn(&spec, &pid);
	assert_true(p->pidfd >= 0);
	snprintf(path, sizeof(path), "/proc/%d", pid);
	p->proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(p->proc >= 0);
}

static bool status_has(const struct process *p, const char *line)
{
	_free_ char *text = NULL;

	assert_int_equal(file_read(p->proc, "status", 1 << 16, &text, NULL), 0);
	return strstr(text, line) != NULL;
}

static void assert_other_namespace(const struct process *p, const char *name)
{
	_free_ char *theirs = str_printf("ns/%s", name),
		    *ours = str_printf("/proc/self/ns/%s", name);
	char a[64] = "", b[64] = "";

	assert_true(readlinkat(p->proc, theirs, a, sizeof(a) - 1) > 0);
	assert_true(readlink(ours, b, sizeof(b) - 1) > 0);
	assert_string_not_equal(a, b);
}

static void test_confinement(void **state)
{
	static const char *const namespaces[] = { "mnt", "net", "ipc", "uts" };
	static const char *const lines[] = {
		"\nNoNewPrivs:\t1\n",
		"\nCapInh:\t0000000000000000\n",
		"\nCapPrm:\t0000000000000000\n",
		"\nCapEff:\t0000000000000000\n",
		"\nCapBnd:\t0000000000000000\n",
		"\nCapAmb:\t0000000000000000\n",
	};
	struct bench *b = *state;
	char answer[32] = "";
	struct process p;
	int status;

	start(b, &p);
	for (int i = 0; i < 1000 && !status_has(&p, "\nSeccomp:\t2\n"); i++)
		usleep(10000);
	assert_true(status_has(&p, "\nSeccomp:\t2\n"));
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (!status_has(&p, lines[i]))
			fail_msg("it does not have%s", lines[i]);
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		assert_other_namespace(&p, namespaces[i]);
	assert_int_equal(count_entries(p.proc, "fd"), 2);
	assert_int_equal(count_entries(p.proc, "root"), 0);
	/* and it still does what it is for */
	assert_int_equal(write_all(p.in, "<meta name=ac-a content=b>", 26), 0);
	close(p.in);
	assert_int_equal(read_all(p.out, answer, sizeof(answer)), 7);
	assert_memory_equal(answer, "ac-a\0b", 7);
	assert_int_equal(process_wait(p.pidfd, &status), 0);
	assert_int_equal(status, 0);
	close(p.out);
	close(p.proc);
	close(p.pidfd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pages),
		TEST(limits),
		TEST(trusts_nothing),
		TEST(confinement),
	};

	return cmocka_run_group_tests_name("meta", tests, NULL, NULL);
}
