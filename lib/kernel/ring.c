#include "kernel/ring.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PARTS = 32,        /* the reader says what it let go of in steps of the size by this */
	PIECE = 128 << 10, /* and waits for no less, unless there is no more in a piece */
	SEAL_FUTURE_WRITE = 0x10, /* F_SEAL_FUTURE_WRITE, which only newer C libraries declare */
};

/* ---- both ------------------------------------------------------------------------------------ */

void ring_ends_close(struct ring_ends *e)
{
	cleanup_close(&e->sock);
	cleanup_close(&e->memory);
}

static int map(int fd, size_t size, int protection, void **ret)
{
	void *memory = mmap(NULL, size, protection, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	*ret = memory;
	return 0;
}

/* The maker's mapping, and what the other side gets. Mapped before it is sealed: the seal is for
 * those that come later. */
static int make(size_t size, int protection, int seals, void **ret, int *ret_sock,
		struct ring_ends *ends)
{
	int socks[2], r;

	*ends = (struct ring_ends)RING_ENDS_NONE;
	ends->memory = memfd_create("ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (ends->memory < 0 || ftruncate(ends->memory, (off_t)size) < 0)
		return -errno;
	r = map(ends->memory, size, protection, ret);
	if (r < 0)
		return r;
	if (fcntl(ends->memory, F_ADD_SEALS, seals | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) <
		    0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0) {
		r = -errno;
		munmap(*ret, size);
		*ret = NULL;
		return r;
	}
	*ret_sock = socks[0];
	ends->sock = socks[1];
	return 0;
}

/* What the maker made. */
static int join(const struct ring_ends *ends, int protection, void **ret, size_t *ret_size)
{
	struct stat st;

	if (fstat(ends->memory, &st) < 0)
		return -errno;
	*ret_size = (size_t)st.st_size;
	return map(ends->memory, *ret_size, protection, ret);
}

static int tell(int sock, uint64_t bytes)
{
	ssize_t n;

	do
		n = write(sock, &bytes, sizeof(bytes));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return 0;
}

/* One number. 1, or 0 when the other side has ended. That it ended without having read everything
 * is reported once, and before what it said last. */
static int hear(int sock, uint64_t *ret)
{
	uint64_t bytes = 0;
	ssize_t n;

	do
		n = read(sock, &bytes, sizeof(bytes));
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n == 0)
		return 0;
	if (n < 0)
		return -errno;
	*ret = bytes;
	return n == sizeof(bytes) ? 1 : -EPROTO;
}

/* So many bytes from this place on lie in one piece. */
static size_t in_one_piece(uint64_t at, uint64_t n, size_t size)
{
	size_t before_end = size - at % size;

	return n < before_end ? (size_t)n : before_end;
}

/* ---- the writer ------------------------------------------------------------------------------ */

int ring_make(struct ring *r, size_t size, struct ring_ends *ret)
{
	void *memory = NULL;
	int e;

	*r = (struct ring)RING_NONE;
	e = make(size, PROT_READ | PROT_WRITE, SEAL_FUTURE_WRITE, &memory, &r->sock, ret);
	if (e < 0) {
		ring_ends_close(ret);
		return e;
	}
	r->memory = memory;
	r->size = size;
	return 0;
}

int ring_join(struct ring *r, const struct ring_ends *ends)
{
	void *memory = NULL;
	int e;

	*r = (struct ring){ .sock = ends->sock };
	e = join(ends, PROT_READ | PROT_WRITE, &memory, &r->size);
	r->memory = memory;
	return e;
}

size_t ring_room(const struct ring *r, unsigned char **ret)
{
	*ret = r->memory + r->written % r->size;
	return in_one_piece(r->written, r->size - (r->written - r->released), r->size);
}

int ring_written(struct ring *r, size_t n)
{
	r->written += n;
	return tell(r->sock, r->written);
}

int ring_hear(struct ring *r)
{
	uint64_t released = 0;
	int got = hear(r->sock, &released);

	if (got <= 0)
		return got == 0 ? -EPIPE : got;
	if (released < r->released || released > r->written)
		return -EPROTO;
	r->released = released;
	return 0;
}

void ring_end(struct ring *r)
{
	if (r->sock >= 0)
		shutdown(r->sock, SHUT_WR);
}

void ring_deinit(struct ring *r)
{
	if (r->memory)
		munmap(r->memory, r->size);
	r->memory = NULL;
	cleanup_close(&r->sock);
}

/* ---- the reader ------------------------------------------------------------------------------ */

int ring_make_reader(struct ring_reader *r, size_t size, struct ring_ends *ret)
{
	void *memory = NULL;
	int e;

	*r = (struct ring_reader)RING_READER_NONE;
	e = make(size, PROT_READ, 0, &memory, &r->sock, ret);
	if (e < 0) {
		ring_ends_close(ret);
		return e;
	}
	r->memory = memory;
	r->size = size;
	return 0;
}

int ring_open(struct ring_reader *r, const struct ring_ends *ends)
{
	void *memory = NULL;
	int e;

	*r = (struct ring_reader){ .sock = ends->sock };
	e = join(ends, PROT_READ, &memory, &r->size);
	r->memory = memory;
	return e;
}

size_t ring_there(const struct ring_reader *r, const unsigned char **ret)
{
	*ret = r->memory + r->taken % r->size;
	return in_one_piece(r->taken, r->there - r->taken, r->size);
}

int ring_taken(struct ring_reader *r, size_t n)
{
	int e;

	r->taken += n;
	if (r->ended || r->taken - r->said < r->size / PARTS)
		return 0;
	r->said = r->taken;
	e = tell(r->sock, r->said);
	/* a writer that has gone has said all it had to say, and need not know */
	return e == -EPIPE ? 0 : e;
}

int ring_listen(struct ring_reader *r)
{
	uint64_t there = r->there;
	int got = hear(r->sock, &there);

	r->ended = got == 0;
	if (got < 0)
		return got;
	if (there < r->there || there - r->taken > r->size)
		return -EPROTO;
	r->there = there;
	return 0;
}

static bool is_worth_it(const struct ring_reader *r)
{
	const unsigned char *at;
	size_t n = ring_there(r, &at);

	return n >= PIECE || (n > 0 && n < r->there - r->taken);
}

ssize_t ring_next(struct ring_reader *r, const void **ret)
{
	const unsigned char *at;
	int e = ring_taken(r, r->given);

	r->given = 0;
	while (e == 0 && !r->ended && !is_worth_it(r))
		e = ring_listen(r);
	if (e < 0)
		return e;
	r->given = ring_there(r, &at);
	*ret = at;
	return (ssize_t)r->given;
}

void ring_close(struct ring_reader *r)
{
	if (r->memory)
		munmap((void *)r->memory, r->size);
	r->memory = NULL;
	cleanup_close(&r->sock);
}
