/*
 * Trees through a stream: random ones, chains of changes, and a stream that is cut behind each of
 * its frames and resumed. Two plain directories stand for the two volumes.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "mosaic/stream_tree.h"
#include "trees.h"

static const char id[] = "0123456789abcdef0123456789abcdef";

struct sent {
	int fd; /* a memfd */
	struct error err;
};

/* The stream of root, or of what it has that old (-1) has not. */
static int send_to(int fd, int root, int old, const char *token, struct error *err)
{
	_source_index_ struct source_index index = { 0 }, old_index = { 0 };
	struct stream_progress progress = { 0 };
	_stream_writer_ struct stream_writer w = { 0 };
	struct tree_send t = { &w, root, old, &index, &old_index };
	struct stream_header h = {
		.volume = (char *)"v",
		.id = (char *)id,
		.since = old < 0 ? NULL : (char *)id,
		.stream = (char *)"portable",
		.fs = (char *)"",
	};
	int r = source_scan(root, &index, err);

	if (r == 0 && old >= 0)
		r = source_scan(old, &old_index, err);
	if (r == 0)
		r = stream_writer_begin(&w, fd, &h, token, &progress, err);
	if (r == 0)
		r = stream_send_tree(&t, err);
	return r == 0 ? stream_writer_end(&w, err) : r;
}

static int make_stream(int root, int old, const char *token)
{
	struct error err = { 0 };
	int fd = memfd_create("stream", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_ok(send_to(fd, root, old, token, &err), &err);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* What an interrupted receiver knows. */
struct state {
	struct apply_cursor cursor;
	struct stream_position at;
	uint8_t id[STREAM_DIGEST];
	bool any;
};

/* Applies at most max frames. 1: at the end. */
static int receive_some(int fd, int root, bool incremental, uint64_t max, struct state *s,
			struct error *err)
{
	_stream_reader_ struct stream_reader r = { 0 };
	_stream_header_ struct stream_header h = { 0 };
	_free_ struct apply *a = calloc(1, sizeof(*a));
	_free_ struct stream_record *record = calloc(1, sizeof(*record));
	struct stream_frame frame;
	int n = stream_reader_begin(&r, fd, &h, err);

	a->dir = a->file = -1;
	a->incremental = incremental;
	if (n == 0)
		n = apply_begin(a, root, s->any ? &s->cursor : NULL, err);
	assert_int_equal(r.resumed, s->any);
	if (n == 0 && s->any)
		assert_memory_equal(&r.at, &s->at, sizeof(s->at));
	for (uint64_t i = 0; n == 0 && i < max; i++) {
		n = stream_read(&r, &frame, err);
		if (n == 0) {
			n = apply_end(a, err);
			n = n < 0 ? n : 1;
			break;
		}
		if (n > 0)
			n = stream_record_decode(record, &frame, err);
		if (n == 0)
			n = apply_record(a, record, err);
	}
	s->cursor = a->at;
	s->at = r.at;
	memcpy(s->id, r.id, sizeof(s->id));
	s->any = true;
	apply_deinit(a);
	return n;
}

static void receive(int fd, int root, bool incremental)
{
	struct state s = { 0 };
	struct error err = { 0 };
	int r = receive_some(fd, root, incremental, UINT64_MAX, &s, &err);

	assert_ok(r, &err);
	assert_int_equal(r, 1);
}

static void random_trees_arrive(void **state)
{
	struct scratch *s = *state;

	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct trees t = trees_begin(seed);
		char name[16];
		_close_ int from = -1, to = -1, stream = -1;

		snprintf(name, sizeof(name), "a%u", (unsigned)seed);
		from = trees_directory(s->dirfd, name);
		name[0] = 'b';
		to = trees_directory(s->dirfd, name);
		trees_fill(&t, from, 60);
		stream = make_stream(from, -1, NULL);
		receive(stream, to, false);
		trees_assert_same(from, to);
	}
}

static void copy_by_stream(int from, int to)
{
	_close_ int stream = make_stream(from, -1, NULL);

	receive(stream, to, false);
}

/* Each state of the sender's is sent on from the one before; the receiver has one directory. */
static void changes_arrive(void **state)
{
	struct scratch *s = *state;

	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct trees t = trees_begin(100 + seed);
		char name[32];
		_close_ int to = -1, old = -1;

		snprintf(name, sizeof(name), "to%u", (unsigned)seed);
		to = trees_directory(s->dirfd, name);
		snprintf(name, sizeof(name), "from%u-0", (unsigned)seed);
		old = trees_directory(s->dirfd, name);
		trees_fill(&t, old, 50);
		copy_by_stream(old, to);
		for (unsigned step = 1; step <= 4; step++) {
			_close_ int stream = -1;
			int new;

			snprintf(name, sizeof(name), "from%u-%u", (unsigned)seed, step);
			new = trees_directory(s->dirfd, name);
			copy_by_stream(old, new);
			trees_change(&t, new, 15);
			stream = make_stream(new, old, NULL);
			receive(stream, to, true);
			trees_assert_same(new, to);
			close(old);
			old = new;
		}
	}
}

