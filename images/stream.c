/*
 * The middle of the pipeline: what one helper writes is hashed here and handed to the next, while
 * both work on.
 */
#include <fcntl.h>
#include <signal.h>

#include "images/internal.h"

enum { BLOCK = 512 << 10 };

#define PROGRESS_NS 200000000 /* between two reports */

/* A helper that ends before it has read everything is no reason for this process to die: SIGPIPE is
 * blocked meanwhile, and one that came is taken away. */
struct pipe_guard {
	sigset_t old, pipe;
	bool was_pending;
};

static void guard_begin(struct pipe_guard *g)
{
	sigset_t pending;

	sigemptyset(&g->pipe);
	sigaddset(&g->pipe, SIGPIPE);
	sigpending(&pending);
	g->was_pending = sigismember(&pending, SIGPIPE) == 1;
	sigprocmask(SIG_BLOCK, &g->pipe, &g->old);
}

static void guard_end(struct pipe_guard *g)
{
	static const struct timespec now = { 0 };

	if (!g->was_pending)
		while (sigtimedwait(&g->pipe, NULL, &now) < 0 && errno == EINTR)
			;
	sigprocmask(SIG_SETMASK, &g->old, NULL);
}

/* A little archive that becomes a large tree. Checked all the way, so that a bomb is noticed
 * when it goes off and not when the disk is full. */
static int check_ratio(const struct stream *s, off_t at, struct error *err)
{
	if (s->bytes > LIMIT_ARCHIVE_BYTES)
		return error_set(
			err, -EFBIG,
			"the archive expands to more than %llu bytes (LIMIT_ARCHIVE_BYTES).",
			LIMIT_ARCHIVE_BYTES);
	if (at < 0 || s->bytes <= LIMIT_ARCHIVE_FREE)
		return 0;
	if ((s->bytes - LIMIT_ARCHIVE_FREE) / LIMIT_ARCHIVE_RATIO <= (uint64_t)at)
		return 0;
	return error_set(err, -EFBIG,
			 "the archive expands to more than %d times its size (LIMIT_ARCHIVE_RATIO).",
			 LIMIT_ARCHIVE_RATIO);
}

static int pass_on(struct stream *s, const void *data, size_t len, struct error *err)
{
	int r;

	sha512_update(&s->digest, len, data);
	s->bytes += len;
	r = s->out < 0 ? 0 : write_all(s->out, data, len);
	if (r == -EPIPE)
		s->cut = true;
	return r < 0 && r != -EPIPE ? error_set(err, r, "cannot write %s", s->what) : 0;
}

static int run(struct stream *s, char *block, struct error *err)
{
	int64_t next_report = 0;
	ssize_t n = 1;
	int r = 0;

	while (r == 0 && !s->cut) {
		off_t at;

		n = read(s->in, block, BLOCK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(err, -errno, "cannot read %s", s->what);
		if (n == 0)
			return 0;
		at = s->archive < 0 ? -1 : lseek(s->archive, 0, SEEK_CUR);
		r = pass_on(s, block, (size_t)n, err);
		if (r == 0)
			r = check_ratio(s, at, err);
		if (s->progress && time_boot_ns() >= next_report) {
			s->progress->report(s->progress->arg, s->what,
					    at < 0 ? s->bytes : (uint64_t)at, s->archive_size);
			next_report = time_boot_ns() + PROGRESS_NS;
		}
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
	sha512_init(&s->digest);
	guard_begin(&guard);
	r = run(s, block, err);
	guard_end(&guard);
	return r;
}

void stream_id(struct stream *s, char ret[STORE_ID_TEXT])
{
	unsigned char digest[SHA512_DIGEST_SIZE];

	sha512_digest(&s->digest, sizeof(digest), digest);
	memcpy(ret, "sha512-", 7);
	hex_encode(ret + 7, digest, sizeof(digest));
}
