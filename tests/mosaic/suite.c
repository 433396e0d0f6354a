#include "suite.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PASSED = 0, FAILED = 1, SKIPPED = 77, TIME_LIMIT_S = 240 };

void fail_at(const char *file, int line, const char *fmt, ...)
{
	const char *base = strrchr(file, '/');
	va_list ap;

	printf("%s:%d: ", base ? base + 1 : file, line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	fflush(stdout);
	_exit(FAILED);
}

void skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	fflush(stdout);
	_exit(SKIPPED);
}

void ok_at(struct suite *s, int r, const char *call, const char *file, int line)
{
	char text[1024];

	if (r == 0)
		return;
	mosaic_error_format(&s->err, text, sizeof(text));
	fail_at(file, line, "%s: %d: %s", call, r, text);
}

void fails_at(struct suite *s, int wanted, int r, const char *call, const char *file, int line)
{
	if (r != -wanted)
		fail_at(file, line, "%s: %d (%s), not -%s", call, r, s->err.text,
			strerrorname_np(wanted));
	if (!s->err.text[0] || s->err.code != r)
		fail_at(file, line, "%s: failed without a word", call);
	s->err = (struct error){ 0 };
}

void need_features(struct suite *s, uint32_t features)
{
	for (uint32_t bit = 1; bit && bit <= features; bit <<= 1)
		if (features & bit && !(s->features & bit))
			skip("the driver %s has no %s here", mosaic_type(s->m),
			     mosaic_feature_name(bit));
}

/* ---- the run ----------------------------------------------------------------------------------
 * */

struct names {
	char (*list)[MOSAIC_NAME_MAX + 1];
	size_t n;
};

static int add_name(const struct mosaic_volume *v, void *arg)
{
	struct names *names = arg;

	names->list = realloc(names->list, (names->n + 1) * sizeof(*names->list));
	if (!names->list)
		return -ENOMEM;
	memcpy(names->list[names->n++], v->name, sizeof(v->name));
	return 0;
}

/* Clones before what they need: whoever is needed is tried again. */
static void drop_all(struct suite *s)
{
	for (int round = 0; round < 200; round++) {
		struct names names = { 0 };

		ok(s, mosaic_each(s->m, add_name, &names, &s->err));
		if (names.n == 0) {
			free(names.list);
			return;
		}
		for (size_t i = 0; i < names.n; i++) {
			int r = mosaic_drop(s->m, names.list[i], 0, &s->err);

			if (r < 0 && (r != -EBUSY || (round > 190)))
				ok(s, r);
		}
		free(names.list);
		if (round > 20)
			usleep(20000); /* a device may still be on its way down */
	}
	fail("volumes are left");
}

static int show_problem(const struct mosaic_problem *p, void *arg)
{
	(void)arg;
	printf("check: %s: %s; ", p->where, p->text);
	return 0;
}

static int umount_here(const struct mosaic_mount_point *p, void *arg)
{
	struct suite *s = arg;

	if (p->here)
		(void)!mosaic_umount(s->m, NULL, p->path, NULL);
	return 0;
}

/* What a failed case did not get to. */
static int umount_all(const struct mosaic_volume *v, void *arg)
{
	struct suite *s = arg;

	return mosaic_each_mount_point(s->m, v->name, umount_here, s, NULL);
}

static void clean(struct suite *s)
{
	unsigned n;

	(void)!mosaic_each(s->m, umount_all, s, NULL);
	drop_all(s);
	ok(s, mosaic_check(s->m, 0, show_problem, NULL, &n, &s->err));
	need(n == 0);
}

static _Noreturn void child(const struct test_case *c, struct suite *s,
			    void (*fn)(const struct test_case *c, struct suite *s))
{
	alarm(TIME_LIMIT_S);
	ok(s, mosaic_open_named(&s->m, s->what, 0, &s->err));
	s->features = mosaic_features(s->m);
	fn(c, s);
	mosaic_close(s->m);
	fflush(stdout);
	_exit(PASSED);
}

static void run_case(const struct test_case *c, struct suite *s)
{
	c->run(s);
}

static void run_clean(const struct test_case *c, struct suite *s)
{
	(void)c;
	clean(s);
}

/* What the child wrote comes back in text. */
static int in_child(const struct test_case *c, struct suite *s, char *text, size_t size,
		    void (*fn)(const struct test_case *c, struct suite *s))
{
	int ends[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		perror("fork");
		exit(FAILED);
	}
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		child(c, s, fn);
	}
	close(ends[1]);
	while (len < size - 1 && (n = read(ends[0], text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(ends[0]);
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status)) {
		snprintf(text + len, size - len, " killed by %s", sigabbrev_np(WTERMSIG(status)));
		return FAILED;
	}
	return WEXITSTATUS(status);
}

static int run_one(const struct test_case *c, struct suite *s, const char *type)
{
	char text[2048], after[2048];
	int r = in_child(c, s, text, sizeof(text), run_case);
	int left = in_child(c, s, after, sizeof(after), run_clean);

	if (left != PASSED && r != FAILED) {
		r = FAILED;
		snprintf(text, sizeof(text), "afterwards: %.2000s", after);
	}
	printf("%s\t%s\t%s\t%s\n", type, c->name,
	       r == PASSED    ? "ok"
	       : r == SKIPPED ? "skip"
			      : "FAIL",
	       r == PASSED ? "" : text);
	fflush(stdout);
	return r == FAILED;
}

static int run_list(const struct test_case *list, struct suite *s, const char *type,
		    char *const *chosen)
{
	int failed = 0;

	for (; list->name; list++) {
		bool wanted = !*chosen;

		for (char *const *c = chosen; *c; c++)
			wanted |= strcmp(*c, list->name) == 0;
		if (wanted)
			failed += run_one(list, s, type);
	}
	return failed;
}

/* mosaic-suite MOSAIC SCRATCH-DIRECTORY [CASE...]: one line a case: driver, case, result, reason.
 * */
int main(int argc, char **argv)
{
	static const struct test_case *const lists[] = { volume_cases, use_cases, copy_cases,
							 stream_cases };
	struct suite s = { 0 };
	char type[32];
	int failed = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: mosaic-suite MOSAIC SCRATCH-DIRECTORY [CASE...]\n");
		return 2;
	}
	s.what = argv[1];
	s.scratch = argv[2];
	if (mosaic_open_named(&s.m, s.what, 0, &s.err) < 0) {
		fprintf(stderr, "mosaic-suite: %s\n", s.err.text);
		return 2;
	}
	snprintf(type, sizeof(type), "%s", mosaic_type(s.m));
	mosaic_close(s.m);
	s.m = NULL;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		failed += run_list(lists[i], &s, type, argv + 3);
	return failed ? 1 : 0;
}