static void nothing_changed_is_nothing_sent(void **state)
{
	struct scratch *s = *state;
	struct trees t = trees_begin(7);
	_close_ int a = trees_directory(s->dirfd, "a"), b = trees_directory(s->dirfd, "b");
	_close_ int stream = -1;
	struct stat st;

	trees_fill(&t, a, 60);
	copy_by_stream(a, b);
	stream = make_stream(a, b, NULL);
	assert_int_equal(fstat(stream, &st), 0);
	assert_true(st.st_size < 1000);
	receive(stream, b, true);
	trees_assert_same(a, b);
}

/* The same bytes, whatever the file system does. */
static void streams_are_reproducible(void **state)
{
	struct scratch *s = *state;
	struct trees t = trees_begin(8);
	_close_ int a = trees_directory(s->dirfd, "a"), b = trees_directory(s->dirfd, "b");
	_close_ int one = -1, two = -1;
	struct stat x, y;
	void *p, *q;

	trees_fill(&t, a, 60);
	copy_by_stream(a, b);
	one = make_stream(a, -1, NULL);
	two = make_stream(b, -1, NULL);
	assert_int_equal(fstat(one, &x), 0);
	assert_int_equal(fstat(two, &y), 0);
	assert_int_equal(x.st_size, y.st_size);
	p = mmap(NULL, (size_t)x.st_size, PROT_READ, MAP_SHARED, one, 0);
	q = mmap(NULL, (size_t)y.st_size, PROT_READ, MAP_SHARED, two, 0);
	assert_memory_equal(p, q, (size_t)x.st_size);
	munmap(p, (size_t)x.st_size);
	munmap(q, (size_t)y.st_size);
}

/* Behind each frame, with what came later (up to 3 frames) done already but not known. */
static void cut_and_resume(int from, int old, int to, bool incremental, uint64_t cut,
			   unsigned unknown)
{
	_close_ int first = make_stream(from, old, NULL), rest = -1;
	struct state s = { 0 }, later;
	struct error err = { 0 };
	char token[MOSAIC_TOKEN_MAX];
	int r = receive_some(first, to, incremental, cut, &s, &err);

	assert_ok(r, &err);
	if (r == 1)
		return;
	stream_token(token, s.id, &s.at);
	rest = make_stream(from, old, token);
	if (unknown > 0) {
		later = s;
		assert_ok(receive_some(rest, to, incremental, unknown, &later, &err), &err);
		assert_int_equal(lseek(rest, 0, SEEK_SET), 0);
	}
	r = receive_some(rest, to, incremental, UINT64_MAX, &s, &err);
	assert_ok(r, &err);
	assert_int_equal(r, 1);
	trees_assert_same(from, to);
}

static uint64_t count_frames(int from, int old)
{
	_close_ int stream = make_stream(from, old, NULL);
	_stream_reader_ struct stream_reader r = { 0 };
	_stream_header_ struct stream_header h = { 0 };
	struct stream_frame frame;
	struct error err = { 0 };
	int n = stream_reader_begin(&r, stream, &h, &err);

	assert_ok(n, &err);
	do
		n = stream_read(&r, &frame, &err);
	while (n > 0);
	assert_ok(n, &err);
	return r.at.frames;
}

static void cut_anywhere_is_resumed(void **state)
{
	struct scratch *s = *state;
	struct trees t = trees_begin(9);
	_close_ int from = trees_directory(s->dirfd, "from");
	uint64_t n;

	trees_fill(&t, from, 12);
	n = count_frames(from, -1);
	assert_true(n > 30);
	for (uint64_t cut = 0; cut <= n; cut++) {
		_close_ int to = trees_directory(s->dirfd, "to");

		cut_and_resume(from, -1, to, false, cut, (unsigned)(cut % 4));
		assert_int_equal(path_remove_tree(s->dirfd, "to"), 0);
	}
}

