/* Events: told, followed, across replaced files and torn lines. No privileges needed. */
#include "scratch.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "mosaic/driver.h"
#include "mosaic/event_log.h"

static int plain_setup(void **state)
{
	struct error err = { 0 };
	struct scratch *s;

	scratch_setup(state);
	s = *state;
	assert_ok(mosaic_open(&s->mosaic, s->location, "plain", MOSAIC_OPEN_CREATE, &err), &err);
	return 0;
}

static struct mosaic_events *follow(struct scratch *s, unsigned flags)
{
	struct mosaic_events *e = NULL;
	struct error err = { 0 };

	assert_ok(mosaic_events_open(s->mosaic, flags, &e, &err), &err);
	return e;
}

static bool is_readable(struct mosaic_events *e)
{
	struct pollfd p = { .fd = mosaic_events_fd(e), .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void assert_next(struct mosaic_events *e, enum mosaic_event_kind kind, const char *volume,
			const char *other)
{
	struct mosaic_event got = { 0 };
	struct error err = { 0 };
	int r = mosaic_events_next(e, &got, &err);

	assert_ok(r, &err);
	assert_int_equal(r, 1);
	assert_string_equal(mosaic_event_name(got.kind), mosaic_event_name(kind));
	assert_string_equal(got.volume, volume);
	assert_string_equal(got.other, other);
	assert_in_range(got.time_ns, time_now_ns() - 60000000000LL, time_now_ns());
}

static void assert_none(struct mosaic_events *e)
{
	struct mosaic_event got;
	struct error err = { 0 };

	assert_int_equal(mosaic_events_next(e, &got, &err), 0);
	assert_false(is_readable(e));
}

static void append_text(struct scratch *s, const char *text)
{
	_close_ int fd = openat(s->mosaic->dirfd, "events", O_WRONLY | O_APPEND | O_CLOEXEC);

	assert_int_equal(write_all(fd, text, strlen(text)), 0);
}

static uint64_t size_of(struct scratch *s, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(s->mosaic->dirfd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return (uint64_t)st.st_size;
}

static void what_nobody_follows_is_not_written(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };

	assert_ok(mosaic_create(s->mosaic, "a", NULL, &err), &err);
	assert_missing(s->mosaic->dirfd, "events");
}

static void verbs_tell_what_they_did(void **state)
{
	struct scratch *s = *state;
	struct mosaic_pair pairs[] = { { "s2", "a" }, { "s3", "b" } };
	struct mosaic_events *e = follow(s, 0), *late;
	struct error err = { 0 };

	assert_none(e);
	assert_ok(mosaic_create(s->mosaic, "a", NULL, &err), &err);
	assert_true(is_readable(e));
	commit_hello(s, "tree");
	assert_ok(mosaic_clone(s->mosaic, "b", "tree", &err), &err);
	assert_ok(mosaic_snapshot(s->mosaic, "s1", "a", &err), &err);
	assert_ok(mosaic_snapshot_set(s->mosaic, pairs, 2, NULL, &err), &err);
	assert_ok(mosaic_rollback(s->mosaic, "a", "s1", &err), &err);
	assert_ok(mosaic_drop(s->mosaic, "b", 0, &err), &err);
	assert_ok(mosaic_drop(s->mosaic, "never", 0, &err), &err);
	assert_int_equal(mosaic_create(s->mosaic, "a", NULL, &err), -EEXIST);
	assert_next(e, MOSAIC_EVENT_CREATE, "a", "");
	assert_true(is_readable(e));
	assert_next(e, MOSAIC_EVENT_COMMIT, "tree", "");
	assert_next(e, MOSAIC_EVENT_CLONE, "b", "tree");
	assert_next(e, MOSAIC_EVENT_SNAPSHOT, "s1", "a");
	assert_next(e, MOSAIC_EVENT_SNAPSHOT, "s2", "a");
	assert_next(e, MOSAIC_EVENT_SNAPSHOT, "s3", "b");
	assert_next(e, MOSAIC_EVENT_ROLLBACK, "a", "s1");
	assert_next(e, MOSAIC_EVENT_DROP, "b", "");
	assert_none(e);

	late = follow(s, 0);
	assert_none(late);
	mosaic_events_close(late);
	late = follow(s, MOSAIC_EVENTS_ALL);
	assert_true(is_readable(late));
	assert_next(late, MOSAIC_EVENT_CREATE, "a", "");
	mosaic_events_close(late);
	mosaic_events_close(e);
	mosaic_events_close(NULL);
}

/* A set of snapshots whose maker died naming it: who collects names the rest, and tells. */
static void a_set_that_is_finished_later_is_told(void **state)
{
	static const char note[] = "staging/11111111-1111-4111-8111-111111111111";
	static const char staged[] = "22222222-2222-4222-8222-222222222222";
	struct scratch *s = *state;
	int dir = s->mosaic->dirfd;
	struct error err = { 0 };
	struct mosaic_events *e;
	char path[256];
	unsigned n;

	assert_ok(mosaic_create(s->mosaic, "a", NULL, &err), &err);
	e = follow(s, 0);
	assert_int_equal(mkdirat(dir, note, 0700), 0);
	snprintf(path, sizeof(path), "%s/set", note);
	assert_int_equal(mkdirat(dir, path, 0700), 0);
	snprintf(path, sizeof(path), "%s/set/late", note);
	assert_int_equal(symlinkat(staged, dir, path), 0);
	snprintf(path, sizeof(path), "staging/%s", staged);
	assert_int_equal(mkdirat(dir, path, 0700), 0);
	snprintf(path, sizeof(path), "staging/%s/tree", staged);
	assert_int_equal(mkdirat(dir, path, 0755), 0);
	snprintf(path, sizeof(path), "staging/%s/origin", staged);
	assert_int_equal(symlinkat("a", dir, path), 0);
	assert_ok(mosaic_collect(s->mosaic, &n, &err), &err);
	assert_true(mosaic_have(s->mosaic, "late"));
	assert_next(e, MOSAIC_EVENT_SNAPSHOT, "late", "a");
	assert_none(e);
	mosaic_events_close(e);
}

struct lines {
	char info[512], debug[2048];
};

static void note_line(enum mosaic_log_level level, const char *text, void *arg)
{
	struct lines *l = arg;
	char *dst = level == MOSAIC_LOG_INFO ? l->info : l->debug;
	size_t size = level == MOSAIC_LOG_INFO ? sizeof(l->info) : sizeof(l->debug);
	size_t n = strlen(dst);

	snprintf(dst + n, size - n, "%s|", strrchr(text, '/') ? strstr(text, ": ") + 2 : text);
}

/* Whether anybody follows or not. */
static void what_is_done_is_logged(void **state)
{
	struct scratch *s = *state;
	struct lines l = { 0 };
	struct error err = { 0 };

	mosaic_set_log(note_line, MOSAIC_LOG_DEBUG, &l);
	assert_ok(mosaic_create(s->mosaic, "a", NULL, &err), &err);
	assert_ok(mosaic_snapshot(s->mosaic, "s", "a", &err), &err);
	assert_ok(mosaic_drop(s->mosaic, "s", 0, &err), &err);
	mosaic_set_log(NULL, 0, NULL);
	assert_string_equal(l.info, "create a|snapshot s, a|drop s|");
	assert_non_null(strstr(l.debug, "begun to make staging/"));
	assert_non_null(strstr(l.debug, "volumes/s moved to staging/"));
	assert_missing(s->mosaic->dirfd, "events");
}

static void any_name_comes_through(void **state)
{
	static const char *const names[] = { "a \"b\\", "\xc3\xa4", "\xff\xfe not utf-8",
					     "{\"event\":\"drop\"}" };
	struct scratch *s = *state;
	struct mosaic_events *e = follow(s, 0);
	char name[MOSAIC_NAME_MAX + 1], other[512];

	memset(name, '\xff', MOSAIC_NAME_MAX);
	memset(other, '\xfe', sizeof(other));
	name[MOSAIC_NAME_MAX] = other[sizeof(other) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		volume_event(s->mosaic, MOSAIC_EVENT_MOUNT, names[i], names[i]);
	volume_event(s->mosaic, MOSAIC_EVENT_MOUNT, name, other);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_next(e, MOSAIC_EVENT_MOUNT, names[i], names[i]);
	assert_next(e, MOSAIC_EVENT_MOUNT, name, other);
	assert_none(e);
	mosaic_events_close(e);
}

static void damaged_lines_are_passed_over(void **state)
{
	struct scratch *s = *state;
	struct mosaic_events *e = follow(s, 0);
	_free_ char *huge = malloc(100001);

	memset(huge, 'x', 100000);
	huge[100000] = '\0';
	append_text(s, "nonsense\n{}\n[1]\n\n{\"event\":\"create\"}\n");
	append_text(s, huge);
	append_text(s,
		    "\n{\"time\":1,\"event\":\"fly\",\"pid\":1,\"volume\":\"a\",\"other\":\"\"}\n");
	volume_event(s->mosaic, MOSAIC_EVENT_CREATE, "a", NULL);
	/* cut off: the next one ends it */
	append_text(s, "{\"time\":17,\"ev");
	volume_event(s->mosaic, MOSAIC_EVENT_DROP, "a", NULL);
	assert_next(e, MOSAIC_EVENT_CREATE, "a", "");
	assert_next(e, MOSAIC_EVENT_DROP, "a", "");
	assert_none(e);
	mosaic_events_close(e);
}

/* Events, from that number on, until the file is replaced; the number after the last. */
static unsigned tell_many(struct scratch *s, unsigned first, const char *other)
{
	uint64_t at = size_of(s, "events");
	char name[32];

	for (;; first++) {
		uint64_t now;

		snprintf(name, sizeof(name), "%u", first);
		volume_event(s->mosaic, MOSAIC_EVENT_CREATE, name, other);
		now = size_of(s, "events");
		if (now < at)
			return first + 1;
		at = now;
	}
}

static char *long_text(void)
{
	char *text = malloc(501);

	memset(text, 'o', 500);
	text[500] = '\0';
	return text;
}

static void expect(struct mosaic_events *e, unsigned from, unsigned to, const char *other)
{
	char name[32];

	for (unsigned i = from; i < to; i++) {
		snprintf(name, sizeof(name), "%u", i);
		assert_next(e, MOSAIC_EVENT_CREATE, name, other);
	}
	assert_none(e);
}

static void replacing_the_file_loses_nobody(void **state)
{
	struct scratch *s = *state;
	struct mosaic_events *prompt = follow(s, 0), *slow = follow(s, 0), *all;
	_free_ char *other = long_text();
	unsigned first, second;

	volume_event(s->mosaic, MOSAIC_EVENT_CREATE, "0", other);
	expect(prompt, 0, 1, other);
	first = tell_many(s, 1, other);
	assert_true(size_of(s, "events.old") >= EVENT_LOG_MAX);
	assert_in_range(size_of(s, "events"), 1, 100);
	expect(prompt, 1, first, other);
	volume_event(s->mosaic, MOSAIC_EVENT_CREATE, "more", "");
	assert_true(is_readable(prompt));
	assert_next(prompt, MOSAIC_EVENT_CREATE, "more", "");
	assert_none(prompt);

	/* what is remembered is there for who comes now */
	all = follow(s, MOSAIC_EVENTS_ALL);
	for (unsigned i = 0; i < first; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%u", i);
		assert_next(all, MOSAIC_EVENT_CREATE, name, other);
	}
	assert_next(all, MOSAIC_EVENT_CREATE, "more", "");
	assert_none(all);
	mosaic_events_close(all);

	/* two files were filled and one who never read has them all still */
	second = tell_many(s, first, other);
	for (unsigned i = 0; i < first; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%u", i);
		assert_next(slow, MOSAIC_EVENT_CREATE, name, other);
	}
	assert_next(slow, MOSAIC_EVENT_CREATE, "more", "");
	expect(slow, first, second, other);
	mosaic_events_close(prompt);
	mosaic_events_close(slow);
	assert_missing(s->mosaic->dirfd, "events.new");
}

static void who_is_too_slow_is_told(void **state)
{
	struct scratch *s = *state;
	struct mosaic_events *e = follow(s, 0);
	_free_ char *other = long_text();
	struct mosaic_event got;
	struct error err = { 0 };
	unsigned n[4] = { 0 };
	int r;

	for (size_t i = 1; i < ARRAY_SIZE(n); i++)
		n[i] = tell_many(s, n[i - 1], other);
	for (unsigned i = 0; i < n[1]; i++)
		assert_int_equal(mosaic_events_next(e, &got, &err), 1);
	r = mosaic_events_next(e, &got, &err);
	assert_int_equal(r, -EOVERFLOW);
	assert_non_null(strstr(err.text, "lost"));
	expect(e, n[2], n[3], other);
	mosaic_events_close(e);
}

/* Killed between the two renames: both names are one file. */
static void half_replaced_is_replaced_again(void **state)
{
	struct scratch *s = *state;
	struct mosaic_events *e = follow(s, 0), *all;
	_free_ char *other = long_text();
	unsigned n;

	volume_event(s->mosaic, MOSAIC_EVENT_CREATE, "0", other);
	assert_int_equal(linkat(s->mosaic->dirfd, "events", s->mosaic->dirfd, "events.old", 0), 0);
	assert_int_equal(linkat(s->mosaic->dirfd, "events", s->mosaic->dirfd, "events.new", 0), 0);
	all = follow(s, MOSAIC_EVENTS_ALL);
	expect(all, 0, 1, other);
	mosaic_events_close(all);
	n = tell_many(s, 1, other);
	expect(e, 0, n, other);
	assert_missing(s->mosaic->dirfd, "events.new");
	mosaic_events_close(e);
}

/* Several processes at once, over several files: each event is read exactly once, in each one's
 * order. */
static void writers_do_not_mix(void **state)
{
	enum { WRITERS = 4, EACH = 1500 };
	struct scratch *s = *state;
	struct mosaic_events *e = follow(s, 0);
	_free_ char *other = long_text();
	unsigned seen[WRITERS] = { 0 }, ended = 0;
	pid_t pids[WRITERS];

	for (unsigned w = 0; w < WRITERS; w++) {
		pids[w] = fork();
		assert_true(pids[w] >= 0);
		if (pids[w] > 0)
			continue;
		for (unsigned i = 0; i < EACH; i++) {
			char name[32];

			snprintf(name, sizeof(name), "%u-%u", w, i);
			volume_event(s->mosaic, MOSAIC_EVENT_CREATE, name, other);
		}
		_exit(0);
	}
	while (ended < WRITERS) {
		struct pollfd p = { .fd = mosaic_events_fd(e), .events = POLLIN };
		struct mosaic_event got;
		struct error err = { 0 };

		assert_int_equal(poll(&p, 1, 30000), 1);
		while (mosaic_events_next(e, &got, &err) == 1) {
			unsigned w = 99, i = 99;

			assert_int_equal(sscanf(got.volume, "%u-%u", &w, &i), 2);
			assert_true(w < WRITERS);
			assert_int_equal(i, seen[w]);
			assert_int_equal(got.pid, pids[w]);
			if (++seen[w] == EACH)
				ended++;
		}
		assert_int_equal(err.code, 0);
	}
	for (unsigned w = 0; w < WRITERS; w++) {
		int status = -1;

		assert_int_equal(waitpid(pids[w], &status, 0), pids[w]);
		assert_int_equal(status, 0);
	}
	assert_none(e);
	mosaic_events_close(e);
}

/* One who stopped while he replaces the file keeps nobody from his work. */
static void stopped_writer_blocks_nobody(void **state)
{
	struct scratch *s = *state;
	struct mosaic_events *e = follow(s, 0);
	_close_ int fd = openat(s->mosaic->dirfd, "events", O_RDONLY | O_CLOEXEC);
	int64_t before = time_boot_ns();

	assert_int_equal(flock(fd, LOCK_EX), 0);
	volume_event(s->mosaic, MOSAIC_EVENT_CREATE, "a", "");
	assert_true(time_boot_ns() - before < 5000000000LL);
	assert_none(e);
	assert_int_equal(flock(fd, LOCK_UN), 0);
	volume_event(s->mosaic, MOSAIC_EVENT_CREATE, "b", "");
	assert_next(e, MOSAIC_EVENT_CREATE, "b", "");
	mosaic_events_close(e);
}

static void kinds_have_names(void **state)
{
	(void)state;
	for (int kind = MOSAIC_EVENT_CREATE; kind <= MOSAIC_EVENT_RECEIVE; kind++)
		assert_non_null(mosaic_event_name((enum mosaic_event_kind)kind));
	assert_null(mosaic_event_name((enum mosaic_event_kind)0));
	assert_null(mosaic_event_name((enum mosaic_event_kind)(MOSAIC_EVENT_RECEIVE + 1)));
}

#define PLAIN(test) cmocka_unit_test_setup_teardown(test, plain_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLAIN(what_nobody_follows_is_not_written),
		PLAIN(verbs_tell_what_they_did),
		PLAIN(a_set_that_is_finished_later_is_told),
		PLAIN(what_is_done_is_logged),
		PLAIN(any_name_comes_through),
		PLAIN(damaged_lines_are_passed_over),
		PLAIN(replacing_the_file_loses_nobody),
		PLAIN(who_is_too_slow_is_told),
		PLAIN(half_replaced_is_replaced_again),
		PLAIN(writers_do_not_mix),
		PLAIN(stopped_writer_blocks_nobody),
		cmocka_unit_test(kinds_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
