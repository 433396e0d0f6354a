/*
 * The middle of the pipeline: what one helper writes is hashed here and handed to the next, while
 * both work on.
 */
#include <assert.h>
#include <fcntl.h>
#include <nettle/nettle-meta.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#include "images/behind.h"
#include "images/internal.h"
#include "kernel/kernel.h"

enum {
	BLOCK = 512 << 10,
	WATCH_STEP = 4 << 20, /* bytes between two looks at the archive's position */
};

#define PROGRESS_NS 200000000 /* between two reports */

/* A helper that ends before it has read everything is no reason for this process to die: SIGPIPE is
 * blocked meanwhile, and one that came is taken away. Signals that somebody may catch who wants to
 * end come between two blocks, and at no other time. */
struct pipe_guard {
	sigset_t old, pipe;
	bool was_pending;
};

static void pipe_guard_begin(struct pipe_guard *g)
{
	sigset_t pending, held;

	sigemptyset(&g->pipe);
	sigaddset(&g->pipe, SIGPIPE);
	sigpending(&pending);
	g->was_pending = sigismember(&pending, SIGPIPE) == 1;
	held = g->pipe;
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGHUP);
	sigprocmask(SIG_BLOCK, &held, &g->old);
}

/* A signal of the caller's that came is -EINTR. timeout NULL: waits for fd too, or for a signal.
 * What is ready already hides a signal from ppoll(), so run() also asks for that alone. */
static int guard_poll(const struct pipe_guard *g, struct pollfd *p, const struct timespec *timeout,
		      struct error *err)
{
	sigset_t mask = g->old;

	sigaddset(&mask, SIGPIPE);
	if (ppoll(p, p ? 1 : 0, timeout, &mask) >= 0)
		return 0;
	return error_set(err, -errno, errno == EINTR ? "interrupted by a signal." : "cannot wait");
}

static int guard_wait(const struct pipe_guard *g, int fd, struct error *err)
{
	return guard_poll(g, &(struct pollfd){ .fd = fd, .events = POLLIN }, NULL, err);
}

static int pipe_guard_check(const struct pipe_guard *g, struct error *err)
{
	static const struct timespec now = { 0 };

	return guard_poll(g, NULL, &now, err);
}

static void pipe_guard_end(struct pipe_guard *g)
{
	static const struct timespec now = { 0 };

	if (!g->was_pending)
		while (sigtimedwait(&g->pipe, NULL, &now) < 0 && errno == EINTR)
			;
	sigprocmask(SIG_SETMASK, &g->old, NULL);
}

struct watch {
	off_t at; /* in the archive, -1: unknown */
	uint64_t next_bytes;
	int64_t next_report;
};

/* A little archive that becomes a large tree. Checked all the way, so that a bomb is noticed
 * when it goes off and not when the disk is full. */
static int check_ratio(const struct stream *s, off_t at, struct error *err)
{
	uint64_t bytes = s->bytes_before + s->bytes;

	if (bytes > LIMIT_ARCHIVE_BYTES)
		return error_set(err, -EFBIG,
				 "%s expands to more than %llu bytes (LIMIT_ARCHIVE_BYTES).",
				 s->what, LIMIT_ARCHIVE_BYTES);
	if (at < 0 || bytes <= LIMIT_ARCHIVE_FREE)
		return 0;
	if ((bytes - LIMIT_ARCHIVE_FREE) / LIMIT_ARCHIVE_RATIO <= s->archive_before + (uint64_t)at)
		return 0;
	return error_set(err, -EFBIG,
			 "%s expands to more than %d times its size (LIMIT_ARCHIVE_RATIO).",
			 s->what, LIMIT_ARCHIVE_RATIO);
}

/* The part of it that is in the pipe now goes on, without being copied: both pipes then hold
 * the same pages. What was passed on is read after. *ret: how much, 0 at the end. */