static void cut_changes_are_resumed(void **state)
{
	struct scratch *s = *state;
	struct trees t = trees_begin(10);
	_close_ int old = trees_directory(s->dirfd, "old"), new = trees_directory(s->dirfd, "new");
	uint64_t n;

	trees_fill(&t, old, 15);
	copy_by_stream(old, new);
	trees_change(&t, new, 15);
	n = count_frames(new, old);
	assert_true(n > 20);
	for (uint64_t cut = 0; cut <= n; cut++) {
		_close_ int to = trees_directory(s->dirfd, "to");

		copy_by_stream(old, to);
		cut_and_resume(new, old, to, true, cut, (unsigned)(cut % 6));
		assert_int_equal(path_remove_tree(s->dirfd, "to"), 0);
	}
}

/* What was sent already is compared when it is resumed. */
static void what_changed_meanwhile_is_not_resumed(void **state)
{
	struct scratch *s = *state;
	_close_ int from = trees_directory(s->dirfd, "from"), to = trees_directory(s->dirfd, "to");
	_close_ int first = -1, rest = memfd_create("rest", MFD_CLOEXEC);
	struct state known = { 0 };
	struct error err = { 0 };
	char token[MOSAIC_TOKEN_MAX];

	put(from, "a", "one");
	put(from, "b", "two");
	first = make_stream(from, -1, NULL);
	assert_int_equal(receive_some(first, to, false, 4, &known, &err), 0);
	stream_token(token, known.id, &known.at);
	put(from, "a", "six");
	assert_int_equal(send_to(rest, from, -1, token, &err), -ESTALE);
}

enum { DEPTH = 2000 }; /* of directories whose names have one byte: a path has room for no more */

/* Below fd, which is taken; the deepest. */
static int make_deep(int fd)
{
	for (unsigned i = 0; i < DEPTH; i++) {
		int below = trees_directory(fd, "d");

		close(fd);
		fd = below;
	}
	return fd;
}

static int open_deep(int root)
{
	int fd = fcntl(root, F_DUPFD_CLOEXEC, 3);

	for (unsigned i = 0; i < DEPTH; i++) {
		int below = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		assert_true(below >= 0);
		close(fd);
		fd = below;
	}
	return fd;
}

static void depth_costs_no_descriptors(void **state)
{
	struct scratch *s = *state;
	_close_ int from = trees_directory(s->dirfd, "from"), to = trees_directory(s->dirfd, "to");
	int fd = make_deep(fcntl(from, F_DUPFD_CLOEXEC, 3));

	put(fd, "file", "deep");
	close(fd);
	copy_by_stream(from, to);
	fd = open_deep(to);
	assert_file(fd, "file", "deep");
	close(fd);
}

/* The way to the one file that changed is as long as a way can be. */
static void depth_costs_no_stack(void **state)
{
	struct scratch *s = *state;
	_close_ int from = trees_directory(s->dirfd, "from"), to = trees_directory(s->dirfd, "to");
	_close_ int before = trees_directory(s->dirfd, "before"), stream = -1;
	int fd = make_deep(fcntl(before, F_DUPFD_CLOEXEC, 3));

	put(fd, "file", "old");
	close(fd);
	copy_by_stream(before, from);
	copy_by_stream(before, to);
	fd = open_deep(from);
	put(fd, "file", "new");
	close(fd);
	stream = make_stream(from, before, NULL);
	receive(stream, to, true);
	fd = open_deep(to);
	assert_file(fd, "file", "new");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(random_trees_arrive, trees_setup, trees_teardown),
		cmocka_unit_test_setup_teardown(changes_arrive, trees_setup, trees_teardown),
		cmocka_unit_test_setup_teardown(nothing_changed_is_nothing_sent, trees_setup,
						trees_teardown),
		cmocka_unit_test_setup_teardown(streams_are_reproducible, trees_setup,
						trees_teardown),
		cmocka_unit_test_setup_teardown(cut_anywhere_is_resumed, trees_setup,
						trees_teardown),
		cmocka_unit_test_setup_teardown(cut_changes_are_resumed, trees_setup,
						trees_teardown),
		cmocka_unit_test_setup_teardown(what_changed_meanwhile_is_not_resumed, trees_setup,
						trees_teardown),
		cmocka_unit_test_setup_teardown(depth_costs_no_descriptors, trees_setup,
						trees_teardown),
		cmocka_unit_test_setup_teardown(depth_costs_no_stack, trees_setup, trees_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