static int pass_on(struct stream *s, size_t *ret, struct error *err)
{
	ssize_t n;

	n = tee(s->in, s->out, BLOCK, 0);
	if (n < 0 && errno == EPIPE) {
		s->cut = true;
		n = 0;
	}
	*ret = n < 0 ? 0 : (size_t)n;
	return n < 0 ? error_set(err, -errno, "cannot pass on %s", s->what) : 0;
}

static int take(struct stream *s, char *block, size_t want, size_t *ret, struct error *err)
{
	ssize_t n = read(s->in, block, want);

	if (n < 0)
		return error_set(err, -errno, "cannot read %s", s->what);
	*ret = (size_t)n;
	s->hash->update(s->digest, (size_t)n, (const uint8_t *)block);
	s->bytes += (uint64_t)n;
	return 0;
}

static int put(struct stream *s, const char *block, size_t len, struct error *err)
{
	int r = s->out < 0 ? 0 : write_all(s->out, block, len);

	if (r == -EPIPE)
		s->cut = true;
	return r < 0 && r != -EPIPE ? error_set(err, r, "cannot pass on %s", s->what) : 0;
}

/* One block of a file, or of a pipe that goes nowhere. *ret 0: the end. */
static int copy_block(struct stream *s, char *block, size_t *ret, struct error *err)
{
	int r = take(s, block, BLOCK, ret, err);

	return r == 0 && *ret ? put(s, block, *ret, err) : r;
}

/* The same from pipe to pipe. */
static int tee_block(struct stream *s, char *block, size_t *ret, struct error *err)
{
	size_t left, n = 1;
	int r = pass_on(s, ret, err);

	for (left = *ret; r == 0 && left && n; left -= n)
		r = take(s, block, left, &n, err);
	return r;
}

/* Some bytes to there: their number, 0 at the end. From a ring they are copied, for whoever wrote
 * them could change them there. */
static ssize_t read_some(struct stream *s, unsigned char *to, size_t max)
{
	const unsigned char *at;
	size_t n;
	int r;

	if (!s->from) {
		ssize_t came = read(s->in, to, max);

		return came < 0 ? -errno : came;
	}
	n = ring_there(s->from, &at);
	n = n < max ? n : max;
	memcpy(to, at, n);
	r = ring_taken(s->from, n);
	return r < 0 ? r : (ssize_t)n;
}

/* Read to where it stays: who gets it sees what is hashed, at the same time. */
static int share_block(struct stream *s, _unused_ char *block, size_t *ret, struct error *err)
{
	unsigned char *at;
	size_t room = ring_room(s->ring, &at);
	ssize_t n = read_some(s, at, room < BLOCK ? room : BLOCK);
	int r;

	*ret = n < 0 ? 0 : (size_t)n;
	if (n < 0)
		return error_set(err, (int)n, "cannot read %s", s->what);
	r = n == 0 ? 0 : ring_written(s->ring, (size_t)n);
	s->cut = r == -EPIPE;
	if (r < 0 && !s->cut)
		return error_set(err, r, "cannot pass on %s", s->what);
	s->hash->update(s->digest, (size_t)n, at);
	s->bytes += (uint64_t)n;
	return 0;
}

static int wait_for_writer(struct ring_reader *from, const struct pipe_guard *g, struct error *err)
{
	const unsigned char *at;
	int r = 0;

	while (r == 0 && !from->ended && ring_there(from, &at) == 0) {
		r = guard_wait(g, from->sock, err);
		if (r == 0)
			r = ring_listen(from);
	}
	return r;
}

/* Until there is something to read, or the end. */
static int wait_for_more(struct stream *s, const struct pipe_guard *g, struct error *err)
{
	int r;

	if (!s->from)
		return guard_wait(g, s->in, err);
	r = wait_for_writer(s->from, g, err);
	return r < 0 && !(err && err->code) ? error_set(err, r, "cannot read %s", s->what) : r;
}

/* Until the ring has room. */
static int wait_for_room(struct stream *s, const struct pipe_guard *g, struct error *err)
{
	unsigned char *at;
	int r = 0;

	while (r == 0 && !s->cut && ring_room(s->ring, &at) == 0) {
		r = guard_wait(g, s->ring->sock, err);
		if (r < 0)
			return r;
		r = ring_hear(s->ring);
		s->cut = r == -EPIPE;
	}
	return r < 0 && !s->cut ? error_set(err, r, "cannot pass on %s", s->what) : 0;
}

static bool is_pipe(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

/* How much of the archive was read. To ask for it too often keeps whoever reads the archive waiting
 * and this process with it: both hold the descriptor for that. */
static int look_at_archive(struct stream *s, struct watch *w, bool last, struct error *err)
{
	int r = 0;

	if (last || s->bytes >= w->next_bytes) {
		w->at = s->archive < 0 ? -1 : lseek(s->archive, 0, SEEK_CUR);
		r = check_ratio(s, w->at, err);
		w->next_bytes = s->bytes + WATCH_STEP;
	}
	if (s->progress && time_boot_ns() >= w->next_report) {
		s->progress->report(s->progress->arg, s->what,
				    w->at < 0 ? s->bytes : (uint64_t)w->at, s->archive_size);
		w->next_report = time_boot_ns() + PROGRESS_NS;
	}
	return r;
}

/* If the rest of the archive is like what came of it. */
static uint64_t estimate_left(const struct stream *s, const struct watch *w)
{
	uint64_t at = w->at > 0 ? (uint64_t)w->at : 0;

	if (at == 0 || s->others_follow)
		return UINT64_MAX;
	if (at >= s->archive_size)
		return 0;
	return (uint64_t)((double)s->bytes / (double)at * (double)(s->archive_size - at));
}

static void tell_behind(const struct stream *s, const struct watch *w)
{
	behind_note(s->behind, s->bytes_before + s->bytes, estimate_left(s, w));
}

typedef int (*step_fn)(struct stream *s, char *block, size_t *ret, struct error *err);

static step_fn choose(const struct stream *s)
{
	if (s->ring)
		return share_block;
	return is_pipe(s->in) && is_pipe(s->out) ? tee_block : copy_block;
}

static int run(struct stream *s, const struct pipe_guard *g, char *block, struct error *err)
{
	step_fn step = choose(s);
	struct watch watch = { .at = -1 };
	size_t n = 1;
	int r = 0;

	while (r == 0 && n && !s->cut) {
		r = pipe_guard_check(g, err);
		if (r == 0 && s->ring)
			r = wait_for_room(s, g, err);
		if (r < 0 || s->cut)
			return r;
		r = wait_for_more(s, g, err);
		if (r == 0)
			r = step(s, block, &n, err);
		if (r == 0)
			r = look_at_archive(s, &watch, n == 0 || s->cut, err);
		if (s->behind)
			tell_behind(s, &watch);
	}
	return r;
}

int stream_run(struct stream *s, struct error *err)
{
	_free_ char *block = malloc(BLOCK);
	struct pipe_guard guard;
	int r;

	if (!block)
		return error_set(err, -ENOMEM, "out of memory");
	assert(s->hash->context_size <= sizeof(s->digest));
	s->hash->init(s->digest);
	pipe_guard_begin(&guard);
	r = run(s, &guard, block, err);
	pipe_guard_end(&guard);
	return r;
}

void stream_digest(struct stream *s, unsigned char *ret)
{
	s->hash->digest(s->digest, s->hash->digest_size, ret);
}

void stream_id(struct stream *s, char ret[STORE_ID_TEXT])
{
	unsigned char digest[SHA512_DIGEST_SIZE];

	assert(s->hash->digest_size == sizeof(digest));
	stream_digest(s, digest);
	memcpy(ret, "sha512-", 7);
	hex_encode(ret + 7, digest, sizeof(digest));
}
